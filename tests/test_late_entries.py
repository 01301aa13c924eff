"""An activation that is added while the program runs: one decorated function, and all know it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

SCRIPT = '''
import contextlib, io, json, os, torch, vgrad
from vgrad import portrait, reference
from vgrad.cli import main
from vgrad.parts.activations import ACTIVATIONS

LINE = "vgrad run activation=bent_line"
SMALL = ("depth=2", "width=8", "steps=3")

def typed(*words, line=""):
    os.environ["COMP_LINE"] = line
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(words)
    return status, out.getvalue(), err.getvalue()

vgrad.run(*SMALL, "name=before")
vgrad.sweep("activation=relu,tanh", *SMALL, "name=sweep-before")
typed("list")
typed("-sc", "query=bash", line="vgrad run activation=b")

@ACTIVATIONS.entry(source="a test", kinks=(0.0,), matched="he_uniform", ranges={"slope": (0, 1)})
def bent_line(z: torch.Tensor, *, slope: float = 0.5) -> torch.Tensor:
    """φ(z) = z for z > 0, else slope · z."""
    return torch.where(z > 0, z, slope * z)

COLUMNS = ["status", "activation", "activation.slope", "resolved_init"]
one = vgrad.run("activation=bent_line", "activation.slope=0.25", *SMALL, "name=one")
many = vgrad.sweep("activation=bent_line,relu", "seed=0,1", *SMALL, "name=many")
layers = many.layers[many.layers.run_id.isin(many.runs.run_id[many.runs.activation == "bent_line"])]
document = {
    "one": one.runs[COLUMNS].to_dict("records"),
    "many": many.runs[["status", "activation"]].to_dict("records"),
    "delta": layers.delta_rms.tolist(),
    "listed": json.loads(typed("list", "activations", "--json")[1])["activations"][-1],
    "table": typed("list", "activations"),
    "help": typed("run", "--help"),
    "complete name": typed("-sc", "query=bash", line="vgrad run activation=ben"),
    "complete setting": typed("-sc", "query=bash", line=f"{LINE} activation.s"),
    "slip": typed("run", "activation=bent_lien"),
    "slip of a setting": typed("run", "activation=bent_line", "activation.slop=1"),
    "out of range": typed("run", "activation=bent_line", "activation.slope=2"),
    "plot": typed("list", "activations", "--plot", "all.svg"),
    "page": reference.page(ACTIVATIONS),
}
print(json.dumps(document))
'''


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a process says of an activation that it got after its first runs."""
    folder = tmp_path_factory.mktemp("late")
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    document: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return document | {"picture": (folder / "all.svg").read_text()}


def test_it_trains_with_its_settings_from_the_init_that_it_asks_for(late):
    assert late["one"] == [
        {
            "status": "completed",
            "activation": "bent_line",
            "activation.slope": 0.25,
            "resolved_init": "he_uniform",
        }
    ]


def test_it_is_swept_beside_others(late):
    assert sorted(run["activation"] for run in late["many"]) == ["bent_line"] * 2 + ["relu"] * 2
    assert {run["status"] for run in late["many"]} == {"completed"}
    assert all(delta > 0 for delta in late["delta"])


def test_it_is_listed(late):
    assert late["listed"] == {
        "name": "bent_line",
        "formula": "φ(z) = z for z > 0, else slope · z.",
        "settings": {"slope": 0.5},
        "source": "a test",
    }
    status, out, err = late["table"]
    assert (status, err) == (0, "")
    assert " bent_line " in out
    assert "activation.slope=0.5" in out
    assert "|bent_line" in late["help"][1]


def test_the_shell_completes_it(late):
    assert late["complete name"][1].strip() == "activation=bent_line"
    assert late["complete setting"][1].strip() == "activation.slope="


def test_a_slip_is_answered_with_it(late):
    status, _, err = late["slip"]
    assert status == 2
    assert "Did you mean 'bent_line'?" in err
    assert "Did you mean 'slope'?" in late["slip of a setting"][2]
    assert "activation.slope must be at least 0 and at most 1, not 2.0" in late["out of range"][2]


def test_it_is_drawn_and_documented(late):
    assert late["plot"][0] == 0
    assert ">bent_line</text>" in late["picture"]
    assert "## bent_line\n\nφ(z) = z for z > 0, else slope · z.\n" in late["page"]

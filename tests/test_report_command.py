"""The command that repeats a run, as a report shows it: short, safe, and whole where it must be."""

from __future__ import annotations

import base64
import gzip
import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from reporting import build_unpainted, content, report, write_run
from vgrad.report.command import repeating
from vgrad.report.markdown import as_markdown

BRIEF = ["activation=sigmoid", "init=xavier_normal", "depth=2"]
FEW: dict[str, Any] = {"depth": 2, "steps": [0, 1]}


def overrides_of(folder: Path, **wishes: Any) -> list[str]:
    made = content(folder, **wishes)
    return repeating(made.runs[0], made.settings(made.runs[0]), made.veil)


def test_the_page_and_the_markdown_show_the_overrides_that_were_recorded(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", command=BRIEF, **FEW)
    told = "vgrad run activation=sigmoid init=xavier_normal depth=2"
    outline = report(run)
    assert f"{told} A setting that it does not name has the default" in outline.text
    assert f"```sh\n{told}\n```" in as_markdown(content(run))


def test_an_older_run_is_repeated_by_all_its_settings(tmp_path: Path) -> None:
    words = overrides_of(write_run(tmp_path / "run", **FEW))
    assert {"optimizer.lr=0.01", "width=64", "batch_size=64", "dtype=float32"} <= {*words}


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf ~",
        [],
        [3],
        ["depth=2", None],
        ["; rm -rf ~"],
        ["--open"],
        ["=2"],
        {"depth": 2},
        ["depth=2"] * 1000,
    ],
)
def test_what_is_no_list_of_overrides_is_not_shown_as_a_command(
    command: Any, tmp_path: Path
) -> None:
    words = overrides_of(write_run(tmp_path / "run", command=command, **FEW))
    assert "optimizer.lr=0.01" in words
    assert not [word for word in words if "rm" in word.split("=")[0] or word.startswith("-")]


def test_a_value_that_a_shell_would_obey_is_quoted(tmp_path: Path) -> None:
    hostile = ["activation=sigmoid", "data.note=$(rm -rf ~); `true`"]
    text = as_markdown(content(write_run(tmp_path / "run", command=hostile, **FEW)))
    line = next(line for line in text.splitlines() if line.startswith("vgrad run"))
    assert shlex.split(line)[2:] == hostile


def test_an_anonymous_command_names_no_place(tmp_path: Path) -> None:
    told = [*BRIEF, "data.root=/home/alice/data", "data.path=secret.csv", "name=mine"]
    words = overrides_of(write_run(tmp_path / "run", command=told, **FEW), anonymous=True)
    assert words == [*BRIEF, "data.root=(left out)"]


def test_the_runs_of_a_sweep_share_what_is_alike_in_their_commands(tmp_path: Path) -> None:
    for seed in range(3):
        write_run(tmp_path / f"{seed}", command=[*BRIEF, f"seed={seed}"], seed=seed, **FEW)
    page = build_unpainted([tmp_path]).read_text(encoding="utf-8")
    data = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    runs = json.loads(gzip.decompress(base64.b64decode(data["runs"])))
    assert runs["command"] == "vgrad run activation=sigmoid init=xavier_normal depth=2"
    assert [row["command"] for row in runs["rows"]] == ["seed=0", "seed=1", "seed=2"]

"""The verbs that show things, the help, completion, and how the program ends."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

from commands import SMALL, assert_refused
from vgrad import options, pack
from vgrad.config import REGISTRIES


def test_list_json_holds_every_entry_with_its_facts(typed):
    document = json.loads(typed("list", "--json").out)
    assert list(document) == [
        "activations",
        "inits",
        "losses",
        "optimizers",
        "datasets",
        "models",
    ]
    for registry in REGISTRIES.values():
        listed = {entry["name"]: entry for entry in document[registry.plural]}
        assert listed.keys() == registry.keys()
        for name, entry in registry.items():
            assert listed[name]["formula"] == entry.formula
            assert listed[name]["settings"] == entry.settings
            assert listed[name]["source"] == entry.source


@pytest.mark.parametrize("kind", ["activation", "activations"])
def test_list_takes_the_singular_and_the_plural(kind, typed):
    assert list(json.loads(typed("list", kind, "--json").out)) == ["activations"]


def test_list_answers_a_kind_that_is_none_with_the_nearest_one(typed):
    assert_refused(typed("list", "optimisers"), "No kind is named", "Did you mean 'optimizers'?")


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_list_can_be_read_at_any_width(columns, typed, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    shown = typed("list")
    assert max(map(cell_len, shown.out.splitlines())) <= int(columns)
    assert "\x1b" not in shown.out
    for registry in REGISTRIES.values():
        assert all(f" {name} " in shown.out for name in registry)
    joined = "".join(shown.out.split())
    assert "optimizer.lr=0.02" in joined
    assert "model.bias=true" in joined


def test_ls_in_a_folder_without_runs_says_how_to_make_one(typed):
    for line in (["ls"], ["ls", "."]):
        ended = typed(*line)
        assert (ended.status, ended.err) == (0, "")
        assert "`vgrad run` makes one" in ended.out
    assert json.loads(typed("ls", "--json").out) == {"runs": [], "problems": []}


def test_ls_shows_every_run_and_names_what_it_cannot_read(untrained):
    untrained("run", "name=good")
    untrained("run", "name=bad")
    Path("runs/bad/run.json").write_text("{")
    shown = untrained("ls")
    assert shown.status == 0
    assert "good" in shown.out
    assert "completed" in shown.out
    assert "healthy" in shown.out
    assert "runs/bad/run.json cannot be read" in shown.err
    document = json.loads(untrained("ls", "--json").out)
    assert [run["path"] for run in document["runs"]] == ["runs/good"]
    assert len(document["problems"]) == 1


def test_ls_shows_names_that_would_move_the_cursor_as_what_they_are(untrained):
    untrained("run", "name=here")
    Path("runs/here").rename("runs/a\x1b[2Jb")
    shown = untrained("ls")
    assert "\x1b" not in shown.out
    assert r"a\x1b[2Jb" in shown.out


def test_ls_takes_one_run_as_well(untrained):
    untrained("run", "name=here")
    assert "here" in untrained("ls", "runs/here").out


def test_report_says_where_the_page_is(typed):
    typed("run", "name=here", *SMALL)
    ended = typed("report", "runs/here", "--out", "page")
    assert ended.status == 0, ended.err
    assert Path(ended.out.strip()) == Path("page/index.html")
    assert Path(ended.out.strip()).exists()


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["help"]])
def test_help_names_every_verb(words, typed):
    ended = typed(*words)
    assert ended.status == 0
    assert all(f"vgrad {verb}" in ended.out for verb in options.VERBS)


@pytest.mark.parametrize("verb", options.VERBS)
def test_every_verb_has_a_help(verb, typed):
    ended = typed(verb, "--help")
    assert ended.status == 0
    assert ended.out.startswith(f"usage: vgrad {verb}")


def test_the_help_of_run_names_every_key(typed):
    shown = typed("run", "--help").out
    assert all(f"  {kind}=" in shown for kind in REGISTRIES)
    assert "  depth=10\n" in shown
    assert "  probe.every=null\n" in shown


def test_the_version_is_told(typed):
    assert typed("--version").out.startswith("vgrad ")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("vgrad r", "run report"),
        ("vgrad ", " ".join(options.VERBS)),
        ("vgrad run activation=sig", "activation=sigmoid"),
        ("vgrad run --json activation=elu activation.a", "activation.alpha="),
        ("vgrad sweep depth=1,2 init=xavier", "init=xavier_normal init=xavier_uniform"),
        ("vgrad run prob", "probe."),
        ("vgrad list ", "activations inits losses optimizers datasets models"),
        ("vgrad report ", ""),
        ("vgrad study l", "learning_rate losses"),
        ("vgrad study depth optimizer=a", "optimizer=adagrad optimizer=adam optimizer=adamw"),
        ("vgrad run s", "seed= steps="),
        ("vgrad run depth=[ acti", ""),
    ],
)
def test_the_shell_is_told_what_could_follow(line, words, typed, monkeypatch):
    monkeypatch.setenv("COMP_LINE", line)
    ended = typed("-sc", "query=bash")
    assert (ended.status, ended.out.strip(), ended.err) == (0, words, "")


def test_completion_works_in_bash(tmp_path):
    script = """
        eval "$(vgrad -sc install=bash)"
        COMP_LINE="vgrad run activation=t" COMP_POINT=22 COMP_CWORD=2
        hydra_bash_completion
        echo "${COMPREPLY[@]}"
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout.strip() == "activation=tanh", ended.stderr


def test_a_fault_of_ours_is_told_in_one_line_and_has_status_1(untrained, monkeypatch):
    def fail(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(pack, "execute", fail)
    ended = untrained("run", "--json")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == (
        "vgrad: A fault of vgrad: ZeroDivisionError: division by zero. VGRAD_DEBUG=1 shows where.\n"
    )
    monkeypatch.setenv("VGRAD_DEBUG", "1")
    assert "Traceback" in untrained("run").err


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    line = f"{sys.executable} -m vgrad list | head -1; echo ${{PIPESTATUS[0]}}"
    ended = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.stderr == ""
    assert ended.stdout.splitlines()[-1] == "0"


def test_a_command_called_by_another_program_leaves_its_garbage_collection_as_it_is(typed):
    before = gc.get_threshold(), gc.get_freeze_count()
    typed("list")
    assert (gc.get_threshold(), gc.get_freeze_count()) == before

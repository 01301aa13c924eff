"""Where a run may be written, and where it may not."""

from __future__ import annotations

import os
from pathlib import Path

from commands import assert_refused
from vgrad.store import RunWriter, read_run


def test_a_folder_that_holds_another_config_is_refused_with_what_differs(untrained):
    untrained("run", "name=here", "depth=3")
    before = read_run("runs/here").document
    assert_refused(untrained("run", "name=here", "depth=4"), "depth is 3 there and 4 here")
    assert_refused(
        untrained("run", "name=here", "depth=3", "activation=elu"),
        "activation is relu there and elu here, activation.alpha is None there and 1.0 here",
    )
    assert read_run("runs/here").document == before


def test_a_folder_that_holds_something_else_is_refused(untrained):
    Path("runs/here").mkdir(parents=True)
    Path("runs/here/thesis.tex").touch()
    assert_refused(untrained("run", "name=here"), "something else than a run: 'thesis.tex'")
    assert_refused(untrained("sweep", "name=here"), "something else than a sweep")
    assert [path.name for path in Path("runs/here").iterdir()] == ["thesis.tex"]


def test_a_folder_with_a_damaged_run_is_refused_by_name(untrained):
    untrained("run", "name=here")
    Path("runs/here/run.json").write_text("{")
    assert_refused(untrained("run", "name=here"), "runs/here/run.json cannot be read", "Delete")


def test_a_folder_that_another_vgrad_writes_is_refused(untrained):
    untrained("run", "name=here")
    with RunWriter("runs/here", "0" * 12, {}, {}):
        assert_refused(untrained("run", "name=here"), "is being written by another vgrad")


def test_what_was_left_by_an_interrupted_start_is_no_obstacle(untrained):
    Path("runs/here/.hydra").mkdir(parents=True)
    assert untrained("run", "name=here").status == 0


def test_runs_that_is_a_file_is_refused(untrained):
    Path("runs").touch()
    assert_refused(untrained("run", "name=here"), "is not a folder")


def test_runs_that_may_not_be_written_is_refused(untrained, monkeypatch):
    Path("runs").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "runs")
    assert_refused(untrained("run", "name=here"), "runs is write-protected for you")
    assert list(Path("runs").iterdir()) == []


def test_a_folder_that_cannot_be_made_after_all_is_told(untrained, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert_refused(untrained("run", "name=here"), "runs/here cannot be written: Permission denied")

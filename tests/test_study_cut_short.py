"""A study that is ended while its page is drawn: the runs are whole, and it says so."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reporting import write_run
from vgrad import store
from vgrad.interrupt import Interrupted
from vgrad.store import Frames
from vgrad.study import carry_out
from vgrad.study_file import Study


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`carry_out` for a study whose two runs are there, with something in the place of its page."""
    folder = tmp_path / "runs" / "a study"
    for seed in range(2):
        write_run(folder / f"{seed}", depth=2, seed=seed, steps=[0, 1])
    monkeypatch.setattr("vgrad.study.sweep", lambda *parts: folder)

    def carried_out(build: Any, told: list[str]) -> Any:
        monkeypatch.setattr("vgrad.study.build", build)
        tiny = Study("tiny", tmp_path / "tiny.yaml", "Why?", (("depth=2",),), ())
        request: Any = SimpleNamespace(overrides=(), config_name=None, config_dir=None)
        return carry_out(tiny, request, lambda: None, lambda: None, told.append)  # type: ignore[arg-type,return-value]

    return carried_out


@pytest.mark.parametrize("end", [KeyboardInterrupt(), Interrupted(15)])
def test_it_says_that_the_runs_are_whole_and_what_draws_the_page(
    study: Any, end: BaseException
) -> None:
    def stopped(*parts: Any, **more: Any) -> Path:
        raise end

    told: list[str] = []
    with pytest.raises(type(end)):
        study(stopped, told)
    (line,) = told
    assert "The runs are whole" in line
    assert "`vgrad report '" in line
    assert "a study'`" in line


def test_its_runs_are_read_once(study: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Frames] = []
    given: list[Frames] = []
    load = store.load

    def counted(*paths: Any) -> Frames:
        loaded.append(load(*paths))
        return loaded[-1]

    def drawn(folders: list[Path], *, frames: Frames, **more: Any) -> Path:
        given.append(frames)
        return folders[0]

    monkeypatch.setattr("vgrad.store.load", counted)
    told: list[str] = []
    assert study(drawn, told).runs == 2
    assert given == loaded
    assert len(loaded) == 1
    assert told == []

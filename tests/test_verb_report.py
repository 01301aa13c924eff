"""`vgrad report` as it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from reporting import write_run
from vgrad.errors import ConfigError
from vgrad.verbs.report import main


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for seed in range(2):
        write_run(tmp_path / "runs" / f"{seed}", seed=seed, depth=3, steps=[0, 1])
    return tmp_path / "runs"


def test_it_says_where_the_first_of_the_formats_is(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([str(runs), "--format", "latex,csv"])
    assert capsys.readouterr().out == f"{runs / 'report' / 'tables' / 'arms.tex'}\n"
    main([str(runs), "--format", "csv", "--format", "latex", "--out", str(runs / "out")])
    assert capsys.readouterr().out == f"{runs / 'out' / 'tables' / 'arms.csv'}\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--format", "pdf"], "No format is named 'pdf'"),
        (["--format", ","], "No format is given"),
        (["--hue", "activation"], "activation"),
        (["--anonymus"], "--anonymous"),
    ],
)
def test_a_slip_is_told_with_what_is_valid(runs: Path, words: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        main([str(runs), *words])


def test_a_large_sweep_is_told_of_line_by_line(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main([str(runs), "--format", "csv"])
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("vgrad.verbs.report.LARGE", 2)
    main([str(runs), "--format", "csv"])
    assert "vgrad report: judging the runs …\n" in capsys.readouterr().err


def test_runs_that_cannot_be_read_are_named_on_standard_error(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (runs / "0" / "run.json").write_text("{")
    main([str(runs), "--format", "csv"])
    told = capsys.readouterr()
    assert str(runs / "0" / "run.json") in told.err
    assert told.out == f"{runs / 'report' / 'tables' / 'arms.csv'}\n"

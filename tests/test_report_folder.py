"""What a report leaves on disk, and what it leaves alone."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reporting import build_unpainted, write_run
from vgrad.errors import StoreError, WriteError
from vgrad.report import build
from vgrad.report.tables import write_tables

FEW: dict[str, Any] = {"depth": 2, "steps": [0, 1]}


def test_the_same_runs_give_the_same_report(tmp_path: Path) -> None:
    run = write_run(tmp_path / "selu", activation="selu", init="lecun_normal", **FEW)
    for out in ("a", "b"):
        build([run], tmp_path / out)
    files = [p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file()]
    assert files
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def test_tables_keep_nan_and_infinity_and_disarm_formulas(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "text": ["=1+1", "+x", "-x", "@x", "plain", None],
            "number": [1e-30, -2.5, np.inf, -np.inf, np.nan, 0.0],
            "whole": range(6),
        }
    )
    write_tables(tmp_path / "tables", {"t": frame})
    rows = [line.split(",") for line in (tmp_path / "tables" / "t.csv").read_text().splitlines()]
    assert [row[0].strip('"') for row in rows] == [
        "text", "'=1+1", "'+x", "'-x", "'@x", "plain", "",
    ]  # fmt: skip
    assert [row[1] for row in rows[1:]] == ["1e-30", "-2.5", "inf", "-inf", "nan", "0"]
    assert [row[2] for row in rows[1:]] == list("012345")


def test_a_report_replaces_the_one_before_and_nothing_else(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", **FEW)
    folder = build_unpainted([run]).parent
    (folder / "notes.txt").write_text("mine")
    (folder / "figures" / "old.svg").write_text("of an earlier report")
    assert build_unpainted([run]).parent == folder
    assert (folder / "notes.txt").read_text() == "mine"
    assert not (folder / "figures" / "old.svg").exists()
    assert [path.name for path in run.iterdir() if path.name.startswith(".report")] == []


@pytest.mark.parametrize("name", ["index.html", "figures", "tables"])
def test_what_no_report_left_is_not_written_over(name: str, tmp_path: Path) -> None:
    run, out = write_run(tmp_path / "run", **FEW), tmp_path / "mine"
    out.mkdir()
    (out / name).mkdir()
    with pytest.raises(StoreError, match="no report of vgrad"):
        build([run], out)
    assert [path.name for path in out.iterdir()] == [name]


def test_a_report_that_fails_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(tmp_path / "run", **FEW)
    before = build_unpainted([run]).read_bytes()

    def full(folder: Path, frames: dict[str, pd.DataFrame]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys.modules["vgrad.report.formats"], "write_tables", full)
    with pytest.raises(WriteError, match="No space left"):
        build_unpainted([run])
    assert (run / "report" / "index.html").read_bytes() == before
    assert not list(run.glob(".report*"))


@pytest.mark.parametrize("out", ["file", "file/report"])
def test_a_folder_that_cannot_be_written_is_refused_in_one_message(
    out: str, tmp_path: Path
) -> None:
    run = write_run(tmp_path / "run", **FEW)
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match=r"cannot be written to .*--out DIR"):
        build([run], tmp_path / out)
    assert (tmp_path / "file").read_text() == "not a folder"


def test_a_folder_without_runs_is_refused_and_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no run"):
        build([tmp_path])
    assert not list(tmp_path.iterdir())


def test_a_report_can_go_to_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", **FEW)
    out = tmp_path / "my réport #1" / "$x"
    assert build_unpainted([run], out) == out / "index.html"
    assert (out / "figures").is_dir()
    assert not (run / "report").exists()


@pytest.mark.slow
def test_a_report_on_120_runs_is_at_most_2_megabytes(tmp_path: Path) -> None:
    for i in range(120):
        write_run(tmp_path / f"{i}", seed=i, depth=40, decay=-0.005 * i)
    assert build([tmp_path]).stat().st_size <= 2_000_000


def test_a_report_needs_neither_torch_nor_pyplot(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", **FEW)
    code = (
        "import sys; from vgrad.report import build; build([sys.argv[1]]); "
        "print(sorted({'torch', 'matplotlib.pyplot', 'hydra'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, run], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")

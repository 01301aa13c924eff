"""The listing of `vgrad ls`: the runs in a folder, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from vgrad import store
from vgrad.diagnose import name_of, percent
from vgrad.errors import StoreError
from vgrad.store import RunFile
from vgrad.terminal import literal

COLOURS = {
    "running": "cyan",
    "completed": "green",
    "diverged": "magenta",
    "interrupted": "yellow",
    "failed": "red",
}


def read(path: Path) -> tuple[list[RunFile], list[str]]:
    """The runs in a folder, newest last, and a line for each that cannot be read.

    Raises:
        StoreError: there is no such folder.
    """
    try:
        runs, problems = store.read_runs(path)
    except StoreError:
        if not path.is_dir():
            raise
        return [], []  # a folder without runs is none to complain about
    return sorted(runs, key=_started), problems


def document(runs: Sequence[RunFile], problems: Sequence[str]) -> dict[str, Any]:
    """The runs as plain data: what each run.json holds, its path, and its state by now."""
    return {
        "runs": [{**run.document, "status": run.status, "path": str(run.path)} for run in runs],
        "problems": list(problems),
    }


def table(runs: Sequence[RunFile], top: Path) -> Table:
    """The runs, a row each."""
    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    shown.add_column("run", overflow="fold", ratio=None)
    shown.add_column("what", overflow="fold")
    shown.add_column("when", no_wrap=True)
    shown.add_column("state", no_wrap=True)
    shown.add_column("result", overflow="fold")
    for run in runs:
        shown.add_row(
            Text(literal(_name(run, top))),
            Text(literal(_what(run.config))),
            Text(_started(run).astimezone().strftime("%m-%d %H:%M")),
            Text(run.status, style=COLOURS.get(run.status, "")),
            Text(literal(_result(run.summary))),
        )
    return shown


def _name(run: RunFile, top: Path) -> str:
    """The run's path from the listed folder on."""
    return str(run.path.relative_to(top)) if run.path != top else str(run.path)


def _what(config: Mapping[str, Any]) -> str:
    parts = [name_of(config, kind) for kind in ("activation", "init", "data")]
    return " · ".join([*filter(None, parts), f"{config.get('depth')} × {config.get('width')}"])


def _started(run: RunFile) -> datetime:
    """When the run began; where run.json does not say it, when that file was written."""
    try:
        return datetime.fromisoformat(str(run.document.get("started"))).astimezone(UTC)
    except (ValueError, OverflowError):
        return datetime.fromtimestamp((run.path / "run.json").stat().st_mtime, UTC)


def _result(summary: Mapping[str, Any]) -> str:
    """The verdict, and how well it learned, if that is known."""
    accuracy, loss = summary.get("final_val_accuracy"), summary.get("final_val_loss")
    learned = ""
    if isinstance(accuracy, int | float):
        learned = percent(accuracy)
    elif isinstance(loss, int | float):
        learned = f"loss {loss:.3g}"
    return ", ".join(filter(None, [str(summary.get("verdict") or ""), learned]))

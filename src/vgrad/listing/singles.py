"""The table of single runs: what each is of, when it began, and how it fared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from vgrad.diagnose import name_of, percent
from vgrad.listing.runs import started
from vgrad.store import RunFile
from vgrad.terminal import literal

COLOURS = {
    "running": "cyan",
    "completed": "green",
    "diverged": "magenta",
    "interrupted": "yellow",
    "failed": "red",
}


def singles(runs: Sequence[RunFile], tops: Sequence[Path]) -> Table:
    """The runs, a row each.

    Args:
        runs: to be shown.
        tops: the folders that were asked for.
    """
    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    shown.add_column("run", overflow="fold", ratio=None)
    shown.add_column("what", overflow="fold")
    shown.add_column("when", no_wrap=True)
    shown.add_column("state", no_wrap=True)
    shown.add_column("result", overflow="fold")
    for run in runs:
        shown.add_row(
            Text(literal(name(run, tops))),
            Text(literal(_what(run.config))),
            Text(when(run)),
            Text(run.status, style=COLOURS.get(run.status, "")),
            Text(literal(", ".join(result(run.summary)))),
        )
    return shown


def name(run: RunFile, tops: Sequence[Path]) -> str:
    """The run's path, from the listed folder on where there is one."""
    top = tops[0] if len(tops) == 1 else None
    if top is None or run.path == top:
        return str(run.path)
    return str(run.path.relative_to(top))


def when(run: RunFile) -> str:
    """The day and the minute at which the run began."""
    return started(run).astimezone().strftime("%m-%d %H:%M")


def result(summary: Mapping[str, Any]) -> list[str]:
    """The verdict, and how well it learned, as far as they are known."""
    accuracy, loss = summary.get("final_val_accuracy"), summary.get("final_val_loss")
    learned = ""
    if isinstance(accuracy, int | float) and math.isfinite(accuracy):
        learned = percent(accuracy)
    elif isinstance(loss, int | float) and math.isfinite(loss):
        learned = f"loss {loss:.3g}"
    return list(filter(None, [str(summary.get("verdict") or ""), learned]))


def _what(config: Mapping[str, Any]) -> str:
    parts = [name_of(config, kind) for kind in ("activation", "init", "data")]
    return " · ".join([*filter(None, parts), f"{config.get('depth')} × {config.get('width')}"])

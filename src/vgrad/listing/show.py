"""The lines of `vgrad ls`: a table of runs for people, and what is to be said of them all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console

from vgrad.listing.columns import plain
from vgrad.listing.compared import compared
from vgrad.listing.filters import as_text
from vgrad.listing.selection import Selection
from vgrad.listing.singles import singles
from vgrad.store import RunFile
from vgrad.store.document import ENDS, RUNNING
from vgrad.store.order import differing, sweep_of

COMMON = ("activation", "init", "loss", "optimizer", "data", "model", "depth", "width", "steps")
MANY = 10  # runs from which on they are counted
MOST_NAMED = 6  # settings that there was no room for


def lines(selection: Selection, tops: Sequence[Path], console: Console) -> list[str]:
    """The runs as a table, and the words below it.

    Runs of a sweep, and runs that were sorted, are shown by the settings that differ among them,
    as many as there is room for; single runs by what they are of.

    Args:
        selection: the runs, at least one.
        tops: the folders that were asked for; a run's name is its path in a single one.
        console: where they are shown.
    """
    if not (selection.key or _is_sweep(selection.runs)):
        with console.capture() as captured:
            console.print(singles(selection.runs, tops))
        table = [line.rstrip() for line in captured.get().splitlines()]
        return table + ([_counts(selection)] if _is_counted(selection) else [])
    settings = [run.settings for run in selection.runs]
    table, left_out = compared(selection, differing(settings), tops, console)
    words = [_counts(selection)] if _is_counted(selection) else []
    if len(selection.runs) > 1:
        words += _common(settings, console.width)
    if left_out:
        more = len(left_out) - MOST_NAMED
        named = [plain(key) for key in left_out[:MOST_NAMED]]
        others = f" and {more} more" if more > 0 else ""
        words.append(f"No room for {', '.join(named)}{others}; --json shows everything.")
    return [*table, *([""] if words else []), *words]


def _is_sweep(runs: Sequence[RunFile]) -> bool:
    """Whether most of the runs are of a sweep."""
    sizes = Counter(map(sweep_of, runs))
    return sum(size for size in sizes.values() if size > 1) > len(runs) / 2


def _is_counted(selection: Selection) -> bool:
    return selection.total >= MANY or len(selection.runs) < selection.total


def _counts(selection: Selection) -> str:
    """How many runs of which state: `60 of 240 runs: 58 completed, 2 diverged; 10 are shown`."""
    fitting, total = len(selection.fitting), selection.total
    states = Counter(run.status for run in selection.fitting)
    counts = ", ".join(f"{states[one]:,} {one}" for one in (*ENDS, RUNNING) if states[one])
    of = "" if fitting == total else f"{fitting:,} of "
    shown = len(selection.runs)
    cut = "" if shown == fitting else f"; {shown:,} {'is' if shown == 1 else 'are'} shown"
    return f"{of}{total:,} {'run' if total == 1 else 'runs'}: {counts}{cut}."


def _common(rows: Sequence[Mapping[str, Any]], room: int) -> list[str]:
    """What all the runs have in common, as far as it fits on one line."""
    line = "All have"
    for key in COMMON:
        values = {as_text(row.get(key)) for row in rows}
        if len(values) == 1 and rows[0].get(key) is not None:
            word = plain(f" {key}={values.pop()}")
            line += word if cell_len(line + word) < room else ""
    return [] if line == "All have" else [f"{line}."]

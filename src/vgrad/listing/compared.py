"""The table of runs that are to be compared, such as a sweep's: by what differs among them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from vgrad.listing.columns import GAP, Column, choose, column, plain
from vgrad.listing.selection import Selection
from vgrad.listing.singles import COLOURS, name, result, when
from vgrad.store import RunFile

LEAST = 12  # cells for a run's name: that of a run of a sweep


def compared(
    selection: Selection, settings: Sequence[str], tops: Sequence[Path], console: Console
) -> tuple[list[str], list[str]]:
    """The table, and the settings that there was no room for.

    Args:
        selection: the runs.
        settings: those that differ, the most telling first.
        tops: the folders that were asked for.
        console: where it is shown.
    """
    columns = _columns(selection, settings, tops, console.width)
    shown = {one.key for one in columns}
    states = [run.status for run in selection.runs]
    return _drawn(columns, states, console), [key for key in settings if plain(key) not in shown]


def _columns(
    selection: Selection, settings: Sequence[str], tops: Sequence[Path], room: int
) -> list[Column]:
    """As many as there is room for, the settings and what was sorted by in the middle."""
    runs, rows, key = selection.runs, [run.row for run in selection.runs], selection.key
    runs_name = column("run", [name(run, tops) for run in runs], widest=max(LEAST, room // 2))
    by_key = {one: column(one, [row.get(one) for row in rows]) for one in settings}
    if key and key not in ("run_id", "path", "name"):
        by_key.setdefault(key, column(key, [row.get(key) for row in rows]))
    asked = [by_key[key]] if key in by_key else []
    first = [one for one in by_key.values() if one not in asked]
    outcome = Column("result", [_outcome(run) for run in runs])
    short = Column("result", [text.partition(",")[0] for text in outcome.cells])
    began = Column("when", [when(run) for run in runs])
    chosen = choose([runs_name, *asked, *first[:2], outcome, *first[2:], began], room)
    if outcome not in chosen:
        chosen = choose([runs_name, *asked, *first[:1], short, *first[1:]], room)
    return [one for one in (runs_name, *by_key.values(), began, outcome, short) if one in chosen]


def _outcome(run: RunFile) -> str:
    """What became of the run: its state where it did not complete, the verdict, its accuracy."""
    words = result(run.summary)
    if run.status != "completed" and run.status not in words:
        words.insert(0, run.status)
    return plain(", ".join(words) or run.status)


def _drawn(columns: Sequence[Column], states: Sequence[str], console: Console) -> list[str]:
    """The lines of the table, the last column in the colour of each run's state."""
    widths = [one.width for one in columns]
    gap = " " * GAP
    headings = [one.heading for one in columns]
    height = max(map(len, headings))
    lines = []
    for number in range(-height, 0):
        texts = [heading[number] if len(heading) >= -number else "" for heading in headings]
        cells = [one.fitted(text) for one, text in zip(columns, texts, strict=True)]
        lines.append(_painted(gap.join(cells).rstrip(), "bold", console))
    rule = "-" if console.options.ascii_only else "─"
    lines.append(rule * (sum(widths) + GAP * (len(widths) - 1)))
    colours = {state: _painted("\n", COLOURS.get(state, ""), console) for state in set(states)}
    rows = zip(*([one.fitted(cell) for cell in one.cells] for one in columns), strict=True)
    for state, (*cells, last) in zip(states, rows, strict=True):
        lines.append(gap.join([*cells, colours[state].replace("\n", last.rstrip())]))
    return [line.rstrip() for line in lines]


def _painted(text: str, style: str, console: Console) -> str:
    with console.capture() as captured:
        console.print(Text(text, style), end="", soft_wrap=True)
    return captured.get()

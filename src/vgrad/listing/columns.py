"""Columns: what a table of runs shows of each, and which of it there is room for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rich.cells import cell_len, set_cell_size

from vgrad.diagnose import number
from vgrad.phrases import is_number
from vgrad.terminal import literal

GAP = 2  # between two columns
WIDEST = 24  # of a setting; the rest is cut off
UNKNOWN = "–"


@dataclass(frozen=True)
class Column:
    """A column of a table, as texts.

    Attributes:
        key: its heading.
        cells: a text per row, on one line each.
        right: whether they stand at the right, as numbers do.
    """

    key: str
    cells: Sequence[str]
    right: bool = False

    @cached_property
    def heading(self) -> list[str]:
        """The key, in as many lines as it takes to be no wider than its cells."""
        parts = re.findall(r"[^._]*[._]|[^._]+", self.key)
        widest = max((cell_len(text) for text in (*self.cells, *parts)), default=0)
        lines = [""]
        for part in parts:
            if cell_len(lines[-1] + part) > widest:
                lines.append("")
            lines[-1] += part
        return lines

    @cached_property
    def width(self) -> int:
        """The cells that the column takes on the terminal."""
        return max(cell_len(text) for text in (*self.heading, *self.cells))

    def fitted(self, text: str) -> str:
        """A text in a cell of the column."""
        space = " " * (self.width - cell_len(text))
        return space + text if self.right else text + space


def column(key: str, values: Sequence[Any], *, widest: int = WIDEST) -> Column:
    """A column of values as they are typed on the command line, numbers to four digits."""
    known = [value for value in values if value is not None]
    right = all(is_number(value) for value in known)
    return Column(plain(key), [_cut(_text(value), widest) for value in values], right)


def plain(text: str) -> str:
    """A text that others chose, as one line without anything that a terminal would obey."""
    return text if text.isprintable() else literal(text)


def choose(columns: Sequence[Column], room: int) -> list[Column]:
    """Those that there is room for, the first ones first; the very first is always there."""
    chosen: list[Column] = []
    taken = 0
    for one in columns:
        needed = one.width + (GAP if chosen else 0)
        if not chosen or taken + needed <= room:
            chosen.append(one)
            taken += needed
    return chosen


def _text(value: Any) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return str(value).lower()
    return number(value, digits=4) if isinstance(value, float) else plain(str(value))


def _cut(text: str, widest: int) -> str:
    return text if cell_len(text) <= widest else set_cell_size(text, widest - 1).rstrip() + "…"

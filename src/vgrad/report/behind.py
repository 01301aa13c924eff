"""The numbers behind a figure, as a table that stays small: a row per line, a few places each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vgrad.diagnose import number

MOST_CELLS = 700  # of one figure
FEWEST = 3  # places along x: the first, one between, the last


@dataclass(frozen=True)
class Behind:
    """A figure's numbers.

    Attributes:
        panels: title of the panel, what its columns count, the columns, and the rows.
        file: where all of them stand.
        is_whole: whether they all stand here too.
    """

    panels: Sequence[tuple[str, str, Sequence[str], Sequence[tuple[str, Sequence[str]]]]]
    file: str
    is_whole: bool


def behind(table: pd.DataFrame | None, slug: str) -> Behind | None:
    """The table of a figure; None where it has none.

    Args:
        table: as `vgrad.figures.Sheet.table` has it.
        slug: what its file is named for.
    """
    if table is None or table.empty:
        return None
    lines = table.groupby(["panel", "label"], sort=False).ngroups
    most = max(FEWEST, MOST_CELLS // max(lines, 1))
    panels, whole = [], True
    for panel, rows in table.groupby("panel", sort=False):
        places = sorted(set(rows["x"].tolist()))
        chosen = _thinned(places, most)
        whole &= len(chosen) == len(places)
        keys = zip(rows["label"], rows["x"], strict=True)
        values = dict(zip(keys, rows["value"], strict=True))
        names = list(dict.fromkeys(rows["label"]))
        cells = [(str(name), [_cell(values.get((name, p))) for p in chosen]) for name in names]
        along = str(rows["along"].iloc[0])
        panels.append((str(panel), along, [_place(place) for place in chosen], cells))
    return Behind(panels, f"tables/{slug}.csv", whole)


def _thinned(places: list[float], most: int) -> list[float]:
    kept = np.unique(np.linspace(0, len(places) - 1, min(most, len(places))).round().astype(int))
    return [places[i] for i in kept]


def _place(place: float) -> str:
    return f"{place:.4g}" if isinstance(place, float) else str(place)


def _cell(value: object) -> str:
    if not isinstance(value, int | float) or math.isnan(value):
        return ""
    return number(float(value), 3)

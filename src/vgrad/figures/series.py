"""The values of an arm: its seeds beside each other, their mean, and the mean's interval.

Means are taken in placed units, where the values stand on their axis: a geometric mean where
the axis is a logarithm. The band is the 95 % interval of the mean over three seeds or more
(Student's t), and from the least to the largest of two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from vgrad.arms import Arm
from vgrad.figures.quantities import numbers
from vgrad.figures.scale import Numbers, Scale

LEVEL = 0.95
Points = tuple[Numbers, Numbers]
BANDS = {
    1: "one seed each, so that there are no bands",
    2: "bands go from one seed to the other",
    3: "bands are the 95 % interval of the mean over seeds (Student's t)",
}


@dataclass(frozen=True)
class Series:
    """What is drawn of one arm: values [S, X] of its S seeds at X places along x.

    Attributes:
        arm: the arm.
        x: where.
        values: NaN where a value is NaN, and where there is none.
        present: where there is a value.
    """

    arm: Arm
    x: Numbers
    values: Numbers
    present: NDArray[np.bool_]

    @property
    def recorded(self) -> Numbers:
        """All the values that there are."""
        return self.values[self.present]


@dataclass(frozen=True)
class Band:
    """A series on a scale, in placed units, [X] each; NaN where there is nothing to draw.

    Attributes:
        middle: the mean over the seeds whose value has a place on the axis, where at least half
            of them have one.
        low, high: the interval; NaN where there is one seed.
        marks: name of a rail → where at least one seed belongs on it.
        told: where at least half of the seeds that are still there have a value: a step that
            one seed alone recorded has no part in the line.
    """

    middle: Numbers
    low: Numbers
    high: Numbers
    marks: dict[str, NDArray[np.bool_]]
    told: NDArray[np.bool_]


class Rows:
    """The rows of a table by run, each run's sorted by step and layer."""

    def __init__(self, frame: pd.DataFrame) -> None:
        codes, ids = pd.factorize(frame["run_id"])
        keys = [numbers(frame[key]) for key in ("layer", "step") if key in frame]
        order = np.lexsort([*keys, codes])
        edges = np.searchsorted(codes[order], np.arange(len(ids) + 1))
        self._frame = frame
        self._places = {
            str(run_id): order[begin:end]
            for run_id, begin, end in zip(ids, edges[:-1], edges[1:], strict=True)
        }
        self._columns: dict[str, Numbers] = {}

    def __contains__(self, run_id: object) -> bool:
        return run_id in self._places

    def of(self, run_id: str, column: str) -> Numbers:
        """One run's values of a column."""
        if column not in self._columns:
            self._columns[column] = numbers(self._frame[column])
        return self._columns[column][self._places[run_id]]


def series(
    arms: Iterable[Arm], rows: Rows, points: Callable[[Rows, str], Points | None]
) -> list[Series]:
    """A series for each arm of which something was recorded.

    Args:
        arms: which.
        rows: their records.
        points: rows and the id of a run → its places along x and its values there.
    """
    made = []
    for arm in arms:
        found = [points(rows, run_id) for run_id in arm.run_ids if run_id in rows]
        kept = [pair for pair in found if pair is not None and len(pair[0])]
        if kept:
            made.append(aligned(arm, kept))
    return made


def aligned(arm: Arm, points: Sequence[Points]) -> Series:
    """The seeds of an arm at the places of all of them."""
    first = points[0][0]
    if all(len(x) == len(first) and (x == first).all() for x, _ in points):
        values = np.array([values for _, values in points])
        return Series(arm, first, values, np.ones(values.shape, dtype=bool))
    x = np.unique(np.concatenate([x for x, _ in points]))
    values = np.full((len(points), len(x)), np.nan)
    present = np.zeros(values.shape, dtype=bool)
    for seed, (places, its_values) in enumerate(points):
        at = np.searchsorted(x, places)
        values[seed, at], present[seed, at] = its_values, True
    return Series(arm, x, values, present)


def banded(one: Series, scale: Scale, *, ending: bool = True) -> Band:
    """The mean of a series over its seeds, and the interval of it, on a scale.

    Args:
        one: the series.
        scale: where its values stand.
        ending: whether a seed without further values has ended, as along the steps of training.
    """
    placed = np.where(one.present, scale.place(one.values), np.nan)
    there = np.isfinite(placed)
    count, seeds = there.sum(0), one.present.sum(0)
    told = 2 * seeds >= _alive(one.present) if ending else seeds > 0
    enough = told & (count > 0) & (2 * count >= seeds)
    middle, half = _mean(placed, there, count)
    middle[~enough] = np.nan
    low, high = middle - half, middle + half
    two = enough & (count == 2)
    if two.any():
        low[two], high[two] = np.nanmin(placed[:, two], 0), np.nanmax(placed[:, two], 0)
    low, high = np.clip(low, scale.low, scale.high), np.clip(high, scale.low, scale.high)
    masks = scale.marks(one.values)
    marks = {
        name: np.logical_or.reduce(mask & one.present)
        for name, mask in masks.items()
        if (mask & one.present).any()
    }
    return Band(middle, low, high, marks, told)


def table(
    drawn: Sequence[tuple[Series, Band]], scale: Scale, panel: str, along: str
) -> pd.DataFrame:
    """What is drawn in a panel: a row per arm and place, in the units of the data."""
    if not drawn:
        return pd.DataFrame()
    counts = [int(band.told.sum()) for _, band in drawn]
    columns = {
        "x": [one.x[band.told] for one, band in drawn],
        "value": [scale.value(band.middle)[band.told] for _, band in drawn],
        "low": [scale.value(band.low)[band.told] for _, band in drawn],
        "high": [scale.value(band.high)[band.told] for _, band in drawn],
        "seeds": [one.present.sum(0)[band.told] for one, band in drawn],
    }
    told = {
        "panel": panel,
        "arm": np.repeat([one.arm.number for one, _ in drawn], counts),
        "label": np.repeat(np.array([one.arm.label for one, _ in drawn], dtype=object), counts),
        "along": along,
    }
    return pd.DataFrame(told | {name: np.concatenate(parts) for name, parts in columns.items()})


def how_banded(arms: Iterable[Arm]) -> str:
    """How the lines and bands of some arms were made, in words."""
    most = min(max((len(arm.run_ids) for arm in arms), default=1), 3)
    return BANDS[most]


def _alive(present: NDArray[np.bool_]) -> NDArray[np.int_]:
    """How many seeds have not ended yet, [X]."""
    later = np.logical_or.accumulate(present[:, ::-1], axis=1)[:, ::-1]
    alive: NDArray[np.int_] = later.sum(0)
    return alive


def _mean(placed: Numbers, there: NDArray[np.bool_], count: NDArray[np.int_]) -> Points:
    """Mean and half the width of its interval; NaN where there are fewer than two values."""
    with np.errstate(all="ignore"):
        filled = np.where(there, placed, 0.0)
        mean = filled.sum(0) / count
        spread = np.where(there, placed - mean, 0.0)
        error = np.sqrt((spread**2).sum(0) / (count - 1) / count)
        quantile = np.array([student(int(n)) for n in count])
    return mean, quantile * error


@lru_cache(maxsize=256)
def student(count: int) -> float:
    """The half width of the interval of a mean of so many values, in its standard errors."""
    return float(stdtrit(count - 1, (1 + LEVEL) / 2)) if count > 1 else float("nan")

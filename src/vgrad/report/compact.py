"""The recorded profiles of all arms in little room, for the slider of the page.

A value is a 16-bit number: its place on the axis in steps of 1/500 of a decade (0.5 %) on a
logarithmic axis, or of 1/8000 of the axis on a linear one, and codes for what no axis holds. They
are written as differences from layer to layer, all low bytes before all high ones, which gzip
makes small; half the width of the band takes a byte, the square root of its steps. With base64
that is some 0.6 bytes a value; the page's script undoes it.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vgrad.arms import Arm
from vgrad.figures.live import Live
from vgrad.figures.quantities import BY_LAYER, INNER
from vgrad.figures.scale import Numbers, Scale
from vgrad.figures.series import Series, banded

RAILS = {"NaN": -32768, "∞": -32767, "−∞": -32766, "0": -32765}  # as in page.js
NONE = -32764
STEPS = 24  # at most: places of the slider
DECADE = 500  # units of a code in a decade
LINEAR = 8000  # units of a code over a linear axis
OF_HIDDEN = {quantity.column for quantity in (*BY_LAYER, *INNER) if quantity.of_hidden}
Codes = NDArray[np.int16]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Profiles:
    """The packed profiles.

    Attributes:
        steps: the places of the slider.
        series: for each kind of lines, its `offset` and `unit` and where each arm's codes begin.
        packed: the codes, [part, step, layer] of one arm after the other, in base64.
        of_panel: (slug, panel) → the number of its series.
    """

    steps: list[int]
    series: list[dict[str, Any]]
    packed: str
    of_panel: Mapping[tuple[str, int], int]


def pack_profiles(
    layers: pd.DataFrame, arms: Sequence[Arm], panels: Mapping[tuple[str, int], Live]
) -> Profiles:
    """The profiles that the moving panels show, at every place of the slider.

    Args:
        layers: the rows of all runs of `layers.parquet`.
        arms: in the order in which the page counts them.
        panels: those that move, by (slug, panel).
    """
    steps = chosen_steps(layers)
    series: list[dict[str, Any]] = []
    middles: list[Codes] = []
    halves: list[Bytes] = []
    numbers: dict[tuple[Any, ...], int] = {}
    of_panel: dict[tuple[str, int], int] = {}
    runs = {str(run_id): rows for run_id, rows in layers.groupby("run_id", sort=False)}
    start = 0
    for place, live in panels.items():
        offset, unit = units(live.scale)
        key = (live.column, live.relative, live.arms, offset, unit)
        if key not in numbers:
            numbers[key] = len(series)
            held: list[dict[str, int] | None] = []
            for arm in arms:
                coded = _arm(arm, runs, steps, live)
                held.append(coded and {"start": start, "layers": coded[0].shape[1]})
                if coded is not None:
                    middles.append(np.diff(coded[0], axis=1, prepend=np.int16(0)).ravel())
                    halves.append(coded[1].ravel())
                    start += coded[0].size
            series.append({"offset": offset, "unit": unit, "arms": held})
        of_panel[place] = numbers[key]
    return Profiles(steps, series, packed(_interleaved(middles, halves)), of_panel)


def _interleaved(middles: Sequence[Codes], halves: Sequence[Bytes]) -> bytes:
    """All low bytes, all high bytes, all half widths."""
    if not middles:
        return b""
    pairs = np.concatenate(middles).astype("<i2").view(np.uint8).reshape(-1, 2)
    return pairs[:, 0].tobytes() + pairs[:, 1].tobytes() + np.concatenate(halves).tobytes()


def packed(data: bytes) -> str:
    """Bytes, gzipped, in base64; the same bytes give the same text."""
    return base64.b64encode(gzip.compress(data, 9, mtime=0)).decode()


def packed_json(document: Any) -> str:
    """A document of texts and numbers, likewise."""
    return packed(
        json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    )


def in_script(document: Any) -> str:
    """JSON that may stand inside of a script element: nothing in it can end the element."""
    text = json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def chosen_steps(layers: pd.DataFrame) -> list[int]:
    """At most STEPS of the recorded steps, the first and the last among them.

    They are as dense at the start as the records are.
    """
    steps = np.unique(layers["step"].to_numpy(dtype=np.int64))
    if not len(steps):
        return [0]
    kept = np.unique(np.linspace(0, len(steps) - 1, STEPS).round().astype(int))
    return [int(step) for step in steps[kept]]


def units(scale: Scale) -> tuple[float, float]:
    """Where the codes of a scale begin, and how much one of them is, in placed units."""
    if scale.kind == "linear":
        return round(scale.low, 9), round((scale.high - scale.low) / LINEAR, 12)
    return 0.0, 1 / DECADE


def _arm(
    arm: Arm, runs: Mapping[str, pd.DataFrame], steps: Sequence[int], live: Live
) -> tuple[Codes, Bytes] | None:
    """One arm's codes [steps, layers] of the middles, and of half the widths of the bands."""
    known = [runs[run_id] for run_id in arm.run_ids if run_id in runs and len(runs[run_id])]
    if not known or (live.arms and arm.number not in live.arms):
        return None
    values = np.stack([_at_steps(rows, steps, live) for rows in known])
    seeds = values.reshape(len(known), -1)
    there = np.ones(seeds.shape, dtype=bool)
    drawn = banded(Series(arm, np.arange(seeds.shape[1], dtype=float), seeds, there), live.scale)
    middles = codes_of(drawn.middle, drawn.marks, live.scale).reshape(len(steps), -1)
    half = np.nan_to_num((drawn.high - drawn.low) / 2 / units(live.scale)[1])
    return middles, np.clip(np.rint(np.sqrt(half)), 0, 255).astype(np.uint8).reshape(middles.shape)


def of_hidden(live: Live) -> bool:
    """Whether a panel shows hidden layers only."""
    return live.relative or live.kind == "share" or live.column in OF_HIDDEN


def _at_steps(rows: pd.DataFrame, steps: Sequence[int], live: Live) -> Numbers:
    """One run's column at the last record up to each step, [steps, layers]."""
    recorded, index = np.unique(rows["step"].to_numpy(dtype=np.int64), return_inverse=True)
    deepest = int(rows["layer"].max())
    grid = np.full((len(recorded), deepest), np.nan)
    grid[index, rows["layer"].to_numpy(dtype=np.int64) - 1] = rows[live.column].to_numpy(
        dtype=np.float64, na_value=np.nan
    )
    at = np.searchsorted(recorded, steps, side="right") - 1
    chosen: Numbers = grid[np.clip(at, 0, None)]
    if live.relative and deepest > 1:
        with np.errstate(all="ignore"):
            chosen = chosen / chosen[:, deepest - 2 : deepest - 1]
    return chosen


def codes_of(placed: Numbers, marks: Mapping[str, NDArray[np.bool_]], scale: Scale) -> Codes:
    """Places as codes; where there is none, that of the rail on which something lies."""
    offset, unit = units(scale)
    with np.errstate(all="ignore"):
        codes = np.clip(np.rint((placed - offset) / unit), NONE + 1, 32767)
    empty = np.isnan(codes)
    codes[empty] = NONE
    for name, mask in marks.items():
        codes[empty & mask] = RAILS[name]
    return codes.astype(np.int16)

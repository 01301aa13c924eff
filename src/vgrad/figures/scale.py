"""A scale: where values of any size stand on a plain linear axis, and how its ticks read.

Logarithms are taken here and drawn on a linear axis with ticks labelled 10ⁿ, so that 1e-30 is as
ordinary as 1. What has no place on the axis (NaN, infinity, zero on a log scale) stands on a
rail of its own beyond the data, with its name as the tick.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

Kind = Literal["linear", "log", "signed"]
Numbers = NDArray[np.float64]
Tick = tuple[float, str]

RAIL_GAP = 0.09  # the distance between two rails, as a share of the span of the data
RARE = (0.3, 99.7)  # percentiles
RAILS_ABOVE = ("∞", "NaN")
RAILS_BELOW = ("0", "−∞")
DIVERGED = "diverged"  # the rail of runs that have no result
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high`, in placed units, and the rails that it needs."""

    kind: Kind
    low: float
    high: float
    rails: Mapping[str, float]

    @property
    def limits(self) -> tuple[float, float]:
        """The ends of the axis, rails included."""
        half = RAIL_GAP / 2 * (self.high - self.low)
        places = self.rails.values()
        return (
            min([self.low, *(place - half for place in places)]),
            max([self.high, *(place + half for place in places)]),
        )

    def place(self, values: Numbers) -> Numbers:
        """Where the values stand on the axis; NaN for those that belong on a rail."""
        with np.errstate(all="ignore"):
            placed = _place(self.kind, values)
        return np.where(np.isfinite(placed), placed, np.nan)

    def value(self, placed: Numbers) -> Numbers:
        """The values that stand at some places: the way back from `place`."""
        if self.kind == "log":
            with np.errstate(over="ignore"):
                return np.asarray(10.0 ** np.asarray(placed, dtype=np.float64))
        if self.kind == "signed":
            return np.asarray(2 * np.sinh(np.asarray(placed) * np.log(10)))
        return np.asarray(placed, dtype=np.float64)

    def marks(self, values: Numbers) -> dict[str, NDArray[np.bool_]]:
        """Which values belong on which rail: name of the rail → mask."""
        masks = special(values, self.kind)
        return {name: mask for name, mask in masks.items() if mask.any()}

    def with_diverged(self) -> Scale:
        """The same with one more rail, the lowest."""
        gap = RAIL_GAP * (self.high - self.low)
        below = sum(place < self.low for place in self.rails.values())
        rails = {**self.rails, DIVERGED: self.low - gap * (below + 0.7)}
        return Scale(self.kind, self.low, self.high, rails)

    def ticks(self, most: int = 7) -> list[Tick]:
        """At most some `most` ticks within the data, then one for each rail."""
        make = {"linear": _linear_ticks, "log": _log_ticks, "signed": _signed_ticks}[self.kind]
        margin = 1e-9 * (self.high - self.low)
        inside = [
            (place, label)
            for place, label in make(self.low, self.high, most)
            if self.low - margin <= place <= self.high + margin
        ]
        return inside + [(place, name) for name, place in self.rails.items()]


def choose(values: Numbers, prefer: Literal["log", "auto"] = "auto") -> Scale:
    """The scale that shows the values: logarithmic where they span more than two decades.

    Args:
        values: any numbers, NaN and infinity among them.
        prefer: "log" for what is a size by nature (norms, variances), "auto" for the rest.
    """
    finite = values[np.isfinite(values)]
    kind = _kind(finite, prefer)
    placed = _place(kind, finite[finite != 0] if kind == "log" else finite)
    low, high = _span(kind, placed)
    return Scale(kind, low, high, _rails(values, kind, low, high))


def fixed(low: float, high: float, values: Numbers) -> Scale:
    """A linear scale with given ends, and the rails that the values need."""
    return Scale("linear", low, high, _rails(values, "linear", low, high))


def usual(values: Numbers) -> Numbers:
    """The ends of the finite values, but for a few of a thousand."""
    values = values[np.isfinite(values) & (values != 0)]
    if not values.size:
        return values
    return np.asarray(np.percentile(values, RARE, method="nearest"), dtype=np.float64)


def odd(values: Numbers) -> Numbers:
    """Those that may need a rail."""
    found: Numbers = values[~np.isfinite(values) | (values == 0)]
    return found


def special(values: Numbers, kind: Kind) -> dict[str, NDArray[np.bool_]]:
    """Masks of the values that a scale of this kind cannot place, by the name of their rail."""
    masks = {"NaN": np.isnan(values), "∞": np.isposinf(values), "−∞": np.isneginf(values)}
    if kind == "log":
        masks["0"] = values == 0
    return masks


def power(exponent: int) -> str:
    """10ⁿ in Unicode, which needs no mathematical typesetting."""
    return "10" + str(exponent).translate(SUPERSCRIPTS)


def number(value: float) -> str:
    """A tick's label: plain where that is short, otherwise m·10ⁿ."""
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:.4g}".replace("-", "−")
    mantissa, exponent = f"{value:.2e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    head = {"1": "", "-1": "−"}.get(mantissa, mantissa.replace("-", "−") + "·")
    return head + power(int(exponent))


def _kind(finite: Numbers, prefer: Literal["log", "auto"]) -> Kind:
    if prefer == "log" and not (finite < 0).any():
        return "log"
    sizes = np.abs(finite[finite != 0])
    if not sizes.size:
        return "linear"
    large = sizes.max() > 1000
    if not (finite < 0).any() and (large or sizes.max() > 100 * sizes.min()):
        return "log"
    return "signed" if large else "linear"


def _place(kind: Kind, values: Numbers) -> Numbers:
    if kind == "log":
        placed: Numbers = np.log10(values)
    elif kind == "signed":  # ±log₁₀ of what is large, linear below 1
        placed = np.arcsinh(values / 2) / np.log(10)
    else:
        placed = values
    return placed


def _span(kind: Kind, placed: Numbers) -> tuple[float, float]:
    """The ends of the axis: a decade or a fifth at least, so that a flat line looks flat."""
    if not placed.size:
        return (-1.0, 0.0) if kind == "log" else (0.0, 1.0)
    low, high = float(placed.min()), float(placed.max())
    least = 1.0 if kind != "linear" else 0.2 * max(abs(low), abs(high)) or 1.0
    half = 1.12 * max(high - low, least) / 2
    middle = (low + high) / 2
    return middle - half, middle + half


def _rails(values: Numbers, kind: Kind, low: float, high: float) -> dict[str, float]:
    present = {name for name, mask in special(values, kind).items() if mask.any()}
    gap = RAIL_GAP * (high - low)
    above = [name for name in RAILS_ABOVE if name in present]
    below = [name for name in RAILS_BELOW if name in present]
    places = {name: high + gap * (i + 0.7) for i, name in enumerate(above)}
    return places | {name: low - gap * (i + 0.7) for i, name in enumerate(below)}


def _linear_ticks(low: float, high: float, most: int) -> list[Tick]:
    places = MaxNLocator(nbins=most - 1, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    least = 1e-9 * (high - low)
    return [(float(place), number(0.0 if abs(place) < least else place)) for place in places]


def _log_ticks(low: float, high: float, most: int) -> list[Tick]:
    first, last = int(np.floor(low)), int(np.ceil(high))
    if high - low > 2.2:
        step = _stride(high - low, most)
        return [(float(n), power(n)) for n in range(first - first % step, last + 1, step)]
    digits = (1, 2, 5) if high - low > 0.9 else (1, 2, 3, 4, 5, 6, 7, 8, 9)
    pairs = [(n, digit) for n in range(first - 1, last + 1) for digit in digits]
    return [(n + float(np.log10(digit)), number(digit * 10.0**n)) for n, digit in pairs]


def _signed_ticks(low: float, high: float, most: int) -> list[Tick]:
    step = _stride(high - low, most)
    last = int(np.ceil(max(abs(low), abs(high))))
    ticks = [(0.0, "0")]
    for exponent in range(step, last + 1, step):
        place = float(_place("signed", np.array(10.0**exponent)))
        ticks += [(place, power(exponent)), (-place, "−" + power(exponent))]
    return sorted(ticks)


def _stride(span: float, most: int) -> int:
    """Decades between two ticks: the least that leaves at most `most` ticks."""
    strides = (1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100, 200)
    return next((s for s in strides if span / s <= most - 1), strides[-1])

"""The layers as bars: the error signal δ of each, on a log scale, the input side on top.

A bar's length is log₁₀ of a layer's δ over that of the last hidden layer. The scale holds six
decades, and only ever widens, so that a person sees the gradient vanish and not the axis move.
Layers that are too many for a row each take half a row, and beyond that share it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from rich.style import Style
from rich.text import Text

from vgrad.diagnose import number
from vgrad.diagnose.summary import is_size

TICK = 3  # decades between two ticks of the axis, and by which the scale widens
TICK_WIDTH = 8  # cells that a tick needs, at least
WIDEST = 45.0  # decades; float32 holds no more
EIGHTHS: list[str] = ["", *"▏▎▍▌▋▊▉"]
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
VALUE_WIDTH = 8
# What each size looks like, in decades: well in green, vanishing to red, exploding to blue.
COLOURS = (
    (-12.0, (140, 60, 150)),
    (-6.0, (205, 50, 65)),
    (-3.0, (215, 140, 30)),
    (-1.0, (50, 165, 80)),
    (1.0, (50, 165, 80)),
    (3.0, (30, 150, 200)),
    (6.0, (70, 100, 230)),
    (12.0, (150, 70, 200)),
)


@dataclass(frozen=True)
class Scale:
    """The decades between the two ends of a bar."""

    low: float = -6.0
    high: float = 0.0

    def widened(self, sizes: Sequence[float]) -> Scale:
        """The scale that holds these sizes as well; within one decade above it they are cut."""
        finite = [size for size in sizes if math.isfinite(size)]
        low, high = min(finite, default=0.0), max(finite, default=0.0)
        return Scale(
            low=max(-WIDEST, min(self.low, TICK * math.floor(low / TICK))),
            high=min(WIDEST, max(self.high, TICK * math.ceil(high / TICK) if high > 1 else 0.0)),
        )

    def place(self, size: float) -> float:
        """Where a size lies between the two ends, from 0 to 1; NaN has no length."""
        if math.isnan(size):
            return 0.0
        return min(1.0, max(0.0, (size - self.low) / (self.high - self.low)))


class Picture:
    """The bars of one network.

    Args:
        depth: hidden layers; without any there is nothing to draw.
    """

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._scale = Scale()
        self._sizes: list[float] = []

    def show(self, deltas: Sequence[float | None]) -> None:
        """Take the δ of layers 1 … depth; what follows them is left out."""
        self._sizes = relative_decades(deltas[: self._depth])
        self._scale = self._scale.widened(self._sizes)

    def lines(self, width: int, height: int) -> list[Text]:
        """The picture, at most `height` lines of at most `width` cells; empty if it cannot be."""
        rows = height - 2
        if not self._sizes or rows < 2 or width < 24:
            return []
        layers = len(str(self._depth))
        bar_width = width - layers - VALUE_WIDTH - 2
        title = f"error signal δ, from the input down to the output (layer {self._depth} = 1)"
        short = f"error signal δ (layer {self._depth} = 1)"
        return [
            Text(title if len(title) <= width else short[:width], style="dim"),
            *(self._row(first, group, bar_width) for first, group in self._groups(rows)),
            Text(" " * (layers + 1) + self._axis(bar_width), style="dim"),
        ]

    def _groups(self, rows: int) -> list[tuple[int, list[list[float]]]]:
        """For each row, its first layer and one or two groups of sizes, a bar each."""
        bars = 1 if self._depth <= rows else 2
        share = -(-self._depth // (rows * bars))
        groups = [self._sizes[k : k + share] for k in range(0, self._depth, share)]
        return [(k * share + 1, groups[k : k + bars]) for k in range(0, len(groups), bars)]

    def _row(self, first: int, groups: list[list[float]], width: int) -> Text:
        means = [_mean(group) for group in groups]
        bar = self._bar(means[0], width) if len(means) == 1 else self._double_bar(means, width)
        value = f" {_value(groups[0][0]):>{VALUE_WIDTH}}"
        return Text.assemble(
            (f"{first:>{len(str(self._depth))}} ", "dim"), (bar, _style(_mean(means))), value
        )

    def _bar(self, size: float, width: int) -> str:
        full, rest = divmod(round(8 * width * self._scale.place(size)), 8)
        return ("█" * full + EIGHTHS[rest]).ljust(width)

    def _double_bar(self, sizes: list[float], width: int) -> str:
        upper, lower = (round(width * self._scale.place(size)) for size in sizes)
        beyond = "▀" * (upper - lower) if upper > lower else "▄" * (lower - upper)
        return ("█" * min(upper, lower) + beyond).ljust(width)

    def _axis(self, width: int) -> str:
        """A tick at 1 and at as many equal distances from it as there is room for."""
        span = self._scale.high - self._scale.low
        every = TICK * math.ceil(TICK_WIDTH * span / (TICK * width))
        low, high = (math.trunc(end / every) for end in (self._scale.low, self._scale.high))
        cells = [" "] * width
        for tick in range(low * every, high * every + 1, every):
            label = f"10{str(tick).translate(SUPERSCRIPTS)}" if tick else "1"
            middle = round(width * self._scale.place(tick)) - len(label) // 2
            start = min(max(0, middle), width - len(label))
            cells[start : start + len(label)] = label
        return "".join(cells).rstrip()


def relative_decades(deltas: Sequence[float | None]) -> list[float]:
    """log₁₀ of each δ over the last, or over the largest where the last has no logarithm.

    −∞ for a δ of 0, NaN for null.
    """
    held = [delta for delta in deltas if is_size(delta)]
    last = deltas[-1] if deltas else None
    reference = last if is_size(last) else max(held, default=1.0)
    return [_decades(delta, reference) for delta in deltas]


def _decades(delta: float | None, reference: float) -> float:
    if delta is None or math.isnan(delta):
        return math.nan
    return math.log10(delta) - math.log10(reference) if delta > 0 else -math.inf


def _mean(sizes: Sequence[float]) -> float:
    """The mean of what is finite; where nothing is, the first."""
    finite = [size for size in sizes if math.isfinite(size)]
    return fmean(finite) if finite else sizes[0]


def _value(size: float) -> str:
    within = not math.isfinite(size) or abs(size) < 300
    return number(10**size) if within else f"1e{round(size)}"


def _style(size: float) -> Style:
    """The colour of a size, in steps of a quarter decade, so that there are few to keep."""
    if math.isnan(size):
        return Style(color="red")
    size = round(4 * min(max(size, COLOURS[0][0]), COLOURS[-1][0])) / 4
    for (low, start), (high, end) in pairwise(COLOURS):
        if size <= high:
            along = (size - low) / (high - low)
            mixed = (round(a + along * (b - a)) for a, b in zip(start, end, strict=True))
            return Style(color=f"rgb({','.join(map(str, mixed))})")
    raise AssertionError("the colours span all sizes")

"""How the activations h are distributed in the layers, where a mean may hide two peaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Polygon
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from vgrad.arms import Arm
from vgrad.figures.arm_profiles import When, at_end
from vgrad.figures.bands import titled
from vgrad.figures.lines import stroke
from vgrad.figures.palette import GRID, INK, MUTED, activation_colour
from vgrad.figures.peaks import dip, has_two
from vgrad.figures.scale import Numbers, number
from vgrad.figures.split import spread
from vgrad.figures.style import Key, Sheet, name_axes, styled

MOST_STRIPS = 8
FEW = 3  # layers that are looked at to find the arm with two peaks
ALL = 1 << 30
MOST_TOLD = 2  # arms that the caption names at each of the two times
CELLS = 100  # that a strip's axis is cut into
MARGIN = 0.05  # of the axis, on both sides
KERNEL = np.array([1, 4, 6, 4, 1]) / 16  # a cell shares its values with its neighbours
LEVEL = 1e-3  # of the height of a strip: what rises by less is drawn as level
HIGHEST = 6.0  # times as dense as if all values were spread evenly: what is denser is cut
TAIL = 0.5  # how far beyond the middle 15/16 of the values an axis goes, in widths of these
UNLIKE = 25.0  # widths of the widest layer to the narrowest, from which each has its own axis
TIMES: dict[When, str] = {"first": "before training", "last": "at the end"}
MEAN = Key("mean of the layer", INK)


@dataclass(frozen=True, eq=False)
class Strip:
    """One layer of an arm at one time.

    Attributes:
        layer: which; counted from 1.
        quantiles: of each seed whose h are all finite, [S, Q].
        two: whether half of the seeds or more have two peaks.
    """

    layer: int
    quantiles: Numbers
    two: bool

    @property
    def mean(self) -> float:
        """Of h, as the quantiles have it."""
        return float((self.quantiles[:, 1:] + self.quantiles[:, :-1]).mean() / 2)

    @property
    def reach(self) -> tuple[float, float]:
        """From where to where an axis should go: to the ends, but not far into a thin tail."""
        low, high = float(self.quantiles[:, 1].min()), float(self.quantiles[:, -2].max())
        tail = TAIL * (high - low)
        least, most = float(self.quantiles.min()), float(self.quantiles.max())
        return max(least, low - tail), min(most, high + tail)


@dataclass(frozen=True, eq=False)
class Shape:
    """The hidden layers of an arm at one time."""

    arm: Arm
    when: When
    strips: Sequence[Strip]

    @property
    def two(self) -> list[int]:
        """The layers that have two peaks."""
        return [strip.layer for strip in self.strips if strip.two]

    @property
    def drawn(self) -> list[Strip]:
        """At most some strips, the first and the last among them."""
        return [self.strips[place] for place in spread(len(self.strips), MOST_STRIPS)]


@styled
def distributions(quantiles: pd.DataFrame, arms: Sequence[Arm], title: str = "") -> Sheet:
    """Densities of h by layer, before training and at the end, two panels for each arm.

    A density is that of the quantiles: between two of them the same share of the values is spread
    evenly. Those of an arm's seeds are drawn as one; its two peaks are those of single seeds.

    Args:
        quantiles: as `vgrad.store.distributions` gives them.
        arms: what is shown; those without a record are left out.
        title: a heading.
    """
    pairs = [pair for arm in arms if (pair := _shapes(quantiles, arm))]
    across = max(map(len, pairs), default=1)
    heading = title or "How the activations are distributed"
    figure = Sheet(across * max(len(pairs), 1), heading, [MEAN], across=across)
    letters = max((len(arm.label) for arm in arms), default=0) + len(", before training")
    tables = []
    for row, pair in enumerate(pairs):
        own, ends = _axis(pair)
        for column, shape in enumerate(pair):
            axes = figure.panels[row * across + column]
            name = titled(shape.arm.label, TIMES[shape.when])
            _draw(axes, shape, None if own else ends)
            name_axes(axes, name, "layer  [1 = next to the input]", letters)
            tables.append(_table(shape, name))
        for axes in figure.panels[row * across + len(pair) : (row + 1) * across]:
            axes.set_axis_off()
    figure.table = pd.concat(tables, ignore_index=True) if tables else None
    shapes = [shape for pair in pairs for shape in pair]
    figure.caption = _caption(shapes)
    figure.note = _note(shapes)
    return figure


def most_peaked(quantiles: pd.DataFrame, arms: Sequence[Arm]) -> Arm | None:
    """The arm that has two peaks in the largest share of a few layers; None if none has any.

    Args:
        quantiles: as for `distributions`.
        arms: those that are looked at.
    """
    if quantiles.empty:
        return None
    of_run = dict(tuple(quantiles.groupby("run_id", sort=False)))
    shares = []
    for arm in arms:
        parts = [of_run[run_id] for run_id in arm.run_ids if run_id in of_run]
        shapes = _shapes(pd.concat(parts), arm, FEW) if parts else []
        strips = [strip for shape in shapes for strip in shape.strips]
        two = sum(strip.two for strip in strips)
        shares += [(two / len(strips), arm)] if two else []
    return max(shares, key=lambda pair: pair[0])[1] if shares else None


def _shapes(quantiles: pd.DataFrame, arm: Arm, most: int = ALL) -> list[Shape]:
    """The arm, with so many of its layers, before training and at the end if recorded then."""
    own = quantiles[quantiles["run_id"].isin(arm.run_ids)]
    first, later = own[own["step"] == 0], own[own["step"] > 0]
    ends: list[tuple[When, pd.DataFrame]] = [("first", first), ("last", at_end(later, "last"))]
    return [Shape(arm, when, _strips(rows, most)) for when, rows in ends if len(rows)]


def _strips(rows: pd.DataFrame, most: int) -> list[Strip]:
    """The hidden layers that have finite values; of a net without any, the output layer."""
    columns = [name for name in rows if str(name).startswith("q")]
    top = int(rows["layer"].max())
    hidden = [1 + place for place in spread(max(top - 1, 1), most)]
    rows = rows[rows["layer"].isin(hidden)]
    values = rows[columns].to_numpy(dtype=np.float64)
    known = np.isfinite(values).all(1)
    layers, values = rows["layer"].to_numpy()[known], values[known]
    values = np.maximum.accumulate(values, axis=1)  # rounding may have turned two around
    two = has_two(values)
    return [
        Strip(int(layer), values[layers == layer], bool(two[layers == layer].mean() >= 0.5))
        for layer in np.unique(layers)
    ]


def _axis(shapes: Sequence[Shape]) -> tuple[bool, tuple[float, float]]:
    """Whether each layer needs an axis of its own, and otherwise the ends of all."""
    reaches = np.array([strip.reach for shape in shapes for strip in shape.drawn] or [(0.0, 1.0)])
    widths = reaches[:, 1] - reaches[:, 0]
    widths = widths[widths > 0]
    own = len(widths) > 0 and bool(widths.max() > UNLIKE * widths.min())
    return own, _widened(float(reaches[:, 0].min()), float(reaches[:, 1].max()))


def _widened(low: float, high: float) -> tuple[float, float]:
    """The ends of an axis that shows these, though they be one."""
    if high <= low:
        half = 0.5 * abs(low) or 0.5
        return low - half, high + half
    return low - MARGIN * (high - low), high + MARGIN * (high - low)


def density(quantiles: Numbers, edges: Numbers) -> Numbers:
    """How dense the values are in each cell, 1 where they would be if spread over all evenly.

    Args:
        quantiles: evenly spaced and in order, [Q]; the values between two are spread evenly.
        edges: of the cells, all of one width, [N + 1].
    """
    last = len(quantiles) - 1
    place = np.searchsorted(quantiles, edges, side="right") - 1
    inside = (place >= 0) & (place < last)
    at = np.where(inside, place, 0)
    part = edges - quantiles[at]
    width = np.where(inside, quantiles[at + 1] - quantiles[at], 1.0)
    below = np.where(inside, (at + part / width) / last, np.where(place < 0, 0.0, 1.0))
    return np.asarray(np.diff(below) * (len(edges) - 1))


def _draw(axes: Axes, shape: Shape, ends: tuple[float, float] | None) -> None:
    """The strips, layer 1 at the bottom; without `ends` each on an axis of its own."""
    strips = shape.drawn
    outlines = []
    for strip in strips:
        low, high = ends or _widened(*strip.reach)
        edges = np.linspace(low, high, CELLS + 1)
        heights = np.mean([density(values, edges) for values in strip.quantiles], axis=0)
        smooth = np.convolve(heights, KERNEL, mode="same")
        outlines.append((edges, np.minimum(smooth, HIGHEST)))
    top = max((float(heights.max()) for _, heights in outlines), default=1.0) or 1.0
    colour = activation_colour(str(shape.arm.settings.get("activation", "")))
    for place, (strip, (edges, heights)) in enumerate(zip(strips, outlines, strict=True)):
        low, high = ends or (float(edges[0]), float(edges[-1]))
        along = (edges[1:] + edges[:-1] - 2 * low) / (2 * (high - low))
        up = place + 0.86 * heights / top
        needed = _needed(up)
        corners = np.column_stack([[0.0, *along[needed], 1.0], [place, *up[needed], place]])
        look: Any = {"facecolor": (colour, 0.45), "edgecolor": colour, "linewidth": 1.0}
        axes.add_artist(Polygon(corners, **look, zorder=2))
        middle = (strip.mean - low) / (high - low)
        if 0 <= middle <= 1:
            ends_of_line = np.array([place, place + 0.5])
            stroke(axes, np.full(2, middle), ends_of_line, color=INK, linewidth=1.2, zorder=3)
        _say(axes, strip, (middle, place), None if ends else strip.reach)
    _dress(axes, strips, ends)


def _needed(up: Numbers) -> NDArray[np.bool_]:
    """Which points of an outline are no part of a level stretch."""
    steps = np.abs(np.diff(up, prepend=up[0], append=up[-1])) > LEVEL
    return np.asarray(steps[1:] | steps[:-1])


def _say(
    axes: Axes, strip: Strip, at: tuple[float, int], reach: tuple[float, float] | None
) -> None:
    """That a strip has two peaks, beside the line of its mean; its own range, at the right."""
    middle, place = at
    if strip.two:
        spot = (min(max(middle, 0.0), 0.8) + 0.012, place + 0.3)
        axes.text(*spot, "two peaks", size=6.8, color=MUTED, zorder=4)
    if reach is not None:
        told = " to ".join(map(_short, reach))  # not at the left: most activations crowd there
        axes.text(1.0, place + 0.08, told, ha="right", size=6.8, color=MUTED, zorder=4)


def _dress(axes: Axes, strips: Sequence[Strip], ends: tuple[float, float] | None) -> None:
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.12, max(len(strips), 1))
    axes.set_yticks(range(len(strips)), [str(strip.layer) for strip in strips])
    axes.spines["left"].set_visible(False)
    for place in range(len(strips)):
        axes.axhline(place, color=GRID, linewidth=0.7, zorder=1)
    if ends is None:
        axes.set_xticks([])
        axes.set_xlabel("h, each layer from its least to its greatest  [1]")
        return
    low, high = ends
    ticks = MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    inside = [tick for tick in ticks if low <= tick <= high]
    axes.set_xticks([(t - low) / (high - low) for t in inside], [number(float(t)) for t in inside])
    axes.set_xlabel("h, the activations  [1]")


def _short(value: float) -> str:
    return number(float(f"{value:.2g}"))


def _table(shape: Shape, panel: str) -> pd.DataFrame:
    """What is drawn of one arm at one time: the quantiles, the mean of its seeds."""
    frames = []
    for strip in shape.drawn:
        values = strip.quantiles.mean(0)
        columns = {"x": np.linspace(0.0, 1.0, len(values)), "value": values}
        columns |= {"dip": np.full(len(values), float(dip(strip.quantiles).mean()))}
        told = {"panel": panel, "arm": shape.arm.number, "label": f"layer {strip.layer}"}
        frames.append(pd.DataFrame(told | {"along": "share of h below"} | columns))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _caption(shapes: Sequence[Shape]) -> str:
    """Where a mean hides two peaks."""
    if not any(shape.strips for shape in shapes):
        return "No distribution of finite activations was recorded."
    told = [text for when in TIMES for text in _told(shapes, when)]
    if not told:
        return "No layer of these arms has two clear peaks that its mean would hide."
    return f"A mean hides two peaks {'; '.join(told)}."


def _told(shapes: Sequence[Shape], when: When) -> Iterator[str]:
    """The arms that have layers with two peaks at one time, those with the most first."""
    found = [shape for shape in shapes if shape.when == when and shape.two]
    found.sort(key=lambda shape: -len(shape.two) / len(shape.strips))
    for shape in found[:MOST_TOLD]:
        yield f"{TIMES[when]} in {_layers(shape.two)} of {shape.arm.label}"
    if len(found) > MOST_TOLD:
        yield f"and in {len(found) - MOST_TOLD} more {TIMES[when]}"


def _layers(layers: Sequence[int]) -> str:
    """`layer 3`, `layers 1 to 4 and 9`: some layers, in order, in few words."""
    runs: list[list[int]] = []
    for layer in layers:
        if runs and layer == runs[-1][-1] + 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    words = [str(r[0]) if len(r) == 1 else f"{r[0]} to {r[-1]}" for r in runs]
    several = f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]
    return f"layer{'s' * (len(layers) > 1)} {several}"


def _note(shapes: Sequence[Shape]) -> str:
    """How to read the strips."""
    notes = ["Strips have one area; what is far denser than the rest is cut off."]
    if any(len(shape.drawn) < len(shape.strips) for shape in shapes):
        notes.append(f"At most {MOST_STRIPS} layers are drawn; the caption speaks of all.")
    if any(len(shape.arm.run_ids) > 1 for shape in shapes):
        notes.append("The seeds of an arm are drawn as one, and judged one by one.")
    return " ".join(notes)

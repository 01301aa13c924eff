"""Lines on a panel, by layer or by step; what no axis can hold is marked on its rail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from vgrad.figures.palette import GRID, GUIDE_DASH, MUTED, RAIL, Dash
from vgrad.figures.quantities import Quantity
from vgrad.figures.scale import DIVERGED, Numbers, Scale, odd, usual
from vgrad.figures.style import name_axes

MOST_MARKS = 60  # of one line on one rail
MARKERS = {"NaN": "x", "∞": "^", "−∞": "v", "0": "v", DIVERGED: "X"}


@dataclass(frozen=True)
class Line:
    """One line: its places along x, its values, and how it looks."""

    x: Numbers
    values: Numbers
    colour: str
    dash: Dash = "solid"
    dotted: bool = False  # a dot at each value
    width: float = 1.5
    alpha: float = 1.0
    strand: int = 0  # its number on a page, see `Live`


def draw(
    axes: Axes, quantity: Quantity, lines: Sequence[Line], seen: Numbers | None = None
) -> Scale:
    """Draws the lines on the scale that shows them all, with the rails that they need.

    Args:
        axes: where.
        quantity: what.
        lines: the lines.
        seen: what can be shown in the place of one of them.
    """
    values = [line.values for line in lines]
    values += [] if seen is None else [usual(seen), odd(seen)]
    scale = quantity.scale(np.concatenate(values or [np.empty(0)]))
    for line in lines:
        _draw_line(axes, line, scale)
    name_axes(axes, quantity.title, quantity.axis)
    dress(axes, quantity, scale)
    return scale


def dress(axes: Axes, quantity: Quantity, scale: Scale) -> None:
    """Ticks, grid and rails of a y axis."""
    _ticks(axes, scale, _percent if quantity.prefer == "share" else str)


def label_layers(axes: Axes, deepest: int, *, output_apart: bool) -> None:
    """The layers along x, input on the left.

    Args:
        axes: the panel.
        deepest: the number of the last layer, hidden layers plus one.
        output_apart: whether that is the output layer of all lines, and is named so.
    """
    places = layer_ticks(deepest)
    names = ["out" if output_apart and k == deepest else str(k) for k in places]
    axes.set_xticks(places, names)
    axes.set_xlim(min(0.5, 1 - 0.03 * deepest), max(deepest + 0.5, 1.03 * deepest))
    end = "out = output" if output_apart else "last = output"
    axes.set_xlabel(f"layer  [1 = next to the input, {end}]")


def label_shares(axes: Axes) -> None:
    """The share of the depth along x, input on the left."""
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0], ["0", "¼", "½", "¾", "1"])
    axes.set_xlim(-0.02, 1.04)
    axes.set_xlabel("layer / depth  [0 = input, 1 = last hidden layer]")


def layer_ticks(deepest: int) -> list[int]:
    """The layers that get a label: the first, the last, and round numbers between."""
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 10**6) if deepest / s <= 8)
    between = range(step * (2 if step <= 2 else 1), deepest - step // 2, step)
    return [1, *between, deepest][: max(deepest, 1)]


def stroke(axes: Axes, x: Numbers, y: Numbers, **style: Any) -> None:
    """A line on axes whose limits are given elsewhere: many times faster than `plot`."""
    axes.add_artist(Line2D(x, y, **style))


def mark(
    axes: Axes,
    x: Numbers,
    scale: Scale,
    rail: str,
    colour: str,
    *,
    gid: str | None,
    alpha: float = 1.0,
) -> None:
    """Marks on a rail, for what has no place on the axis."""
    x = x[:: -(-len(x) // MOST_MARKS) or 1]
    stroke(
        axes,
        x,
        np.full(len(x), scale.rails[rail]),
        color=colour,
        linestyle="none",
        marker=MARKERS[rail],
        markersize=4,
        alpha=alpha,
        gid=gid,
    )


def _draw_line(axes: Axes, line: Line, scale: Scale) -> None:
    stroke(
        axes,
        line.x,
        scale.place(line.values),
        color=line.colour,
        linestyle=line.dash,
        linewidth=line.width,
        alpha=line.alpha,
        marker="o" if line.dotted else "",
        markersize=1.4 + line.width,
        markeredgewidth=0,
        gid=_gid(line),
    )
    for rail, mask in scale.marks(line.values).items():
        mark(axes, line.x[mask], scale, rail, line.colour, gid=_gid(line), alpha=line.alpha)


def _gid(line: Line) -> str | None:
    return f"arm-{line.strand}" if line.strand else None


def _ticks(axes: Axes, scale: Scale, show: Callable[[str], str]) -> None:
    axes.set_ylim(*scale.limits)
    places, labels = zip(*scale.ticks(), strict=True)
    axes.set_yticks(places, [show(label) for label in labels])
    if DIVERGED in scale.rails:  # a long word for the margin
        axes.get_yticklabels()[list(labels).index(DIVERGED)].set_fontsize(7)
    axes.grid(axis="y")
    if scale.limits[1] > scale.high:
        axes.axhspan(scale.high, scale.limits[1], color=RAIL, zorder=0, linewidth=0)
        axes.axhline(scale.high, color=GRID, linewidth=0.8)
    if scale.limits[0] < scale.low:
        axes.axhspan(scale.limits[0], scale.low, color=RAIL, zorder=0, linewidth=0)
        axes.axhline(scale.low, color=GRID, linewidth=0.8)


def _percent(label: str) -> str:
    return f"{100 * float(label):.0f}" if label.replace(".", "").isdigit() else label


def guide(axes: Axes, place: float) -> None:
    """A dashed line across a panel at a place of its y axis, to compare with."""
    axes.axhline(place, color=MUTED, linewidth=1, linestyle=GUIDE_DASH, zorder=0.8)


def chance_line(axes: Axes, chance: float | None) -> None:
    """A dashed line at the accuracy of guessing, named."""
    if chance is None:
        return
    guide(axes, chance)
    axes.annotate(
        "chance",
        xy=(1, chance),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        size=8,
        color=MUTED,
        zorder=0.9,  # below the lines
    )

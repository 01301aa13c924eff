"""Lines on a panel, by layer or by step; what no axis can hold is marked on its rail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from vgrad.figures.quantities import Quantity
from vgrad.figures.scale import Numbers, Scale
from vgrad.figures.style import GRID, MUTED, PAPER, RAIL, Dash, name_axes

MOST_MARKS = 60  # of one line on one rail
MANY_LINES = 200  # beyond this the lines of a panel become one image, so that a file stays small
MARKERS = {"NaN": "x", "∞": "^", "−∞": "v", "0": "v"}


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


def draw(axes: Axes, quantity: Quantity, lines: Sequence[Line]) -> None:
    """Draws the lines on the scale that shows them all, with the rails that they need."""
    scale = quantity.scale(np.concatenate([line.values for line in lines] or [np.empty(0)]))
    for line in lines:
        _draw_line(axes, line, scale, rasterized=len(lines) > MANY_LINES)
    name_axes(axes, quantity.title, quantity.axis)
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


def layer_ticks(deepest: int) -> list[int]:
    """The layers that get a label: the first, the last, and round numbers between."""
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 10**6) if deepest / s <= 8)
    between = range(step * (2 if step <= 2 else 1), deepest - step // 2, step)
    return [1, *between, deepest][: max(deepest, 1)]


def _draw_line(axes: Axes, line: Line, scale: Scale, *, rasterized: bool) -> None:
    axes.plot(
        line.x,
        scale.place(line.values),
        color=line.colour,
        linestyle=line.dash,
        linewidth=line.width,
        alpha=line.alpha,
        marker="o" if line.dotted else "",
        markersize=1.4 + line.width,
        markeredgewidth=0,
        rasterized=rasterized,
    )
    for rail, mask in scale.marks(line.values).items():
        where = np.flatnonzero(mask)
        where = where[:: -(-len(where) // MOST_MARKS)]
        axes.plot(
            line.x[where],
            np.full(len(where), scale.rails[rail]),
            color=line.colour,
            linestyle="none",
            marker=MARKERS[rail],
            markersize=4,
            alpha=line.alpha,
            rasterized=rasterized,
            gid=f"rail {rail}",
        )


def _ticks(axes: Axes, scale: Scale, show: Callable[[str], str]) -> None:
    axes.set_ylim(*scale.limits)
    places, labels = zip(*scale.ticks(), strict=True)
    axes.set_yticks(places, [show(label) for label in labels])
    axes.grid(axis="y")
    if scale.limits[1] > scale.high:
        axes.axhspan(scale.high, scale.limits[1], color=RAIL, zorder=0, linewidth=0)
        axes.axhline(scale.high, color=GRID, linewidth=0.8)
    if scale.limits[0] < scale.low:
        axes.axhspan(scale.limits[0], scale.low, color=RAIL, zorder=0, linewidth=0)
        axes.axhline(scale.low, color=GRID, linewidth=0.8)


def _percent(label: str) -> str:
    return f"{100 * float(label):.0f}" if label.replace(".", "").isdigit() else label


def chance_line(axes: Axes, chance: float | None) -> None:
    """A dashed line at the accuracy of guessing, named."""
    if chance is None:
        return
    axes.axhline(chance, color=MUTED, linewidth=1, linestyle=(0, (2, 2)))
    axes.annotate(
        "chance",
        xy=(1, chance),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        size=8,
        color=MUTED,
        bbox={"facecolor": PAPER, "edgecolor": "none", "alpha": 0.8, "pad": 0.5},
    )

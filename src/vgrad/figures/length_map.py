"""The length map of one network: q of a layer → q of the next, and the way along it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from vgrad.figures.palette import GUIDE_DASH, INK, LATE, MIDDLE, MUTED
from vgrad.figures.scale import Numbers, Scale, number
from vgrad.figures.style import name_axes

if TYPE_CHECKING:
    from vgrad.meanfield.length_map import LengthMap

WAY, CURVE = MIDDLE, LATE
AXIS = "q of the next layer  [units of z²]"


def draw_length_map(axes: Axes, drawn: LengthMap) -> None:
    """The map, the diagonal, the fixed points and the cobweb of one network.

    Stable fixed points are filled, the others are open.
    """
    x, y = _placed(drawn, drawn.q), _placed(drawn, drawn.next_q)
    low, high = float(x[0]), float(x[-1])
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.plot([low, high], [low, high], color=MUTED, linewidth=1, linestyle=GUIDE_DASH)
    axes.plot(x, y, color=CURVE, linewidth=1.6)
    _draw_way(axes, drawn, low)
    for q, slope in drawn.marked:
        place = _placed(drawn, np.array([q]))
        face = INK if abs(slope) < 1.0 else "none"
        axes.plot(
            place,
            place,
            linestyle="none",
            marker="o",
            markersize=6,
            markerfacecolor=face,
            markeredgecolor=INK,
            clip_on=False,
            zorder=4,
        )
    name_axes(axes, "Length map", AXIS)
    axes.set_xlabel("q of a layer  [mean square of z]")
    scale = Scale("log" if drawn.logarithmic else "linear", low, high, {})
    ticks = scale.ticks()
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks([place for place, _ in ticks], labels=[label for _, label in ticks])


def said_of(drawn: LengthMap) -> str:
    """Where this network's lengths go, as part of a sentence."""
    start = number(float(f"{drawn.path[0]:.3g}")) if drawn.path else "beyond the axis"
    if np.isinf(drawn.reached):
        return f"lengths start at q = {start} and grow without end (no fixed point is reached)"
    if drawn.reached == 0.0:
        return f"lengths start at q = {start} and die out (q* = 0)"
    end = number(float(f"{drawn.reached:.3g}"))
    if start == end:
        return f"lengths stay at q = {end}"
    return f"lengths go from q = {start} in layer 1 to q* = {end}"


def _draw_way(axes: Axes, drawn: LengthMap, low: float) -> None:
    """The cobweb: up to the map, over to the diagonal, and so on."""
    path = _placed(drawn, np.array(drawn.path))
    if not len(path):
        return
    x = np.repeat(path, 2)
    y = np.concatenate([[low], np.repeat(path[1:], 2)])
    if len(path) == 1:
        after = np.interp(drawn.path[0], drawn.q, drawn.next_q)
        x, y = np.repeat(path, 2), np.append([low], _placed(drawn, np.array([after])))
    count = min(len(x), len(y))
    axes.plot(x[:count], y[:count], color=WAY, linewidth=1, zorder=3)
    axes.plot(path[:1], [low], color=WAY, marker="^", markersize=6, clip_on=False, zorder=5)


def _placed(drawn: LengthMap, values: Numbers) -> Numbers:
    with np.errstate(divide="ignore"):
        return np.log10(values) if drawn.logarithmic else values

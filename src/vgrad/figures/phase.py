"""The phase diagram: where in the plane of σ_w and σ_b gradients vanish, and where they explode."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

from vgrad.figures.length_map import CURVE, WAY, draw_length_map, said_of
from vgrad.figures.palette import GUIDE_DASH, INK, MUTED, PAPER
from vgrad.figures.scale import Numbers, Scale, number
from vgrad.figures.style import CELL_HEIGHT, TITLE_HEIGHT, Key, Sheet, name_axes, styled

if TYPE_CHECKING:
    from vgrad.theory.pictured import Pictured

LARGER = 1.4  # than the panels of a page, as these two stand by themselves
FOOT, LETTER = 0.5, 0.062  # inches, of the words below them and of one letter of these
PHASES = "PuOr_r"  # violet is ordered, orange chaotic
SPAN = 1.0  # │ln χ₁│ from which on a colour is full
FULL, PALE = 0.27, 0.05  # of the colours, and how far from white they begin
TRAINABLE, DEPTHS = 6.0, (10, 30, 100)  # 6 ξ_∇ of the contours, in layers
CRITICAL = "#0b7a6b"
HIGH = 0.82  # of the panel: where the phases' names stand
LOW = 0.25  # likewise, where a phase is too narrow for its name higher up
ROOM = 0.27  # share of the panel's width that a name needs
LEAST_NAMED = 0.1  # share of the panel: smaller parts have no name in it
NEAR = 0.005  # of χ₁ = 1, counts as critical in words


@styled
def mean_field(drawn: Pictured, title: str = "") -> Sheet:
    """The length map of a config, and where it stands in the plane of σ_w and σ_b.

    Args:
        drawn: the arrays.
        title: a heading.
    """
    figure = Sheet(2, title or "Mean-field theory", _keys(drawn))
    draw_length_map(figure.panels[0], drawn.length_map)
    draw_phases(figure.panels[1], drawn)
    figure.caption = _caption(drawn)
    figure.note = _note(drawn)
    _write_foot(figure)
    return figure


def _keys(drawn: Pictured) -> list[Key]:
    """What the legend names: what there is."""
    keys = [Key("length map", CURVE), Key("this config", WAY, marker="^")]
    if drawn.length_map.marked:
        keys.append(Key("fixed point, ○ unstable", INK, "none", "o"))
    if drawn.diagram.line:
        keys.append(Key("critical line, χ₁ = 1", CRITICAL))
    return [*keys, Key("6 ξ_∇ = 10, 30, 100", MUTED, GUIDE_DASH)]


def draw_phases(axes: Axes, drawn: Pictured) -> None:
    """The phases, the critical line, contours of the gradient's depth scale, and this config."""
    plane = drawn.diagram
    high_w, low_b, high_b = _ends(drawn)
    with np.errstate(divide="ignore"):
        log_BW = np.log(plane.chi1)
    axes.imshow(
        _colours(log_BW),
        origin="lower",
        aspect="auto",
        interpolation="none",
        extent=(0.0, high_w, low_b, high_b),
    )
    endless = np.isinf(plane.q)
    if endless.any():
        places = plane.sigma_w, plane.sigma_b, endless.astype(float)
        axes.contourf(*places, levels=[0.5, 1.5], colors="none", hatches=["///"]).set(
            edgecolor=MUTED, linewidth=0.0
        )
    _draw_depths(axes, plane.sigma_w, plane.sigma_b, np.where(endless, np.nan, log_BW))
    for one in plane.line:
        style: dict[str, Any] = {"color": CRITICAL, "linewidth": 2.2, "zorder": 3}
        point = np.ptp(one.sigma_w) < 1e-6 and np.ptp(one.sigma_b) < 1e-6
        marker: dict[str, Any] = {"marker": "D", "markersize": 6, "clip_on": False} if point else {}
        count = 1 if point else len(one.sigma_w)
        axes.plot(one.sigma_w[:count], one.sigma_b[:count], **style, **marker)
    axes.plot(
        [drawn.sigma_w],
        [drawn.sigma_b],
        linestyle="none",
        marker="^",
        markersize=9,
        markerfacecolor=WAY,
        markeredgecolor=PAPER,
        markeredgewidth=1.0,
        clip_on=False,
        zorder=6,
    )
    _write_phases(axes, plane.chi1, endless, (high_w, low_b, high_b))
    axes.set_xlim(0.0, high_w)
    axes.set_ylim(low_b, high_b)
    name_axes(axes, "Phase diagram", "σ_b  [root mean square of the biases]")
    axes.set_xlabel("σ_w  [root of fan_in × mean square of the weights]")
    for axis, low, high in ((axes.xaxis, 0.0, high_w), (axes.yaxis, low_b, high_b)):
        ticks = Scale("linear", low, high, {}).ticks()
        axis.set_ticks([place for place, _ in ticks], labels=[label for _, label in ticks])


def _ends(drawn: Pictured) -> tuple[float, float, float]:
    """The ends of the axes: values of the plane stand in the middle of their cells."""
    w, b = drawn.diagram.sigma_w, drawn.diagram.sigma_b
    half_w, half_b = (w[1] - w[0]) / 2.0, (b[1] - b[0]) / 2.0
    return float(w[-1] + half_w), float(b[0] - half_b), float(b[-1] + half_b)


def _colours(log_BW: Numbers) -> np.ndarray:
    """Pale where χ₁ is near 1, fuller away from it; one hue for each phase."""
    share = np.clip(np.abs(np.nan_to_num(log_BW, neginf=-SPAN, posinf=SPAN)) / SPAN, 0.0, 1.0)
    share = PALE + (FULL - PALE) * share
    colours = mpl.colormaps[PHASES](0.5 + np.where(log_BW < 0.0, -share, share))
    return np.asarray((255 * colours).round().astype(np.uint8))


def _draw_depths(axes: Axes, w: Numbers, b: Numbers, log_BW: Numbers) -> None:
    """Contours where 6 ξ_∇ has round values, with these beside them."""
    with np.errstate(divide="ignore", invalid="ignore"):
        rate_BW = np.ma.masked_invalid(np.abs(log_BW))
    levels = sorted(TRAINABLE / depth for depth in DEPTHS)
    if not (rate_BW.count() and rate_BW.min() < levels[-1]):
        return
    lines = axes.contour(w, b, rate_BW, levels=levels, colors=MUTED, linewidths=0.8)
    lines.set_linestyle(GUIDE_DASH)
    names = {level: f"{TRAINABLE / level:.0f}" for level in levels}
    axes.clabel(lines, fmt=names, fontsize=7.5, inline_spacing=2)


def _write_phases(
    axes: Axes, chi1: Numbers, endless: np.ndarray, ends: tuple[float, float, float]
) -> None:
    """The name of each phase, well above where most configs stand."""
    high_w, low_b, high_b = ends
    parts = {
        "ordered:\ngradients vanish": (chi1 < 1.0) & ~endless,
        "chaotic:\ngradients explode": (chi1 > 1.0) & ~endless,
        "q → ∞": endless,
    }
    for words, mask in parts.items():
        if mask.mean() < LEAST_NAMED:
            continue
        row = _row_of(mask)
        column = float(np.median(np.flatnonzero(mask[row])))
        count_b, count_w = mask.shape
        axes.text(
            high_w * (column + 0.5) / count_w,
            low_b + (high_b - low_b) * (row + 0.5) / count_b,
            words,
            ha="center",
            va="center",
            size=8.5,
            color=INK,
            zorder=5,
            bbox={"facecolor": PAPER, "alpha": 0.7, "edgecolor": "none", "pad": 1.5},
        )


def _row_of(mask: np.ndarray) -> int:
    """Where the name of a phase stands: as high as HIGH, lower where the phase is narrow there."""
    count = len(mask) - 1
    high, low = round(HIGH * count), round(LOW * count)
    wide = [row for row in range(high, low - 1, -1) if mask[row].mean() >= ROOM]
    if wide:
        return wide[0]
    return high if mask[high].any() else round(float(np.median(np.nonzero(mask)[0])))


def _caption(drawn: Pictured) -> str:
    """Where this config stands."""
    chi1, endless = drawn.chi1, np.isinf(drawn.length_map.reached)
    phase = "critical" if abs(chi1 - 1.0) <= NEAR else "ordered" if chi1 < 1.0 else "chaotic"
    place = f"σ_w = {_told(drawn.sigma_w)}, σ_b = {_told(drawn.sigma_b)}"
    where = (
        f"the critical σ_w at this σ_b is {_told(drawn.critical)}"
        if drawn.critical is not None
        else f"there is no critical point at this σ_b: {drawn.why}"
    )
    way = said_of(drawn.length_map)
    slope = f"χ₁ → {_told(chi1)}" if endless else f"χ₁ = {_told(chi1)} ({phase})"
    return f"With {place} {way}, {slope}; {where}."


def _note(drawn: Pictured) -> str:
    parts = ["Networks start from the inputs of this config."]
    if np.isinf(drawn.diagram.q).any():
        parts.append("Hatched: lengths grow without end there.")
    return " ".join(parts)


def _told(value: float | None) -> str:
    return "?" if value is None else number(float(f"{value:.4g}"))


def _write_foot(figure: Sheet) -> None:
    """Larger panels, caption and note below: a file of its own has no page to say them."""
    width, height = (float(side) for side in figure.get_size_inches())
    head = height - CELL_HEIGHT
    across, down = LARGER * width, head + LARGER * CELL_HEIGHT + FOOT
    for axes in figure.panels:
        spot = axes.get_position()
        bottom = FOOT + LARGER * spot.y0 * height
        axes.set_position(
            (spot.x0, bottom / down, spot.width, LARGER * spot.height * height / down)
        )
    figure.set_size_inches(across, down)
    figure.texts[0].set_position((0.1 / across, 1 - 0.13 / down))
    figure.legends[0].set_bbox_to_anchor((0.05 / across, 1 - (TITLE_HEIGHT - 0.1) / down))
    lines = wrap(f"{figure.caption} {figure.note}", int(across / LETTER))
    place = (0.1 / across, 0.1 / down)
    figure.text(*place, "\n".join(lines), va="bottom", size=8, color=MUTED)

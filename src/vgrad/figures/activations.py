"""Every activation φ with its slope φ′, in small multiples."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from vgrad.figures.palette import GRID, INK, MUTED, Dash
from vgrad.figures.scale import Numbers
from vgrad.figures.style import POINTS, plain, png, styled, svg

REACH = 4.0
"""The curves are drawn for z from −REACH to REACH."""

VALUE, SLOPE = "#0072b2", "#d55e00"  # after Okabe & Ito: told apart by colour-blind readers
FAINT, KINK = "#8d97a2", (0, (1, 1.6))
SECOND = (0, (3, 1.2))
RANGE = (-2.2, 3.2)  # of all panels but those whose curves are mostly outside

COLUMNS = 5
CELL_WIDTH, CELL_HEIGHT = 1.86, 1.66  # inches, of one panel with its labels
LEFT, RIGHT, TOP, BOTTOM = 0.27, 0.09, 0.42, 0.24  # inches, from a panel's edge to its axes
HEAD, MARGIN = 0.34, 0.08  # inches, of the legend and around the whole


@dataclass(frozen=True)
class Portrait:
    """An activation's curves; NaN breaks a line.

    Attributes:
        name: what the user types.
        notes: what a reader must know of it, in a few words.
        z: what moves, [N].
        values: h, a column for each output, [N, K].
        slopes: ∂h/∂z, likewise.
        kinks: where φ is not differentiable.
    """

    name: str
    notes: str
    z: Numbers
    values: NDArray[np.float64]
    slopes: NDArray[np.float64]
    kinks: tuple[float, ...]


@styled
def activations(portraits: Sequence[Portrait]) -> Figure:
    """A panel for each activation: φ and φ′ over z."""
    rows = -(-len(portraits) // COLUMNS)
    width = COLUMNS * CELL_WIDTH + 2 * MARGIN
    height = HEAD + rows * CELL_HEIGHT + MARGIN
    figure = Figure(figsize=(width, height))
    for index, portrait in enumerate(portraits):
        row, column = divmod(index, COLUMNS)
        left = MARGIN + column * CELL_WIDTH + LEFT
        bottom = height - HEAD - (row + 1) * CELL_HEIGHT + BOTTOM
        size = ((CELL_WIDTH - LEFT - RIGHT) / width, (CELL_HEIGHT - TOP - BOTTOM) / height)
        axes = figure.add_axes((left / width, bottom / height, *size))
        _draw(axes, portrait)
    figure.legend(
        handles=_keys(portraits),
        loc="upper left",
        bbox_to_anchor=(0.02 / width, 1 - 0.03 / height),
        ncols=4,
        handlelength=2.4,
    )
    return figure


@styled
def pdf(figure: Figure) -> bytes:
    """The figure as PDF, for papers; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # a letter without glyph
        figure.savefig(buffer, format="pdf", metadata={"Creator": "vgrad", "CreationDate": None})
    return buffer.getvalue()


FORMATS: Mapping[str, Callable[[Figure], bytes]] = {
    ".png": png,
    ".svg": lambda figure: svg(figure).encode(),
    ".pdf": pdf,
}
"""The ending of a file → what writes it."""


def _keys(portraits: Sequence[Portrait]) -> list[Line2D]:
    """The legend."""
    keys = [_key("φ(z)", VALUE), _key("slope φ′(z)", SLOPE)]
    if any(portrait.values.shape[1] > 1 for portrait in portraits):
        keys.append(_key("second output", INK, SECOND))
    if any(portrait.kinks for portrait in portraits):
        keys.append(_key("not differentiable", FAINT, KINK))
    return keys


def _key(label: str, colour: str, dash: Dash = "solid") -> Line2D:
    return Line2D([], [], label=label, color=colour, linestyle=dash, linewidth=1.5)


def _draw(axes: Axes, portrait: Portrait) -> None:
    for kink in portrait.kinks:
        axes.axvline(kink, color=FAINT, linestyle=KINK, linewidth=0.8, zorder=1)
    for k in range(portrait.values.shape[1]):
        dash = SECOND if k else "solid"
        axes.plot(portrait.z, portrait.slopes[:, k], color=SLOPE, linewidth=1.3, linestyle=dash)
        axes.plot(portrait.z, portrait.values[:, k], color=VALUE, linewidth=1.7, linestyle=dash)
    axes.set_xlim(-REACH, REACH)
    axes.set_xticks([-4, -2, 0, 2, 4], ["−4", "−2", "0", "2", "4"])
    _scale(axes, portrait)
    axes.tick_params(labelsize=6.5, pad=2, length=0)
    axes.grid()
    axes.spines[:].set_visible(False)
    axes.axhline(0, color=GRID, linewidth=1.4, zorder=0.9)
    axes.axvline(0, color=GRID, linewidth=1.4, zorder=0.9)
    _name(axes, portrait)


def _name(axes: Axes, portrait: Portrait) -> None:
    """The name and, below it, the notes."""
    for text, above, size, colour, weight in (
        (plain(portrait.name, 22), 12, 8.5, INK, "bold"),
        (plain(portrait.notes, 40), 4, 6.2, MUTED, "normal"),
    ):
        axes.annotate(
            text,
            xy=(0, 1),
            xycoords="axes fraction",
            xytext=(-LEFT * POINTS / 2, above),
            textcoords="offset points",
            va="baseline",
            size=size,
            color=colour,
            weight=weight,
        )


def _scale(axes: Axes, portrait: Portrait) -> None:
    """The same range for all, or a panel's own where a curve is mostly outside of that."""
    curves = np.concatenate([portrait.values, portrait.slopes], axis=1)
    inside = ((curves >= RANGE[0]) & (curves <= RANGE[1])).sum(0) / np.isfinite(curves).sum(0)
    if inside.min() > 0.6:
        axes.set_ylim(*RANGE)
        axes.set_yticks([-2, -1, 0, 1, 2, 3], ["", "−1", "0", "1", "2", "3"])  # −2 is near z = −4
        return
    low, high = float(np.nanmin(curves)), float(np.nanmax(curves))
    margin = 0.05 * (high - low)
    axes.set_ylim(low - margin, high + margin)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))

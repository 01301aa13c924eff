"""Panels of arms: a line for each arm's mean, a band for its interval, marks on the rails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Polygon
from numpy.typing import NDArray

from vgrad.figures.lines import dress, mark, stroke
from vgrad.figures.live import Live
from vgrad.figures.looks import Look, Looks
from vgrad.figures.quantities import Quantity
from vgrad.figures.scale import Numbers, Scale, odd, usual
from vgrad.figures.series import Band, Series, banded, table
from vgrad.figures.split import Split
from vgrad.figures.style import Sheet, name_axes

BAND_ALPHA, CROWDED_ALPHA, CROWD = 0.16, 0.09, 5  # paler where so many lines share a panel
MOST_MARKERS = 8  # of one line: a look's marker stands at some of its values
Label = Callable[[Axes, Sequence[Series]], None]


@dataclass(frozen=True)
class Sheaf:
    """One quantity of all groups: a list of series for each.

    Attributes:
        quantity: what.
        groups: its series.
        moves: whether they are of one record of many, so that another can be shown instead.
        seen: the values of all records, where others can be shown.
    """

    quantity: Quantity
    groups: Sequence[Sequence[Series]]
    moves: bool = False
    seen: Numbers = field(default_factory=lambda: np.empty(0))

    @property
    def scale(self) -> Scale:
        """One scale for all panels of the quantity, so that they can be compared.

        A seed that has diverged does not stretch it: its sizes before that can be any, and in
        their span the others could not be told apart. Of the records that are not drawn but
        can be, all but the most extreme values have their place.
        """
        values = [one for group in self.groups for one in group]
        whole = [one.recorded[_finite_seeds(one)[one.present]] for one in values]
        kept = np.concatenate(whole or [np.empty(0)])
        every = np.concatenate([self.seen, *(one.recorded for one in values)])
        kept = np.concatenate([kept, usual(self.seen)])
        kept = kept[np.abs(kept) <= self.quantity.ceiling]
        return self.quantity.scale(np.concatenate([kept, odd(every)]) if kept.size else every)


def _finite_seeds(one: Series) -> NDArray[np.bool_]:
    """The values [S, X] of the seeds whose every value is finite."""
    fine = np.logical_and.reduce(np.isfinite(one.values) | ~one.present, axis=1)
    return np.broadcast_to(fine[:, None], one.values.shape)


def fill(
    figure: Sheet,
    sheaves: Sequence[Sheaf],
    split: Split,
    looks: Looks,
    kind: str,
    label: Label,
    otherwise: Mapping[str, tuple[str, Label]] | None = None,
) -> None:
    """Draws a panel for each quantity and group, and says so in `live` and `table`.

    Args:
        figure: a sheet of as many panels.
        sheaves: the quantities, in the order of the panels.
        split: the groups.
        looks: how each arm looks.
        kind: what goes to the right, see `Live`.
        label: draws the x axis of a panel.
        otherwise: the kind and the label of columns that have others.
    """
    tables = []
    places = iter(range(len(figure.panels)))
    names = [titled(s.quantity.title, group.title) for s in sheaves for group in split.groups]
    letters = max(map(len, names), default=0)
    for sheaf in sheaves:
        scale = sheaf.scale
        along, label_x = (otherwise or {}).get(sheaf.quantity.column, (kind, label))
        for group, members in zip(split.groups, sheaf.groups, strict=True):
            place = next(places)
            axes, quantity = figure.panels[place], sheaf.quantity
            title = titled(quantity.title, group.title)
            drawn = [(one, banded(one, scale)) for one in members]
            for one, band in drawn:
                draw_arm(axes, one, band, scale, looks.of[one.arm.number], many=len(members))
            name_axes(axes, title, quantity.axis, letters)
            dress(axes, quantity, scale)
            label_x(axes, members)
            shown = tuple(one.arm.number for one in members)
            box, ends = figure.place(axes), axes.get_xlim()
            figure.live[place] = Live(
                along, quantity.column, box, ends, scale, sheaf.moves, arms=shown
            )
            tables.append(table(drawn, scale, title, along))
    filled = [rows for rows in tables if len(rows)]
    figure.table = pd.concat(filled, ignore_index=True) if filled else None
    figure.note = split.note


def draw_arm(
    axes: Axes, one: Series, band: Band, scale: Scale, look: Look, *, many: int = 1
) -> None:
    """One arm: its mean, its band, and its marks on the rails."""
    gid = f"arm-{one.arm.number}"
    x, middle = one.x[band.told], np.clip(band.middle[band.told], scale.low, scale.high)
    width, alpha = (1.6, 1.0) if many <= 12 else (1.1, 0.85)
    for corners in polygons(one.x, band):
        band_look: Any = {"facecolor": look.colour, "linewidth": 0, "zorder": 1.5}
        band_look["alpha"] = BAND_ALPHA if many < CROWD else CROWDED_ALPHA
        axes.add_artist(Polygon(corners, gid=f"band-{one.arm.number}", **band_look))
    stroke(
        axes,
        x,
        middle,
        color=look.colour,
        linestyle=look.dash,
        linewidth=width,
        alpha=alpha,
        marker=look.marker,
        markevery=max(1, -(-len(one.x) // MOST_MARKERS)),
        markersize=4,
        markeredgewidth=0,
        gid=gid,
    )
    alone = isolated(middle)
    if alone.any():
        stroke(
            axes,
            x[alone],
            middle[alone],
            color=look.colour,
            linestyle="none",
            marker=look.marker or "o",
            markersize=3.2,
            markeredgewidth=0,
            gid=gid,
        )
    above = band.middle[band.told] > scale.high
    leaves = above & ~np.concatenate([[False], above[:-1]])  # where it goes on above the axis
    if leaves.any():
        style: Any = {"linestyle": "none", "marker": "^", "markersize": 4.0}
        stroke(axes, x[leaves], middle[leaves], color=look.colour, gid=gid, **style)
    for rail, mask in band.marks.items():
        mark(axes, one.x[mask], scale, rail, look.colour, gid=gid, alpha=alpha)


def polygons(x: Numbers, band: Band) -> Iterator[Numbers]:
    """The outlines [points, 2] of a band, one for each stretch of it without a gap."""
    x, low, high = x[band.told], band.low[band.told], band.high[band.told]
    there = np.isfinite(low) & np.isfinite(high)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]]).astype(int)))
    for begin, end in edges.reshape(-1, 2):
        if end - begin > 1:
            up = np.column_stack([x[begin:end], high[begin:end]])
            down = np.column_stack([x[begin:end], low[begin:end]])
            yield np.concatenate([up, down[::-1]])


def isolated(values: Numbers) -> np.ndarray:
    """Which values stand alone, so that no line goes through them."""
    there = np.isfinite(values)
    padded = np.concatenate([[False], there, [False]])
    alone: np.ndarray = there & ~padded[:-2] & ~padded[2:]
    return alone


def titled(title: str, group: str) -> str:
    """The title of a panel of one group."""
    return f"{title}, {group}" if group else title

"""Heat maps over step and layer: how the layers change while the run is trained."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.patches import Patch
from numpy.typing import NDArray

from vgrad.arms import Arm
from vgrad.figures.lines import layer_ticks
from vgrad.figures.live import Cells
from vgrad.figures.palette import INK, MUTED, RAIL
from vgrad.figures.quantities import BY_LAYER, INNER, UPDATE_RATIO, Quantity, numbers
from vgrad.figures.scale import Numbers, Scale, number, special
from vgrad.figures.style import Sheet, styled

SIZES, SIGNED = "viridis", "PuOr_r"
HATCHES = {"NaN": "xxxx", "∞": "////", "−∞": "\\\\\\\\", "0": "----"}
MOST_STEPS = 400  # columns of an image; more are thinned, the last one kept
MOST_LABELS = 6
MAP_WIDTH = 0.82  # of a panel; the rest is for the scale of colours
NOTHING = (0.0, 0.0, 0.0, 0.0)  # transparent: not recorded


@styled
def heat(
    layers: pd.DataFrame, arm: Arm, columns: Sequence[str] | None = None, title: str = ""
) -> Sheet:
    """Quantities of one arm over step × layer: the mean over its seeds, as the axis has it.

    Where half of the seeds or more have a value that has no place on the axis, that is shown.

    Args:
        layers: the rows of all runs of `layers.parquet`.
        arm: whose.
        columns: which of them; None = the four that profiles show.
        title: a heading; the arm's label if not given.
    """
    known = {quantity.column: quantity for quantity in (*BY_LAYER, *INNER, UPDATE_RATIO)}
    quantities = [known[name] for name in columns or [quantity.column for quantity in BY_LAYER]]
    figure = Sheet(len(quantities), title or arm.label)
    own = [rows for _, rows in layers[layers["run_id"].isin(arm.run_ids)].groupby("run_id")]
    for place, quantity in enumerate(quantities):
        _draw(figure, place, own, quantity)
    count = len(own)
    figure.note = f"The mean of {count} seeds." if count > 1 else ""
    figure.caption = _caption(own, arm)
    return figure


@styled
def heatmaps(layers: pd.DataFrame, title: str = "") -> Sheet:
    """The four quantities of one run over step × layer.

    Records are dense at the start and sparse later; each gets a column of the same width, and
    the ticks say which step it was.

    Args:
        layers: the rows of one run of `layers.parquet`.
        title: a heading.
    """
    figure = Sheet(len(BY_LAYER), title)
    for place, quantity in enumerate(BY_LAYER):
        _draw(figure, place, [layers], quantity)
    return figure


def _draw(figure: Sheet, place: int, runs: Sequence[pd.DataFrame], quantity: Quantity) -> None:
    """One quantity: the mean of runs that are of one arm."""
    axes = figure.panels[place]
    deepest = max(int(layers["layer"].max()) for layers in runs)
    if quantity.of_hidden and deepest > 1:
        runs = [layers[layers["layer"] < deepest] for layers in runs]
    steps, grids, there = _grids(runs, quantity.column)
    scale = quantity.scale(grids[there])
    grid, present = _mean(grids, there, scale)
    low, high = _ends(scale)
    colours = mpl.colormaps[SIGNED if low < 0 < high and scale.kind != "log" else SIZES]
    shares = (scale.place(grid) - low) / (high - low)
    image = colours(np.nan_to_num(shares))
    masks = special(grid, scale.kind)
    image[~present | np.logical_or.reduce(list(masks.values()))] = NOTHING
    axes.imshow(
        (255 * image).round().astype(np.uint8),
        origin="lower",
        aspect="auto",
        interpolation="none",
        extent=(-0.5, len(steps) - 0.5, 0.5, len(grid) + 0.5),
    )
    marked = {name: mask & present for name, mask in masks.items() if (mask & present).any()}
    for name, mask in marked.items():
        _hatch(axes, mask, name)
    has_output = len(grid) == deepest
    _label(axes, steps, len(grid), quantity, last="out" if has_output else None)
    scale_bar(axes, scale, (low, high), colours)
    _legend(axes, list(marked))
    parts = (quantity.column, figure.place(axes), tuple(steps), grid, present, scale)
    figure.cells[place] = Cells(*parts, has_output)


def _ends(scale: Scale) -> tuple[float, float]:
    """The ends of the colours: symmetric around zero where the values have both signs."""
    if scale.kind == "log" or not scale.low < 0 < scale.high:
        return scale.low, scale.high
    end = max(-scale.low, scale.high)
    return -end, end


def _grids(
    runs: Sequence[pd.DataFrame], column: str
) -> tuple[list[int], Numbers, NDArray[np.bool_]]:
    """One column as (recorded steps, values [runs, layers, steps], which were recorded)."""
    steps = np.unique(np.concatenate([numbers(layers["step"]) for layers in runs]))
    top = max(int(layers["layer"].max()) for layers in runs)
    grid = np.full((len(runs), top, len(steps)), np.nan)
    present = np.zeros(grid.shape, dtype=bool)
    for run, layers in enumerate(runs):
        at = np.searchsorted(steps, numbers(layers["step"]))
        places = (run, numbers(layers["layer"]).astype(int) - 1, at)
        grid[places], present[places] = numbers(layers[column]), True
    kept = np.unique(np.linspace(0, len(steps) - 1, MOST_STEPS).round().astype(int))
    return [int(step) for step in steps[kept]], grid[:, :, kept], present[:, :, kept]


def _mean(
    grids: Numbers, there: NDArray[np.bool_], scale: Scale
) -> tuple[Numbers, NDArray[np.bool_]]:
    """Of each cell the mean over runs, in placed units, or what most have in its place."""
    if len(grids) == 1:
        return grids[0], there[0]
    placed = np.where(there, scale.place(grids), np.nan)
    finite = np.isfinite(placed)
    with np.errstate(all="ignore"):
        mean = np.where(finite, placed, 0.0).sum(0) / finite.sum(0)
    mean = scale.value(mean)
    odd = there & ~finite
    most = 2 * odd.sum(0) >= there.sum(0)
    first = np.take_along_axis(grids, odd.argmax(0)[None], 0)[0]
    shown: Numbers = np.where(most & np.logical_or.reduce(odd), first, mean)
    return shown, np.logical_or.reduce(there)


def _caption(runs: Sequence[pd.DataFrame], arm: Arm) -> str:
    """What training changed of the error signal of layer 1."""
    ends = []
    for end in ("min", "max"):
        rows = [r[(r["step"] == r["step"].agg(end)) & (r["layer"] == 1)] for r in runs]
        with np.errstate(all="ignore"):
            logs = np.log10(np.concatenate([numbers(r["delta_rms"]) for r in rows]))
        logs = logs[np.isfinite(logs)]
        ends.append(number(float(f"{10 ** logs.mean():.2g}")) if len(logs) else "not a size")
    return (
        f"Colour is size, time goes to the right: with {arm.label} the error signal of layer 1 is "
        f"{ends[0]} before training and {ends[1]} at the end."
    )


def _hatch(axes: Axes, mask: NDArray[np.bool_], name: str) -> None:
    """Hatches the cells of a mask."""
    corners = [
        [(left, low), (right, low), (right, high), (left, high)]
        for left, right, low, high in rectangles(mask)
    ]
    axes.add_collection(
        PolyCollection(
            corners,
            facecolor=RAIL,
            edgecolor=MUTED,
            linewidth=0,
            hatch=HATCHES[name],
            gid=f"cells {name}",
        ),
        autolim=False,
    )


def rectangles(mask: NDArray[np.bool_]) -> list[tuple[float, float, float, float]]:
    """Rectangles (left, right, low, high) that cover a mask [layers, steps], few where it is plain.

    Layers are counted from 1, steps from 0; each cell reaches half a unit to every side.
    """
    found = []
    start = 0
    for end in range(1, len(mask) + 1):
        if end < len(mask) and (mask[end] == mask[start]).all():
            continue
        row = np.concatenate([[False], mask[start], [False]]).astype(int)
        for left, right in np.flatnonzero(np.diff(row)).reshape(-1, 2) - 0.5:
            found.append((float(left), float(right), start + 0.5, end + 0.5))
        start = end
    return found


def _label(axes: Axes, steps: list[int], top: int, quantity: Quantity, *, last: str | None) -> None:
    axes.set_title(quantity.title)
    axes.annotate(
        quantity.axis, (0, 1), (0, 6), "axes fraction", textcoords="offset points", color=MUTED
    )
    places = layer_ticks(top)
    axes.set_yticks(places, [last if last and k == top else str(k) for k in places])
    axes.set_ylabel("layer  [1 = input side]")
    chosen = np.unique(np.linspace(0, len(steps) - 1, MOST_LABELS).round().astype(int))
    axes.set_xticks(chosen, [str(steps[i]) for i in chosen])
    axes.set_xlabel("training step  [one column a record, not to scale]")
    axes.spines[:].set_visible(False)


def scale_bar(
    axes: Axes, scale: Scale, ends: tuple[float, float], colours: mpl.colors.Colormap
) -> None:
    """The colours and what they stand for, to the right of the map."""
    figure, spot = axes.get_figure(root=True), axes.get_position()
    assert figure is not None
    width = spot.width
    axes.set_position((spot.x0, spot.y0, MAP_WIDTH * width, spot.height))
    left = spot.x0 + (MAP_WIDTH + 0.03) * width
    bar = figure.add_axes((left, spot.y0, 0.03 * width, spot.height))
    bar.set_gid(f"{axes.get_gid()}.scale")
    ramp = (255 * colours(np.linspace(0, 1, 64))).round().astype(np.uint8)
    low, high = ends
    bar.imshow(
        ramp[:, None],
        origin="lower",
        aspect="auto",
        interpolation="none",
        extent=(0, 1, low, high),
    )
    ticks = Scale(scale.kind, low, high, {}).ticks(6)
    bar.set_yticks([place for place, _ in ticks], [label for _, label in ticks])
    bar.set_xticks([])
    bar.yaxis.tick_right()
    bar.tick_params(axis="y", length=2, pad=2)
    bar.spines[:].set_visible(False)


def _legend(axes: Axes, names: list[str]) -> None:
    if not names:
        return
    patches = [
        Patch(facecolor=RAIL, edgecolor=MUTED, hatch=HATCHES[name], linewidth=0, label=name)
        for name in names
    ]
    axes.legend(
        handles=patches,
        loc="lower right",
        bbox_to_anchor=(1 / MAP_WIDTH, 1.08),
        ncols=len(names),
        handlelength=1.4,
        columnspacing=1,
        handletextpad=0.5,
        borderaxespad=0.2,
        labelcolor=INK,
    )

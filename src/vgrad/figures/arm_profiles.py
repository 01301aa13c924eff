"""Profiles by layer of many arms: at the first record or at the last, by layer or by depth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from vgrad.arms import Arm
from vgrad.figures.bands import Sheaf, fill
from vgrad.figures.facets import Facets
from vgrad.figures.lines import label_layers, label_shares
from vgrad.figures.looks import looks
from vgrad.figures.quantities import (
    ACTIVATION_VARIANCE,
    BY_LAYER,
    ERROR_SIGNAL,
    WEIGHT_GRADIENT,
    Quantity,
    numbers,
)
from vgrad.figures.scale import number
from vgrad.figures.series import Points, Rows, Series, how_banded, series
from vgrad.figures.settings import before_training, levels
from vgrad.figures.split import MOST_GROUPS, Split, split
from vgrad.figures.style import Sheet, styled

When = Literal["first", "last"]
MAIN = (ERROR_SIGNAL, WEIGHT_GRADIENT, ACTIVATION_VARIANCE)
MOST_OVERLAYS = 12  # panels in which depths lie over each other
FEW = 6  # lines, that share a panel even where their depths differ
TITLES = {"first": "Before training", "last": "At the last record of each run"}


@styled
def profiles_by_arm(
    layers: pd.DataFrame,
    arms: Sequence[Arm],
    when: When,
    relative: bool = False,
    facets: Facets | None = None,
    title: str = "",
) -> Sheet:
    """The error signal, the weight gradient and the activations by layer, a line for each arm.

    Args:
        layers: the rows of all runs of `layers.parquet`.
        arms: what is compared.
        when: at each run's first record or at its last.
        relative: along layer / depth, so that nets of different depths lie over each other;
            without the output layer.
        facets: which settings have the colours and the panels.
        title: a heading.
    """
    facets = facets or Facets()
    arms = before_training(arms) if when == "first" else arms
    look = looks(arms, facets, by_depth(arms) if not relative else [])
    most = MOST_OVERLAYS if relative else MOST_GROUPS
    groups = split(arms, facets, look, first=_kept_apart(facets, relative), most_groups=most)
    quantities = _quantities(len(groups.groups), relative)
    across = len(groups.groups)
    heading = title or TITLES[when] + (", by relative depth" if relative else "")
    figure = Sheet(
        len(quantities) * across, heading + groups.common, look.legend(groups.arms), across=across
    )
    rows, every = Rows(at_end(layers, when)), movable(layers, groups)
    sheaves = [
        sheaf_of(groups, rows, quantity, part, every)
        for quantity in quantities
        for part in [partial(layer_points, quantity=quantity, relative=relative)]
    ]
    label = _label_shares if relative else label_by_layer
    kind = "share" if relative else "layer"
    fill(figure, sheaves, groups, look, kind, label)
    figure.caption = _caption(sheaves[0], when)
    figure.note = " ".join(filter(None, [_means(groups.arms), figure.note]))
    return figure


def _kept_apart(facets: Facets, relative: bool) -> str | None:
    """What has panels of its own first: where depths lie over each other, what has the colours."""
    return (facets.hue or "activation") if relative else None


def _quantities(groups: int, relative: bool) -> Sequence[Quantity]:
    """As many as there is room for."""
    if groups == 1:
        return MAIN if relative else BY_LAYER
    return MAIN[:1] if relative else MAIN


def by_depth(arms: Sequence[Arm]) -> list[str]:
    """Depth, where nets of different depths had better not share a panel."""
    return ["depth"] if len(arms) > FEW and len(levels(arms, "depth")) > 1 else []


def sheaf_of(
    groups: Split,
    rows: Rows,
    quantity: Quantity,
    points: Callable[[Rows, str], Points | None],
    every: pd.DataFrame | None = None,
) -> Sheaf:
    """One quantity of all groups, at one record.

    Args:
        groups: the groups.
        rows: the record.
        quantity: what.
        points: how a run's values follow from its rows.
        every: all records, where others can be shown in the place of this one.
    """
    found = [series(group.arms, rows, points) for group in groups.groups]
    if every is None:
        return Sheaf(quantity, found)
    seen = numbers(every[quantity.column])
    return Sheaf(quantity, found, moves=True, seen=seen[_of(quantity, every)])


def _of(quantity: Quantity, layers: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows a quantity is of: those of the output layer have no activation."""
    codes, ids = pd.factorize(layers["run_id"])
    layer = layers["layer"].to_numpy()
    last = np.zeros(len(ids), dtype=layer.dtype)
    np.maximum.at(last, codes, layer)
    kept: NDArray[np.bool_] = (layer < last[codes]) | (not quantity.of_hidden)
    return kept


def movable(layers: pd.DataFrame, groups: Split) -> pd.DataFrame:
    """The rows of the runs that are drawn, of all records, but for the runs that diverge."""
    drawn = {run_id for arm in groups.arms for run_id in arm.run_ids}
    codes, ids = pd.factorize(layers["run_id"])
    wanted = np.array([run_id in drawn for run_id in ids], dtype=bool)
    wanted[codes[~np.isfinite(numbers(layers["delta_rms"]))]] = False
    kept: pd.DataFrame = layers[wanted[codes]]
    return kept


def at_end(layers: pd.DataFrame, when: When) -> pd.DataFrame:
    """The rows of each run's first or last record."""
    codes, ids = pd.factorize(layers["run_id"])
    steps = layers["step"].to_numpy()
    first = when == "first"
    ends = np.full(len(ids), np.iinfo(np.int64).max if first else -1)
    (np.minimum if first else np.maximum).at(ends, codes, steps)
    kept: pd.DataFrame = layers[steps == ends[codes]]
    return kept


def label_by_layer(axes: Axes, members: Sequence[Series]) -> None:
    """The layers along x; the output layer is named where it is the same for all."""
    depths = {int(one.arm.settings["depth"]) for one in members} or {0}
    label_layers(axes, max(depths) + 1, output_apart=len(depths) == 1)


def _label_shares(axes: Axes, members: Sequence[Series]) -> None:
    label_shares(axes)


def layer_points(rows: Rows, run_id: str, quantity: Quantity, relative: bool) -> Points:
    """One run's record as (places along x, values)."""
    layer, values = rows.of(run_id, "layer"), rows.of(run_id, quantity.column)
    if (quantity.of_hidden or relative) and len(layer) > 1:
        layer, values = layer[:-1], values[:-1]
    return (layer / layer.max() if relative and len(layer) else layer), values


def _means(arms: Sequence[Arm]) -> str:
    return f"Lines are means over seeds (geometric where the axis is 10ⁿ); {how_banded(arms)}."


def _caption(sheaf: Sheaf, when: When) -> str:
    """What to see: where the error signal falls most, and where it is kept best."""
    deepest = max((int(one.arm.settings["depth"]) for g in sheaf.groups for one in g), default=0)
    ends = [
        (abs(np.log10(ratio)), ratio, one.arm)
        for group in sheaf.groups
        for one in group
        if int(one.arm.settings["depth"]) == deepest and 0 < (ratio := _kept(one)) < np.inf
    ]
    time = "Before training" if when == "first" else "At the end"
    if not ends:
        return f"{time} no arm has an error signal of a size to be compared."
    _, best, mildest = min(ends, key=lambda end: end[0])
    _, worst, steepest = max(ends, key=lambda end: end[0])
    if len(ends) == 1 or mildest is steepest:
        return f"{time} layer 1 gets × {number_of(best)} of the last hidden layer's error signal."
    return (
        f"{time} layer 1 gets × {number_of(worst)} of the last hidden layer's error signal with "
        f"{steepest.label}, and × {number_of(best)} with {mildest.label}: a line that falls "
        "to the left vanishes, one that rises to the left explodes."
    )


def number_of(value: float) -> str:
    """A number in a sentence."""
    return number(float(f"{value:.2g}"))


def _kept(one: Series) -> float:
    """δ of layer 1 over that of the last hidden layer, the geometric mean over seeds."""
    depth = int(one.arm.settings["depth"])
    if depth < 2 or one.values.shape[1] < depth:
        return float("nan")
    with np.errstate(all="ignore"):
        logs = np.log10(one.values[:, 0] / one.values[:, depth - 1])
    logs = logs[np.isfinite(logs)]
    return float(10 ** logs.mean()) if len(logs) else float("nan")

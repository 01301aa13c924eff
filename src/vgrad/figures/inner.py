"""The inner state of the layers: saturation, dead units, coherent signs, like inputs, updates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from vgrad.arms import Arm
from vgrad.diagnose import THRESHOLDS
from vgrad.figures.arm_profiles import (
    When,
    at_end,
    by_depth,
    label_by_layer,
    movable,
    number_of,
    sheaf_of,
)
from vgrad.figures.bands import Sheaf, fill
from vgrad.figures.facets import Facets
from vgrad.figures.looks import looks
from vgrad.figures.palette import GRID, MUTED
from vgrad.figures.quantities import INNER, UPDATE_RATIO, Quantity, numbers
from vgrad.figures.scale import Scale
from vgrad.figures.series import Points, Rows, how_banded
from vgrad.figures.split import split
from vgrad.figures.style import Sheet, styled

MOST_GROUPS = 3
TIMES = {"first": "before training", "last": "at the last record of each run"}


@styled
def inner_state(
    layers: pd.DataFrame,
    arms: Sequence[Arm],
    when: When = "last",
    facets: Facets | None = None,
    title: str = "",
) -> Sheet:
    """Saturation, dead units, sign coherence and correlation by layer, a line for each arm.

    Args:
        layers: the rows of all runs of `layers.parquet`.
        arms: what is compared.
        when: at each run's first record or at its last.
        facets: which settings have the colours and the panels.
        title: a heading.
    """
    facets = facets or Facets()
    look = looks(arms, facets, by_depth(arms))
    groups = split(arms, facets, look, most_groups=MOST_GROUPS)
    across = len(groups.groups)
    heading = title or f"Inside the layers, {TIMES[when]}"
    figure = Sheet(
        len(INNER) * across, heading + groups.common, look.legend(groups.arms), across=across
    )
    rows, every = Rows(at_end(layers, when)), movable(layers, groups)
    sheaves = [
        sheaf_of(groups, rows, quantity, partial(_points, quantity=quantity), every)
        for quantity in INNER
    ]
    fill(figure, sheaves, groups, look, "layer", label_by_layer)
    figure.caption = _inner_caption(sheaves, when)
    means = f"Lines are means over seeds; {how_banded(groups.arms)}; NaN is what is not defined."
    figure.note = " ".join(filter(None, [means, figure.note]))
    return figure


@styled
def update_ratios(
    layers: pd.DataFrame, arms: Sequence[Arm], facets: Facets | None = None, title: str = ""
) -> Sheet:
    """‖ΔW‖ / ‖W‖ by layer, of the first update and of the last, against the healthy band.

    Args:
        layers: the rows of all runs of `layers.parquet`.
        arms: what is compared.
        facets: which settings have the colours and the panels.
        title: a heading.
    """
    facets = facets or Facets()
    look = looks(arms, facets, by_depth(arms))
    groups = split(arms, facets, look, most_groups=4)
    across = len(groups.groups)
    heading = title or "How far an update moves each layer"
    figure = Sheet(2 * across, heading + groups.common, look.legend(groups.arms), across=across)
    part = partial(_points, quantity=UPDATE_RATIO)
    updated = _with_updates(layers)
    every = movable(updated, groups)
    sheaves = []
    for when, name in (("first", "first update"), ("last", "last update")):
        quantity = replace(UPDATE_RATIO, title=f"Update ratio, {name}")
        rows = Rows(at_end(updated, "first" if when == "first" else "last"))
        sheaves.append(sheaf_of(groups, rows, quantity, part, None if when == "first" else every))
    fill(figure, sheaves, groups, look, "layer", label_by_layer)
    for axes, live in zip(figure.panels, figure.live, strict=True):
        if live:
            _healthy_band(axes, live.scale)
    figure.caption = _update_caption(sheaves)
    means = f"Lines are geometric means over seeds; {how_banded(groups.arms)}."
    figure.note = " ".join(filter(None, [means, figure.note]))
    return figure


def healthy_ratios() -> tuple[float, float]:
    """Between what sizes an update ratio is healthy: as the diagnosis has it."""
    return THRESHOLDS["update_ratio.low"].value, THRESHOLDS["update_ratio.high"].value


def _healthy_band(axes: Axes, scale: Scale) -> None:
    low, high = np.log10(healthy_ratios())
    low, high = max(low, scale.low), min(high, scale.high)
    if scale.kind != "log" or low >= high:
        return
    axes.axhspan(low, high, color=GRID, alpha=0.45, linewidth=0, zorder=0.5)
    axes.annotate(
        "healthy",
        xy=(1, low),
        xycoords=("axes fraction", "data"),
        xytext=(-2, 3),
        textcoords="offset points",
        ha="right",
        size=8,
        color=MUTED,
        zorder=0.9,
    )


def _points(rows: Rows, run_id: str, quantity: Quantity) -> Points:
    layer, values = rows.of(run_id, "layer"), rows.of(run_id, quantity.column)
    return (layer[:-1], values[:-1]) if quantity.of_hidden else (layer, values)


def _with_updates(layers: pd.DataFrame) -> pd.DataFrame:
    """The records of which an update followed: the last one of a run has none."""
    codes, ids = pd.factorize(layers["run_id"])
    steps = layers["step"].to_numpy()
    last = np.full(len(ids), -1, dtype=steps.dtype)
    np.maximum.at(last, codes, steps)
    there = ~np.isnan(numbers(layers["update_ratio"]))
    kept: pd.DataFrame = layers[(steps < last[codes]) | there]
    return kept


def _inner_caption(sheaves: Sequence[Sheaf], when: When) -> str:
    """The largest of each share, and whose it is."""
    told = []
    words = ("is saturated", "is dead")
    for sheaf, word in zip(sheaves[:2], words, strict=True):
        sizes = [
            (float(np.nanmax(np.nanmean(one.values, 0))), one.arm)
            for group in sheaf.groups
            for one in group
            if np.isfinite(one.values).any(0).all()
        ]
        if sizes:
            most, arm = max(sizes, key=lambda pair: pair[0])
            told.append(f"at most {100 * most:.0f} % of a layer {word} ({arm.label})")
    time = "Before training" if when == "first" else "At the end"
    return f"{time} {' and '.join(told) or 'nothing of this was recorded'}."


def _update_caption(sheaves: Sequence[Sheaf]) -> str:
    """How many arms have layers outside the healthy band at the first update."""
    low, high = healthy_ratios()
    below, above, every = 0, 0, 0
    for group in sheaves[0].groups:
        for one in group:
            every += 1
            below += bool((one.recorded < low).any())
            above += bool((one.recorded > high).any())
    return (
        f"At the first update {below} of {every} arms have layers that hardly move "
        f"(below {number_of(low)}), and {above} have layers that are rewritten "
        f"(above {number_of(high)})."
    )

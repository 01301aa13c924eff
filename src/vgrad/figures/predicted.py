"""What theory predicts beside what was measured, before training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from vgrad.arms import Arm
from vgrad.figures.arm_profiles import at_end, label_by_layer
from vgrad.figures.bands import Sheaf, fill
from vgrad.figures.facets import Facets
from vgrad.figures.looks import looks
from vgrad.figures.quantities import Quantity
from vgrad.figures.scale import Numbers, Scale
from vgrad.figures.series import Points, Rows, series
from vgrad.figures.split import split
from vgrad.figures.style import Key, Sheet, styled

RELATIVE = "δ / δ of last hidden layer  [1]"
QUANTITIES = (
    Quantity("delta_rms", "Error signal δ", RELATIVE, "log"),
    Quantity("preact_ms", "Pre-activation", "mean square of z  [units of z²]", "log", True),
)
PREDICTED = Key("measured: line; predicted: dots", "#57606a", "solid", "o")
MOST_GROUPS = 4
Prediction = Mapping[str, Sequence[float]]


@styled
def predicted(
    layers: pd.DataFrame,
    arms: Sequence[Arm],
    prediction: Mapping[int, Prediction],
    facets: Facets | None = None,
    title: str = "",
) -> Sheet:
    """The error signal and the pre-activations by layer, measured and predicted.

    Args:
        layers: the rows of all runs of `layers.parquet`.
        arms: what is compared; those without a prediction are left out.
        prediction: the number of an arm → for each column its values in layers 1, 2, …; those of
            `delta_rms` are relative to the last hidden layer.
        facets: which settings have the colours and the panels.
        title: a heading.
    """
    facets = facets or Facets()
    known = [arm for arm in arms if arm.number in prediction]
    look = looks(known, facets)
    groups = split(known, facets, look, most_groups=MOST_GROUPS)
    across = max(len(groups.groups), 1)
    heading = (title or "Predicted and measured, before training") + groups.common
    figure = Sheet(
        len(QUANTITIES) * across, heading, [*look.legend(groups.arms), PREDICTED], across=across
    )
    rows = Rows(at_end(layers, "first"))
    sheaves = [
        Sheaf(quantity, [series(group.arms, rows, points) for group in groups.groups])
        for quantity in QUANTITIES
        for points in [partial(_points, quantity=quantity)]
    ]
    fill(figure, sheaves, groups, look, "layer", label_by_layer)
    for axes, live in zip(figure.panels, filter(None, figure.live), strict=True):
        for number in live.arms:
            values = np.asarray(prediction[number].get(live.column, ()), dtype=np.float64)
            _dots(axes, values, live.scale, look.of[number].colour, number)
    figure.caption = _caption(_errors(sheaves[0], prediction))
    figure.note = " ".join(filter(None, ["Theory is of infinite width.", figure.note]))
    return figure


def _dots(axes: Axes, values: Numbers, scale: Scale, colour: str, number: int) -> None:
    axes.plot(
        np.arange(1, len(values) + 1),
        scale.place(values),
        color=colour,
        linestyle="none",
        marker="o",
        markersize=2.8,
        markerfacecolor="none",
        markeredgewidth=0.8,
        gid=f"arm-{number}",
    )


def _points(rows: Rows, run_id: str, quantity: Quantity) -> Points | None:
    layer, values = rows.of(run_id, "layer")[:-1], rows.of(run_id, quantity.column)[:-1]
    if not len(layer):
        return None
    with np.errstate(all="ignore"):
        return layer, values / values[-1] if quantity.column == "delta_rms" else values


def _errors(sheaf: Sheaf, prediction: Mapping[int, Prediction]) -> list[float]:
    """By how many decades δ of layer 1 is off, of each arm."""
    off = []
    for group in sheaf.groups:
        for one in group:
            foretold = prediction[one.arm.number].get("delta_rms", ())
            with np.errstate(all="ignore"):
                logs = np.log10(one.values[:, 0])
                error = np.mean(logs[np.isfinite(logs)]) - np.log10(foretold[0]) if foretold else 0
            off += [abs(float(error))] if foretold and np.isfinite(error) else []
    return off


def _caption(errors: Sequence[float]) -> str:
    if not errors:
        return "There is nothing to compare."
    return (
        f"Theory misses the error signal of layer 1 by {np.median(errors):.2g} decades in the "
        f"median of {len(errors)} arms, and by {max(errors):.2g} at most."
    )

"""Learning curves of many arms, with bands over their seeds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from vgrad.arms import Arm
from vgrad.figures.arm_profiles import by_depth
from vgrad.figures.bands import Sheaf, fill
from vgrad.figures.curves import has_accuracy, label_steps
from vgrad.figures.facets import Facets
from vgrad.figures.lines import guide
from vgrad.figures.looks import looks
from vgrad.figures.palette import GUIDE_DASH, MUTED
from vgrad.figures.quantities import ACCURACY, LOSS, Quantity
from vgrad.figures.scale import Numbers
from vgrad.figures.series import Points, Rows, Series, how_banded, series
from vgrad.figures.split import split
from vgrad.figures.style import Key, Sheet, styled

MOST_POINTS = 3000  # of a panel
FEWEST_POINTS = 40  # of a line
CHANCE = Key("chance", MUTED, GUIDE_DASH)
TRAIN_LOSS = Quantity("train_loss", "Loss, training batch", LOSS.axis, LOSS.prefer)
VAL_LOSS = Quantity("val_loss", "Loss, validation", LOSS.axis, LOSS.prefer)
TRAIN_ACCURACY = Quantity(
    "train_accuracy", "Accuracy, training batch", ACCURACY.axis, ACCURACY.prefer
)
VAL_ACCURACY = Quantity("val_accuracy", "Accuracy, validation", ACCURACY.axis, ACCURACY.prefer)


@styled
def learning(
    steps: pd.DataFrame,
    arms: Sequence[Arm],
    facets: Facets | None = None,
    chance: float | None = None,
    title: str = "",
) -> Sheet:
    """Loss and accuracy over the training, a line for each arm.

    Args:
        steps: the rows of all runs of `steps.parquet`.
        arms: what is compared.
        facets: which settings have the colours and the panels.
        chance: the accuracy of guessing, if it is one for all.
        title: a heading.
    """
    facets = facets or Facets()
    look = looks(arms, facets, by_depth(arms))
    groups = split(arms, facets, look, most_groups=4)
    across = len(groups.groups)
    quantities = _quantities(steps, few=across == 1)
    keys = [*look.legend(groups.arms), *([CHANCE] if chance is not None else [])]
    heading = (title or "Learning") + groups.common
    figure = Sheet(len(quantities) * across, heading, keys, across=across)
    rows = Rows(steps)
    lines = max((len(group.arms) for group in groups.groups), default=1)
    most = max(FEWEST_POINTS, MOST_POINTS // max(lines, 1))
    sheaves = [
        Sheaf(quantity, [series(group.arms, rows, points) for group in groups.groups])
        for quantity in quantities
        for points in [partial(curve_points, column=quantity.column, most=most)]
    ]
    fill(figure, sheaves, groups, look, "step", label_by_step)
    for axes, live in zip(figure.panels, figure.live, strict=True):
        if live and live.column.endswith("accuracy") and chance is not None:
            guide(axes, chance)
    figure.caption = _caption(sheaves, chance)
    means = f"Lines are means over seeds; {how_banded(groups.arms)}."
    figure.note = " ".join(filter(None, [means, figure.note]))
    return figure


def _quantities(steps: pd.DataFrame, *, few: bool) -> list[Quantity]:
    if has_accuracy(steps):
        few_enough = [TRAIN_LOSS, VAL_LOSS, TRAIN_ACCURACY, VAL_ACCURACY]
        return few_enough if few else [TRAIN_LOSS, VAL_ACCURACY]
    return [TRAIN_LOSS, VAL_LOSS]


def curve_points(rows: Rows, run_id: str, column: str, most: int) -> Points:
    """One run's column over its steps, thinned, without what was not evaluated.

    The validation loss is measured where there is an accuracy, so that NaN is then its value.
    """
    step, values = rows.of(run_id, "step"), rows.of(run_id, column)
    if column.startswith("val_"):
        there = ~np.isnan(values)
        if column == "val_loss":
            there |= ~np.isnan(rows.of(run_id, "val_accuracy"))
        step, values = step[there], values[there]
    return thinned(step, most), thinned(values, most)


def thinned(values: Numbers, most: int) -> Numbers:
    """At most some `most` of the values, evenly, the last one kept."""
    stride = -(-len(values) // most) or 1
    return values[sorted({*range(0, len(values), stride), len(values) - 1} - {-1})]


def label_by_step(axes: Axes, members: Sequence[Series]) -> None:
    """The steps along x, up to the last of all."""
    label_steps(axes, max((float(one.x.max()) for one in members), default=0.0))


def _caption(sheaves: Sequence[Sheaf], chance: float | None) -> str:
    """How many arms have learnt, and the best and the worst of them."""
    sheaf = sheaves[-1]
    ends = [
        (float(last[np.isfinite(last)].mean()), one.arm)
        for group in sheaf.groups
        for one in group
        if np.isfinite(last := _last(one)).any()
    ]
    if not ends:
        return "Nothing was evaluated."
    accuracy = sheaf.quantity.column == "val_accuracy"
    ends.sort(key=lambda pair: pair[0], reverse=accuracy)
    (best, top), (worst, bottom) = ends[0], ends[-1]
    what = "Validation accuracy" if accuracy else "Validation loss"
    shown = [f"{100 * v:.0f} %" if accuracy else f"{v:.3g}" for v in (best, worst)]
    if top is bottom:
        return f"{what} ends at {shown[0]}."
    guess = f" (chance is {100 * chance:.0f} %)" if accuracy and chance is not None else ""
    return (
        f"{what} ends between {shown[1]} ({bottom.label}) and {shown[0]} ({top.label}){guess}; "
        "a line that stays level is an arm that learns nothing."
    )


def _last(one: Series) -> Numbers:
    """The last value of each seed."""
    return np.array(
        [row[there][-1] for row, there in zip(one.values, one.present, strict=True) if there.any()]
    )

"""Many runs at a glance: two panels for the top of a page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pandas as pd

from vgrad.arms import Arm
from vgrad.figures.arm_profiles import at_end, label_by_layer, layer_points, movable, sheaf_of
from vgrad.figures.bands import Sheaf, fill
from vgrad.figures.curves import has_accuracy
from vgrad.figures.depth import MOST_IN_BRIEF, depth_curves
from vgrad.figures.facets import Facets
from vgrad.figures.learning import CHANCE, VAL_ACCURACY, VAL_LOSS, curve_points, label_by_step
from vgrad.figures.lines import guide
from vgrad.figures.looks import looks
from vgrad.figures.quantities import ERROR_SIGNAL
from vgrad.figures.series import Rows, how_banded, series
from vgrad.figures.split import split
from vgrad.figures.style import Sheet, styled

MOST_POINTS = 200  # of a learning curve


@styled
def headline_by_arm(
    runs: pd.DataFrame,
    layers: pd.DataFrame,
    steps: pd.DataFrame,
    arms: Sequence[Arm],
    facets: Facets | None = None,
    chance: float | None = None,
    title: str = "",
) -> Sheet:
    """Results and gradient decay against depth, or the error signal by layer and what was learnt.

    Args:
        runs: a row per run.
        layers: the rows of all runs of `layers.parquet`.
        steps: the rows of all runs of `steps.parquet`.
        arms: what is compared.
        facets: which settings go along x and have the colours.
        chance: the accuracy of guessing, if it is one for all.
        title: a heading.
    """
    facets = facets or Facets()
    if facets.x:
        return depth_curves(runs, arms, facets, title, brief=True)
    look = looks(arms, facets)
    groups = split(arms, facets, look, most_lines=MOST_IN_BRIEF, most_groups=1)
    heading = title or f"{len(runs)} runs"
    figure = Sheet(2, heading + groups.common, [*look.legend(groups.arms), CHANCE])
    result = VAL_ACCURACY if has_accuracy(steps) else VAL_LOSS
    signal = partial(layer_points, quantity=ERROR_SIGNAL, relative=False)
    rows, every = Rows(at_end(layers, "first")), movable(layers, groups)
    points = partial(curve_points, column=result.column, most=MOST_POINTS)
    learnt = [series(group.arms, Rows(steps), points) for group in groups.groups]
    sheaves = [sheaf_of(groups, rows, ERROR_SIGNAL, signal, every), Sheaf(result, learnt)]
    along = {result.column: ("step", label_by_step)}
    fill(figure, sheaves, groups, look, "layer", label_by_layer, along)
    if result is VAL_ACCURACY and chance is not None:
        guide(figure.panels[1], chance)
    figure.panels[0].set_title("Error signal δ before training")
    means = f"Lines are means over seeds; {how_banded(groups.arms)}."
    figure.note = " ".join(filter(None, [means, figure.note]))
    figure.caption = (
        "A line that falls to the left is a gradient that vanishes on its way to the input, and "
        "one that stays level on the right is an arm that learns nothing."
    )
    return figure

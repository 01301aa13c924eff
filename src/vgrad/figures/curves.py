"""Loss and accuracy of one run over its training; and its headline."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from vgrad.figures.lines import Line, chance_line, draw
from vgrad.figures.live import STRANDS, Live
from vgrad.figures.palette import TRAIN, VALIDATION
from vgrad.figures.profiles import draw_steps, shown, step_keys
from vgrad.figures.quantities import ACCURACY, ERROR_SIGNAL, LOSS, Quantity, measured, numbers
from vgrad.figures.scale import Numbers
from vgrad.figures.style import Key, Sheet, styled

MOST_POINTS = 1500  # of one line
TRAINED, VALIDATED = STRANDS + 4, STRANDS + 5
TRAIN_KEY = Key("training batch", TRAIN)
VALIDATION_KEY = Key("validation", VALIDATION)


@styled
def curves(steps: pd.DataFrame, chance: float | None = None, title: str = "") -> Sheet:
    """Loss and accuracy of one run, on its training batches and in validation.

    Args:
        steps: the rows of one run of `steps.parquet`.
        chance: the accuracy of guessing; None leaves its line out.
        title: a heading.
    """
    quantities = [LOSS, *([ACCURACY] if has_accuracy(steps) else [])]
    figure = Sheet(len(quantities), title, [TRAIN_KEY, VALIDATION_KEY])
    for place, quantity in enumerate(quantities):
        _draw_curve(figure, place, steps, quantity, chance)
    return figure


@styled
def headline(
    layers: pd.DataFrame, steps: pd.DataFrame, chance: float | None = None, title: str = ""
) -> Sheet:
    """One run at a glance: the error signal by layer, and what was learnt."""
    chosen = shown(layers)
    figure = Sheet(2, title, [*step_keys(chosen), TRAIN_KEY, VALIDATION_KEY])
    draw_steps(figure, 0, layers, ERROR_SIGNAL, chosen)
    _draw_curve(figure, 1, steps, ACCURACY if has_accuracy(steps) else LOSS, chance)
    return figure


def has_accuracy(steps: pd.DataFrame) -> bool:
    """Whether any accuracy was recorded: a regression has none."""
    columns = ("train_accuracy", "val_accuracy")
    return any(np.isfinite(numbers(steps[column])).any() for column in columns)


def _draw_curve(
    figure: Sheet, place: int, steps: pd.DataFrame, quantity: Quantity, chance: float | None
) -> None:
    axes = figure.panels[place]
    train = by_step(steps, f"train_{quantity.column}", MOST_POINTS)
    validation = by_step(steps, f"val_{quantity.column}", MOST_POINTS)
    few = len(validation[0]) < 80
    lines = [
        Line(*train, TRAIN, width=1.2, strand=TRAINED),
        Line(*validation, VALIDATION, dotted=few, width=1.8, strand=VALIDATED),
    ]
    scale = draw(axes, quantity, lines)
    label_steps(axes, float(steps["step"].max()) if len(steps) else 0.0)
    if quantity is ACCURACY:
        chance_line(axes, chance)
    figure.live[place] = Live(
        "step",
        quantity.column,
        figure.place(axes),
        axes.get_xlim(),
        scale,
        moves=False,
        strands={TRAINED: TRAIN_KEY.label, VALIDATED: VALIDATION_KEY.label},
    )


def by_step(steps: pd.DataFrame, column: str, most: int) -> tuple[Numbers, Numbers]:
    """One column as (steps, values), at most `most` of them, the last one kept."""
    rows = measured(steps, column).sort_values("step")
    stride = -(-len(rows) // most) or 1
    kept = sorted({*range(0, len(rows), stride), len(rows) - 1} - {-1})
    return numbers(rows["step"].iloc[kept]), numbers(rows[column].iloc[kept])


def label_steps(axes: Axes, last: float) -> None:
    """The steps along x, up to the last."""
    last = max(last, 1.0)
    axes.set_xlim(-0.02 * last, 1.02 * last)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    axes.set_xlabel("training step  [updates made]")

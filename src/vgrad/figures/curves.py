"""Loss and accuracy over the training, of one run or of many; and the headline figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from vgrad.figures.lines import Line, chance_line, draw
from vgrad.figures.looks import Look
from vgrad.figures.profiles import at_end, chosen_steps, draw_runs, draw_steps, step_keys
from vgrad.figures.quantities import ACCURACY, ERROR_SIGNAL, LOSS, Quantity, measured, numbers
from vgrad.figures.style import TRAIN, VALIDATION, Key, Sheet, styled

MOST_POINTS = 1500  # of one line
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
    for axes, quantity in zip(figure.panels, quantities, strict=True):
        _draw_curve(axes, steps, quantity, chance)
    return figure


@styled
def compared_curves(
    steps: pd.DataFrame,
    looks: Sequence[Look],
    keys: Sequence[Key],
    chance: float | None = None,
    title: str = "",
) -> Sheet:
    """Training loss and validation results of many runs, a line for each.

    Args:
        steps: the rows of all runs of `steps.parquet`.
        looks: how each run's line looks; a run without a look is left out.
        keys: the legend.
        chance: the accuracy of guessing, if it is one for all.
        title: a heading.
    """
    parts = [("train", LOSS), ("val", LOSS)]
    parts += [("train", ACCURACY), ("val", ACCURACY)] if has_accuracy(steps) else []
    figure = Sheet(len(parts), title, keys)
    for axes, (part, quantity) in zip(figure.panels, parts, strict=True):
        _draw_curves(axes, steps, part, quantity, looks)
        if quantity is ACCURACY:
            chance_line(axes, chance)
    return figure


@styled
def headline(
    layers: pd.DataFrame, steps: pd.DataFrame, chance: float | None = None, title: str = ""
) -> Sheet:
    """One run at a glance: the error signal by layer, and what was learnt."""
    chosen = chosen_steps(layers)
    figure = Sheet(2, title, [*step_keys(chosen), TRAIN_KEY, VALIDATION_KEY])
    draw_steps(figure.panels[0], layers, ERROR_SIGNAL, chosen)
    _draw_curve(figure.panels[1], steps, ACCURACY if has_accuracy(steps) else LOSS, chance)
    return figure


@styled
def compared_headline(
    layers: pd.DataFrame,
    steps: pd.DataFrame,
    looks: Sequence[Look],
    keys: Sequence[Key],
    chance: float | None = None,
    title: str = "",
) -> Sheet:
    """Many runs at a glance: the error signal before training, and what was learnt."""
    figure = Sheet(2, title, keys)
    draw_runs(figure.panels[0], at_end(layers, "first"), ERROR_SIGNAL, looks)
    figure.panels[0].set_title("Error signal δ before training")
    if has_accuracy(steps):
        _draw_curves(figure.panels[1], steps, "val", ACCURACY, looks)
        chance_line(figure.panels[1], chance)
    else:
        _draw_curves(figure.panels[1], steps, "val", LOSS, looks)
    return figure


def has_accuracy(steps: pd.DataFrame) -> bool:
    """Whether any accuracy was recorded: a regression has none."""
    columns = ("train_accuracy", "val_accuracy")
    return any(np.isfinite(numbers(steps[column])).any() for column in columns)


def _draw_curve(axes: Axes, steps: pd.DataFrame, quantity: Quantity, chance: float | None) -> None:
    train = _by_step(steps, f"train_{quantity.column}", MOST_POINTS)
    validation = _by_step(steps, f"val_{quantity.column}", MOST_POINTS)
    lines = [
        Line(*train, TRAIN, width=1.2),
        Line(*validation, VALIDATION, dotted=len(validation[0]) < 80, width=1.8),
    ]
    draw(axes, quantity, lines)
    _label_steps(axes, steps)
    if quantity is ACCURACY:
        chance_line(axes, chance)


def _draw_curves(
    axes: Axes, steps: pd.DataFrame, part: str, quantity: Quantity, looks: Sequence[Look]
) -> None:
    groups = dict(tuple(steps.groupby("run_id", sort=False)))
    many, column = len(looks), f"{part}_{quantity.column}"
    most = max(60, 10 * MOST_POINTS // max(many, 1))
    lines = [
        look.line(*_by_step(groups[look.run_id], column, most), many=many)
        for look in looks
        if look.run_id in groups
    ]
    draw(axes, quantity, lines)
    _label_steps(axes, steps)
    where = {"train": "training batch", "val": "validation"}[part]
    axes.set_title(f"{quantity.title}, {where}")


def _by_step(steps: pd.DataFrame, column: str, most: int) -> tuple[np.ndarray, np.ndarray]:
    """One column as (steps, values), at most `most` of them, the last one kept."""
    rows = measured(steps, column).sort_values("step")
    stride = -(-len(rows) // most) or 1
    kept = sorted({*range(0, len(rows), stride), len(rows) - 1} - {-1})
    return numbers(rows["step"].iloc[kept]), numbers(rows[column].iloc[kept])


def _label_steps(axes: Axes, steps: pd.DataFrame) -> None:
    last = max(float(steps["step"].max()) if len(steps) else 0.0, 1.0)
    axes.set_xlim(-0.02 * last, 1.02 * last)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    axes.set_xlabel("training step  [updates made]")

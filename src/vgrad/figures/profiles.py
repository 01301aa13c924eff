"""Profiles by layer of one run, at chosen steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from vgrad.figures.lines import Line, draw, label_layers
from vgrad.figures.palette import EARLY, LATE, MIDDLE
from vgrad.figures.quantities import BY_LAYER, Quantity, numbers
from vgrad.figures.scale import Numbers
from vgrad.figures.style import Key, Sheet, styled


@styled
def profiles(layers: pd.DataFrame, title: str = "") -> Sheet:
    """The four quantities of one run by layer, a line for each chosen step.

    Args:
        layers: the rows of one run of `layers.parquet`.
        title: a heading.
    """
    steps = chosen_steps(layers)
    figure = Sheet(len(BY_LAYER), title, step_keys(steps))
    for axes, quantity in zip(figure.panels, BY_LAYER, strict=True):
        draw_steps(axes, layers, quantity, steps)
    return figure


def chosen_steps(layers: pd.DataFrame) -> list[int]:
    """The first, a middle and the last recorded step.

    Where the last is no longer finite, the middle one is the last that is.
    """
    steps = sorted({int(step) for step in layers["step"]})
    if len(steps) < 3:
        return steps
    middle = min(steps[1:-1], key=lambda step: abs(step - (steps[0] + steps[-1]) / 2))
    bad = layers.loc[~np.isfinite(numbers(layers["delta_rms"])), "step"]
    whole = [step for step in steps if step not in set(bad)]
    if whole and steps[0] < whole[-1] < steps[-1]:
        middle = whole[-1]
    return sorted({steps[0], middle, steps[-1]})


def step_keys(steps: Sequence[int]) -> list[Key]:
    """The legend of one run's profiles."""
    names = {0: "step 0 (before training)"}
    return [
        Key(names.get(step, f"step {step}"), colour, marker="o")
        for step, colour in zip(steps, _step_colours(steps), strict=True)
    ]


def draw_steps(axes: Axes, layers: pd.DataFrame, quantity: Quantity, steps: Sequence[int]) -> None:
    """One quantity of one run by layer, a line for each step."""
    lines = []
    for place, (step, colour) in enumerate(zip(steps, _step_colours(steps), strict=True)):
        x, values = by_layer(layers[layers["step"] == step], quantity)
        width = 1.3 + 0.6 * (len(steps) - 1 - place)  # so that those that coincide all show
        lines.append(Line(x, values, colour, dotted=True, width=width))
    draw(axes, quantity, lines)
    label_layers(axes, int(layers["layer"].max()), output_apart=True)


def by_layer(rows: pd.DataFrame, quantity: Quantity) -> tuple[Numbers, Numbers]:
    """One record as (layers, values), sorted by layer, without an output layer that has none."""
    rows = rows.sort_values("layer")
    if quantity.of_hidden and len(rows) > 1:
        rows = rows[:-1]
    return numbers(rows["layer"]), numbers(rows[quantity.column])


def _step_colours(steps: Sequence[int]) -> list[str]:
    return {1: [EARLY], 2: [EARLY, LATE]}.get(len(steps), [EARLY, MIDDLE, LATE])

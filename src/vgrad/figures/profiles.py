"""Profiles by layer of one run, at chosen steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vgrad.figures.lines import Line, draw, label_layers
from vgrad.figures.live import STRANDS, Live
from vgrad.figures.palette import EARLY, LATE, MIDDLE
from vgrad.figures.quantities import BY_LAYER, Quantity, numbers
from vgrad.figures.scale import Numbers
from vgrad.figures.style import Key, Sheet, styled

FIRST, CHOSEN, LAST = STRANDS + 1, STRANDS + 2, STRANDS + 3


@dataclass(frozen=True)
class Shown:
    """One record of those that are drawn.

    Attributes:
        step: which.
        strand: its line's number on a page: the one in the middle may be moved there.
        colour: its line's.
    """

    step: int
    strand: int
    colour: str

    @property
    def name(self) -> str:
        """What it is called."""
        return f"step {self.step}" + (" (before training)" if self.step == 0 else "")


@styled
def profiles(layers: pd.DataFrame, title: str = "") -> Sheet:
    """The four quantities of one run by layer, a line for each chosen step.

    Args:
        layers: the rows of one run of `layers.parquet`.
        title: a heading.
    """
    records = shown(layers)
    figure = Sheet(len(BY_LAYER), title, step_keys(records))
    for place, quantity in enumerate(BY_LAYER):
        draw_steps(figure, place, layers, quantity, records)
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


def shown(layers: pd.DataFrame) -> list[Shown]:
    """The chosen steps, each with its look."""
    looks = [(FIRST, EARLY), (CHOSEN, MIDDLE), (LAST, LATE)]
    steps = chosen_steps(layers)
    kept = looks if len(steps) == 3 else [looks[0], looks[-1]][: len(steps)]
    return [Shown(step, *look) for step, look in zip(steps, kept, strict=True)]


def step_keys(records: Sequence[Shown]) -> list[Key]:
    """The legend of one run's profiles."""
    return [Key(record.name, record.colour, marker="o") for record in records]


def draw_steps(
    figure: Sheet, place: int, layers: pd.DataFrame, quantity: Quantity, records: Sequence[Shown]
) -> None:
    """One quantity of one run by layer in a panel, a line for each step."""
    axes, lines = figure.panels[place], []
    for i, record in enumerate(records):
        x, values = by_layer(layers[layers["step"] == record.step], quantity)
        width = 1.3 + 0.6 * (len(records) - 1 - i)  # so that those that coincide all show
        line = Line(x, values, record.colour, dotted=True, width=width, strand=record.strand)
        lines.append(line)
    deepest = int(layers["layer"].max())
    inner = layers["layer"] < (deepest if quantity.of_hidden and deepest > 1 else deepest + 1)
    scale = draw(axes, quantity, lines, numbers(layers.loc[inner, quantity.column]))
    label_layers(axes, deepest, output_apart=True)
    figure.live[place] = Live(
        "layer",
        quantity.column,
        figure.place(axes),
        axes.get_xlim(),
        scale,
        moves=len(records) > 2,
        strands={record.strand: record.name for record in records},
        moving=CHOSEN if len(records) > 2 else None,
    )


def by_layer(rows: pd.DataFrame, quantity: Quantity) -> tuple[Numbers, Numbers]:
    """One record as (layers, values), sorted by layer, without an output layer that has none."""
    rows = rows.sort_values("layer")
    if quantity.of_hidden and len(rows) > 1:
        rows = rows[:-1]
    return numbers(rows["layer"]), numbers(rows[quantity.column])

"""What a page's script must know of a panel to place any value in it by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vgrad.figures.scale import Kind, Numbers, Scale

Box = tuple[float, float, float, float]  # x, y, width, height inside the SVG, points, y downwards
STRANDS = 1_000_000  # from this number on, the lines of one run: its steps, its curves


@dataclass(frozen=True)
class Live:
    """The axes of one panel, in the terms of the tables.

    Attributes:
        kind: what goes to the right: "layer" (1 … depth + 1), "share" (layer / depth), "step",
            or "depth", which stands for the setting that is named in `x_key`.
        column: which column is drawn up: of `layers` for "layer" and "share", of `steps` for
            "step", of `runs` for "depth". A name with a `:` is made from others as its figure says.
        box: of the axes.
        x: the ends of the x axis, in placed units.
        scale: the y axis; a value stands where `scale.place` says.
        moves: whether the lines are of one record, so that another can be shown in their place.
        relative: whether each run's values are divided by that of its last hidden layer.
        x_key: the setting along x.
        x_kind: "log" where x is log₁₀ of the setting.
        arms: the numbers of the arms that are drawn here.
        strands: where the lines are no arms but those of one run: number → name.
        moving: the strand that moves, while the others stay.
    """

    kind: str
    column: str
    box: Box
    x: tuple[float, float]
    scale: Scale
    moves: bool
    relative: bool = False
    x_key: str = ""
    x_kind: Kind = "linear"
    arms: tuple[int, ...] = ()
    strands: Mapping[int, str] = field(default_factory=dict)
    moving: int | None = None


@dataclass(frozen=True)
class Cells:
    """A heat map, in the terms of the tables.

    Attributes:
        column: which column of `layers`.
        box: of the map.
        steps: the record of each column of cells.
        values: [layers, steps], in the units of the data.
        present: which of them were recorded.
        scale: where a value has its colour; what has none is named by its rail.
        has_output: whether the last layer is the output layer.
    """

    column: str
    box: Box
    steps: tuple[int, ...]
    values: Numbers
    present: NDArray[np.bool_]
    scale: Scale
    has_output: bool

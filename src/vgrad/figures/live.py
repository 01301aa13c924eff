"""What a page must know of a panel to place any value in it by itself."""

from __future__ import annotations

from dataclasses import dataclass

from vgrad.figures.scale import Kind, Scale


@dataclass(frozen=True)
class Live:
    """The axes of one panel, in the terms of the tables.

    Attributes:
        kind: what goes to the right: "layer" (1 … depth + 1), "share" (layer / depth), "step",
            or "depth", which stands for the setting that is named in `x_key`.
        column: which column is drawn up: of `layers` for "layer" and "share", of `steps` for
            "step", of `runs` for "depth". A name with a `:` is made from others as its figure says.
        box: x, y, width and height of the axes inside the SVG, in points, y downwards.
        x: the ends of the x axis, in placed units.
        scale: the y axis; a value stands where `scale.place` says.
        moves: whether the lines are of one record, so that another can be shown in their place.
        relative: whether each run's values are divided by that of its last hidden layer.
        x_key: the setting along x.
        x_kind: "log" where x is log₁₀ of the setting.
        arms: the numbers of the arms that are drawn here.
    """

    kind: str
    column: str
    box: tuple[float, float, float, float]
    x: tuple[float, float]
    scale: Scale
    moves: bool
    relative: bool = False
    x_key: str = ""
    x_kind: Kind = "linear"
    arms: tuple[int, ...] = ()

"""How each of many runs looks: colour per activation, line style per initialisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_hex

from vgrad.figures.lines import Line
from vgrad.figures.scale import Numbers
from vgrad.figures.style import ACTIVATION_COLOURS, INK, MUTED, Dash, Key, colours, dashes

MOST_NAMED = 9  # runs that get a colour and a name each


@dataclass(frozen=True)
class Look:
    """The look of one run's line."""

    run_id: str
    colour: str
    dash: Dash = "solid"

    def line(self, x: Numbers, values: Numbers, *, many: int) -> Line:
        """A line of this look, thinner and paler where it is one of many."""
        width, alpha = (1.6, 1.0) if many <= 12 else (1.1, 0.85) if many <= 40 else (0.8, 0.6)
        return Line(x, values, self.colour, self.dash, width=width, alpha=alpha)


def looks(runs: Sequence[Mapping[str, str]]) -> tuple[list[Look], list[Key]]:
    """A look for each run, and the legend.

    Args:
        runs: `run_id`, `activation`, `init` and `label` (what sets it apart) of each.
    """
    activations = {run["activation"] for run in runs}
    inits = {run["init"] for run in runs}
    if len(activations) * len(inits) == 1:
        return _each_its_own(runs) if len(runs) <= MOST_NAMED else _in_order(runs)
    colour, dash = colours(activations), dashes(inits)
    one_dash, one_colour = len(inits) == 1, len(activations) == 1
    keys = [] if one_colour else [Key(name, colour[name]) for name in colour]
    keys += [] if one_dash else [Key(name, MUTED, dash[name]) for name in dash]
    return [Look(r["run_id"], colour[r["activation"]], dash[r["init"]]) for r in runs], keys


def _each_its_own(runs: Sequence[Mapping[str, str]]) -> tuple[list[Look], list[Key]]:
    """Few runs of one activation and one init: a colour and a name for each."""
    palette = [*ACTIVATION_COLOURS.values(), INK]
    made = [Look(run["run_id"], palette[i]) for i, run in enumerate(runs)]
    return made, [Key(run["label"], look.colour) for run, look in zip(runs, made, strict=True)]


def _in_order(runs: Sequence[Mapping[str, str]]) -> tuple[list[Look], list[Key]]:
    """Many runs of one activation and one init: a ramp, in the order in which they come."""
    ramp = mpl.colormaps["viridis"](np.linspace(0.25, 0.85, len(runs)))
    made = [Look(run["run_id"], to_hex(colour)) for run, colour in zip(runs, ramp, strict=True)]
    first, last = (0, -1)
    return made, [Key(runs[end]["label"], made[end].colour) for end in (first, last)]

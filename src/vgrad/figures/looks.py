"""How each arm looks: colour by activation, line style by initialisation, marker by a third key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from vgrad.arms import Arm, differing
from vgrad.figures.facets import Facets
from vgrad.figures.palette import (
    INK,
    MUTED,
    SPARE_COLOURS,
    Dash,
    activation_colour,
    init_dash,
    ramp,
)
from vgrad.figures.settings import levels, said, shown
from vgrad.figures.style import Key
from vgrad.phrases import is_number

SHAPES = ("o", "s", "^", "D", "v", "P")
MOST_KEYS = 9  # of a setting whose values are a ramp of colours; of more, three are named


@dataclass(frozen=True)
class Look:
    """The look of one arm's line."""

    colour: str
    dash: Dash = "solid"
    marker: str = ""


@dataclass(frozen=True)
class Looks:
    """The looks of some arms.

    Attributes:
        of: the number of an arm → its look.
        keys: the legend.
        told: the settings that the looks tell apart.
    """

    of: Mapping[int, Look]
    keys: Sequence[Key]
    told: frozenset[str]

    def legend(self, arms: Sequence[Arm]) -> list[Key]:
        """The entries of the legend that some arms need."""
        needed = {said(key, shown(arm, key)) for arm in arms for key in self.told}
        return [key for key in self.keys if key.label in needed]


def looks(arms: Sequence[Arm], facets: Facets, apart: Sequence[str] = ()) -> Looks:
    """A look for each arm.

    Args:
        arms: all that a figure shows.
        facets: which setting has the colours.
        apart: the settings that the figure tells apart in other ways: along x, or by panels.
    """
    differ = [key for key in differing(arms) if key not in apart]
    hue = facets.hue if facets.hue in differ else _hue(differ)
    marked = _marked(arms, differ, hue, facets)
    colour = colours(arms, hue)
    shapes = dict(zip(levels(arms, marked), SHAPES, strict=False)) if marked else {}
    of = {
        arm.number: Look(
            colour.get(shown(arm, hue), INK) if hue else _plain(arm),
            init_dash(str(arm.settings.get("init"))) if "init" in differ else "solid",
            shapes.get(shown(arm, marked), "") if marked else "",
        )
        for arm in arms
    }
    keys = _colour_keys(hue, colour) if hue else []
    if hue == "init":
        keys = [Key(key.label, key.colour, init_dash(key.label)) for key in keys]
    elif "init" in differ:
        keys += [Key(name, MUTED, init_dash(name)) for name in levels(arms, "init")]
    if marked == hue:
        keys = [replace(key, marker=shape) for key, shape in zip(keys, SHAPES, strict=False)]
    else:
        keys += [Key(said(marked, name), MUTED, marker=shape) for name, shape in shapes.items()]
    return Looks(of, keys, frozenset(key for key in (hue, "init", marked) if key in differ))


def colours(arms: Sequence[Arm], hue: str | None) -> dict[str, str]:
    """The colour of each value of a setting: fixed for activations, a ramp for numbers."""
    if hue is None:
        return {}
    names = levels(arms, hue)
    if hue == "activation":
        return {name: activation_colour(name) for name in names}
    numeric = all(is_number(arm.settings.get(hue)) for arm in arms)
    if numeric or len(names) > len(SPARE_COLOURS) + 1:
        return dict(zip(names, ramp(len(names)), strict=True))
    return dict(zip(names, (*SPARE_COLOURS, INK), strict=False))


def _marked(
    arms: Sequence[Arm], differ: Sequence[str], hue: str | None, facets: Facets
) -> str | None:
    """The setting that has the markers: one more, or that of the colours for a second time."""
    known = (hue, "init", "activation", facets.facet)
    third = [key for key in differ if key not in known]
    again = [hue] if hue and hue not in ("activation", "init") and not third else []
    few = [key for key in [*third, *again] if len(levels(arms, key)) <= len(SHAPES)]
    return few[0] if few else None


def _hue(differ: Sequence[str]) -> str | None:
    return "activation" if "activation" in differ else differ[0] if differ else None


def _plain(arm: Arm) -> str:
    return activation_colour(str(arm.settings.get("activation", "")))


def _colour_keys(hue: str, colour: Mapping[str, str]) -> list[Key]:
    names = list(colour)
    if hue != "activation" and len(names) > MOST_KEYS:
        names = [names[0], names[len(names) // 2], names[-1]]
    return [Key(said(hue, name), colour[name]) for name in names]

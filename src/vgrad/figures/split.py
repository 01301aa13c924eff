"""Which arms share a panel: a dozen at most, told apart by what a panel cannot show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from vgrad.arms import Arm, differing
from vgrad.figures.facets import Facets
from vgrad.figures.looks import Looks
from vgrad.figures.settings import levels, said, shown

MOST_LINES = 12  # of one panel
MOST_GROUPS = 6  # panels of one quantity


@dataclass(frozen=True)
class Group:
    """The arms of one panel, and the settings that they share apart from others."""

    title: str
    arms: Sequence[Arm]


@dataclass(frozen=True)
class Split:
    """The groups of a figure.

    Attributes:
        groups: a panel each.
        note: what is left out, in words.
        common: what all groups share of the settings by which arms were split, as the end of a
            heading; it is not in their titles.
    """

    groups: Sequence[Group]
    note: str = ""
    common: str = ""

    @property
    def arms(self) -> list[Arm]:
        """All arms that are drawn."""
        return [arm for group in self.groups for arm in group.arms]


def split(
    arms: Sequence[Arm],
    facets: Facets,
    looks: Looks,
    apart: Sequence[str] = (),
    *,
    first: str | None = None,
    most_lines: int = MOST_LINES,
    most_groups: int = MOST_GROUPS,
) -> Split:
    """Groups of arms, a panel each.

    Arms are split by the settings that no look tells apart, then by as many more as it takes.

    Args:
        arms: all that are to be drawn.
        facets: which settings matter most.
        looks: how they look.
        apart: the settings that go along x.
        first: the setting to split by before all others, where not all lines can share a panel.
        most_lines: of one panel.
        most_groups: of one figure.
    """
    differ = [key for key in differing(arms) if key not in apart]
    ranked = [key for key in (first, facets.facet, *differ) if key in differ]
    hidden = [key for key in dict.fromkeys(ranked) if key not in looks.told]
    others = [key for key in ("init", *looks.told) if key in differ and key != facets.hue]
    by = [key for key in (first, facets.facet) if key in hidden] or hidden[:1]
    if first in differ and first not in by and _largest(arms, by, apart) > most_lines:
        by = [first, *by]
    for key in dict.fromkeys([*hidden, *others]):
        if _largest(arms, by, apart) <= most_lines:
            break
        if key not in by:
            by = [*by, key]
    return _capped(arms, by, apart, facets, (most_lines, most_groups))


def lines(arms: Sequence[Arm], along: str | None) -> list[list[Arm]]:
    """Arms that differ in one setting at most, along which a line joins them."""
    keys = [key for key in differing(arms) if key != along]
    found: dict[tuple[str, ...], list[Arm]] = {}
    for arm in arms:
        found.setdefault(tuple(shown(arm, key) for key in keys), []).append(arm)
    return list(found.values())


def spread(count: int, most: int) -> list[int]:
    """The places of at most so many of a list, the first and the last among them."""
    if count <= most:
        return list(range(count))
    if most == 1:
        return [count - 1]
    return sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})


def _largest(arms: Sequence[Arm], by: Sequence[str], apart: Sequence[str]) -> int:
    """How many lines the fullest panel would have."""
    along = next(iter(apart), None)
    return max((len(lines(group, along)) for _, group in _groups(arms, by)), default=0)


def _groups(arms: Sequence[Arm], by: Sequence[str]) -> list[tuple[tuple[str, ...], list[Arm]]]:
    orders = [{name: place for place, name in enumerate(levels(arms, key))} for key in by]

    def values(arm: Arm) -> tuple[str, ...]:
        return tuple(shown(arm, key) for key in by)

    def place(arm: Arm) -> tuple[int, ...]:
        return tuple(order[name] for order, name in zip(orders, values(arm), strict=True))

    return [(key, list(group)) for key, group in groupby(sorted(arms, key=place), values)]


def _chosen(arms: Sequence[Arm], key: str, most: int, facets: Facets) -> set[str]:
    """Some values of a setting: depths evenly, of others those with the best results."""
    names, best = levels(arms, key), facets.best or {}
    if key == "depth" or not best:
        return {names[i] for i in spread(len(names), most)}
    return set(sorted(names, key=lambda name: -best.get((key, name), -np.inf))[:most])


def _capped(
    arms: Sequence[Arm],
    by: Sequence[str],
    apart: Sequence[str],
    facets: Facets,
    room: tuple[int, int],
) -> Split:
    """The groups, with as few values of each setting as it takes, and lines spread evenly."""
    notes = []
    most_lines, most_groups = room
    kept = list(arms)
    while by and len(_groups(kept, by)) > most_groups:
        counts = {key: len(levels(kept, key)) for key in by}
        key = max(by, key=lambda name: counts[name])
        fewer = max(1, most_groups * counts[key] // len(_groups(kept, by)))
        chosen = _chosen(kept, key, min(fewer, counts[key] - 1), facets)
        kept = [arm for arm in kept if shown(arm, key) in chosen]
        notes.append(f"{len(chosen)} of {len(levels(arms, key))} values of {key}")
    groups = []
    along = next(iter(apart), None)
    alike = [key for key in by if len(levels(kept, key)) == 1]
    common = "".join(f", {said(key, levels(kept, key)[0])}" for key in alike)
    for values, members in _groups(kept, by):
        told = [(key, value) for key, value in zip(by, values, strict=True) if key not in alike]
        title = ", ".join(said(key, value) for key, value in told)
        found = lines(members, along)
        if len(found) > most_lines:
            notes.append(f"{most_lines} of {len(found)} lines a panel")
        chosen_lines = [found[i] for i in spread(len(found), most_lines)]
        groups.append(Group(title, [arm for line in chosen_lines for arm in line]))
    note = ", ".join(dict.fromkeys(notes))
    note = f"So that it can be read, {note} are drawn." if note else ""
    note += f" All panels: {common.removeprefix(', ')}." if common and note else ""
    return Split(groups, note, common)

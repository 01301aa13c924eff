"""How settings and arms are called: as typed, in words, and several arms together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vgrad.phrases import listed, typed
from vgrad.report.arm_rows import ArmRow

NONE = "–"  # in the place of a setting that an arm has not


def in_words(value: Any) -> str:
    """A setting for people: a number to six digits."""
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:g}"
    return typed(value)


def with_key(key: str, value: Any) -> str:
    """A setting in a sentence: a choice by its name alone, all else with its key."""
    if isinstance(value, str) and "." not in key and value != NONE:
        return value
    return f"{key}={in_words(value)}"


def settings_of(row: ArmRow, keys: Sequence[str]) -> Mapping[str, str]:
    """What sets an arm apart, as typed, by key; a dash where it has no such setting."""
    return {key: typed(row.settings.get(key, NONE)) for key in keys}


@dataclass(frozen=True)
class Naming:
    """How arms are named together: by the first key, with the others where they matter."""

    scope: Sequence[ArmRow]
    keys: Sequence[str]

    def names(self, rows: Sequence[ArmRow]) -> list[tuple[str, list[ArmRow]]]:
        """Groups of arms with a name each, as few as can be."""
        if not self.keys:
            return [("this setting", list(rows))] if rows else []
        groups: dict[str, list[ArmRow]] = {}
        for row in rows:
            groups.setdefault(self._value(row), []).append(row)
        return [(self._name(value, group), group) for value, group in groups.items()]

    def one(self, row: ArmRow) -> str:
        """The name of one arm."""
        return self._with([row]) if self.keys else "this setting"

    def _name(self, value: str, group: Sequence[ArmRow]) -> str:
        all_of_it = [row for row in self.scope if self._value(row) == value]
        if len(group) == len(all_of_it):
            if len(group) == 1:
                alone = len(self.keys) == 1 or self._alone()
                return self._head(group[0]) if alone else self._with(group)
            either = "either" if len(group) == 2 else "every"
            return f"{self._head(group[0])} with {either} {self._others()}"
        if len(group) > 3:
            return f"{self._head(group[0])} ({len(group)} of {len(all_of_it)} settings)"
        return self._with(group)

    def _with(self, group: Sequence[ArmRow]) -> str:
        """The name of arms that are alike in the first key."""
        rest = [
            " ".join(
                with_key(key, row.settings[key]) for key in self.keys[1:] if key in row.settings
            )
            for row in group
        ]
        head = self._head(group[0])
        return f"{head} with {listed(rest)}" if any(rest) else head

    def _head(self, row: ArmRow) -> str:
        return with_key(self.keys[0], row.settings.get(self.keys[0], NONE))

    def _others(self) -> str:
        return self.keys[1] if len(self.keys) == 2 else "setting"

    def _alone(self) -> bool:
        """Whether the first key tells all arms apart."""
        values = [self._value(row) for row in self.scope]
        return len(set(values)) == len(values)

    def _value(self, row: ArmRow) -> str:
        return typed(row.settings.get(self.keys[0], NONE))

"""The answer to a sweep, in a few sentences that its data give: no claim beyond the intervals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vgrad.diagnose import number, percent
from vgrad.interval import Interval, of_difference
from vgrad.report.arm_rows import ArmRow

MOST_NAMED = 4  # groups of arms that one sentence names


@dataclass(frozen=True)
class Sentence:
    """A part of the answer: what it is about, in bold, and what is so."""

    lead: str
    text: str


def answer(rows: Sequence[ArmRow], keys: Sequence[str]) -> list[Sentence]:
    """Which arms still train where it is hardest, which do not and why, and what to change.

    Args:
        rows: the arms.
        keys: the settings in which they differ, most important first.
    """
    scope, where = _deepest(rows, keys)
    rest = [key for key in keys if not (key == "depth" and where)]
    naming = Naming(scope, rest)
    parts = [
        _on_training(scope, where, naming),
        _on_best(scope, naming),
        *_on_gradients(scope, naming),
        _on_change(scope, rest, naming),
    ]
    return [part for part in parts if part]


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
            groups.setdefault(self._value(row, self.keys[0]), []).append(row)
        return [(self._name(value, group), group) for value, group in groups.items()]

    def one(self, row: ArmRow) -> str:
        """The name of one arm."""
        return self._with(self._value(row, self.keys[0]), [row]) if self.keys else "this setting"

    def _name(self, value: str, group: Sequence[ArmRow]) -> str:
        all_of_it = [row for row in self.scope if self._value(row, self.keys[0]) == value]
        head = (
            value
            if "." not in self.keys[0] and self.keys[0] != "depth"
            else f"{self.keys[0]}={value}"
        )
        if len(group) == len(all_of_it):
            if len(group) == 1:
                return head if len(self.keys) == 1 or self._alone() else self._with(value, group)
            return f"{head} with {'either' if len(group) == 2 else 'every'} {self._others()}"
        if len(group) > 3:
            return f"{head} ({len(group)} of {len(all_of_it)} settings)"
        return self._with(value, group)

    def _with(self, value: str, group: Sequence[ArmRow]) -> str:
        head = value if self.keys[0] in ("activation", "init") else f"{self.keys[0]}={value}"
        rest = [self._rest(row) for row in group]
        return f"{head} with {_list(rest)}" if any(rest) else head

    def _rest(self, row: ArmRow) -> str:
        words = []
        for key in self.keys[1:]:
            if key in row.settings:
                value = typed(row.settings[key])
                words.append(value if key in ("activation", "init") else f"{key}={value}")
        return " ".join(words)

    def _others(self) -> str:
        return self.keys[1] if len(self.keys) == 2 else "setting"

    def _alone(self) -> bool:
        """Whether the first key tells all arms apart."""
        values = [self._value(row, self.keys[0]) for row in self.scope]
        return len(set(values)) == len(values)

    def _value(self, row: ArmRow, key: str) -> str:
        return typed(row.settings.get(key, "–"))


def typed(value: Any) -> str:
    """A setting as it is typed."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def spread(interval: Interval | None, show: Callable[[float], str] = percent) -> str:
    """A mean with half the width of its interval, where there is one: `94.1 % ± 0.6`."""
    if interval is None:
        return ""
    half = (interval.high - interval.low) / 2
    if not half > 0:  # also where there is none
        return show(interval.value)
    if show is percent:
        return f"{show(interval.value)} ± {_short(100 * half)}"
    return f"{show(interval.value)} ± {_short(half)}"


def _short(value: float) -> str:
    return number(value, 2 if value < 10 else 3)


def _deepest(rows: Sequence[ArmRow], keys: Sequence[str]) -> tuple[list[ArmRow], str]:
    """The arms of the largest depth, where depth is one of the questions."""
    if "depth" not in keys or len(keys) == 1:
        return list(rows), ""
    deepest = max(int(row.arm.settings["depth"]) for row in rows)
    return [r for r in rows if int(r.arm.settings["depth"]) == deepest], f"At depth {deepest}"


def _on_training(scope: Sequence[ArmRow], where: str, naming: Naming) -> Sentence | None:
    judged = [row for row in scope if row.trains is not None]
    good = [row for row in judged if row.trains]
    if not judged:
        return None
    if len(judged) == 1:
        does = "It trains" if good else "It does not train"
        return Sentence(does, f"{len(judged[0].runs)} runs end at {_result(judged[0])}.")
    still = "still train" if where else "train"
    lead = f"{where + ', ' if where else ''}{len(good)} of {len(judged)} settings {still}"
    if not good:
        best = max(scope, key=_score)
        none = lead.replace(f"{len(good)} of", "none of", 1)
        return Sentence(none, f"the best, {naming.one(best)}, ends at {_result(best)}.")
    good.sort(key=_score, reverse=True)
    return Sentence(lead, f"{_named(good, naming, _range)}.")


def _on_best(scope: Sequence[ArmRow], naming: Naming) -> Sentence | None:
    """The best arm, and how many the seeds cannot tell from it."""
    scored = [row for row in scope if row.trains and row.accuracies]
    if len(scored) < 2:
        return None
    best, *others = sorted(scored, key=_score, reverse=True)
    if min(len(row.accuracies) for row in scored) < 2:
        return Sentence("", "With one seed a setting, differences between these are not judged.")
    equal = sum(not _is_better(best, other) for other in others)
    if equal == 0:
        return Sentence("", f"{naming.one(best)} is best, and its seeds tell it from the others.")
    if equal == len(others):
        return Sentence("", "Their seeds do not tell which of these is best.")
    count = "one other is" if equal == 1 else f"{equal} others are"
    told = (
        f"{naming.one(best)} has the best mean, from which by these seeds {count} not told apart."
    )
    return Sentence("", told)


def _on_gradients(scope: Sequence[ArmRow], naming: Naming) -> list[Sentence]:
    """What becomes of the gradient where it is ill."""
    parts = []
    for verdict, lead in (
        ("vanishing", "The gradient vanishes"),
        ("exploding", "It explodes"),
        ("diverged", "Training diverges"),
    ):
        ill = sorted(
            (row for row in scope if row.verdict == verdict),
            key=lambda row: -abs(row.slope.value) if row.slope else 0.0,
        )
        if ill:
            show = _pace if verdict != "diverged" else _share_of_diverged
            parts.append(Sentence(lead, f"for {_named(ill, naming, show)}."))
    if not parts and all(row.verdict == "healthy" for row in scope):
        parts.append(Sentence("The gradient", "stays healthy in all of them."))
    return parts


def _on_change(scope: Sequence[ArmRow], keys: Sequence[str], naming: Naming) -> Sentence | None:
    """What makes an arm train that does not: measured here, else what the findings advise."""
    bad = [row for row in scope if row.trains is False]
    if not bad:
        return None
    measured = _measured_changes(bad, scope, keys, naming)
    advised = Counter(fix for row in bad for fix in [row.fix] if fix)
    told = measured[:2]
    if advised:
        fix, count = advised.most_common(1)[0]
        of = "all of these" if count == len(bad) else f"{count} of these {len(bad)}"
        of = "it" if len(bad) == 1 else of
        told.append(f"the diagnosis advises `{fix}` for {of}" if told else f"try `{fix}` for {of}")
    if not told:
        return None
    text = "; ".join(told)
    return Sentence("What to change", f"{text[0]}{text[1:]}.")


def _measured_changes(
    bad: Sequence[ArmRow], scope: Sequence[ArmRow], keys: Sequence[str], naming: Naming
) -> list[str]:
    """Changes of one setting that make arms train, each with its measured difference."""
    told = []
    for key in reversed([k for k in keys if k in ("init", "activation")] or list(keys)):
        pairs = []
        for row in bad:
            near = [one for one in scope if one.trains and _differs_only(row, one, key)]
            near = [one for one in near if _is_better(one, row)]
            if near:
                pairs.append((row, max(near, key=_score)))
        if pairs:
            row, better = max(pairs, key=lambda pair: _score(pair[1]) - _score(pair[0]))
            others = len(pairs) - 1
            also = f" (likewise in {others} more)" if others else ""
            told.append(
                f"`{key}={typed(better.settings.get(key))}` takes {naming.one(row)} from "
                f"{_result(row)} to {_result(better)}{also}"
            )
            bad = [one for one in bad if all(one is not pair[0] for pair in pairs)]
    return told


def _differs_only(a: ArmRow, b: ArmRow, key: str) -> bool:
    """Whether two arms differ in one setting alone."""
    one, other = dict(a.settings), dict(b.settings)
    return one.pop(key, None) != other.pop(key, None) and one == other


def _is_better(one: ArmRow, other: ArmRow) -> bool:
    """Whether the seeds show that one arm's accuracy is above the other's."""
    if min(len(one.accuracies), len(other.accuracies)) < 2:
        return False
    return of_difference(one.accuracies, other.accuracies).low > 0


def _named(rows: Sequence[ArmRow], naming: Naming, show: Callable[[Sequence[ArmRow]], str]) -> str:
    """The names of arms, each group with a number."""
    groups = naming.names(rows)
    words = []
    for name, group in groups[:MOST_NAMED]:
        told = show(group)
        words.append(f"{name} ({told})" if told else name)
    rest = sum(len(group) for _, group in groups[MOST_NAMED:])
    return _list([*words, *([f"{rest} more"] if rest else [])])


def _range(group: Sequence[ArmRow]) -> str:
    """The accuracies of some arms: one with its interval, or the lowest and the highest mean."""
    means = [row.accuracy.value for row in group if row.accuracy]
    if not means:
        return ""
    if len(group) == 1:
        return spread(group[0].accuracy)
    low, high = percent(min(means)), percent(max(means))
    return low if low == high else f"{low.removesuffix(' %')} to {high}"


def _pace(group: Sequence[ArmRow]) -> str:
    """How fast δ changes on its way back."""
    slopes = [row.slope for row in group if row.slope]
    if not slopes:
        return ""
    values = sorted((slope.value for slope in slopes), key=abs)
    if len(slopes) == 1:
        told = f"{spread(slopes[0], number)}".replace("-", "−")
    else:
        low, high = (number(value).replace("-", "−") for value in (values[0], values[-1]))
        told = low if low == high else f"{low} to {high}"
    return f"{told} decades a layer, δ × {number(10 ** values[-1])}"


def _share_of_diverged(group: Sequence[ArmRow]) -> str:
    runs = sum(len(row.runs) for row in group)
    return f"{sum(row.verdicts['diverged'] for row in group)} of {runs} runs"


def _result(row: ArmRow) -> str:
    return spread(row.accuracy) if row.accuracy else spread(row.loss, number)


def _score(row: ArmRow) -> float:
    """What arms are ranked by: accuracy, or else minus the loss."""
    if row.accuracy:
        return row.accuracy.value
    return -row.loss.value if row.loss else -math.inf


def _list(words: Sequence[str]) -> str:
    *head, last = words
    return f"{', '.join(head)} and {last}" if head else last


def settings_of(row: ArmRow, keys: Sequence[str]) -> Mapping[str, str]:
    """What sets an arm apart, as typed, by key; a dash where it has no such setting."""
    return {key: typed(row.settings[key]) if key in row.settings else "–" for key in keys}

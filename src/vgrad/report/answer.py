"""The answer to a sweep, in a few sentences that its data give: no claim beyond the intervals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vgrad.diagnose import number, percent
from vgrad.interval import Interval, of_difference
from vgrad.phrases import counted, listed, typed
from vgrad.report.arm_rows import ArmRow
from vgrad.report.naming import Naming

MOST_NAMED = 4  # groups of arms that one sentence names
MOST_PLACES, LARGE = 5, 1e4  # decimals of a mean; from here on it is written as m·10ⁿ


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
        _on_open(scope, naming),
        *_on_gradients(scope, naming),
        _on_change(scope, rest, naming),
    ]
    return [part for part in parts if part]


def spread(interval: Interval | None, show: Callable[[float], str] = percent) -> str:
    """A mean with half the width of its interval, where there is one: `94.1 % ± 0.6`."""
    if interval is None:
        return ""
    half = (interval.high - interval.low) / 2
    if not half > 0:  # also where there is none
        return show(interval.value)
    if show is percent:
        return f"{show(interval.value)} ± {_of_percent(100 * half)}"
    places = -math.floor(math.log10(half))  # of its first digit: more of the mean mean nothing
    if 0 < places <= MOST_PLACES and abs(interval.value) < LARGE:
        return f"{interval.value:.{places}f} ± {half:.{places}f}"
    return f"{show(interval.value)} ± {_short(half)}"


def _of_percent(half: float) -> str:
    """Half a width in percent: to a tenth, as its mean, unless it is less than that."""
    return _short(half if half < 0.05 else round(half, 1))


def _short(value: float) -> str:
    return number(value, 2 if value < 10 else 3)


def _deepest(rows: Sequence[ArmRow], keys: Sequence[str]) -> tuple[list[ArmRow], str]:
    """The arms of the largest depth, where depth is one of the questions."""
    if "depth" not in keys or len(keys) == 1:
        return list(rows), ""
    deepest = max(int(row.arm.settings["depth"]) for row in rows)
    return [r for r in rows if int(r.arm.settings["depth"]) == deepest], f"At depth {deepest}"


def _on_training(scope: Sequence[ArmRow], where: str, naming: Naming) -> Sentence | None:
    judged = [row for row in scope if row.is_judged]
    if not judged:
        return None
    if len(judged) == 1:
        return _on_one(judged[0])
    good = sorted((row for row in judged if row.trains), key=_score, reverse=True)
    open_ = sum(row.trains is None for row in judged)
    still, none = ("still train", "none") if where else ("train", "None")
    lead = f"{where + ', ' if where else ''}{len(good) or none} of {len(judged)} settings "
    if open_ and not good:
        lead += f"surely {still}"
    else:
        lead += still
    if open_:
        lead += f", and {open_} {'is' if open_ == 1 else 'are'} not decided by these seeds"
    if not good:
        best = max(scope, key=_score)
        return Sentence(lead, f"the best, {naming.one(best)}, ends at {_result(best)}.")
    return Sentence(lead, f"{_named(good, naming, _range)}.")


def _on_open(scope: Sequence[ArmRow], naming: Naming) -> Sentence | None:
    """Which arms the seeds do not decide, where others train."""
    left = [row for row in scope if row.is_judged and row.trains is None]
    if not left or not any(row.trains for row in scope):
        return None
    named = _named(sorted(left, key=_score, reverse=True), naming, _range)
    return Sentence("", f"Not decided: {named}.")


def _on_one(row: ArmRow) -> Sentence:
    """Whether the only setting trains."""
    if row.trains is None:
        lead = "These seeds do not decide whether it trains"
    else:
        lead = "It trains" if row.trains else "It does not train"
    end = "ends" if len(row.runs) == 1 else "end"
    return Sentence(lead, f"{counted(len(row.runs), 'run')} {end} at {_result(row)}.")


def _on_best(scope: Sequence[ArmRow], naming: Naming) -> Sentence | None:
    """The best arm, and how many the seeds cannot tell from it."""
    scored = [row for row in scope if row.trains and row.accuracies]
    if len(scored) < 2:
        return None
    best, *others = sorted(scored, key=_score, reverse=True)
    if min(len(row.accuracies) for row in scored) < 2:
        return Sentence("", "With one seed a setting, differences between these are not judged.")
    alike = [other for other in others if not _is_better(best, other)]
    equal = len(alike)
    if equal == 0:
        return Sentence("", f"{naming.one(best)} is best, and its seeds tell it from the others.")
    if equal == len(others):
        return Sentence("", "Their seeds do not tell which of these is best.")
    count = f"{naming.one(alike[0])} is" if equal == 1 else f"{equal} others are"
    told = f"The best mean is that of {naming.one(best)}; by these seeds {count} not told from it."
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
    slow = [row for row in scope if row.verdict == "healthy" and row.trains is False]
    if parts and slow:
        told = _named(sorted(slow, key=_score, reverse=True), naming, _range)
        parts.append(Sentence("The gradient is healthy, and yet they do not train", f"{told}."))
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
            change = f"`{key}={typed(better.settings.get(key))}`"
            if row.all_diverged:
                kept = f"keeps {naming.one(row)} from diverging, and takes it"
            else:
                kept = f"takes {naming.one(row)} from {_result(row)}"
            told.append(f"{change} {kept} to {_result(better)}{also}")
            bad = [one for one in bad if all(one is not pair[0] for pair in pairs)]
    return told


def _differs_only(a: ArmRow, b: ArmRow, key: str) -> bool:
    """Whether two arms differ in one setting alone."""
    one, other = dict(a.settings), dict(b.settings)
    return one.pop(key, None) != other.pop(key, None) and one == other


def _is_better(one: ArmRow, other: ArmRow) -> bool:
    """Whether the seeds show that an arm's accuracy is above the other's, or has one alone."""
    if one.trains and min(len(one.runs), len(other.runs)) > 1 and other.all_diverged:
        return True
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
    return listed([*words, *([f"{rest} more"] if rest else [])])


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
    kept = list(dict.fromkeys(number(10**value) for value in (values[0], values[-1])))
    return f"{told} decades a layer, δ × {' to '.join(kept)}"


def _share_of_diverged(group: Sequence[ArmRow]) -> str:
    runs = sum(len(row.runs) for row in group)
    return f"{sum(row.verdicts['diverged'] for row in group)} of {runs} runs"


def _result(row: ArmRow) -> str:
    if row.all_diverged:
        return "no result, as all its runs diverge"
    return (spread(row.accuracy) if row.accuracy else spread(row.loss, number)) or "no result"


def _score(row: ArmRow) -> float:
    """What arms are ranked by: accuracy, or else minus the loss."""
    if row.accuracy:
        return row.accuracy.value
    return -row.loss.value if row.loss else -math.inf

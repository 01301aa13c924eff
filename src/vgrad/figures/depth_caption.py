"""What to see in the depth curves, in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from vgrad.arms import Arm
from vgrad.figures.quantities import numbers
from vgrad.figures.scale import DIVERGED, Numbers, number
from vgrad.figures.settings import shown
from vgrad.figures.split import lines
from vgrad.phrases import counted, listed

RESULTS = ("final_val_accuracy", "final_train_accuracy", "final_val_loss", "final_train_loss")
MOST_NAMED = 2  # arms of which every run diverged


def caption(results: pd.DataFrame, arms: Sequence[Arm], key: str) -> str:
    """Which arms do best and worst at the far end of the axis.

    A run that diverged has no result; arms that have none are named apart.
    """
    end = max((float(arm.settings[key]) for arm in arms), default=0.0)
    column = next((c for c in RESULTS if c in results and results[c].notna().any()), None)
    last = [arm for arm in arms if float(arm.settings[key]) == end]
    if column is None or not last:
        return f"The results against {key}."
    what = "accuracy" if "accuracy" in column else "loss"
    scored = _means(results, column, last)
    scored.sort(key=lambda pair: pair[0], reverse=what == "accuracy")
    lost = [arm for arm in last if (results.loc[list(arm.run_ids), "status"] == DIVERGED).all()]
    if len(scored) == 1 and lost:
        ((only, arm),) = scored
        return (
            f"At {key} {number(end)} the final {what} is {_size(only, what)} with "
            f"{_without(arm, key)};{_lost(lost, key, named=True)}."
        )
    if len(scored) < 2:
        several = len(lines(arms, key)) > 1
        of = _of_several if several else _of_one_line
        far = f"; at {key} {number(end)}{_lost(lost, key, named=several)}" if lost else ""
        return f"{of(results, column, arms, key, what)}{far}."
    (best, top), (worst, bottom) = scored[0], scored[-1]
    return (
        f"At {key} {number(end)} the final {what} goes from {_size(worst, what)} with "
        f"{_without(bottom, key)} to {_size(best, what)} with {_without(top, key)}"
        f"{_decays(results, bottom, top)}{f';{_lost(lost, key, named=True)}' if lost else ''}."
    )


def _lost(arms: Sequence[Arm], key: str, *, named: bool) -> str:
    """That the runs of these arms, one at least, have no result."""
    few = len(arms) <= MOST_NAMED
    names = listed(_without(arm, key) for arm in arms) if few else counted(len(arms), "setting")
    return f" every run{f' of {names}' if named else ''} diverged"


def _of_one_line(
    results: pd.DataFrame, column: str, arms: Sequence[Arm], key: str, what: str
) -> str:
    """Of one line: how its ends compare, and where it is best."""
    sign = 1 if what == "accuracy" else -1
    means = {float(arm.settings[key]): mean for mean, arm in _means(results, column, arms)}
    if len(means) < 2:
        return f"The final {what} against {key}"
    ends = [f"{_size(means[x], what)} at {key} {number(x)}" for x in (min(means), max(means))]
    best = max(means, key=lambda x: sign * means[x])
    top = f", and is best, {_size(means[best], what)}, at {number(best)}"
    middle = best not in (min(means), max(means))
    return f"The final {what} goes from {ends[0]} to {ends[1]}{top if middle else ''}"


def _of_several(
    results: pd.DataFrame, column: str, arms: Sequence[Arm], key: str, what: str
) -> str:
    """Of lines of which one alone has the far end: which arms are worst and best wherever."""
    means = _means(results, column, arms)
    if len(means) < 2:
        return f"The final {what} against {key}"
    means.sort(key=lambda pair: pair[0], reverse=what == "loss")
    (worst, bottom), (best, top) = means[0], means[-1]
    return (
        f"Of what is drawn, {bottom.label} has the worst final {what}, {_size(worst, what)}, and "
        f"{top.label} the best, {_size(best, what)}"
    )


def _means(results: pd.DataFrame, column: str, arms: Sequence[Arm]) -> list[tuple[float, Arm]]:
    """The mean result of each arm that has one."""
    found = ((_values(results, column, arm), arm) for arm in arms)
    return [(float(np.mean(values)), arm) for values, arm in found if len(values)]


def _values(results: pd.DataFrame, column: str, arm: Arm) -> Numbers:
    """The results of the runs of an arm, but for those that diverged."""
    rows = results.loc[list(arm.run_ids)]
    values = numbers(rows.loc[rows["status"] != DIVERGED, column])
    return values[np.isfinite(values)]


def _decays(results: pd.DataFrame, bottom: Arm, top: Arm) -> str:
    """The gradient decay of both, in words."""
    if "grad_decay" not in results:
        return ""
    means = [numbers(results.loc[list(arm.run_ids), "grad_decay"]) for arm in (bottom, top)]
    if not all(np.isfinite(values).any() for values in means):
        return ""
    worst, best = (number(float(f"{np.nanmean(values):.2g}")) for values in means)
    return f", whose error signals change by {worst} and {best} decades per layer on the way back"


def _size(value: float, what: str) -> str:
    return f"{100 * value:.0f} %" if what == "accuracy" else number(float(f"{value:.3g}"))


def _without(arm: Arm, key: str) -> str:
    """The label of an arm without what stands along x."""
    words = [word for word in arm.label.split() if not word.startswith(f"{key.split('.')[-1]}=")]
    return " ".join(words) or shown(arm, key)

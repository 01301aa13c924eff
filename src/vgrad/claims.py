"""Claims: sentences with a number that runs must show, judged over their seeds with an interval.

A claim *holds* if the whole interval lies on the claimed side, *fails* if the whole of it lies on
the other one, and is *not decided* by these seeds otherwise. A claim about several arms must hold
in each of them. A number that is missing, NaN or infinite decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vgrad.arms import Arm, arms, setting_columns
from vgrad.errors import ConfigError, did_you_mean
from vgrad.interval import Interval, of_difference, of_mean, of_median, of_share
from vgrad.listing import Filter
from vgrad.phrases import counted, number
from vgrad.quantity import Quantity, values

if TYPE_CHECKING:
    from vgrad.store import Frames

HOLDS, FAILS, OPEN = "holds", "fails", "not decided"
VERDICTS = (HOLDS, FAILS, OPEN)
SIDES = ("above", "below", "between")
AMONG = ("highest", "lowest")
STATISTICS: Mapping[str, Callable[[Sequence[float]], Interval]] = {
    "mean": of_mean,
    "median": of_median,
}
ENDED = ("completed", "diverged")
LEVEL = 0.95


@dataclass(frozen=True)
class Claim:
    """One claim.

    Attributes:
        says: the sentence.
        of: what is looked at.
        where: in which runs.
        minus: the filters that are otherwise in the runs to be compared with; each arm is
            compared with the one that differs from it in these keys only. Empty for none.
        among: which of them is meant where several do: the one with the `highest` mean or with
            the `lowest`; empty where there is to be one alone.
        statistic: over the seeds, `mean` or `median`; of a difference always the mean.
        side: `above`, `below` or `between`.
        bounds: the number, or the two of `between`.
    """

    says: str
    of: Quantity
    where: tuple[Filter, ...]
    side: str
    bounds: tuple[float, ...]
    minus: tuple[Filter, ...] = ()
    among: str = ""
    statistic: str = "mean"


@dataclass(frozen=True)
class Measured:
    """What one arm shows.

    Attributes:
        arm: its label among all arms of the study.
        interval: of the statistic.
        verdict: what it says of the claim.
        why: the reason where it decides nothing.
        against: the label of the arm that it was compared with, where that was chosen from several.
    """

    arm: str
    interval: Interval
    verdict: str
    why: str = ""
    against: str = ""


@dataclass(frozen=True)
class Judged:
    """A claim and what the runs say of it.

    Attributes:
        claim: the claim.
        verdict: `holds`, `fails` or `not decided`.
        measured: what each arm shows that it speaks of.
        why: the reason where there is no such arm.
    """

    claim: Claim
    verdict: str
    measured: tuple[Measured, ...]
    why: str = ""


def judge(claims: Sequence[Claim], frames: Frames) -> list[Judged]:
    """What some runs say of some claims.

    Runs that have not come to an end count for nothing.

    Raises:
        ConfigError: a claim names a column or key that these runs do not have.
    """
    ended = frames.runs[frames.runs["status"].isin(ENDED)]
    records = [{str(key): value for key, value in row.items()} for row in ended.to_dict("records")]
    rows = {str(row["run_id"]): row for row in records}
    runs = _Runs(frames, rows, arms(ended), setting_columns(ended))
    return [_judged(claim, runs) for claim in claims]


def verdict_on(interval: Interval, side: str, bounds: Sequence[float]) -> str:
    """What an interval says of a claim: `holds`, `fails`, or `not decided` without limits."""
    if not interval.is_known:
        return OPEN
    low, high = interval.low, interval.high
    if side == "below":
        return HOLDS if high < bounds[0] else FAILS if low > bounds[0] else OPEN
    if side == "above":
        return HOLDS if low > bounds[0] else FAILS if high < bounds[0] else OPEN
    lower, upper = bounds
    if lower < low and high < upper:
        return HOLDS
    return FAILS if high < lower or low > upper else OPEN


def all_of(verdicts: Sequence[str]) -> str:
    """What several arms say together: each has to show what is claimed."""
    if FAILS in verdicts:
        return FAILS
    return HOLDS if verdicts and set(verdicts) == {HOLDS} else OPEN


def said(claim: Claim) -> str:
    """What is claimed, as the file says it: `mean grad_decay below -0.5`."""
    of = claim.of
    if of.share is not None:
        what = f"share of runs with {of.share.word}"
    else:
        what = f"log10 {of.column}" if of.log10 else of.column
        what += f", layer {of.layer}" if of.layer is not None else ""
        what += f", step {of.step}" if claim.of.is_recorded else ""
        what = f"{claim.statistic} {what}"
    chosen = f", the {claim.among} of them" if claim.among else ""
    words = " ".join(one.word for one in claim.minus)
    minus = f" less that with {words}{chosen}" if claim.minus else ""
    return f"{what}{minus} {claim.side} {' and '.join(f'{bound:.12g}' for bound in claim.bounds)}"


def sentence_on(one: Measured) -> str:
    """What an arm shows, in words: `-0.93 (95 %: -0.95 to -0.91; 3 runs)`."""
    if one.interval.count == 0 or math.isnan(one.interval.value):
        return one.why or "no number"
    low, high = (number(limit, 3) for limit in (one.interval.low, one.interval.high))
    limits = f"95 %: {low} to {high}" if one.interval.is_known else one.why
    than = f"; compared with {one.against}" if one.against else ""
    runs = counted(one.interval.count, "run")
    return f"{number(one.interval.value, 3)} ({limits}; {runs}{than})"


@dataclass(frozen=True)
class _Runs:
    """The runs that are judged.

    Attributes:
        frames: all of them.
        rows: those that have come to an end: run_id → row of `.runs`.
        arms: of these.
        keys: the settings that there are.
    """

    frames: Frames
    rows: Mapping[str, Mapping[str, Any]]
    arms: Sequence[Arm]
    keys: Sequence[str]

    def fitting(self, filters: Sequence[Filter]) -> list[Arm]:
        """The arms that some filters fit."""
        return [arm for arm in self.arms if all(one.fits(arm.settings) for one in filters)]

    def check(self, one: Filter) -> None:
        """See whether a filter speaks of a setting of these runs."""
        settings = [arm.settings for arm in self.arms]
        if one.key not in self.keys:
            near = did_you_mean(one.key, self.keys)
            raise ConfigError(f"No setting of these runs is named {one.key!r}.{near}")
        if any(one.key in each for each in settings):
            one.check(settings)

    def partner(self, claim: Claim, arm: Arm) -> Arm | str:
        """The arm that differs from an arm in the keys of `minus` only, or why there is none.

        Of several it is the one that `among` says.
        """
        keys = {one.key for one in claim.minus}
        filters = [*(one for one in claim.where if one.key not in keys), *claim.minus]
        own = _without(arm, keys)
        alike = [other for other in self.fitting(filters) if _without(other, keys) == own]
        words = " ".join(one.word for one in claim.minus)
        if len(alike) > 1 and claim.among:
            return self._chosen(claim, alike) or f"no arm with {words} has a finite number"
        if len(alike) > 1:
            return f"{len(alike)} arms have {words}, and it is not said which is meant"
        return alike[0] if alike else f"no runs with {words} are alike in all else"

    def _chosen(self, claim: Claim, alike: Sequence[Arm]) -> Arm | None:
        """Of several arms the one with the highest or lowest mean over its finite numbers."""
        means: list[tuple[float, Arm]] = []
        for arm in alike:
            found = [v for v in values(claim.of, arm, self.frames, self.rows) if math.isfinite(v)]
            if found:
                means.append((sum(found) / len(found), arm))
        pick = max if claim.among == AMONG[0] else min
        return pick(means, key=lambda pair: pair[0])[1] if means else None


def _without(arm: Arm, keys: set[str]) -> dict[str, Any]:
    """An arm's settings without some keys and what belongs to them, as `activation.alpha` does."""
    return {
        key: value
        for key, value in arm.settings.items()
        if key not in keys and key.partition(".")[0] not in keys
    }


def _judged(claim: Claim, runs: _Runs) -> Judged:
    if not runs.rows:
        return Judged(claim, OPEN, (), "no runs")
    for one in (*claim.where, *claim.minus):
        runs.check(one)
    claim.of.check(runs.frames)
    chosen = runs.fitting(claim.where)
    if not chosen:
        return Judged(claim, OPEN, (), f"no runs{_none_fits(claim.where, runs)}")
    measured = tuple(_measured(claim, arm, runs) for arm in chosen)
    return Judged(claim, all_of([one.verdict for one in measured]), measured)


def _none_fits(filters: Sequence[Filter], runs: _Runs) -> str:
    """Why no arm fits: what the first key is that is at odds with all of them."""
    rows = [arm.settings for arm in runs.arms]
    hint = next(filter(None, (one.hint(rows) for one in filters)), "")
    words = " ".join(one.word for one in filters)
    return f" with {words}.{hint}".rstrip(".")


def _measured(claim: Claim, arm: Arm, runs: _Runs) -> Measured:
    own = values(claim.of, arm, runs.frames, runs.rows)
    if not claim.minus:
        return _decided(claim, arm, _interval(claim, own), [own])
    partner = runs.partner(claim, arm)
    if isinstance(partner, str):
        return Measured(arm.label, Interval(math.nan, math.nan, math.nan, 0), OPEN, partner)
    other = values(claim.of, partner, runs.frames, runs.rows)
    measured = _decided(claim, arm, of_difference(own, other, LEVEL), [own, other])
    return replace(measured, against=partner.label if claim.among else "")


def _interval(claim: Claim, own: Sequence[float]) -> Interval:
    if claim.of.share is not None:
        return of_share(sum(value > 0 for value in own), len(own), LEVEL)
    return STATISTICS[claim.statistic](own)


def _decided(
    claim: Claim, arm: Arm, interval: Interval, groups: Sequence[Sequence[float]]
) -> Measured:
    verdict = verdict_on(interval, claim.side, claim.bounds)
    return Measured(arm.label, interval, verdict, _why_open(interval, groups))


def _why_open(interval: Interval, groups: Sequence[Sequence[float]]) -> str:
    """Why an interval has no limits; empty where it has."""
    if interval.is_known:
        return ""
    odd = sum(not math.isfinite(value) for group in groups for value in group)
    if odd:
        return f"{odd} of {counted(interval.count, 'run')} have no finite number"
    few = min(map(len, groups))
    return "one seed says nothing of others" if few == 1 else f"{few} seeds are too few"

"""The arms of a sweep in numbers: a row each, with what its seeds say and how sure they are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from vgrad.arms import Arm
from vgrad.diagnose import Diagnosis, Finding
from vgrad.interval import Interval, of_mean
from vgrad.report.run import Run, stays_at_chance

HALF_WAY = 0.5  # of the way from guessing to the best arm: an arm that gets there trains
FALLEN = 0.9  # a loss below this share of its first has fallen
BAD = ("diverged", "exploding", "vanishing", "unsure", "healthy")  # the gravest first


@dataclass(frozen=True)
class ArmRow:
    """One arm.

    Attributes:
        arm: which.
        runs: its runs.
        diagnoses: one per run, in their order.
        target: the accuracy from which it trains; None where there is no accuracy.
        settings: those in which the arms differ, by key.
    """

    arm: Arm
    runs: Sequence[Run]
    diagnoses: Sequence[Diagnosis] = ()
    target: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def verdicts(self) -> Counter[str]:
        """How many runs have each verdict."""
        return Counter(diagnosis.verdict for diagnosis in self.diagnoses)

    @property
    def verdict(self) -> str:
        """The verdict of most of its runs; of equally many, the gravest."""
        return max(BAD, key=lambda word: (self.verdicts[word], -BAD.index(word)))

    @cached_property
    def slopes(self) -> list[float]:
        """Decades by which δ changes in each layer on its way back, of each run that has it."""
        return self._values("grad_decay")

    @cached_property
    def accuracies(self) -> list[float]:
        """The final accuracies in validation; without the runs that diverged."""
        return self._results("final_val_accuracy")

    @cached_property
    def losses(self) -> list[float]:
        """The final losses in validation; without the runs that diverged."""
        return self._results("final_val_loss")

    @cached_property
    def diverged(self) -> int:
        """How many of its runs diverged: they have no result."""
        return sum(map(_has_diverged, self.runs))

    @property
    def all_diverged(self) -> bool:
        """Whether none of its runs has a result, since they diverged."""
        return self.diverged == len(self.runs)

    @cached_property
    def slope(self) -> Interval | None:
        """The mean slope."""
        return _mean(self.slopes)

    @cached_property
    def accuracy(self) -> Interval | None:
        """The mean accuracy."""
        return _mean(self.accuracies)

    @cached_property
    def loss(self) -> Interval | None:
        """The mean loss."""
        return _mean(self.losses)

    @cached_property
    def trains(self) -> bool | None:
        """Whether it learns something worth the name; None where its seeds do not decide it.

        It does where also the low end of its interval gets there and no run diverged, and does
        not where not even the high end does. One seed without an interval is taken as it is.
        """
        if self.all_diverged:
            return False
        if self.target is None or self.accuracy is None:
            return self._fallen[0] if len(set(self._fallen)) == 1 else None
        ends = (self.accuracy.low, self.accuracy.high)
        low, high = ends if all(map(math.isfinite, ends)) else (self.accuracy.value,) * 2
        if high < self.target:
            return False
        return True if low >= self.target and not self.diverged else None

    @property
    def is_judged(self) -> bool:
        """Whether there is anything by which it may be said to train or not."""
        known = (self.target is not None and self.accuracy is not None) or bool(self._fallen)
        return known or self.all_diverged

    @property
    def stuck(self) -> int:
        """Runs that stay at chance."""
        return sum(stays_at_chance(run) for run in self.runs)

    @cached_property
    def finding(self) -> Finding | None:
        """The gravest ill that most of the runs have."""
        first = [d.findings[0] for d in self.diagnoses if d.findings]
        ills = [finding for finding in first if finding.rule != "healthy"]
        if 2 * len(ills) < len(self.runs) or not ills:
            return None
        rule = Counter(finding.rule for finding in ills).most_common(1)[0][0]
        return next(finding for finding in ills if finding.rule == rule)

    @property
    def fix(self) -> str:
        """What its finding says to do first, as typed."""
        return next(iter(self.finding.remedies), "") if self.finding else ""

    @cached_property
    def _fallen(self) -> list[bool]:
        """Of each run that was not cut short, whether its training loss fell."""
        ends = [
            (run.summary["initial_train_loss"], run.summary["final_train_loss"])
            for run in self.runs
            if run.summary["status"] != "running"
        ]
        return [
            bool(after < FALLEN * before) for before, after in ends if None not in (before, after)
        ]

    def _results(self, key: str) -> list[float]:
        """A result of the runs that did not diverge."""
        values = (run.summary[key] for run in self.runs if not _has_diverged(run))
        return [float(value) for value in values if value is not None and math.isfinite(value)]

    def _values(self, key: str) -> list[float]:
        values = (run.summary[key] for run in self.runs)
        return [float(value) for value in values if value is not None and math.isfinite(value)]


def arm_rows(
    arms: Sequence[Arm], runs: Sequence[Run], diagnoses: Sequence[Diagnosis], keys: Sequence[str]
) -> list[ArmRow]:
    """A row for each arm.

    Args:
        arms: the arms of the runs.
        runs: every run.
        diagnoses: what was found in each run that was loaded.
        keys: the settings in which the arms differ.
    """
    by_id = {run.file.run_id: run for run in runs}
    found = {diagnosis.run_id: diagnosis for diagnosis in diagnoses}
    target = _target(runs)
    return [
        ArmRow(
            arm,
            [by_id[run_id] for run_id in arm.run_ids if run_id in by_id],
            [found[run_id] for run_id in arm.run_ids if run_id in by_id and run_id in found],
            target,
            {key: arm.settings[key] for key in keys if key in arm.settings},
        )
        for arm in arms
        if any(run_id in by_id for run_id in arm.run_ids)
    ]


def _has_diverged(run: Run) -> bool:
    return bool(run.summary["status"] == "diverged")


def _mean(values: Sequence[float]) -> Interval | None:
    return of_mean(values) if values else None


def _target(runs: Sequence[Run]) -> float | None:
    """Half the way from guessing to the best run; None where no accuracy tells."""
    found = (run.summary["final_val_accuracy"] for run in runs if not _has_diverged(run))
    best = [float(result) for result in found if result is not None]
    chances = [run.chance for run in runs if run.chance is not None]
    finite = [value for value in best if math.isfinite(value)]
    if not finite or not chances:
        return None
    chance = max(chances)
    return chance + HALF_WAY * max(max(finite) - chance, 0.0)

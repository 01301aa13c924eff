"""The labelled set carried out, diagnosed, and set against its labels."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from hydra.types import RunMode

import vgrad
from labelled_case import RULES, Case
from vgrad.combine import Combiner
from vgrad.command import overrides
from vgrad.compose import Request, prepare
from vgrad.config import run_id
from vgrad.diagnose import Diagnosis, Finding, diagnose
from vgrad.launch import Launch
from vgrad.store import read_run
from vgrad.terminal import SilentSweepView
from vgrad.verbs.diagnose import best
from vgrad.verbs.fixing import mended

Row = Mapping[str, Any]  # of the table of runs


@dataclass(frozen=True)
class Judged:
    """One run of a labelled case, and what vgrad says of it.

    Attributes:
        case: the case.
        seed: of the run.
        path: its folder.
        diagnosis: vgrad's.
        row: its row in the table of runs.
    """

    case: Case
    seed: int
    path: Path
    diagnosis: Diagnosis
    row: Row

    @property
    def fired(self) -> frozenset[str]:
        """The rules that found something; what is unsure says that it cannot be told."""
        found = self.diagnosis.findings
        return frozenset(one.rule for one in found if one.confidence != "unsure")

    @property
    def missed(self) -> frozenset[str]:
        """The rules that had to fire and did not."""
        return self.case.must - self.fired

    @property
    def false(self) -> frozenset[str]:
        """The rules that fired where they had to be silent."""
        return self.fired - self.case.must - self.case.may

    @property
    def called_sick(self) -> bool:
        """Whether another verdict than healthy was given, or a rule fired that may not."""
        return self.diagnosis.verdict != "healthy" or bool(self.false)


@dataclass(frozen=True)
class Score:
    """How a rule did.

    Attributes:
        rule: its name.
        cases: in which it has to fire.
        positives, hits: runs in which it has to, and of them those in which it did.
        false: runs in which it fired and must not.
    """

    rule: str
    cases: int
    positives: int
    hits: int
    false: int

    @property
    def precision(self) -> float:
        """Of the times that it fired and that are decided, the share that is right."""
        return self.hits / (self.hits + self.false) if self.hits + self.false else math.nan

    @property
    def recall(self) -> float:
        """Of the runs in which it has to fire, the share in which it did."""
        return self.hits / self.positives if self.positives else math.nan


def carry_out(folder: Path, wanted: Sequence[Sequence[str]]) -> dict[tuple[str, ...], Path]:
    """Make the runs that the folder does not hold yet, all in one launch.

    Args:
        folder: of the runs.
        wanted: the overrides of each.

    Returns:
        the folder of each.
    """
    loader = prepare(Request())
    lines = [f"hydra.sweep.dir={folder}", "name=labelled"]
    master = loader.load_configuration("config", lines, RunMode.MULTIRUN)
    combiner = Combiner(loader, master)
    jobs = {tuple(words): combiner.job(words) for words in wanted}
    unique = {run_id(job.config): job for job in jobs.values()}
    for outcome in Launch({}, folder, SilentSweepView()).carry_out(list(unique.values())):
        if isinstance(outcome, Exception):
            raise outcome
    return {words: job.folder for words, job in jobs.items()}


def trial(folder: Path, cases: Sequence[Case], seeds: Sequence[int]) -> list[Judged]:
    """Run cases with some seeds each, and have them diagnosed."""
    runs = {(c, seed): (*c.typed, f"seed={seed}") for c in cases for seed in seeds}
    paths = carry_out(folder, list(runs.values()))
    assert len(set(paths.values())) == len(runs), "two cases are the same"
    said = judge([paths[words] for words in runs.values()])
    return [Judged(c, seed, paths[words], *said[paths[words]]) for (c, seed), words in runs.items()]


def judge(paths: Sequence[Path]) -> dict[Path, tuple[Diagnosis, Row]]:
    """What vgrad says of some runs, all diagnosed together as the seeds of their arms."""
    frames = vgrad.load(*paths)
    assert not frames.problems, frames.problems
    said = diagnose(frames)
    rows = frames.runs.to_dict("records")
    return {
        Path(str(row["path"])): (diagnosis, row) for row, diagnosis in zip(rows, said, strict=True)
    }


def scores(judged: Sequence[Judged]) -> list[Score]:
    """How each rule did."""
    return [
        Score(
            rule,
            len({run.case.name for run in judged if rule in run.case.must}),
            sum(rule in run.case.must for run in judged),
            sum(rule in run.case.must and rule in run.fired for run in judged),
            sum(rule in run.false for run in judged),
        )
        for rule in RULES
    ]


def share_called_sick(judged: Sequence[Judged]) -> tuple[int, int]:
    """The runs with which nothing is wrong: those that are called sick, and all."""
    well = [run for run in judged if run.case.well]
    return sum(run.called_sick for run in well), len(well)


def confusion(judged: Sequence[Judged]) -> pd.DataFrame:
    """Runs by the verdict that is right, a row each, and the one given, a column each."""
    right = [" or ".join(sorted(run.case.verdicts)) for run in judged]
    given = [run.diagnosis.verdict for run in judged]
    return pd.crosstab(pd.Series(right, name="right"), pd.Series(given, name="given"), dropna=False)


def wrong_verdicts(judged: Sequence[Judged]) -> list[Judged]:
    """The runs whose verdict is not among the right ones."""
    return [run for run in judged if run.diagnosis.verdict not in run.case.verdicts]


def finding_of(run: Judged, rule: str) -> Finding | None:
    """What a rule found in a run."""
    return next((one for one in run.diagnosis.findings if one.rule == rule), None)


def tally(judged: Sequence[Judged], kind: str) -> Counter[tuple[str, str]]:
    """(case, rule) → seeds in which the rule was `missed`, or `false`."""
    return Counter((run.case.name, rule) for run in judged for rule in getattr(run, kind))


@dataclass(frozen=True)
class Fixed:
    """A run of an ill case, and the same with the first remedy of its gravest finding.

    Attributes:
        before, after: the two.
        finding: that finding.
    """

    before: Judged
    after: Judged
    finding: Finding

    @property
    def of_gradient(self) -> bool:
        """Whether the gradient itself is ill."""
        return self.before.diagnosis.verdict in ("vanishing", "exploding", "diverged")

    @property
    def improved(self) -> bool:
        """Whether the remedy did what it is for.

        Where the gradient is ill, it has to cross the network with fewer decades lost or gained,
        at the start and at the end; elsewhere the finding must be gone, and the gradient no worse
        than healthy.
        """
        before, after = (decades(run.row) for run in (self.before, self.after))
        if self.of_gradient:
            return after < before
        worse = self.after.diagnosis.verdict not in ("healthy", self.before.diagnosis.verdict)
        return self.finding.rule not in self.after.fired and not worse


def decades(row: Row) -> float:
    """How far δ of layer 1 is from δ of the last hidden layer, at the start or the end at worst."""
    return max(_distance(row["reach"]), _distance(row["final_reach"]))


def _distance(reach: float | None) -> float:
    """│log₁₀│ of a ratio; infinite where nothing passes, or nothing can be told."""
    return abs(math.log10(reach)) if reach is not None and 0 < reach < math.inf else math.inf


def fixes(folder: Path, judged: Sequence[Judged]) -> list[Fixed]:
    """Run each ill run again as `vgrad diagnose --apply-fix` would; those without a remedy not."""
    chosen = {
        run.path: finding for run in judged if run.case.must and (finding := best(run.diagnosis))
    }
    words = {
        path: tuple(overrides(mended(read_run(path).settings, finding.remedies[0])))
        for path, finding in chosen.items()
    }
    paths = carry_out(folder, list(words.values()))
    said = judge(list(dict.fromkeys(paths.values())))
    done = [(run, paths[words[run.path]]) for run in judged if run.path in chosen]
    return [
        Fixed(run, Judged(run.case, run.seed, path, *said[path]), chosen[run.path])
        for run, path in done
    ]

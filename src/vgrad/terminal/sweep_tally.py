"""How far a sweep has come: its runs and stacks counted, the time left, its best and worst run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from vgrad.diagnose import number, percent
from vgrad.phrases import counted
from vgrad.store.document import decode
from vgrad.store.run_file import flat
from vgrad.terminal.lines import duration, literal, roughly
from vgrad.terminal.sweep_view import PackShown

MADE = ("completed", "diverged")  # what is not made again
VERDICTS = ("healthy", "vanishing", "exploding", "unsure", "diverged")
SCORES = {"final_val_accuracy": 1, "final_val_loss": -1}  # what ranks runs: 1 where more is better
TRUST = 0.02  # of the sweep: as much of it as has to be measured to count as much as expectation
NAMELESS = ("name", "objective")  # settings that say nothing of a run


@dataclass
class Stack:
    """One stack, as far as it has come."""

    shown: PackShown
    state: str = "waiting"  # running, done, failed, or replaced by others
    share: float = 0.0
    began: float = 0.0
    busy: float = 0.0  # seconds that it took
    runs: set[str] = field(default_factory=set)  # those that have ended

    @property
    def work(self) -> float:
        """Expected seconds that are done."""
        return self.shown.seconds * self.share


@dataclass(frozen=True)
class Scored:
    """A run, its score, and the settings that others have too."""

    score: float
    settings: Mapping[str, Any]


class Tally:
    """Takes note of what happens in a sweep, by the calls of a `SweepView`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._runs: dict[str, tuple[str, str]] = {}  # by path: status and verdict
        self._ends: dict[str, tuple[Scored, Scored]] = {}  # by field: the worst and the best
        self._first: dict[str, Any] = {}
        self._differing: list[str] = []
        self._retried: Stack | None = None
        self.stacks: list[Stack] = []
        self.statuses: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self.finished = self.in_all = 0
        self.workers = 1

    def begin(self, packs: Sequence[PackShown], finished: int, workers: int) -> None:
        """Count what is to be done; the clock starts."""
        self._began = self._clock()
        self.stacks = [Stack(pack) for pack in packs]
        self.finished = finished
        self.in_all = finished + sum(pack.runs for pack in packs)
        self.workers = max(1, workers)

    def started(self, pack: int) -> None:
        """A stack is begun, from its start or once more."""
        stack = self.stacks[pack]
        stack.state, stack.share, stack.began = "running", 0.0, self._clock()
        if stack is self._retried:
            self._retried = None

    def progress(self, pack: int, share: float) -> None:
        """A stack has come this far."""
        self.stacks[pack].share = min(1.0, max(0.0, share))

    def ended(self, pack: int, run: Mapping[str, Any]) -> None:
        """A run has ended; one that is told twice counts once."""
        summary: Mapping[str, Any] = decode(dict(run.get("summary") or {}))
        told = str(run.get("status", "")), str(summary.get("verdict") or "")
        path = str(run.get("path") or run.get("run_id"))
        if path in self._runs:
            status, verdict = self._runs[path]
            self.statuses[status] -= 1
            self.verdicts[verdict] -= 1
        self._runs[path] = told
        self.stacks[pack].runs.add(path)
        self.statuses[told[0]] += 1
        self.verdicts[told[1]] += 1
        self._rank(dict(flat(run.get("config") or {})), summary if told[0] != "diverged" else {})

    def done(self, pack: int) -> None:
        """A stack has been carried out."""
        self._stop(pack, "done")
        self.stacks[pack].share = 1.0

    def failed(self, pack: int, again: bool) -> None:
        """A stack failed; where it is tried again it waits."""
        self._stop(pack, "waiting" if again else "failed")
        stack = self.stacks[pack]
        stack.share = 0.0 if again else 1.0
        if again:
            self._retried = stack

    def added(self, packs: Sequence[PackShown]) -> None:
        """More stacks, in place of the one that is to be tried again."""
        if self._retried is None:
            self.in_all += sum(pack.runs for pack in packs)
        else:
            self._retried.state, self._retried = "replaced", None
        self.stacks += [Stack(pack) for pack in packs]

    @property
    def elapsed(self) -> float:
        """Seconds since `begin`."""
        return self._clock() - self._began

    @property
    def made(self) -> int:
        """Runs that were made since `begin`, those that diverged included."""
        return sum(self.statuses[status] for status in MADE)

    @property
    def rate(self) -> float:
        """Runs made in a second."""
        return self.made / self.elapsed if self.elapsed > 0 else 0.0

    @property
    def lost(self) -> int:
        """Runs of the stacks that failed for good."""
        failed = [stack for stack in self.stacks if stack.state == "failed"]
        return sum(max(0, stack.shown.runs - len(stack.runs)) for stack in failed)

    @property
    def share(self) -> float:
        """How much of the sweep is done, by the expected time of its stacks, from 0 to 1."""
        if not self.in_all:
            return 1.0
        stacks = [stack for stack in self.stacks if stack.state != "replaced"]
        work, expected = (
            sum(stack.work for stack in stacks),
            sum(stack.shown.seconds for stack in stacks),
        )
        ahead = (self.in_all - self.finished) / self.in_all
        return 1 - ahead + ahead * (work / expected if expected > 0 else 1.0)

    @property
    def seconds_left(self) -> float:
        """What the rest will take: expected, scaled by what was measured, shared by the workers."""
        rest = [
            stack.shown.seconds - stack.work
            for stack in self.stacks
            if stack.state in ("running", "waiting")
        ]
        return self._scale() * max(sum(rest) / self.workers, max(rest, default=0.0))

    def in_state(self, state: str) -> list[Stack]:
        """The stacks that are `waiting`, `running`, `done` or `failed`."""
        return [stack for stack in self.stacks if stack.state == state]

    def extremes(self) -> dict[str, str]:
        """The best and the worst run so far, each in words; empty before there are any."""
        for name in SCORES:
            if name in self._ends:
                worst, best = self._ends[name]
                return {"best": self._words(name, best), "worst": self._words(name, worst)}
        return {}

    def _stop(self, pack: int, state: str) -> None:
        stack = self.stacks[pack]
        if stack.state == "running":
            stack.busy = self._clock() - stack.began
        stack.state = state

    def _scale(self) -> float:
        """Seconds that an expected second takes; 1 until enough has been measured."""
        now, running = self._clock(), self.in_state("running")
        busy = sum(stack.busy for stack in self.in_state("done"))
        busy += sum(now - stack.began for stack in running)
        work = sum(stack.work for stack in [*running, *self.in_state("done")])
        trust = TRUST * sum(stack.shown.seconds for stack in self.stacks)
        return (busy + trust) / (work + trust) if work > 0 and trust > 0 else 1.0

    def _rank(self, settings: dict[str, Any], summary: Mapping[str, Any]) -> None:
        """Take note of what the run's settings differ in, and of its scores."""
        self._first = self._first or settings
        self._differing += [
            key
            for key, value in settings.items()
            if key not in self._differing
            and key not in NAMELESS
            and key in self._first
            and self._first[key] != value
        ]
        for name, sign in SCORES.items():
            score = finite(summary.get(name))
            if score is None:
                continue
            run = Scored(score, settings)
            worst, best = self._ends.get(name, (run, run))
            self._ends[name] = (
                run if sign * score < sign * worst.score else worst,
                run if sign * score > sign * best.score else best,
            )

    def _words(self, name: str, run: Scored) -> str:
        """The score, and the settings that not all runs have: `95.3 %  selu · depth 10`."""
        score = percent(run.score) if name == "final_val_accuracy" else number(run.score, digits=3)
        order = {key: place for place, key in enumerate(self._first)}
        keys = sorted(self._differing, key=order.__getitem__)
        parts = [setting_words(key, run.settings[key]) for key in keys if key in run.settings]
        return "  ".join(filter(None, [score, " · ".join(parts)]))


def finite(value: Any) -> float | None:
    """A value that is a number and finite; None for any other."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < float("inf") else None


def value_words(value: Any) -> str:
    """A setting's value on one line, as it is typed."""
    if isinstance(value, float):
        return number(value, digits=3)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return literal(str(value))


def setting_words(key: str, value: Any) -> str:
    """A choice by its name alone, any other setting with the last part of its key."""
    if isinstance(value, str) and "." not in key:
        return value_words(value)
    return f"{key.rpartition('.')[2]} {value_words(value)}"


def counts(tally: Tally) -> str:
    """What became of the runs so far: `40 healthy · 12 vanishing · 3 diverged`."""
    verdicts = {name: tally.verdicts[name] for name in VERDICTS}
    verdicts["diverged"] = tally.statuses["diverged"]
    failed = {"failed": tally.lost + tally.statuses["failed"]}
    return " · ".join(f"{n} {name}" for name, n in (verdicts | failed).items() if n)


def opening(tally: Tally) -> str:
    """What is about to be done, in one line."""
    to_make, already = tally.in_all - tally.finished, tally.finished
    if not to_make:
        return f"all {counted(already, 'run')} are there already"
    earlier = f"; {already} of {tally.in_all} are there already" if already else ""
    stacks = f"{counted(to_make, 'run')} in {counted(len(tally.stacks), 'stack')}"
    workers = counted(tally.workers, "worker")
    return f"{stacks}, {workers}, {roughly(tally.seconds_left)}{earlier}"


class Ending(NamedTuple):
    """How a sweep ended: what there is, what was done for it in what time, and if that is all."""

    head: str
    made: str
    whole: bool


def ending(tally: Tally, runs: Sequence[Mapping[str, Any]]) -> Ending:
    """How the sweep ended.

    Args:
        tally: the sweep.
        runs: what `run.json` holds of each run that there is.
    """
    statuses = Counter(str(run.get("status")) for run in runs)
    there = sum(statuses[status] for status in MADE)
    in_all = max(tally.in_all, there)
    failed = min(in_all - there, max(statuses["failed"], tally.lost))
    if there == in_all:
        head = f"done: {counted(in_all, 'run')}"
    elif there + failed == in_all:
        head = f"done: {there} of {in_all} runs; the same command tries the other {failed} again"
    else:
        head = f"stopped: {there} of {in_all} runs are done; the same command goes on from there"
    pace = f" ({number(tally.rate, digits=3)} runs/s)" if tally.made else ""
    parts = [
        f"{tally.made} made in {duration(tally.elapsed)}{pace}",
        f"{tally.finished} were there already" if tally.finished else "",
        f"{statuses['diverged']} diverged" if statuses["diverged"] else "",
        f"{failed} failed" if failed else "",
    ]
    return Ending(head, ", ".join(filter(None, parts)), there == in_all)


def failure(label: str, runs: int, message: str, again: bool) -> str:
    """Why a stack failed, and what becomes of its runs, on one line."""
    why = literal(" ".join(message.split())) or "it does not say why"
    which = "its run is" if runs == 1 else f"its {runs} runs are"
    what = "tried again" if again else "left out"
    return f"{literal(label)} failed: {why.rstrip('.')}; {which} {what}."

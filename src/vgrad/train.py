"""The training loop over a stack: its records, where a run diverges, and where one could go on.

As a rule a step is not checked on its own: reading one number back makes the device wait, and
summing up all gradients takes a tenth of a step. Every `GUARD` steps the loop looks whether all is
finite and keeps a copy of the state. Where something is not, it goes back to the last copy and
checks each step from there. The steps are the same ones, so a run diverges at the step at which
it would have, were each step checked; and a record is only given out once all before it is known
to be sound.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple

import numpy as np
import torch

from vgrad.config import RunConfig
from vgrad.parts.datasets import Dataset
from vgrad.parts.optimizers import OPTIMIZERS
from vgrad.state import State, copied, selected
from vgrad.store import LAYER_COLUMNS
from vgrad.threads import at_most
from vgrad.training import GRADIENT, Floats, Mask, Row, Training

GUARD = 32  # steps after which all is looked at and copied
WORTH_SHARING = 500_000  # multiplications of a layer's product, from which a second thread helps


@dataclass(frozen=True)
class Record:
    """What one run leaves of one step.

    Attributes:
        run: its place among the configs that `train` was given.
        step: updates made before.
        steps: its row of `steps.parquet`.
        layers: [L + 1, columns] in the order of `LAYER_COLUMNS`, or None where only evaluated.
        absent: of the same shape, True where `layers` is null.
        quantiles: of h, [L + 1, QUANTILES], at the first step and at the last.
    """

    run: int
    step: int
    steps: Row
    layers: Floats | None
    absent: Mask | None
    quantiles: Floats | None = None


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        status: `completed`, `diverged` or `interrupted`.
        updates: how many it made; for a diverged run the first bad step.
        bad_layer: the first layer whose numbers were not finite, counted from 1.
    """

    status: str
    updates: int
    bad_layer: int | None = None


@dataclass(frozen=True)
class Saved:
    """Where runs can go on from.

    Attributes:
        step: updates made before.
        runs: their places among the configs; the others have diverged.
        state: their state, all of it finite.
    """

    step: int
    runs: tuple[int, ...]
    state: State


class _Measured(NamedTuple):
    """What all runs of a stack leave of one step, [R, …]."""

    layers: Floats
    absent: Mask
    quantiles: Floats | None

    def of(self, place: int) -> tuple[Floats, Mask, Floats | None]:
        """What one run leaves of it."""
        quantiles = None if self.quantiles is None else self.quantiles[place]
        return self.layers[place], self.absent[place], quantiles


class Watcher:
    """What `train` tells and asks while it trains; this one takes no interest in anything."""

    def record(self, record: Record) -> None:
        """Take a record as it is made."""

    def step(self, step: int) -> None:
        """Hear at every step how many updates have been made."""

    def ended(self, outcomes: Mapping[int, Outcome]) -> None:
        """Hear which runs have come to their end, after their last records."""

    def measured(self, seconds: float) -> None:
        """Hear how long it took to measure the records of a step, those of all runs."""

    def should_stop(self) -> bool:
        """Say before an update whether to stop; the runs still leave a last record."""
        return False

    def wants_state(self, step: int) -> bool:
        """Say at every step whether the state before it is to be saved."""
        return False

    def save(self, saved: Saved) -> None:
        """Take the state, when it was wanted and when the runs are stopped."""


class Course:
    """The way of some runs through their steps.

    Args:
        configs, data, watcher, start: as for `train`.

    Attributes:
        training: the runs that are still in it.
    """

    @torch.no_grad()
    def __init__(
        self,
        configs: Sequence[RunConfig],
        data: Dataset,
        watcher: Watcher,
        start: Saved | None = None,
    ) -> None:
        self._configs, self._data, self._watcher = configs, data, watcher
        self._runs = list(range(len(configs))) if start is None else list(start.runs)
        self._step = 0 if start is None else start.step
        state = None if start is None else start.state
        self.training = Training([configs[run] for run in self._runs], data, state)
        self._gone: set[int] = set()  # places in the stack of runs that have diverged
        self._told = self._step - 1  # the last step whose records were given out
        # Each step before this one is checked.
        self._wary: float = 0 if all(map(_tells, configs)) else math.inf
        self._caught = False  # whether a run has diverged since the loop went back
        self._room: State = {}  # the last copy, to be written over; the watcher keeps what it has
        self._saved = self._copy()

    @torch.no_grad()
    def run(self) -> None:
        """Go through all steps, to the end, to the last divergence, or until asked to stop."""
        steps = self.training.steps
        while self._runs:
            step = self._step
            stopping = self._told < step < steps and self._watcher.should_stop()
            if not self._take_care(step, stopping=stopping):
                continue
            last = stopping or step == steps
            if not self._take_step(step, last=last):
                continue
            if step > self._told:  # else it was told before the loop went back
                self._told = step
                self._watcher.step(step)
            if last or len(self._gone) == len(self._runs):
                status = "interrupted" if stopping else "completed"
                left = [run for place, run in enumerate(self._runs) if place not in self._gone]
                self._watcher.ended({run: Outcome(status, step) for run in left})
                return
            self._step = step + 1

    def _copy(self) -> Saved:
        self._room = copied(self.training.state(), self._room)
        return Saved(self._step, tuple(self._runs), self._room)

    def _take_care(self, step: int, *, stopping: bool) -> bool:
        """Keep a copy of the state where one is due; False if that led back to an earlier one."""
        wanted = stopping or (step > self._saved.step and self._watcher.wants_state(step))
        if not (wanted or self._gone or step >= self._saved.step + GUARD):
            return True
        if self._gone:  # the others have just been checked
            self._drop()
        elif step >= self._wary and self.training.has_strayed():
            self._go_back(step)
            return False
        elif step > self._saved.step:
            self._saved = self._copy()
        if wanted:
            self._watcher.save(self._saved)
            self._room = {}
        return True

    def _go_back(self, step: int) -> None:
        """Go through the steps since the last copy again, and check each."""
        self._wary, self._caught = step + 1, False
        self.training.load(self._saved.state)
        self._step = self._saved.step

    def _drop(self) -> None:
        """Go on without the runs that have diverged, in a smaller stack."""
        left = [place for place in range(len(self._runs)) if place not in self._gone]
        state = selected(self.training.state(), left)
        self._runs = [self._runs[place] for place in left]
        del self.training  # make room
        self.training = Training([self._configs[r] for r in self._runs], self._data, state)
        self._gone = set()
        self._saved, self._room = Saved(self._step, tuple(self._runs), state), state

    def _take_step(self, step: int, *, last: bool) -> bool:
        """One step and its records; False if it led back to an earlier one."""
        training = self.training
        recorded = last or training.is_recorded(step)
        probed = training.is_probed(step, last=last)
        wary = step < self._wary
        training.load_batch()
        if not (recorded or wary):
            training.advance(step)
            return True
        training.go_through(keep=probed)
        if not self._is_sound(wary=wary):
            if not wary and step > self._saved.step:
                self._go_back(step)
                return False
            self._end_diverged(step)
            training.go_through(keep=probed)
        if wary and step + 1 == self._wary and not self._caught:
            self._wary = math.inf  # what is not finite is harmless, but would be found again
        begun = perf_counter()
        rows = training.rows(step, last=last) if recorded else []
        if probed:
            training.look()
        measuring = perf_counter() - begun
        if not last:
            training.update(step)
            if self._gone:  # what their optimizers remember may not be finite
                training.stack.silence([*self._gone])
        if recorded and step > self._told:
            begun = perf_counter()
            records = self._records(step, rows, probed=probed, last=last)
            self._watcher.measured(measuring + perf_counter() - begun)
            for record in records:
                self._watcher.record(record)
        return True

    def _is_sound(self, *, wary: bool) -> bool:
        return self.training.passes() and (wary or not self.training.has_strayed())

    def _records(self, step: int, rows: list[Row], *, probed: bool, last: bool) -> list[Record]:
        """The records of the runs that are still in training."""
        found = []
        measured = self._measure(step, last=last) if probed else None
        if measured is not None:
            norms = np.linalg.norm(measured.layers[:, :, GRADIENT], axis=1)
        else:
            norms = self.training.gradient_norms()
        for place, row in enumerate(rows):
            row["grad_norm"] = float(norms[place])
            if place in self._gone:
                continue
            parts = (None, None) if measured is None else measured.of(place)
            found.append(Record(self._runs[place], step, row, *parts))
        return found

    def _measure(self, step: int, *, last: bool) -> _Measured:
        """The layers of all runs, and at both ends how h is distributed in them."""
        layers, absent = self.training.measure(step, updated=not last)
        quantiles = self.training.quantiles() if last or step == 0 else None
        return _Measured(layers, absent, quantiles)

    def _end_diverged(self, step: int) -> None:
        """The last records of the runs that are no longer finite; their numbers become 0."""
        training = self.training
        diverged = [place for place in training.strays() if place not in self._gone]
        training.go_through(keep=True)
        rows = training.rows(step, last=True)
        training.look()
        measured = self._measure(step, last=True)
        outcomes = {}
        for place in diverged:
            layers = measured.layers[place]
            rows[place]["grad_norm"] = float(np.linalg.norm(layers[:, GRADIENT]))
            probed = training.is_probed(step, last=True)
            parts = measured.of(place) if probed else (None, None)
            self._watcher.record(Record(self._runs[place], step, rows[place], *parts))
            outcomes[self._runs[place]] = Outcome("diverged", step, first_bad_layer(layers))
        self._watcher.ended(outcomes)
        self._gone.update(diverged)
        self._caught = True
        training.stack.silence(diverged)


def _tells(config: RunConfig) -> bool:
    """Whether a gradient that is not finite leaves a trace that is still there steps later."""
    settings = config.optimizer.settings
    clips = settings["clip_norm"] or settings["clip_value"]
    return bool(OPTIMIZERS[config.optimizer.name].tells) and not clips


def first_bad_layer(layers: Floats) -> int | None:
    """Where numbers first ceased to be finite: on the way forward, else on the way back."""
    signal = ~np.isfinite(layers[:, LAYER_COLUMNS.index("preact_ms")])
    if signal.any():
        return int(signal.argmax()) + 1
    error = ~np.isfinite(layers[:, LAYER_COLUMNS.index("delta_rms")] + layers[:, GRADIENT])
    return len(error) - int(error[::-1].argmax()) if error.any() else None


def train(
    configs: Sequence[RunConfig], data: Dataset, watcher: Watcher, start: Saved | None = None
) -> None:
    """Train R runs as one stack.

    Args:
        configs: one per run; they share data, depth, width, batch size, steps and architecture.
        data: what they train on.
        watcher: is told of records and ends, and asked whether to stop and to save.
        start: where to go on from; by default from the first weights.
    """
    first = configs[0]
    product = len(configs) * (first.batch_size or 0) * first.width**2
    with at_most(1) if product < WORTH_SHARING else nullcontext():
        Course(configs, data, watcher, start).run()

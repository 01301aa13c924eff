"""The training loop over a stack: batches, the step, the records, and where a run diverges."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vgrad.config import RunConfig
from vgrad.draw import BATCHES, EXAMPLES, generator
from vgrad.parts.datasets import Dataset
from vgrad.probe import Probe
from vgrad.stack import Stack
from vgrad.store import LAYER_COLUMNS
from vgrad.update import Update

DENSE = 10  # the first steps, each of which is recorded by default
RECORDS = 50  # about how many records a run leaves by default
EVALUATIONS = 20  # about how many times it is evaluated by default
EVALUATED = 1_000  # examples that are evaluated at a time
SETTLED_ON = 256  # examples that a layer-sequential init scales its weights by

WORTH_SHARING = 500_000  # multiplications of a layer's product, from which a second thread helps
GRADIENT = LAYER_COLUMNS.index("weight_grad_norm")

Row = dict[str, float | None]  # the columns of `steps.parquet`; None is null


@dataclass(frozen=True)
class Record:
    """What one run leaves of one step.

    Attributes:
        run: its place in the stack.
        step: updates made before.
        steps: its row of `steps.parquet`.
        layers: [L + 1, columns] in the order of `LAYER_COLUMNS`, or None where only evaluated.
        absent: of the same shape, True where `layers` is null.
    """

    run: int
    step: int
    steps: Row
    layers: npt.NDArray[np.float64] | None
    absent: npt.NDArray[np.bool_] | None


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


def default_cadence(steps: int, dense: int, count: int) -> set[int]:
    """Steps 0 … dense, then growing gaps up to the last: about `count` in all."""
    start = min(dense, steps)
    sparse = np.geomspace(start + 1, steps + 1, max(2, count - start)) - 1
    return {*range(start + 1), *(int(s) for s in sparse.round()), steps}


def cadence(steps: int, every: int | None, dense: int, count: int) -> Collection[int]:
    """The steps that are recorded beside the last: each `every`-th, none for 0."""
    if every is None:
        return default_cadence(steps, dense, count)
    return range(0, steps + 1, every) if every else ()


def orders(configs: Sequence[RunConfig], examples: int) -> Iterator[Tensor]:
    """Batches of example numbers, [R, B], without end: each run in its own random order.

    An epoch is one permutation of all examples, cut into batches; what is left over is dropped.
    """
    batch = configs[0].batch_size
    assert batch is not None, "the config is not resolved"
    generators = [generator(config.seed, BATCHES) for config in configs]
    while True:
        epoch = torch.stack([torch.randperm(examples, generator=g) for g in generators])
        for start in range(0, examples - batch + 1, batch):
            yield epoch[:, start : start + batch]


class Training:
    """R runs in training, from the first weights to the last record."""

    def __init__(self, configs: Sequence[RunConfig], data: Dataset) -> None:
        first = configs[0]
        self.stack = Stack(configs, data.input_dim, data.output_dim)
        self.steps = first.steps
        self.outcomes: dict[int, Outcome] = {}
        self._update = Update(self.stack)
        self._probe = Probe(self.stack)
        self._classes = data.classes
        self._inputs, self._targets = self._tensors(data.train_x, data.train_y)
        self._test = self._tensors(data.test_x, data.test_y)
        self._orders = orders(configs, len(data.train_x))
        if self.stack.needs_settling:
            self.stack.settle(self._samples())
        self._probed = cadence(first.steps, first.probe_every, DENSE, RECORDS)
        self._evaluated = cadence(first.steps, first.eval_every, 0, EVALUATIONS)
        default = default_cadence(first.steps, DENSE, RECORDS)
        self._rows = (default, self._probed, self._evaluated)

    def _tensors(
        self, inputs: npt.NDArray[Any], targets: npt.NDArray[Any]
    ) -> tuple[Tensor, Tensor]:
        """Inputs [N, D] and targets [N, C] on the device; classes become one-hot."""
        to = partial(torch.tensor, dtype=self.stack.dtype, device=self.stack.device)
        if self._classes is not None:
            targets = np.eye(self._classes, dtype=np.float32)[targets]
        return to(inputs), to(targets)

    def _samples(self) -> Tensor:
        """Each run's own draw of training examples, [R, N, D], that its weights are settled on."""
        configs, count = self.stack.configs, min(SETTLED_ON, len(self._inputs))
        draws = [generator(config.seed, EXAMPLES) for config in configs]
        picked = [torch.randperm(len(self._inputs), generator=g)[:count] for g in draws]
        return self._inputs[torch.stack(picked).to(self.stack.device)]

    def run(
        self,
        on_record: Callable[[Record], None],
        on_step: Callable[[int], None],
        should_stop: Callable[[], bool],
    ) -> None:
        """Train to the end, to the last divergence, or until asked to stop."""
        for step in range(self.steps + 1):
            stopping = step < self.steps and should_stop()
            last = stopping or step == self.steps
            self._load_batch()
            for record in self._step(step, last=last):
                on_record(record)
            on_step(step)
            if last or len(self.outcomes) == self.stack.layout.runs:
                self._end("interrupted" if stopping else "completed", step)
                return

    def _end(self, status: str, step: int) -> None:
        for run in range(self.stack.layout.runs):
            self.outcomes.setdefault(run, Outcome(status, step))

    def _load_batch(self) -> None:
        order = next(self._orders).flatten().to(self.stack.device)
        torch.index_select(self._inputs, 0, order, out=self.stack.inputs.flatten(0, 1))
        torch.index_select(self._targets, 0, order, out=self.stack.targets.flatten(0, 1))

    def _step(self, step: int, *, last: bool) -> Iterator[Record]:
        """One forward and backward pass, its update unless it is the last, and its records."""
        stack, recorded = self.stack, last or any(step in rows for rows in self._rows)
        probed = bool(self._probed) and (last or step in self._probed)
        stack.refresh()
        self._pass(keep=probed)
        if not math.isfinite(float(stack.gradients.flat.sum() + stack.outputs.sum())):
            yield from self._drop_diverged(step)
            self._pass(keep=probed)
        rows = self._rows_of(step, last=last) if recorded else []
        if probed:
            self._probe.look()
        if not last:
            stack.remember()
            self._update(step + 1)
            if self.outcomes:  # what their optimizers remember may not be finite
                stack.silence([*self.outcomes])
        if recorded:
            yield from self._records(step, rows, probed=probed, last=last)

    def _pass(self, *, keep: bool) -> None:
        """The batch → every gradient."""
        self.stack.forward(keep=keep)
        self.stack.output_error()
        self.stack.backward(kept=keep)

    def _records(self, step: int, rows: list[Row], *, probed: bool, last: bool) -> Iterator[Record]:
        """The records of the runs that are still in training."""
        if probed:
            layers, absent = self._probe.read(updated=not last, first=step == 0)
            norms = np.linalg.norm(layers[:, :, GRADIENT], axis=1)
        else:
            norms = self._probe.gradient_norms()
        for run, row in enumerate(rows):
            row["grad_norm"] = float(norms[run])
            if run in self.outcomes:
                continue
            measured = (layers[run], absent[run]) if probed else (None, None)
            yield Record(run, step, row, *measured)

    def _drop_diverged(self, step: int) -> Iterator[Record]:
        """The last records of the runs whose gradient is no longer finite."""
        stack = self.stack
        sums = torch.stack([block.sum((0, 2, 3)) for block in stack.gradients.blocks]).sum(0)
        sums += stack.outputs.sum((1, 2))  # of a bounded loss gradients stay finite
        finite = sums.isfinite().tolist()
        diverged = [run for run, ok in enumerate(finite) if not ok and run not in self.outcomes]
        self._pass(keep=True)
        rows = self._rows_of(step, last=True)
        self._probe.look()
        layers, absent = self._probe.read(updated=False, first=step == 0)
        for run in diverged:
            rows[run]["grad_norm"] = float(np.linalg.norm(layers[run, :, GRADIENT]))
            self.outcomes[run] = Outcome("diverged", step, first_bad_layer(layers[run]))
            if self._probed:
                yield Record(run, step, rows[run], layers[run], absent[run])
            else:
                yield Record(run, step, rows[run], None, None)
        stack.silence(diverged)

    def _rows_of(self, step: int, *, last: bool) -> list[Row]:
        """A row of `steps.parquet` per run, of the state before the update."""
        stack = self.stack
        losses, accuracies = self._score(stack.outputs, stack.targets)
        coming = min(step + 1, max(self.steps, 1))
        columns = {
            "train_loss": losses,
            "train_accuracy": accuracies,
            "val_loss": [None] * len(losses),
            "val_accuracy": [None] * len(losses),
            "lr": self._update.rates(coming),
            "clipped_updates": self._update.clipped,
            "grad_noise": self._update.noise_std(coming),
        }
        rows: list[Row] = [
            dict(zip(columns, values, strict=True))
            for values in zip(*columns.values(), strict=True)
        ]
        if self._evaluated and (last or step in self._evaluated):
            for row, scores in zip(rows, self._evaluate(), strict=True):
                row.update(scores)
        return rows

    def _score(self, outputs: Tensor, targets: Tensor) -> tuple[list[float], list[float | None]]:
        """Mean loss and share of right answers, of each run."""
        losses = self.stack.losses(outputs, targets).cpu().mean(1, dtype=torch.float64).tolist()
        if self._classes is None:
            return losses, [None] * len(losses)
        guessed = outputs.argmax(-1, keepdim=True)
        right = targets.expand_as(outputs).gather(-1, guessed)  # of the one-hot targets: 0 or 1
        return losses, right.cpu().mean((1, 2), dtype=torch.float64).tolist()

    def _evaluate(self) -> list[Row]:
        """Loss and accuracy on the whole test set, a row per run."""
        inputs, targets = self._test
        outputs = torch.cat([self.stack.predict(x) for x in torch.split(inputs, EVALUATED)], 1)
        losses, accuracies = self._score(outputs, targets)
        return [
            {"val_loss": loss, "val_accuracy": accuracy}
            for loss, accuracy in zip(losses, accuracies, strict=True)
        ]


def first_bad_layer(layers: npt.NDArray[np.float64]) -> int | None:
    """Where numbers first ceased to be finite: on the way forward, else on the way back."""
    signal = ~np.isfinite(layers[:, LAYER_COLUMNS.index("preact_ms")])
    if signal.any():
        return int(signal.argmax()) + 1
    error = ~np.isfinite(layers[:, LAYER_COLUMNS.index("delta_rms")] + layers[:, GRADIENT])
    return len(error) - int(error[::-1].argmax()) if error.any() else None


@contextmanager
def _threads(runs: int, config: RunConfig) -> Iterator[None]:
    """Work on one thread where the matrices are so small that more only wait for each other."""
    before = torch.get_num_threads()
    if runs * (config.batch_size or 0) * config.width**2 < WORTH_SHARING:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@torch.no_grad()
def train(
    configs: Sequence[RunConfig],
    data: Dataset,
    on_record: Callable[[Record], None],
    on_step: Callable[[int], None] = lambda step: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Outcome]:
    """Train R runs as one stack.

    Args:
        configs: one per run; they share data, depth, width, batch size, steps and architecture.
        data: what they train on.
        on_record: is given each record as it is made.
        on_step: is told the number of updates made so far, at every step.
        should_stop: asked before every update; a run that is stopped still leaves a last record.

    Returns:
        how each run ended, in the order of `configs`.
    """
    with _threads(len(configs), configs[0]):
        training = Training(configs, data)
        training.run(on_record, on_step, should_stop)
    return [training.outcomes[run] for run in range(len(configs))]

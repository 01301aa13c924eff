"""What a stack does in one step: a batch, the way there and back, the records, the update."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vgrad.batches import Batches
from vgrad.cadence import DENSE, EVALUATIONS, RECORDS, cadence, default_cadence
from vgrad.config import RunConfig
from vgrad.draw import EXAMPLES, generator
from vgrad.parts.datasets import Dataset
from vgrad.probe import Probe
from vgrad.replay import Replay, capture_for
from vgrad.stack import Stack
from vgrad.state import State
from vgrad.store import LAYER_COLUMNS
from vgrad.update import Update
from vgrad.walk import Walk

EVALUATED = 1_000  # examples that are evaluated at a time
SETTLED_ON = 256  # examples that a layer-sequential init scales its weights by
STREAMED = 4 << 20  # bytes of parameters from which gradients had better not leave the cache
GRADIENT = LAYER_COLUMNS.index("weight_grad_norm")

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Row = dict[str, float | None]  # the columns of `steps.parquet`; None is null


class Training:
    """R runs in training, from their first weights on or from a state of theirs.

    Args:
        configs: one per run; they share data, depth, width, batch size, steps and architecture.
        data: what they train on.
        state: where they are; by default at the start.
    """

    def __init__(
        self, configs: Sequence[RunConfig], data: Dataset, state: State | None = None
    ) -> None:
        first = configs[0]
        self.stack = Stack(configs, data.input_dim, data.output_dim, drawn=state is None)
        self.steps = first.steps
        self._update = Update(self.stack)
        self._probe = Probe(self.stack)
        self._classes = data.classes
        self._inputs, self._targets = self._tensors(data.train_x, data.train_y)
        self._test = self._tensors(data.test_x, data.test_y)
        self._batches = Batches(configs, len(data.train_x))
        self._probed = cadence(first.steps, first.probe_every, DENSE, RECORDS)
        self._evaluated = cadence(first.steps, first.eval_every, 0, EVALUATIONS)
        default = default_cadence(first.steps, DENSE, RECORDS)
        self._rows: tuple[Collection[int], ...] = (default, self._probed, self._evaluated)
        self._streamed = self._stream()
        there, back = (
            partial(self.stack.forward, keep=False),
            partial(self.stack.backward, kept=False),
        )
        calls = (there, self.stack.output_error, back)
        self._lean = Replay(calls, capture_for(self.stack.device))
        self._outputs_seen = torch.zeros((), dtype=self.stack.dtype, device=self.stack.device)
        if state is not None:
            self.load(state)
        elif self.stack.needs_settling:
            self.stack.settle(self._samples())

    def _stream(self) -> Walk | None:
        """A walk that updates as it goes, where that is faster and what is learned allows it."""
        stack = self.stack
        if not (self._update.is_streamable and stack.trains_weights_alone):
            return None
        if stack.device.type != "cpu":  # a GPU has no such cache, and waits for each launch
            return None
        large = stack.parameters.flat.numel() * stack.dtype.itemsize > STREAMED
        return stack.streamed(self._update.of) if large else None

    def state(self) -> State:
        """All that is needed to go on with any of the runs, between two steps.

        The next step changes it: a copy is to be made of what should stay (`vgrad.state.copied`).
        """
        return self.stack.state() | self._update.state() | self._batches.state()

    def load(self, state: State) -> None:
        """Go on from a state."""
        for part in (self.stack, self._update, self._batches):
            part.load(state)
        self._outputs_seen.zero_()

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

    def is_recorded(self, step: int) -> bool:
        """Whether a step leaves a row, whatever is in it; the last one does in any case."""
        return step == self.steps or any(step in rows for rows in self._rows)

    def is_probed(self, step: int, *, last: bool) -> bool:
        """Whether the layers are recorded at a step."""
        return bool(self._probed) and (last or step in self._probed)

    def load_batch(self) -> None:
        """Fill in the next batch, and draw the noise of the step."""
        order = next(self._batches).flatten().to(self.stack.device)
        torch.index_select(self._inputs, 0, order, out=self.stack.inputs.flatten(0, 1))
        torch.index_select(self._targets, 0, order, out=self.stack.targets.flatten(0, 1))
        self.stack.refresh()

    def go_through(self, *, keep: bool) -> None:
        """The batch → every gradient; all tensors stay to be measured only with `keep`."""
        if keep:
            self.stack.forward(keep=True)
            self.stack.output_error()
            self.stack.backward(kept=True)
        else:
            self._lean()
        self._outputs_seen += self.stack.outputs.sum()

    def advance(self, step: int) -> None:
        """The batch → the update that follows `step` others, with nothing left to be measured."""
        if self._streamed is None:
            self.go_through(keep=False)
            self.update(step)
            return
        self._update.begin(step + 1)
        for call in self._streamed.forward:
            call()
        self.stack.output_error()
        for call in self._streamed.backward:
            call()
        self._outputs_seen += self.stack.outputs.sum()

    @property
    def advances_in_one(self) -> bool:
        """Whether `advance` updates each layer on the way back, rather than all at the end."""
        return self._streamed is not None

    def update(self, step: int) -> None:
        """Make the update that follows `step` others."""
        self.stack.remember()
        self._update(step + 1)

    def passes(self) -> bool:
        """Whether the gradients and outputs of this step are finite, in every run."""
        return math.isfinite(float(self.stack.gradients.flat.sum() + self.stack.outputs.sum()))

    def has_strayed(self) -> bool:
        """Whether something is not finite, now or since the last `load`, in any run.

        Outputs are summed up in every step, and a gradient that is not finite makes parameters
        so, or what the optimizer remembers, unless it is clipped.
        """
        seen = self._outputs_seen + self.stack.parameters.flat.sum() + self._update.remembered
        return not math.isfinite(float(seen))

    def strays(self) -> list[int]:
        """The runs whose gradients or outputs are not finite in this step."""
        stack = self.stack
        sums = torch.stack([block.sum((0, 2, 3)) for block in stack.gradients.blocks]).sum(0)
        sums += stack.outputs.sum((1, 2))  # of a bounded loss gradients stay finite
        return [run for run, ok in enumerate(sums.isfinite().tolist()) if not ok]

    def look(self) -> None:
        """Remember what the record of this step needs of the time before its update."""
        self._probe.look()

    def measure(self, step: int, *, updated: bool) -> tuple[Floats, Mask]:
        """The layers of each run, and what of them is null: [R, L + 1, columns]."""
        return self._probe.read(updated=updated, first=step == 0)

    def quantiles(self) -> Floats:
        """How h is distributed in each layer of each run, [R, L + 1, QUANTILES]."""
        return self._probe.quantiles()

    def gradient_norms(self) -> Floats:
        """L2 norm of ∂L/∂W over all weights of a run, [R]."""
        return self._probe.gradient_norms()

    def rows(self, step: int, *, last: bool) -> list[Row]:
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

"""The batches of a stack: each run goes through the training examples in its own random order."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vgrad.config import RunConfig
from vgrad.draw import BATCHES, generator
from vgrad.state import State, of_generators, to_generators


class Batches:
    """Batches of example numbers, [R, B], without end.

    An epoch is one permutation of all examples, cut into batches; what is left over is dropped.

    Args:
        configs: resolved ones, of equal batch size.
        examples: how many there are.
    """

    def __init__(self, configs: Sequence[RunConfig], examples: int) -> None:
        assert configs[0].batch_size is not None, "the config is not resolved"
        self._batch, self._examples = configs[0].batch_size, examples
        self._generators = [generator(config.seed, BATCHES) for config in configs]
        self._begin()

    def _begin(self) -> None:
        """Draw an epoch."""
        self._origin = of_generators(self._generators)
        draws = [torch.randperm(self._examples, generator=g) for g in self._generators]
        self._epoch, self._place = torch.stack(draws), 0

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> Tensor:
        """The next batch of every run."""
        if self._place + self._batch > self._examples:
            self._begin()
        start, self._place = self._place, self._place + self._batch
        return self._epoch[:, start : self._place]

    def state(self) -> State:
        """What the epoch was drawn from, [R, bytes], and how much of it has been used, [R]."""
        place = torch.full((len(self._generators),), self._place)
        return {"batches.origin": self._origin, "batches.place": place}

    def load(self, state: State) -> None:
        """Go on from a state."""
        to_generators(state["batches.origin"], self._generators)
        self._begin()
        self._place = int(state["batches.place"][0])

"""Annealed Gaussian noise on the gradients of a stack, drawn for each run alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor


class AnnealedNoise:
    """Adds N(0, η / (1 + t)^γ) to every derivative of one run, t the updates made before.

    The draws are float32 in both precisions, so that a run has the same noise in either.

    Source: Neelakantan et al. 2015, arXiv:1511.06807, equation 1.

    Args:
        blocks: the run's gradients, [K, rows, columns] each; changed in place.
        eta: η, the variance at the first update.
        gamma: γ.
        generator: the run's own, on the CPU.
    """

    def __init__(
        self, blocks: Sequence[Tensor], eta: float, gamma: float, generator: Generator
    ) -> None:
        self._eta, self._gamma, self.generator = eta, gamma, generator
        self._blocks = blocks
        self._sizes = [block.numel() for block in blocks]

    def std(self, step: int) -> float:
        """The standard deviation at update number `step`, counted from 1."""
        return math.sqrt(self._eta * step**-self._gamma)

    def __call__(self, step: int) -> None:
        """Draw, and add."""
        draws = torch.randn(sum(self._sizes), generator=self.generator, dtype=torch.float32)
        parts = torch.split(draws.to(self._blocks[0].device), self._sizes)
        for block, part in zip(self._blocks, parts, strict=True):
            block.add_(part.view(block.shape), alpha=self.std(step))

"""What the first layer reads: the size of the inputs, and how alike two examples are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vgrad.config import RunConfig
from vgrad.parts.datasets import load


@dataclass(frozen=True)
class Inputs:
    """The data as the theory counts them.

    Attributes:
        dim: inputs of the network.
        outputs: its outputs.
        square: the mean of x² over inputs and training examples.
        overlap: the mean of x x̃ over inputs and pairs of examples: `square` times the mean cosine.
    """

    dim: int
    outputs: int
    square: float
    overlap: float


def inputs_of(config: RunConfig) -> Inputs:
    """The data of a run; white ones are taken as they are drawn from, not as they were drawn."""
    data = load(config.data.name, config.data.settings)
    sizes = data.input_dim, data.output_dim
    if config.data.name == "white":
        return Inputs(*sizes, 1.0, 0.0)
    x = data.train_x.astype(np.float64)
    square = float(np.square(x).mean())
    lengths = np.linalg.norm(x, axis=1)
    x, count = x[lengths > 0.0] / lengths[lengths > 0.0, None], int((lengths > 0.0).sum())
    if count < 2:
        return Inputs(*sizes, square, square)
    together = float(np.square(x.sum(0)).sum())
    return Inputs(*sizes, square, square * (together - count) / (count * (count - 1)))

"""What the first layer reads: the size of the inputs, and how alike two examples are."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from vgrad.config import RunConfig
from vgrad.parts.datasets import Dataset, load

AT_ONCE = 1 << 20  # numbers that are worked on in float64
SOME = 1000  # examples that angles are measured between

_known: WeakKeyDictionary[Dataset, tuple[float, float, float, float]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Inputs:
    """The data as the theory counts them.

    Attributes:
        dim: inputs of the network.
        outputs: its outputs.
        square: the mean of x² over inputs and training examples.
        overlap: the mean of x x̃ over inputs and pairs of examples: `square` times the mean cosine.
        lengths: the variance of Σ x² over examples, relative to the square of its mean.
        cosines: the variance of the cosine over pairs of examples.
    """

    dim: int
    outputs: int
    square: float
    overlap: float
    lengths: float = 0.0
    cosines: float = 0.0


def inputs_of(config: RunConfig) -> Inputs:
    """The data of a run; white ones are taken as they are drawn from, not as they were drawn."""
    data = load(config.data.name, config.data.settings)
    sizes = data.input_dim, data.output_dim
    if config.data.name == "white":
        return Inputs(*sizes, 1.0, 0.0, 2.0 / data.input_dim, 1.0 / data.input_dim)
    if data not in _known:
        _known[data] = _measured(data)
    return Inputs(*sizes, *_known[data])


def _measured(data: Dataset) -> tuple[float, float, float, float]:
    """What is measured on the training data, a part at a time: they may be large."""
    x_ND = data.train_x
    rows = max(1, AT_ONCE // x_ND.shape[1])
    squares, count, together_D = [], 0, np.zeros(x_ND.shape[1])
    for start in range(0, len(x_ND), rows):
        part_ND = x_ND[start : start + rows].astype(np.float64)
        squares.append(np.square(part_ND).sum(1))
        lengths_N = np.sqrt(squares[-1])
        held_N = lengths_N > 0.0
        together_D += (part_ND[held_N] / lengths_N[held_N, None]).sum(0)
        count += int(held_N.sum())
    squares_N = np.concatenate(squares)
    square = float(squares_N.sum()) / x_ND.size
    if square == 0.0 or count < 2:
        return square, square, 0.0, 0.0
    lengths = float(squares_N.var() / squares_N.mean() ** 2)
    cosine = (float(np.square(together_D).sum()) - count) / (count * (count - 1))
    return square, square * cosine, lengths, max(0.0, _mean_square_cosine(x_ND) - cosine**2)


def _mean_square_cosine(x_ND: NDArray[np.float32]) -> float:
    """Over pairs of the first examples."""
    part_ND = x_ND[:SOME].astype(np.float64)
    lengths_N = np.linalg.norm(part_ND, axis=1)
    part_ND = part_ND[lengths_N > 0.0] / lengths_N[lengths_N > 0.0, None]
    count = len(part_ND)
    if count < 2:
        return 1.0
    cosines_NN = part_ND @ part_ND.T
    return float((np.square(cosines_NN).sum() - count) / (count * (count - 1)))

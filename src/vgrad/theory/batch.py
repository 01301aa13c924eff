"""What the examples of a run's first batch share: their lengths, their angles, their errors."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from vgrad.config import RunConfig
from vgrad.nonlinearity import differentiate
from vgrad.parts.datasets import DATASETS, Dataset, load
from vgrad.parts.losses import LOSSES
from vgrad.theory.inputs import Inputs
from vgrad.theory.noise import Batch

DRAWS, EXAMPLES = 8, 32  # outputs that are drawn, and examples of each


def batch_of(config: RunConfig, inputs: Inputs, square: float, c: float) -> Batch:
    """The batch of a run, as the spread over seeds counts it.

    Args:
        config: the run.
        inputs: its data.
        square: E[z²] of the outputs.
        c: the correlation of two examples' outputs.
    """
    data = load(config.data.name, config.data.settings)
    held = len(data.train_x)
    examples = min(held, config.batch_size or DATASETS[config.data.name].batch_size)
    drawn = 1.0 - (examples - 1) / max(1, held - 1)  # examples of a batch are all different
    errors, uneven = _errors(config, data, square, c)
    return Batch(examples, inputs.lengths / examples * drawn, inputs.cosines, errors, uneven)


def _errors(config: RunConfig, data: Dataset, square: float, c: float) -> tuple[float, float]:
    """How alike the output errors of two examples are, and how uneven in size, see `Batch`.

    Outputs are drawn as the theory says they are, with targets of the training data.
    """
    draws = torch.Generator().manual_seed(0)
    targets = _targets(data, draws)
    common, own = (
        torch.randn(DRAWS, n, targets.shape[2], generator=draws, dtype=torch.float64)
        for n in (1, EXAMPLES)
    )
    c = min(1.0, max(0.0, c))
    outputs = math.sqrt(square) * (math.sqrt(c) * common + math.sqrt(1.0 - c) * own)
    loss, settings = LOSSES[config.loss.name], config.loss.settings

    def total(z: Tensor) -> Tensor:
        losses: Tensor = loss.function(z, targets, **loss.own(settings))
        return losses.sum()

    (delta,) = differentiate(total, [outputs])
    gram = delta @ delta.mT
    sizes = gram.diagonal(dim1=1, dim2=2)
    products = sizes[:, :, None] * sizes[:, None, :]
    others = 1.0 - torch.eye(EXAMPLES, dtype=torch.float64)
    alike = (gram.square() * others).sum((1, 2)) / (products * others).sum((1, 2))
    uneven = sizes.square().mean(1) / sizes.mean(1).square()
    found = [float(x.nanmean()) for x in (alike, uneven)]
    return (found[0], found[1]) if np.isfinite(found).all() else (0.0, 1.0)


def _targets(data: Dataset, draws: torch.Generator) -> Tensor:
    """Those of some training examples, [DRAWS, EXAMPLES, C]; classes one-hot."""
    rows = torch.randint(len(data.train_y), (DRAWS * EXAMPLES,), generator=draws)
    chosen = torch.from_numpy(data.train_y[rows.numpy()])
    if data.classes is not None:
        chosen = torch.nn.functional.one_hot(chosen, data.classes)
    return chosen.double().view(DRAWS, EXAMPLES, -1)

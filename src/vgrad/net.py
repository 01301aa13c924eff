"""What a batch goes through: the sizes, the parameters and the activations of a stack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from vgrad.layout import Layout, Parameters
from vgrad.nonlinearity import Nonlinearity
from vgrad.norm import Affine, Statistics

Call = Callable[[], object]


@dataclass(frozen=True)
class Net:
    """What a walk goes through.

    Attributes:
        layout: its sizes.
        parameters, gradients: what it reads, and where it leaves ∂L/∂ of them.
        nonlinearities: the activations, each with its runs.
        running: batch norm's running statistics, a pair per hidden layer; empty without.
    """

    layout: Layout
    parameters: Parameters
    gradients: Parameters
    nonlinearities: Sequence[Nonlinearity]
    running: Sequence[Statistics]


def scaling(parameters: Parameters, layer: int) -> Affine:
    """γ and β of a layer's norm."""
    shifts = parameters.named["norm_shift"]
    return Affine(parameters.named["norm_gain"][layer], shifts[layer] if len(shifts) else None)


def affine(x: Tensor, weight: Tensor, bias: Tensor | None, out: Tensor) -> Call:
    """out = x W + b."""
    if bias is None:
        return partial(torch.bmm, x, weight, out=out)
    return partial(torch.baddbmm, bias, x, weight, out=out)

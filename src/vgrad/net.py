"""What a batch goes through: the sizes, the parameters and the activations of a stack."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
    # Expanded here once, as torch would in every call.
    return partial(torch.baddbmm, bias.expand_as(out), x, weight, out=out)


def products(reads: Tensor, errors: Tensor, out: Tensor, batch: int) -> Iterator[Call]:
    """out = xᵀ δ of K layers, meaned over the examples; [K, R, …] each, nothing for K = 0."""
    if len(out):
        x, delta, into = reads.flatten(0, 1), errors.flatten(0, 1), out.flatten(0, 1)
        yield partial(into.baddbmm_, x.mT, delta, beta=0.0, alpha=1.0 / batch)


def mean(deltas: Tensor, out: Tensor) -> None:
    """out = δ, meaned over the examples, [… , B, D] → [… , 1, D]; torch.mean takes longer."""
    torch.sum(deltas, -2, keepdim=True, out=out).mul_(1.0 / deltas.shape[-2])

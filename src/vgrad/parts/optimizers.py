"""Optimizers: one update of the parameters, in place, from the gradient of the mean loss.

An entry updates `param` from `grad`, tensors of one shape, and keeps what it remembers in
`state`: tensors of that shape, zero at the start, one for each name in its fact `state`. `step`
counts from 1. A numeric setting is a number, or a tensor that broadcasts against `param` where the
runs of a stack differ in it; a switch is the same for all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import lazy_loader as lazy

from vgrad.registry import Registry

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = lazy.load("torch")

NON_NEGATIVE = (0.0, math.inf)
BELOW_ONE = (0.0, math.nextafter(1.0, 0.0))

OPTIMIZERS = Registry(
    "optimizer",
    "optimizers",
    facts={
        "state": (),  # the names of the tensors that it remembers
    },
)


def _is_off(setting: float | Tensor) -> bool:
    return not isinstance(setting, torch.Tensor) and setting == 0.0


def _descend(param: Tensor, direction: Tensor, lr: float | Tensor) -> None:
    """param −= lr · direction."""
    if isinstance(lr, torch.Tensor):
        param.addcmul_(direction, lr, value=-1.0)
    else:
        param.add_(direction, alpha=-lr)


@OPTIMIZERS.entry(
    source="Robbins & Monro 1951; Polyak 1964; Sutskever et al. 2013, PMLR 28:1139",
    state=("momentum_buffer",),
    ranges={"lr": NON_NEGATIVE, "momentum": BELOW_ONE, "weight_decay": NON_NEGATIVE},
)
def sgd(
    param: Tensor,
    grad: Tensor,
    state: Mapping[str, Tensor],
    step: int,
    *,
    lr: float = 0.02,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
) -> None:
    """W ← W − lr · v, v ← momentum · v + ∂L/∂W + weight_decay · W."""
    if not _is_off(weight_decay):
        grad = grad + weight_decay * param
    if not _is_off(momentum):
        velocity = state["momentum_buffer"].mul_(momentum).add_(grad)
        grad = grad + momentum * velocity if nesterov else velocity
    _descend(param, grad, lr)


@OPTIMIZERS.entry(
    source="Kingma & Ba 2015, arXiv:1412.6980, algorithm 1; torch.optim.Adam",
    state=("exp_avg", "exp_avg_sq"),
    ranges={
        "lr": NON_NEGATIVE,
        "beta1": BELOW_ONE,
        "beta2": BELOW_ONE,
        "eps": NON_NEGATIVE,
        "weight_decay": NON_NEGATIVE,
    },
)
def adam(
    param: Tensor,
    grad: Tensor,
    state: Mapping[str, Tensor],
    step: int,
    *,
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> None:
    """W ← W − lr · m̂ / (√v̂ + ε), with m̂ and v̂ the bias-corrected means of g and g²."""
    if not _is_off(weight_decay):
        grad = grad + weight_decay * param
    mean = state["exp_avg"].mul_(beta1).add_(grad * (1.0 - beta1))
    mean_square = state["exp_avg_sq"].mul_(beta2).add_(grad.square() * (1.0 - beta2))
    denominator = (mean_square / (1.0 - beta2**step)).sqrt_().add_(eps)
    _descend(param, (mean / (1.0 - beta1**step)).div_(denominator), lr)

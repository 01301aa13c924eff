"""Losses ℓ of one example, as functions of the network's linear outputs and the targets.

An entry takes outputs z and targets t, both [R, B, C] (classes one-hot), and returns ℓ, [R, B].
The error signal ∂ℓ/∂z is taken by autograd on that one operation, unless the entry names its
`gradient` in closed form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader as lazy

from vgrad.registry import Registry

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = lazy.load("torch")

LOSSES = Registry(
    "loss",
    "losses",
    facts={
        "tasks": ("classification",),  # the tasks that it fits
        "gradient": None,  # (outputs, targets, out) → writes ∂ℓ/∂z, [R, B, C]
    },
)


def _cross_entropy_gradient(outputs: Tensor, targets: Tensor, out: Tensor) -> None:
    torch.softmax(outputs, -1, out=out)
    out.sub_(targets)


@LOSSES.entry(
    source="Bridle 1990, doi:10.1007/978-3-642-76153-9_28", gradient=_cross_entropy_gradient
)
def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """ℓ = −Σ t log softmax(z), summed over the classes."""
    return -(targets * torch.log_softmax(outputs, -1)).sum(-1)


def _mse_gradient(outputs: Tensor, targets: Tensor, out: Tensor) -> None:
    torch.sub(outputs, targets, out=out)
    out.mul_(2.0 / outputs.shape[-1])


@LOSSES.entry(
    source="Gauss 1809; torch.nn.MSELoss",
    tasks=("classification", "regression"),
    gradient=_mse_gradient,
)
def mse(outputs: Tensor, targets: Tensor) -> Tensor:
    """ℓ = mean over the outputs of (z − t)², without ½, on linear outputs."""
    return (outputs - targets).square().mean(-1)


def _bce_gradient(outputs: Tensor, targets: Tensor, out: Tensor) -> None:
    torch.sigmoid(outputs, out=out)
    out.sub_(targets).div_(outputs.shape[-1])


@LOSSES.entry(source="Solla, Levin & Fleisher 1988, Complex Systems 2:625", gradient=_bce_gradient)
def bce(outputs: Tensor, targets: Tensor) -> Tensor:
    """ℓ = mean over the outputs of −t log σ(z) − (1 − t) log(1 − σ(z)), on sigmoid outputs."""
    return torch.nn.functional.binary_cross_entropy_with_logits(
        outputs, targets, reduction="none"
    ).mean(-1)

"""Normalisation of one layer: forward and back, with batch norm's running statistics.

y = γ n + β, n = (x − mean) / √(variance + ε). Batch norm takes mean and variance of each unit over
the batch (Ioffe & Szegedy 2015, arXiv:1502.03167), layer norm of each example over its units (Ba,
Kiros & Hinton 2016, arXiv:1607.06450); RMS norm divides each example by the root of its mean square
and has no β (Zhang & Sennrich 2019, arXiv:1910.07467). γ starts at 1, β at 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

EPS = 1e-5
MOMENTUM = 0.1  # the share of a batch in the running statistics, as in torch


@dataclass(frozen=True)
class Affine:
    """γ and β of one layer, or the gradients of the mean loss with respect to them.

    Attributes:
        gain: γ, [R, 1, units].
        shift: β, likewise, or None.
    """

    gain: Tensor
    shift: Tensor | None

    def write(self, n: Tensor, out: Tensor) -> None:
        """out = γ n + β."""
        torch.mul(n, self.gain, out=out)
        if self.shift is not None:
            out.add_(self.shift)


@dataclass(frozen=True)
class Statistics:
    """Running mean and variance of one layer, [R, 1, units] each."""

    mean: Tensor
    variance: Tensor


class Norm:
    """One layer's normalisation of x [R, B, units] in training.

    Args:
        kind: batch, layer or rms.
        affine: its γ and β.
        gradient: where their gradients go.
        like: a tensor of x's shape.
    """

    def __init__(self, kind: str, affine: Affine, gradient: Affine, like: Tensor) -> None:
        self._over = -2 if kind == "batch" else -1
        self._centred = kind != "rms"
        self._affine, self._gradient = affine, gradient
        self._n, self._work = torch.empty_like(like), torch.empty_like(like)
        self._inverse = torch.empty_like(like.select(self._over, 0).unsqueeze(self._over))
        self._mean, self._variance = self._inverse.clone(), self._inverse.clone()

    def forward(self, x: Tensor, out: Tensor) -> None:
        """Write y."""
        if self._centred:
            torch.mean(x, self._over, keepdim=True, out=self._mean)
            torch.sub(x, self._mean, out=self._n)
        else:
            self._n.copy_(x)
        torch.mul(self._n, self._n, out=self._work)
        torch.mean(self._work, self._over, keepdim=True, out=self._variance)
        torch.add(self._variance, EPS, out=self._inverse).rsqrt_()
        self._n.mul_(self._inverse)
        self._affine.write(self._n, out)

    def backward(self, g: Tensor, out: Tensor) -> None:
        """∂ℓ/∂y → ∂ℓ/∂x, which may be the same tensor, and the gradients of γ and β."""
        n, work, over = self._n, self._work, self._over
        torch.mul(g, n, out=work)
        torch.mean(work, -2, keepdim=True, out=self._gradient.gain)
        if self._gradient.shift is not None:
            torch.mean(g, -2, keepdim=True, out=self._gradient.shift)
        work.mul_(self._affine.gain)
        along = work.mean(over, keepdim=True)
        torch.mul(g, self._affine.gain, out=out)
        if self._centred:
            out.sub_(out.mean(over, keepdim=True))
        torch.mul(n, along, out=work)
        out.sub_(work).mul_(self._inverse)

    def remember(self, running: Statistics) -> None:
        """Let the batch of the last `forward` count in the running statistics."""
        batch = self._n.shape[-2]
        running.mean.lerp_(self._mean, MOMENTUM)
        running.variance.lerp_(self._variance * (batch / (batch - 1)), MOMENTUM)


def evaluate(kind: str, x: Tensor, affine: Affine, running: Statistics | None, out: Tensor) -> None:
    """Write y as it is at evaluation: batch norm takes its running statistics, if there are any."""
    over = -2 if kind == "batch" else -1
    if running is not None:
        n = (x - running.mean) / (running.variance + EPS).sqrt()
    else:
        centred = x if kind == "rms" else x - x.mean(over, keepdim=True)
        n = centred * (centred.square().mean(over, keepdim=True) + EPS).rsqrt()
    affine.write(n, out)

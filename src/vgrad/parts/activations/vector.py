"""Activations of several units: functions of the last dimension, z [..., Z] → h [..., H]."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

import lazy_loader as lazy

from vgrad.parts.activations.registry import ACTIVATIONS, Kernel

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = lazy.load("torch")


def _maxout_forward(z: Tensor, out: Tensor, *, pieces: int) -> None:
    out.copy_(z[..., ::pieces])
    for piece in range(1, pieces):
        torch.maximum(out, z[..., piece::pieces], out=out)


def _maxout_backward(g: Tensor, z: Tensor, h: Tensor, out: Tensor, *, pieces: int) -> None:
    """The first piece that is the largest has all of g."""
    left = g.clone()
    for piece in range(pieces):
        share = out[..., piece::pieces]
        torch.mul(left, z[..., piece::pieces] == h, out=share)
        left.sub_(share)


def _maxout_slopes(z: Tensor, h: Tensor, out: Tensor, *, pieces: int) -> None:
    _maxout_backward(torch.ones_like(h), z, h, out, pieces=pieces)


def _maxout_mean_square(*, pieces: int) -> float:
    """∫ x² k N(x) Φ(x)^(k − 1) dx; the trapezoidal rule is exact here to the last digits."""
    normal, step = NormalDist(), 1.0 / 32.0
    points = [step * i for i in range(-384, 385)]
    mass = sum(x * x * normal.pdf(x) * normal.cdf(x) ** (pieces - 1) for x in points)
    return pieces * step * mass


@ACTIVATIONS.entry(
    source="Goodfellow, Warde-Farley, Mirza, Courville & Bengio 2013, arXiv:1302.4389",
    matched="lecun_normal",  # at 2 pieces E[h²] = E[z²], and so backwards
    ranges={"pieces": (1, 1000)},
    kernel=Kernel(forward=_maxout_forward, backward=_maxout_backward, needs_z=True),
    elementwise=False,
    pieces="pieces",
    slopes=_maxout_slopes,
    steepest=lambda *, pieces: 1.0,
    mean_square=_maxout_mean_square,
)
def maxout(z: Tensor, *, pieces: int = 2) -> Tensor:
    """h = max(z₁, …, zₖ), with k the setting `pieces`: each unit has k pre-activations of its own.

    The weights are k times as many. Of equal pieces the first one counts as the largest.
    """
    return z.reshape(*z.shape[:-1], -1, pieces).max(-1).values


def _softmax_backward(g: Tensor, z: Tensor, h: Tensor, out: Tensor) -> None:
    # Not aten's _softmax_backward_data: it leaves an `out` with gaps unwritten.
    torch.mul(g, h, out=out)
    out.addcmul_(h, out.sum(-1, keepdim=True), value=-1.0)


def _softmax_slopes(z: Tensor, h: Tensor, out: Tensor) -> None:
    """h_j √((1 − h_j)² + Σ_{i≠j} h_i²).

    For the largest h_j both terms are sums over the others: 1 − h_j has no digits when h_j nears 1.
    """
    top = h.argmax(-1, keepdim=True)
    others = h.scatter(-1, top, 0.0)
    squares = h.square()
    square = (1.0 - h).square_().add_(squares.sum(-1, keepdim=True).sub(squares))
    of_top = others.sum(-1, keepdim=True).square().add_(others.square().sum(-1, keepdim=True))
    torch.mul(h, square.scatter_(-1, top, of_top).sqrt_(), out=out)


@ACTIVATIONS.entry(
    source="Bridle 1990, doi:10.1007/978-3-642-76153-9_28",
    matched="xavier_uniform",
    kernel=Kernel(
        forward=lambda z, out: torch.softmax(z, -1, out=out),
        backward=_softmax_backward,
    ),
    elementwise=False,
    slopes=_softmax_slopes,
    steepest=lambda: math.sqrt(0.125),  # two units share all, half and half
)
def softmax(z: Tensor) -> Tensor:
    """h_i = e^(z_i) / Σ_j e^(z_j), over the units of the layer: they compete, and sum to 1."""
    return torch.softmax(z, -1)


def _crelu_forward(z: Tensor, out: Tensor) -> None:
    units = z.shape[-1]
    torch.clamp_min(z, 0.0, out=out[..., :units])
    torch.clamp_max(z, 0.0, out=out[..., units:]).neg_()


def _crelu_backward(g: Tensor, z: Tensor, h: Tensor, out: Tensor) -> None:
    units = z.shape[-1]
    torch.mul(g[..., :units], z > 0, out=out).sub_(g[..., units:] * (z < 0))


@ACTIVATIONS.entry(
    source="Shang, Sohn, Almeida & Lee 2016, arXiv:1603.05201",
    kinks=(0.0,),
    matched="he_normal",
    kernel=Kernel(forward=_crelu_forward, backward=_crelu_backward, needs_z=True),
    elementwise=False,
    copies=2,
    slopes=lambda z, h, out: torch.ne(z, 0.0, out=out),
    steepest=lambda: 1.0,
    mean_square=lambda: 0.5,
)
def crelu(z: Tensor) -> Tensor:
    """h = (max(0, z), max(0, −z)): both halves of z, so that a layer gives twice its width."""
    return torch.cat([torch.relu(z), torch.relu(-z)], -1)

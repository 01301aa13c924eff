"""Bounded activations: the sigmoidal ones, the bump and the wave."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import lazy_loader as lazy

from vgrad.parts.activations.registry import ACTIVATIONS, Kernel

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = lazy.load("torch")

LECUN = "LeCun, Bottou, Orr & Müller 1998, doi:10.1007/3-540-49430-8_2"


@ACTIVATIONS.entry(
    source="Rumelhart, Hinton & Williams 1986, doi:10.1038/323533a0",
    matched="xavier_uniform",
    kernel=Kernel(
        forward=lambda z, out: torch.sigmoid(z, out=out),
        backward=lambda g, z, h, out: torch.ops.aten.sigmoid_backward.grad_input(
            g, h, grad_input=out
        ),
    ),
)
def sigmoid(z: Tensor) -> Tensor:
    """φ(z) = 1 / (1 + e⁻ᶻ); its slope is 1/4 at most."""
    return torch.sigmoid(z)


@ACTIVATIONS.entry(
    source=LECUN,
    matched="xavier_uniform",
    kernel=Kernel(
        forward=lambda z, out: torch.tanh(z, out=out),
        backward=lambda g, z, h, out: torch.ops.aten.tanh_backward.grad_input(g, h, grad_input=out),
    ),
)
def tanh(z: Tensor) -> Tensor:
    """φ(z) = (eᶻ − e⁻ᶻ) / (eᶻ + e⁻ᶻ)."""
    return torch.tanh(z)


HEIGHT, RATE = 1.7159, 2.0 / 3.0  # φ(±1) = ±1, and │φ″│ is largest there


def _scaled_tanh_backward(g: Tensor, z: Tensor, h: Tensor, out: Tensor) -> None:
    torch.ops.aten.tanh_backward.grad_input(g, h / HEIGHT, grad_input=out)
    out.mul_(HEIGHT * RATE)


@ACTIVATIONS.entry(
    source=f"{LECUN}, section 4.4",
    matched="lecun_normal",
    kernel=Kernel(
        forward=lambda z, out: torch.mul(z, RATE, out=out).tanh_().mul_(HEIGHT),
        backward=_scaled_tanh_backward,
    ),
)
def scaled_tanh(z: Tensor) -> Tensor:
    """φ(z) = 1.7159 tanh(2z/3), which takes ±1 to ±1."""
    return HEIGHT * torch.tanh(RATE * z)


def _softsign_backward(g: Tensor, z: Tensor, h: Tensor, out: Tensor) -> None:
    torch.div(g, z.abs().add_(1.0).square_(), out=out)


@ACTIVATIONS.entry(
    source="Bergstra, Desjardins, Lamblin & Bengio 2009, report 1337 of the Université de Montréal;"
    " Glorot & Bengio 2010, PMLR 9:249",
    matched="xavier_uniform",
    kernel=Kernel(
        forward=lambda z, out: torch.div(z, z.abs().add_(1.0), out=out),
        backward=_softsign_backward,
        needs_z=True,
    ),
)
def softsign(z: Tensor) -> Tensor:
    """φ(z) = z / (1 + |z|); it saturates far more slowly than tanh."""
    return torch.nn.functional.softsign(z)


def _gaussian_backward(g: Tensor, z: Tensor, h: Tensor, out: Tensor) -> None:
    torch.mul(g, z, out=out).mul_(h).mul_(-2.0)


@ACTIVATIONS.entry(
    source="Broomhead & Lowe 1988, Complex Systems 2:321",
    matched="lecun_normal",
    kernel=Kernel(
        forward=lambda z, out: torch.square(z, out=out).neg_().exp_(),
        backward=_gaussian_backward,
        needs_z=True,
    ),
)
def gaussian(z: Tensor) -> Tensor:
    """φ(z) = e^(−z²), the radial basis function; its slope is 0 at 0."""
    return torch.exp(-z.square())


def _sine_backward(g: Tensor, z: Tensor, h: Tensor, out: Tensor, *, omega: float) -> None:
    torch.mul(g, torch.cos(omega * z), out=out).mul_(omega)


@ACTIVATIONS.entry(
    source="Sitzmann, Martel, Bergman, Lindell & Wetzstein 2020, arXiv:2006.09661",
    matched="lecun_uniform",
    matched_settings=lambda *, omega: {"gain": math.sqrt(2.0) / omega},  # U(±√(6 / fan_in) / ω)
    ranges={"omega": (1e-9, math.inf)},
    kernel=Kernel(
        forward=lambda z, out, *, omega: torch.mul(z, omega, out=out).sin_(),
        backward=_sine_backward,
        needs_z=True,
    ),
)
def sine(z: Tensor, *, omega: float = 1.0) -> Tensor:
    """φ(z) = sin(ωz), with ω the setting `omega`.

    The paper has ω = 30 on inputs in [−1, 1], and W ~ U(−a, a), a = √(6 / fan_in) / ω, after the
    first layer; `init=matched` draws so in every layer.
    """
    return torch.sin(omega * z)

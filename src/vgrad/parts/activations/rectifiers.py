"""Curved rectifiers: about 0 or a floor on the left, about z on the right."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import lazy_loader as lazy

from vgrad.parts.activations.registry import ACTIVATIONS, Kernel
from vgrad.parts.ranges import POSITIVE

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = lazy.load("torch")


def _elu_forward(z: Tensor, out: Tensor, *, alpha: float, scale: float = 1.0) -> None:
    torch.ops.aten.elu.out(z, alpha, scale, out=out)


def _elu_backward(
    g: Tensor, z: Tensor, h: Tensor, out: Tensor, *, alpha: float, scale: float = 1.0
) -> None:
    torch.ops.aten.elu_backward.grad_input(g, alpha, scale, 1.0, False, z, grad_input=out)


ELU = Kernel(forward=_elu_forward, backward=_elu_backward, needs_z=True)


@ACTIVATIONS.entry(
    source="Clevert, Unterthiner & Hochreiter 2016, arXiv:1511.07289",
    kinks=lambda *, alpha: () if alpha == 1.0 else (0.0,),
    matched="he_normal",
    kernel=ELU,
)
def elu(z: Tensor, *, alpha: float = 1.0) -> Tensor:
    """φ(z) = z for z > 0, else α(eᶻ − 1); −α is the floor that it saturates to."""
    return torch.nn.functional.elu(z, alpha)


@ACTIVATIONS.entry(
    source="Barron 2017, arXiv:1704.07483",
    matched="he_normal",
    ranges={"alpha": POSITIVE},
    kernel=Kernel(
        forward=lambda z, out, *, alpha: torch.ops.aten.elu.out(
            z, alpha, 1.0, 1.0 / alpha, out=out
        ),
        backward=lambda g, z, h, out, *, alpha: torch.ops.aten.elu_backward.grad_input(
            g, alpha, 1.0, 1.0 / alpha, False, z, grad_input=out
        ),
        needs_z=True,
    ),
)
def celu(z: Tensor, *, alpha: float = 1.0) -> Tensor:
    """φ(z) = z for z > 0, else α(e^(z/α) − 1): an ELU without a kink, whatever α is."""
    return torch.nn.functional.celu(z, alpha)


@ACTIVATIONS.entry(
    source="Klambauer, Unterthiner, Mayr & Hochreiter 2017, arXiv:1706.02515",
    kinks=lambda *, alpha, scale: () if alpha == 1.0 or scale == 0.0 else (0.0,),
    matched="lecun_normal",
    kernel=ELU,
)
def selu(
    z: Tensor, *, alpha: float = 1.6732632423543772, scale: float = 1.0507009873554805
) -> Tensor:
    """φ(z) = λz for z > 0, else λα(eᶻ − 1), with λ the setting `scale`.

    At the default λ and α the map keeps mean 0 and variance 1.
    """
    return scale * torch.nn.functional.elu(z, alpha)


def _gelu_forward(z: Tensor, out: Tensor, *, approximate: str) -> None:
    torch.ops.aten.gelu.out(z, approximate=approximate, out=out)


def _gelu_backward(g: Tensor, z: Tensor, h: Tensor, out: Tensor, *, approximate: str) -> None:
    torch.ops.aten.gelu_backward.grad_input(g, z, approximate=approximate, grad_input=out)


@ACTIVATIONS.entry(
    source="Hendrycks & Gimpel 2016, arXiv:1606.08415",
    matched="he_normal",
    choices={"approximate": ("none", "tanh")},
    kernel=Kernel(forward=_gelu_forward, backward=_gelu_backward, needs_z=True),
)
def gelu(z: Tensor, *, approximate: str = "none") -> Tensor:
    """φ(z) = z · Φ(z), Φ the standard normal distribution function.

    With `approximate=tanh` Φ(z) is taken as (1 + tanh(√(2/π) (z + 0.044715 z³))) / 2.
    """
    return torch.nn.functional.gelu(z, approximate=approximate)


def _swish_forward(z: Tensor, out: Tensor, *, beta: float, trained: bool) -> None:
    if beta == 1.0:
        torch.ops.aten.silu.out(z, out=out)
    else:
        torch.mul(z, torch.sigmoid(beta * z), out=out)


def _swish_backward(
    g: Tensor, z: Tensor, h: Tensor, out: Tensor, *, beta: float, trained: bool
) -> None:
    # d/dz z·σ(βz) is the derivative of silu, taken at βz.
    torch.ops.aten.silu_backward.grad_input(g, z if beta == 1.0 else beta * z, grad_input=out)


def _swish_steepest(*, beta: float | Tensor, trained: bool) -> float | Tensor:
    """The same for every β but 0, where φ(z) = z/2: β moves the slopes and does not change them."""
    return 0.5 + 0.5998393201288669 * (beta != 0.0)


@ACTIVATIONS.entry(
    also=("silu",),
    source="Ramachandran, Zoph & Le 2017, arXiv:1710.05941; Elfwing et al. 2018, arXiv:1702.03118",
    matched="he_normal",
    kernel=Kernel(forward=_swish_forward, backward=_swish_backward, needs_z=True),
    steepest=_swish_steepest,
    trainable="beta",
)
def swish(z: Tensor, *, beta: float | Tensor = 1.0, trained: bool = False) -> Tensor:
    """φ(z) = z · σ(βz); SiLU at β = 1.

    With `trained` β is learnt, one for a layer, and starts at `beta`.
    """
    return z * torch.sigmoid(beta * z)


@ACTIVATIONS.entry(
    source="Howard et al. 2019, arXiv:1905.02244, section 5.2",
    kinks=(-3.0, 3.0),
    matched="he_normal",
    kernel=Kernel(
        forward=lambda z, out: torch.ops.aten.hardswish.out(z, out=out),
        backward=lambda g, z, h, out: torch.ops.aten.hardswish_backward.out(g, z, out=out),
        needs_z=True,
    ),
)
def hard_swish(z: Tensor) -> Tensor:
    """φ(z) = z · max(0, min(1, z/6 + 1/2))."""
    return torch.nn.functional.hardswish(z)


@ACTIVATIONS.entry(
    source="Misra 2019, arXiv:1908.08681",
    matched="he_normal",
    kernel=Kernel(
        forward=lambda z, out: torch.ops.aten.mish.out(z, out=out),
        backward=lambda g, z, h, out: out.copy_(torch.ops.aten.mish_backward(g, z)),
        needs_z=True,
    ),
)
def mish(z: Tensor) -> Tensor:
    """φ(z) = z · tanh(log(1 + eᶻ))."""
    return torch.nn.functional.mish(z)


# Above it log(1 + eˣ) and x are the same number in float64 too; at torch's own 20 they are not.
STRAIGHT = 40.0


def _softplus_backward(g: Tensor, z: Tensor, h: Tensor, out: Tensor, *, beta: float) -> None:
    torch.ops.aten.softplus_backward.grad_input(g, z, beta, STRAIGHT, grad_input=out)


@ACTIVATIONS.entry(
    source="Dugas, Bengio, Bélisle, Nadeau & Garcia 2001, NIPS 13; Glorot, Bordes & Bengio 2011, "
    "PMLR 15:315",
    matched="he_normal",
    ranges={"beta": POSITIVE},
    kernel=Kernel(
        forward=lambda z, out, *, beta: torch.ops.aten.softplus.out(z, beta, STRAIGHT, out=out),
        backward=_softplus_backward,
        needs_z=True,
    ),
)
def softplus(z: Tensor, *, beta: float = 1.0) -> Tensor:
    """φ(z) = log(1 + e^(βz)) / β; it nears max(0, z) as β grows."""
    return torch.nn.functional.softplus(z, beta, STRAIGHT)


def _root(z: Tensor, b: float) -> Tensor:
    """√(z² + b), where z² may overflow."""
    return torch.hypot(z, z.new_tensor(math.sqrt(b)))


def _squareplus_forward(z: Tensor, out: Tensor, *, b: float) -> None:
    out.copy_(squareplus(z, b=b))


def _squareplus_backward(g: Tensor, z: Tensor, h: Tensor, out: Tensor, *, b: float) -> None:
    torch.mul(g, h.div(_root(z, b)), out=out)  # φ′ = φ / √(z² + b)


@ACTIVATIONS.entry(
    source="Barron 2021, arXiv:2112.11687",
    matched="he_normal",
    ranges={"b": POSITIVE},
    kernel=Kernel(forward=_squareplus_forward, backward=_squareplus_backward, needs_z=True),
)
def squareplus(z: Tensor, *, b: float = 4.0) -> Tensor:
    """φ(z) = (z + √(z² + b)) / 2; b is the size of the bend about 0."""
    # As max(0, z) and the rest, (b/2) / (|z| + √(z² + b)): left of 0 the sum would lose its digits.
    right = torch.relu(z)
    return right + 0.5 * b / (right - z.clamp(max=0.0) + _root(z, b))

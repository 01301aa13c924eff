"""Activations φ: one elementwise function each, and what the program needs to know about it.

An entry is a function of the pre-activations z, a tensor of any shape. Its derivative is taken by
autograd on that one operation, unless the entry names a `kernel`: torch's own fused forms, which
write in place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import lazy_loader as lazy

from vgrad.registry import Registry

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = lazy.load("torch")


@dataclass(frozen=True)
class Kernel:
    """An activation's fused forms; both write into `out` and take the entry's settings.

    Attributes:
        forward: (z, out) → h = φ(z).
        backward: (g, z, h, out) → g · φ′(z).
        needs_z: whether `backward` reads z; where it does not, h may overwrite z.
    """

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    needs_z: bool = False


ACTIVATIONS = Registry(
    "activation",
    "activations",
    facts={
        "kinks": (),  # where φ is not differentiable
        "matched": "lecun_normal",  # the init that the activation's own literature asks for
        "kernel": None,
    },
)


@ACTIVATIONS.entry(
    source="Saxe, McClelland & Ganguli 2014, arXiv:1312.6120",
    matched="xavier_uniform",
    kernel=Kernel(
        forward=lambda z, out: out.copy_(z),
        backward=lambda g, z, h, out: out.copy_(g),
    ),
)
def identity(z: Tensor) -> Tensor:
    """φ(z) = z, the deep linear network."""
    return z.clone()


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
    source="LeCun, Bottou, Orr & Müller 1998, doi:10.1007/3-540-49430-8_2",
    matched="xavier_uniform",
    kernel=Kernel(
        forward=lambda z, out: torch.tanh(z, out=out),
        backward=lambda g, z, h, out: torch.ops.aten.tanh_backward.grad_input(g, h, grad_input=out),
    ),
)
def tanh(z: Tensor) -> Tensor:
    """φ(z) = (eᶻ − e⁻ᶻ) / (eᶻ + e⁻ᶻ)."""
    return torch.tanh(z)


@ACTIVATIONS.entry(
    source="Nair & Hinton 2010; Glorot, Bordes & Bengio 2011, PMLR 15:315",
    kinks=(0.0,),
    matched="he_normal",
    kernel=Kernel(
        forward=lambda z, out: torch.relu_(z) if out is z else torch.clamp_min(z, 0.0, out=out),
        backward=lambda g, z, h, out: torch.ops.aten.threshold_backward.grad_input(
            g, h, 0.0, grad_input=out
        ),
    ),
)
def relu(z: Tensor) -> Tensor:
    """φ(z) = max(0, z)."""
    return torch.relu(z)


@ACTIVATIONS.entry(
    source="Maas, Hannun & Ng 2013, ICML workshop on deep learning for audio",
    kinks=(0.0,),
    matched="he_normal",
    kernel=Kernel(
        forward=lambda z, out, *, slope: torch.ops.aten.leaky_relu.out(z, slope, out=out),
        backward=lambda g, z, h, out, *, slope: torch.ops.aten.leaky_relu_backward.grad_input(
            g, z, slope, False, grad_input=out
        ),
        needs_z=True,
    ),
)
def leaky_relu(z: Tensor, *, slope: float = 0.01) -> Tensor:
    """φ(z) = z for z > 0, else slope · z."""
    return torch.nn.functional.leaky_relu(z, slope)


def _elu_forward(z: Tensor, out: Tensor, *, alpha: float, scale: float = 1.0) -> None:
    torch.ops.aten.elu.out(z, alpha, scale, out=out)


def _elu_backward(
    g: Tensor, z: Tensor, h: Tensor, out: Tensor, *, alpha: float, scale: float = 1.0
) -> None:
    torch.ops.aten.elu_backward.grad_input(g, alpha, scale, 1.0, False, z, grad_input=out)


ELU = Kernel(forward=_elu_forward, backward=_elu_backward, needs_z=True)


@ACTIVATIONS.entry(
    source="Clevert, Unterthiner & Hochreiter 2016, arXiv:1511.07289",
    kinks=(0.0,),
    matched="he_normal",
    kernel=ELU,
)
def elu(z: Tensor, *, alpha: float = 1.0) -> Tensor:
    """φ(z) = z for z > 0, else α(eᶻ − 1); −α is the floor that it saturates to."""
    return torch.nn.functional.elu(z, alpha)


@ACTIVATIONS.entry(
    source="Klambauer, Unterthiner, Mayr & Hochreiter 2017, arXiv:1706.02515",
    kinks=(0.0,),
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


@ACTIVATIONS.entry(
    source="Hendrycks & Gimpel 2016, arXiv:1606.08415",
    matched="he_normal",
    kernel=Kernel(
        forward=lambda z, out: torch.ops.aten.gelu.out(z, out=out),
        backward=lambda g, z, h, out: torch.ops.aten.gelu_backward.grad_input(g, z, grad_input=out),
        needs_z=True,
    ),
)
def gelu(z: Tensor) -> Tensor:
    """φ(z) = z · Φ(z), Φ the standard normal distribution function."""
    return torch.nn.functional.gelu(z)


def _swish_forward(z: Tensor, out: Tensor, *, beta: float) -> None:
    if beta == 1.0:
        torch.ops.aten.silu.out(z, out=out)
    else:
        torch.mul(z, torch.sigmoid(beta * z), out=out)


def _swish_backward(g: Tensor, z: Tensor, h: Tensor, out: Tensor, *, beta: float) -> None:
    # d/dz z·σ(βz) is the derivative of silu, taken at βz.
    torch.ops.aten.silu_backward.grad_input(g, z if beta == 1.0 else beta * z, grad_input=out)


@ACTIVATIONS.entry(
    source="Ramachandran, Zoph & Le 2017, arXiv:1710.05941; Elfwing et al. 2018, arXiv:1702.03118",
    matched="he_normal",
    kernel=Kernel(forward=_swish_forward, backward=_swish_backward, needs_z=True),
)
def swish(z: Tensor, *, beta: float = 1.0) -> Tensor:
    """φ(z) = z · σ(βz); SiLU at β = 1."""
    return z * torch.sigmoid(beta * z)

"""Piecewise linear activations: straight but for their kinks."""

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


@ACTIVATIONS.entry(
    also=("linear",),
    source="Saxe, McClelland & Ganguli 2014, arXiv:1312.6120",
    matched="orthogonal",
    kernel=Kernel(
        forward=lambda z, out: out.copy_(z),
        backward=lambda g, z, h, out: out.copy_(g),
    ),
)
def identity(z: Tensor) -> Tensor:
    """φ(z) = z, the deep linear network."""
    return z.clone()


def _clamp(low: float, high: float) -> Kernel:
    """φ(z) = z between two bounds; where h is a bound, the slope is 0."""
    return Kernel(
        forward=lambda z, out: torch.clamp(z, low, high, out=out),
        backward=lambda g, z, h, out: torch.ops.aten.hardtanh_backward.grad_input(
            g, h, low, high, grad_input=out
        ),
    )


@ACTIVATIONS.entry(
    source="Collobert 2004, thesis, Université Paris VI; Gulcehre, Moczulski, Denil & Bengio 2016, "
    "arXiv:1603.00391",
    kinks=(-1.0, 1.0),
    matched="xavier_uniform",
    kernel=_clamp(-1.0, 1.0),
)
def hard_tanh(z: Tensor) -> Tensor:
    """φ(z) = max(−1, min(1, z))."""
    return torch.nn.functional.hardtanh(z)


def _hard_sigmoid_backward(g: Tensor, z: Tensor, h: Tensor, out: Tensor) -> None:
    torch.ops.aten.hardtanh_backward.grad_input(g, h, 0.0, 1.0, grad_input=out)
    out.div_(6.0)


@ACTIVATIONS.entry(
    source="Howard et al. 2019, arXiv:1905.02244, section 5.2",
    kinks=(-3.0, 3.0),
    matched="xavier_uniform",
    kernel=Kernel(
        forward=lambda z, out: torch.div(z, 6.0, out=out).add_(0.5).clamp_(0.0, 1.0),
        backward=_hard_sigmoid_backward,
    ),
)
def hard_sigmoid(z: Tensor) -> Tensor:
    """φ(z) = max(0, min(1, z/6 + 1/2)); its slope is 1/6 at most."""
    # Not torch's hardsigmoid: its slope is float32's 1/6 in float64 too.
    return torch.nn.functional.hardtanh(z / 6.0 + 0.5, 0.0, 1.0)


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
    source="Krizhevsky 2010, Convolutional deep belief networks on CIFAR-10; Sandler et al. 2018, "
    "arXiv:1801.04381",
    kinks=(0.0, 6.0),
    matched="he_normal",
    kernel=_clamp(0.0, 6.0),
)
def relu6(z: Tensor) -> Tensor:
    """φ(z) = min(6, max(0, z))."""
    return torch.nn.functional.relu6(z)


@ACTIVATIONS.entry(
    source="Maas, Hannun & Ng 2013, ICML workshop on deep learning for audio",
    kinks=lambda *, slope: () if slope == 1.0 else (0.0,),
    matched="he_normal",
    matched_settings=lambda *, slope: {"slope": slope},
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


def _prelu_steepest(*, slope: float | Tensor, per_unit: bool) -> float | Tensor:
    if isinstance(slope, torch.Tensor):
        return slope.abs().clamp(min=1.0)
    return max(1.0, abs(slope))


@ACTIVATIONS.entry(
    source="He, Zhang, Ren & Sun 2015, arXiv:1502.01852",
    kinks=lambda *, slope, per_unit: () if slope == 1.0 else (0.0,),
    matched="he_normal",
    matched_settings=lambda *, slope, per_unit: {"slope": slope},  # eq. 15
    steepest=_prelu_steepest,
    trainable="slope",
)
def prelu(z: Tensor, *, slope: float | Tensor = 0.25, per_unit: bool = False) -> Tensor:
    """φ(z) = z for z > 0, else slope · z, where the slope is learnt.

    The setting `slope` is where it starts, one slope for a layer, or with `per_unit` one for each
    unit.
    """
    return torch.relu(z) + slope * z.clamp(max=0.0)


def _rrelu_slope(lower: float, upper: float) -> float:
    """The root mean square of the slopes below 0."""
    return math.hypot((lower + upper) / 2.0, (upper - lower) / math.sqrt(12.0))


def _rrelu_mean_square(*, lower: float, upper: float) -> float:
    slope = _rrelu_slope(lower, upper)
    return (1.0 + slope * slope) / 2.0


@ACTIVATIONS.entry(
    source="Xu, Wang, Chen & Li 2015, arXiv:1505.00853; torch.nn.RReLU (the form a · z)",
    kinks=lambda *, lower, upper: () if lower == upper == 1.0 else (0.0,),
    matched="he_normal",
    matched_settings=lambda *, lower, upper: {"slope": _rrelu_slope(lower, upper)},
    steepest=lambda *, lower, upper: max(1.0, abs(lower), abs(upper)),
    noisy=True,
    mean_square=_rrelu_mean_square,
)
def rrelu(
    z: Tensor, uniform: Tensor | None = None, *, lower: float = 1.0 / 8.0, upper: float = 1.0 / 3.0
) -> Tensor:
    """φ(z) = z for z > 0, else a · z, with a ~ U(lower, upper) drawn anew each time.

    In evaluation a is the middle, (lower + upper) / 2. That is torch's form, with its defaults; the
    paper divides z by a number from U(3, 8), in evaluation by the middle of those.
    """
    share = 0.5 if uniform is None else uniform
    return torch.relu(z) + (lower + (upper - lower) * share) * z.clamp(max=0.0)

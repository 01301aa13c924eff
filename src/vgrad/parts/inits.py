"""Initialisations: how a layer's weights W, [fan_in, fan_out], are drawn.

An entry fills one weight matrix in place from the generator that it is given. W is laid out as
h W + b, so fan_in is its first dimension. Biases are the same for all: constant, plus noise.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import lazy_loader as lazy

from vgrad.registry import Registry

if TYPE_CHECKING:
    import torch
    from torch import Generator, Tensor
else:
    torch = lazy.load("torch")

POSITIVE = (0.0, math.inf)

INITS = Registry(
    "init",
    "inits",
    settings={"bias": 0.0, "bias_std": 0.0},
)

GLOROT = "Glorot & Bengio 2010, PMLR 9:249"
HE = "He, Zhang, Ren & Sun 2015, arXiv:1502.01852"


@INITS.entry(source="the activation's own paper: see `vgrad list activations`")
def matched(weight: Tensor, generator: Generator) -> None:
    """The init that the activation's own literature asks for, named in its entry."""
    raise AssertionError("init=matched is resolved before weights are drawn")


@INITS.entry(source=GLOROT + ", eq. 16", ranges={"gain": POSITIVE})
def xavier_uniform(weight: Tensor, generator: Generator, *, gain: float = 1.0) -> None:
    """W ~ U(−a, a), a = gain · √(6 / (fan_in + fan_out))."""
    bound = gain * math.sqrt(6.0 / sum(weight.shape))
    weight.uniform_(-bound, bound, generator=generator)


@INITS.entry(source=GLOROT + ", eq. 12", ranges={"gain": POSITIVE})
def xavier_normal(weight: Tensor, generator: Generator, *, gain: float = 1.0) -> None:
    """W ~ N(0, σ²), σ = gain · √(2 / (fan_in + fan_out))."""
    weight.normal_(0.0, gain * math.sqrt(2.0 / sum(weight.shape)), generator=generator)


@INITS.entry(source=HE + ", eq. 10")
def he_uniform(weight: Tensor, generator: Generator) -> None:
    """W ~ U(−a, a), a = √(6 / fan_in)."""
    bound = math.sqrt(6.0 / weight.shape[0])
    weight.uniform_(-bound, bound, generator=generator)


@INITS.entry(source=HE + ", eq. 10")
def he_normal(weight: Tensor, generator: Generator) -> None:
    """W ~ N(0, σ²), σ = √(2 / fan_in)."""
    weight.normal_(0.0, math.sqrt(2.0 / weight.shape[0]), generator=generator)


@INITS.entry(
    source="LeCun, Bottou, Orr & Müller 1998, doi:10.1007/3-540-49430-8_2, eq. 16",
    ranges={"gain": POSITIVE},
)
def lecun_normal(weight: Tensor, generator: Generator, *, gain: float = 1.0) -> None:
    """W ~ N(0, σ²), σ = gain / √fan_in."""
    weight.normal_(0.0, gain / math.sqrt(weight.shape[0]), generator=generator)


@INITS.entry(source="Krizhevsky, Sutskever & Hinton 2012 (σ = 0.01)", ranges={"std": POSITIVE})
def normal(weight: Tensor, generator: Generator, *, std: float = 0.01) -> None:
    """W ~ N(0, std²), whatever the fan-in."""
    weight.normal_(0.0, std, generator=generator)


@INITS.entry(source="Rumelhart, Hinton & Williams 1986, doi:10.1038/323533a0, on symmetry")
def zeros(weight: Tensor, generator: Generator) -> None:
    """W = 0: no unit of a layer ever differs from its neighbours."""
    weight.zero_()


@INITS.entry(source="Saxe, McClelland & Ganguli 2014, arXiv:1312.6120", ranges={"gain": POSITIVE})
def orthogonal(weight: Tensor, generator: Generator, *, gain: float = 1.0) -> None:
    """W = gain · Q, Q with orthonormal rows or columns, drawn uniformly."""
    torch.nn.init.orthogonal_(weight, gain, generator=generator)

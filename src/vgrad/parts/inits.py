"""Initialisations: how a layer's weights W, [fan_in, fan_out], are drawn.

An entry fills one weight matrix, float64 on the CPU, in place from the generator that it is given.
W is laid out as h W + b, so a column holds what comes into one unit, and fan_in is the first
dimension. Biases are 0 unless the entry states how it draws them; to either, every init adds the
constant `bias` and noise of standard deviation `bias_std`.

A `gain` may be the word auto: it is resolved to the number that suits the run's activation before
weights are drawn, see `vgrad.gaussian.gain`. An entry that is `resolved` stands for another one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import lazy_loader as lazy

from vgrad.parts.ranges import ANY, BELOW_ONE
from vgrad.registry import Registry, Setting

if TYPE_CHECKING:
    import torch
    from torch import Generator, Tensor
else:
    torch = lazy.load("torch")

# torch draws no uniform numbers from an interval that is wider than the largest float.
SPREAD = (0.0, 1e100)
GAIN_RANGE = {"gain": SPREAD}
GAIN_WORDS = {"gain": ("auto",)}
FANS = {"mode": ("fan_in", "fan_out")}

INITS = Registry(
    "init",
    "inits",
    facts={
        "bias": None,  # (vector, fan_in, generator): fills the bias; None for zeros
        "layerwise": False,  # whether each layer is then scaled to Var z = 1 on a batch of data
        "resolved": False,  # whether another init is drawn in its place, see `vgrad.draw`
    },
    common={
        "bias": Setting(0.0, "what biases start from", ANY),
        "bias_std": Setting(0.0, "standard deviation of the Gaussian noise on top of it", SPREAD),
    },
)

SYMMETRY = "Rumelhart, Hinton & Williams 1986, doi:10.1038/323533a0, on symmetry"
LECUN = "LeCun, Bottou, Orr & Müller 1998, doi:10.1007/3-540-49430-8_2, eq. 16"
GLOROT = "Glorot & Bengio 2010, PMLR 9:249"
EDGE = "Poole et al. 2016, arXiv:1606.05340; Hayou, Doucet & Rousseau 2019, arXiv:1902.06853"
HE = "He, Zhang, Ren & Sun 2015, arXiv:1502.01852, eqs. 10, 14 and 15"


@INITS.entry(source="the activation's own paper: see `vgrad list activations`", resolved=True)
def matched(weight: Tensor, generator: Generator) -> None:
    """The init that the activation's own literature asks for, named in its entry."""
    raise AssertionError("init=matched is resolved before weights are drawn")


@INITS.entry(source=EDGE, choices={"distribution": ("normal", "orthogonal")}, resolved=True)
def critical(
    weight: Tensor, generator: Generator, *, distribution: str = "normal", limit: bool = False
) -> None:
    """W ~ N(0, σ_w² / fan_in), or W = σ_w Q, with the σ_w of the activation's critical point.

    There χ₁ = σ_w² E[φ′(z)²] is 1 where the size of z settles (the edge of chaos), so that the
    error signal neither vanishes nor explodes. It is that of σ_b² = `bias_std`² + `bias`², for
    layers without norms and shortcuts; `vgrad theory` shows it.

    Some activations have no such point (gelu, swish, mish, softplus), and without biases that of
    tanh, elu, selu and their like is a limit, at which lengths vanish: networks of tens of layers
    are not there yet. For them σ_w is that with which δ of layer 1 is as large as that of the last
    hidden layer at the run's own depth, Π χ₁ = 1 over its layers, for inputs of E[x²] = 1. At
    infinite depth it is that of the point; `limit` takes it from there at once.
    """
    raise AssertionError("init=critical is resolved before weights are drawn")


@INITS.entry(
    also=("glorot_uniform", "xavier", "glorot"),
    source=GLOROT + ", eq. 16",
    ranges=GAIN_RANGE,
    choices=GAIN_WORDS,
)
def xavier_uniform(weight: Tensor, generator: Generator, *, gain: float | str = 1.0) -> None:
    """W ~ U(−a, a), a = gain · √(6 / (fan_in + fan_out))."""
    bound = _number(gain) * math.sqrt(6.0 / sum(weight.shape))
    weight.uniform_(-bound, bound, generator=generator)


@INITS.entry(
    also=("glorot_normal",), source=GLOROT + ", eq. 12", ranges=GAIN_RANGE, choices=GAIN_WORDS
)
def xavier_normal(weight: Tensor, generator: Generator, *, gain: float | str = 1.0) -> None:
    """W ~ N(0, σ²), σ = gain · √(2 / (fan_in + fan_out))."""
    weight.normal_(0.0, _number(gain) * math.sqrt(2.0 / sum(weight.shape)), generator=generator)


@INITS.entry(also=("kaiming_uniform",), source=HE, ranges={"slope": ANY}, choices=FANS)
def he_uniform(
    weight: Tensor, generator: Generator, *, mode: str = "fan_in", slope: float = 0.0
) -> None:
    """W ~ U(−a, a), a = √(6 / ((1 + slope²) · fan)).

    `mode` says which fan: that of the way in keeps the signal level, that of the way out the
    gradient. `slope` is that of a leaky ReLU below 0.
    """
    bound = math.sqrt(3.0) * _he_std(weight, mode, slope)
    weight.uniform_(-bound, bound, generator=generator)


@INITS.entry(
    also=("kaiming_normal", "he", "kaiming"), source=HE, ranges={"slope": ANY}, choices=FANS
)
def he_normal(
    weight: Tensor, generator: Generator, *, mode: str = "fan_in", slope: float = 0.0
) -> None:
    """W ~ N(0, σ²), σ = √(2 / ((1 + slope²) · fan)); the settings are those of `he_uniform`."""
    weight.normal_(0.0, _he_std(weight, mode, slope), generator=generator)


@INITS.entry(source=LECUN, ranges=GAIN_RANGE, choices=GAIN_WORDS)
def lecun_uniform(weight: Tensor, generator: Generator, *, gain: float | str = 1.0) -> None:
    """W ~ U(−a, a), a = gain · √(3 / fan_in)."""
    bound = _number(gain) * math.sqrt(3.0 / weight.shape[0])
    weight.uniform_(-bound, bound, generator=generator)


@INITS.entry(source=LECUN, ranges=GAIN_RANGE, choices=GAIN_WORDS)
def lecun_normal(weight: Tensor, generator: Generator, *, gain: float | str = 1.0) -> None:
    """W ~ N(0, σ²), σ = gain / √fan_in."""
    weight.normal_(0.0, _number(gain) / math.sqrt(weight.shape[0]), generator=generator)


@INITS.entry(source=GLOROT + ", eq. 1")
def heuristic_uniform(weight: Tensor, generator: Generator) -> None:
    """W ~ U(−a, a), a = 1 / √fan_in: the rule of thumb before Xavier.

    Its gain √(fan_in · Var W) is 1/√3, so that a signal shrinks by that much a layer.
    """
    bound = 1.0 / math.sqrt(weight.shape[0])
    weight.uniform_(-bound, bound, generator=generator)


@INITS.entry(source=GLOROT + ", with the bound of eq. 16 taken for the standard deviation")
def heuristic_normal(weight: Tensor, generator: Generator) -> None:
    """W ~ N(0, σ²), σ² = 6 / (fan_in + fan_out): three times the variance of Xavier."""
    weight.normal_(0.0, math.sqrt(6.0 / sum(weight.shape)), generator=generator)


def _bias_of_linear(vector: Tensor, fan_in: int, generator: Generator) -> None:
    bound = 1.0 / math.sqrt(fan_in)
    vector.uniform_(-bound, bound, generator=generator)


@INITS.entry(
    also=("default", "pytorch"),
    source="PyTorch's nn.Linear: kaiming_uniform_(a=√5), after arXiv:1502.01852",
    bias=_bias_of_linear,
)
def torch_default(weight: Tensor, generator: Generator) -> None:
    """W ~ U(−a, a) and b ~ U(−a, a), a = 1 / √fan_in: what nn.Linear does."""
    bound = 1.0 / math.sqrt(weight.shape[0])
    weight.uniform_(-bound, bound, generator=generator)


@INITS.entry(
    source="Zaremba, Sutskever & Vinyals 2014, arXiv:1409.2329 (range 0.05)",
    ranges={"range": SPREAD},
)
def uniform(weight: Tensor, generator: Generator, *, range: float = 0.05) -> None:
    """W ~ U(−range, range), whatever the fan-in."""
    weight.uniform_(-range, range, generator=generator)


@INITS.entry(source="Krizhevsky, Sutskever & Hinton 2012 (σ = 0.01)", ranges={"std": SPREAD})
def normal(weight: Tensor, generator: Generator, *, std: float = 0.01) -> None:
    """W ~ N(0, std²), whatever the fan-in."""
    weight.normal_(0.0, std, generator=generator)


@INITS.entry(
    also=("trunc_normal",),
    source="Touvron et al. 2021, arXiv:2012.12877; std 0.02 as in BERT, Devlin et al. 2019, "
    "arXiv:1810.04805",
    ranges={"std": SPREAD},
)
def truncated_normal(weight: Tensor, generator: Generator, *, std: float = 0.02) -> None:
    """W ~ N(0, std²) with what lies beyond ±2 std drawn anew.

    `std` is that of the normal distribution before it is cut; of the weights it is 0.8796 · std.
    """
    torch.nn.init.trunc_normal_(weight, 0.0, 1.0, -2.0, 2.0, generator=generator).mul_(std)


@INITS.entry(source=SYMMETRY)
def zeros(weight: Tensor, generator: Generator) -> None:
    """W = 0: no unit of a layer ever differs from its neighbours."""
    weight.zero_()


@INITS.entry(source=SYMMETRY, ranges={"value": ANY})
def constant(weight: Tensor, generator: Generator, *, value: float = 0.01) -> None:
    """W = value: no unit of a layer ever differs from its neighbours."""
    weight.fill_(value)


@INITS.entry(source="Le, Jaitly & Hinton 2015, arXiv:1504.00941", ranges={"scale": ANY})
def identity(weight: Tensor, generator: Generator, *, scale: float = 1.0) -> None:
    """W = scale · I, cut or padded with zeros where W is not square."""
    weight.zero_().fill_diagonal_(scale)


@INITS.entry(
    source="Saxe, McClelland & Ganguli 2014, arXiv:1312.6120",
    ranges=GAIN_RANGE,
    choices=GAIN_WORDS,
)
def orthogonal(weight: Tensor, generator: Generator, *, gain: float | str = 1.0) -> None:
    """W = gain · Q, Q with orthonormal rows or columns, drawn uniformly."""
    torch.nn.init.orthogonal_(weight, _number(gain), generator=generator)


@INITS.entry(
    source="Martens 2010, ICML, Deep learning via Hessian-free optimization, sec. 5",
    ranges={"sparsity": BELOW_ONE, "std": SPREAD},
)
def sparse(
    weight: Tensor, generator: Generator, *, sparsity: float = 0.9, std: float = 1.0
) -> None:
    """W ~ N(0, std²), but ⌈sparsity · fan_in⌉ of each unit's incoming weights are 0.

    Which ones is drawn for each unit; at least one stays. The default `std` is Martens'; in torch's
    `sparse_` it is 0.01.
    """
    fan_in = weight.shape[0]
    weight.normal_(0.0, std, generator=generator)
    none = min(math.ceil(sparsity * fan_in), fan_in - 1)
    order = torch.rand(weight.shape, generator=generator, dtype=weight.dtype).argsort(0)
    weight.scatter_(0, order[:none], 0.0)


@INITS.entry(source="Mishkin & Matas 2016, arXiv:1511.06422", layerwise=True)
def lsuv(weight: Tensor, generator: Generator) -> None:
    """W = Q / √Var z, Q with orthonormal rows or columns: layer by layer Var z becomes 1.

    The variance is over the units and the examples of a batch of the run's own data, which has
    come through the layers before, already scaled. Each layer is scaled once, exactly; the paper
    repeats it until Var z is within 0.1 of 1.
    """
    torch.nn.init.orthogonal_(weight, generator=generator)


def _number(gain: float | str) -> float:
    assert not isinstance(gain, str), "init.gain=auto is resolved before weights are drawn"
    return gain


def _he_std(weight: Tensor, mode: str, slope: float) -> float:
    fan = weight.shape[0 if mode == "fan_in" else 1]
    return math.sqrt(2.0 / fan) / math.hypot(1.0, slope)

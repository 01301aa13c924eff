"""E[W²] and the biases' variance that each init really draws, by its rule and the layer's fans."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch

from vgrad.config import Choice
from vgrad.meanfield.scale import Scale
from vgrad.parts.inits import INITS

Rule = Callable[..., float]  # (fan_in, fan_out, **settings) → E[W²]

SAMPLED = 4_000_000  # the most weights of an init without a rule that are drawn to be measured


def _xavier(n: int, m: int, *, gain: float) -> float:
    return 2.0 * gain**2 / (n + m)


def _he(n: int, m: int, *, mode: str, slope: float) -> float:
    return 2.0 / (1.0 + slope**2) / (n if mode == "fan_in" else m)


def _lecun(n: int, m: int, *, gain: float) -> float:
    return gain**2 / n


def _orthogonal(n: int, m: int, *, gain: float = 1.0) -> float:
    """Q has min(n, m) orthonormal rows or columns, so that ΣQ² = min(n, m)."""
    return gain**2 / max(n, m)


def _truncated(n: int, m: int, *, std: float) -> float:
    """Of a normal variable cut at ±2: 1 − 4 φ(2) / (2 Φ(2) − 1)."""
    density = math.exp(-2.0) / math.sqrt(2.0 * math.pi)
    return std**2 * (1.0 - 4.0 * density / math.erf(math.sqrt(2.0)))


def _sparse(n: int, m: int, *, sparsity: float, std: float) -> float:
    return std**2 * (n - min(math.ceil(sparsity * n), n - 1)) / n


RULES: Mapping[str, Rule] = {
    "xavier_uniform": _xavier,
    "xavier_normal": _xavier,
    "he_uniform": _he,
    "he_normal": _he,
    "lecun_uniform": _lecun,
    "lecun_normal": _lecun,
    "heuristic_uniform": lambda n, m: 1.0 / (3.0 * n),
    "heuristic_normal": lambda n, m: 6.0 / (n + m),
    "torch_default": lambda n, m: 1.0 / (3.0 * n),
    "uniform": lambda n, m, *, range: range**2 / 3.0,
    "normal": lambda n, m, *, std: std**2,
    "truncated_normal": _truncated,
    "zeros": lambda n, m: 0.0,
    "constant": lambda n, m, *, value: value**2,
    "identity": lambda n, m, *, scale: scale**2 / max(n, m),
    "orthogonal": _orthogonal,
    "sparse": _sparse,
    "lsuv": _orthogonal,
}

BIASES: Mapping[str, Callable[[int], float]] = {"torch_default": lambda n: 1.0 / (3.0 * n)}

ALIKE = ("zeros", "constant")  # no unit differs from another
NOT_RANDOM = ("identity",)
INDEPENDENT = tuple(  # each weight is drawn for itself, from no heavier tails than the normal ones
    name for name in RULES if name not in (*ALIKE, *NOT_RANDOM, "orthogonal", "lsuv", "sparse")
)


def scale_of(init: Choice, fan_in: int, fan_out: int, *, bias: bool = True) -> Scale:
    """What an init makes of one layer; `matched` and `gain=auto` are resolved.

    An init that has no rule here is drawn once, and measured. For lsuv it is what W is before it
    is scaled.

    Args:
        init: its name and settings.
        fan_in: the number of inputs of the layer.
        fan_out: the number of its pre-activations.
        bias: whether the layer has biases.
    """
    entry = INITS[init.name]
    own = entry.own(init.settings)
    rule = RULES.get(init.name)
    square = _measured(init, fan_in, fan_out) if rule is None else rule(fan_in, fan_out, **own)
    if not bias:
        return Scale(fan_in * square)
    variance = init.settings["bias_std"] ** 2
    if init.name in BIASES:
        variance += BIASES[init.name](fan_in)
    elif entry.bias is not None:
        draft = torch.zeros(SAMPLED // 100, dtype=torch.float64)
        entry.bias(draft, fan_in, torch.Generator().manual_seed(0))
        variance += float(draft.square().mean())
    return Scale(fan_in * square, variance, init.settings["bias"])


def _measured(init: Choice, fan_in: int, fan_out: int) -> float:
    """The mean of W², drawn once; fewer units where there are very many weights."""
    entry = INITS[init.name]
    columns = max(1, min(fan_out, SAMPLED // fan_in))
    draft = torch.zeros(fan_in, columns, dtype=torch.float64)
    entry.function(draft, torch.Generator().manual_seed(0), **entry.own(init.settings))
    return float(draft.square().mean())

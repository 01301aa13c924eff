"""Architectures: what stands between one layer's weights and the next one's.

An entry of the registry says how the signal may pass a layer by, its shortcut; the remedies that
go with any shortcut are settings of all entries. x is what a layer reads, of width n:

    a = x W + b;  z = norm(a);  h = φ(z);  y = norm(h);  y = dropout(y);  x' = shortcut(x, y)

with one of the two norms at most. With a bottleneck of q units each W is a product of two factors,
[n, q] and [q, p]. Auxiliary heads are linear output layers of their own, spread evenly over the
depth; the error signal is that of ℓ + aux_weight · Σ (ℓ of each head), while losses and accuracies
are those of the final output alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vgrad.errors import ConfigError
from vgrad.parts.ranges import BELOW_ONE
from vgrad.registry import Registry, Setting

NORMS = ("none", "batch", "layer", "rms")
RESIDUALS = ("none", "identity", "scaled", "rezero")
PLACES = ("before", "after")

MODELS = Registry(
    "model",
    "models",
    common={
        "bias": Setting(True, "whether layers have biases; a highway's gates always have"),
        "norm": Setting(
            "none",
            "batch norm (Ioffe & Szegedy 2015, arXiv:1502.03167), layer norm (Ba et al. 2016, "
            "arXiv:1607.06450) or RMS norm (Zhang & Sennrich 2019, arXiv:1910.07467); batch norm "
            "takes the batch's statistics in training, running ones at evaluation",
            choices=NORMS,
        ),
        "norm_at": Setting("before", "the norm's place by the activation", choices=PLACES),
        "dropout": Setting(
            0.0,
            "share of the activations that are set to 0 in training (Srivastava et al. 2014, "
            "JMLR 15:1929)",
            BELOW_ONE,
        ),
        "alpha_dropout": Setting(
            0.0,
            "share that is set to SELU's floor, keeping mean and variance (Klambauer et al. 2017, "
            "arXiv:1706.02515)",
            BELOW_ONE,
        ),
        "aux_heads": Setting(
            0,
            "auxiliary outputs, evenly over the depth; evaluation takes the final output alone "
            "(Lee et al. 2015, arXiv:1409.5185)",
            (0, 1_000),
        ),
        "aux_weight": Setting(
            0.3, "of each auxiliary loss (Szegedy et al. 2015, arXiv:1409.4842)", (0.0, 1e6)
        ),
        "bottleneck": Setting(
            0,
            "units between the two factors of which each weight is then the product, the inner "
            "one drawn by lecun_normal and the outer one by the init; 0 is off "
            "(Sainath et al. 2013, doi:10.1109/ICASSP.2013.6638949)",
            (0, 100_000),
        ),
    },
)


@dataclass(frozen=True)
class Shortcut:
    """How the signal passes layers by.

    Attributes:
        kind: none, identity, scaled, rezero or highway.
        every: hidden layers that one residual branch spans.
        gate_bias: what the bias of a highway gate starts from.
    """

    kind: str = "none"
    every: int = 1
    gate_bias: float = 0.0


@dataclass(frozen=True)
class Architecture:
    """What all runs of a stack share beside depth and width.

    Attributes:
        shortcut: how the signal passes layers by.
        bias: whether a layer adds a bias.
        norm: none, batch, layer or rms.
        norm_at: before or after the activation.
        dropout: the share of activations that are set to 0 in training.
        alpha_dropout: the share that is set to SELU's floor, mean and variance being kept.
        aux_heads: auxiliary output layers.
        aux_weight: of each one's loss.
        bottleneck: q, the inner width of each weight; 0 for none.
    """

    shortcut: Shortcut = Shortcut()
    bias: bool = True
    norm: str = "none"
    norm_at: str = "before"
    dropout: float = 0.0
    alpha_dropout: float = 0.0
    aux_heads: int = 0
    aux_weight: float = 0.3
    bottleneck: int = 0

    @classmethod
    def of(cls, name: str, settings: Mapping[str, Any]) -> Architecture:
        """The architecture of an entry with all its settings.

        Raises:
            ConfigError: two settings exclude each other.
        """
        entry = MODELS[name]
        common = {key: value for key, value in settings.items() if key in entry.common}
        plain, alpha = settings["dropout"], settings["alpha_dropout"]
        if plain and alpha:
            raise ConfigError(
                f"model.dropout={plain} and model.alpha_dropout={alpha} exclude each other: set "
                "one of them to 0."
            )
        return cls(shortcut=entry.function(**entry.own(settings)), **common)

    def heads(self, depth: int) -> list[int]:
        """The hidden layers, counted from 0, whose output an auxiliary head reads."""
        count = self.aux_heads
        return [round(head * depth / (count + 1)) - 1 for head in range(1, count + 1)]

    def branches(self, depth: int) -> list[range]:
        """The hidden layers, counted from 0, that each residual branch spans.

        The first layer, which changes the width, is in none; the last branch may be shorter.
        """
        if self.shortcut.kind not in RESIDUALS[1:]:
            return []
        every = self.shortcut.every
        return [range(start, min(start + every, depth)) for start in range(1, depth, every)]


@MODELS.entry(
    source="Rumelhart, Hinton & Williams 1986, doi:10.1038/323533a0; identity: He et al. 2016, "
    "arXiv:1512.03385; scaled: Hayou et al. 2021, arXiv:2010.12859; rezero: Bachlechner et al. "
    "2020, arXiv:2003.04887",
    ranges={"residual_every": (1, 10_000)},
    choices={"residual": RESIDUALS},
)
def mlp(*, residual: str = "none", residual_every: int = 1) -> Shortcut:
    """hₗ = φ(hₗ₋₁ Wₗ + bₗ) for each hidden layer, then a linear output layer.

    With `residual`, x is added to what `residual_every` layers make of it: identity x + y, scaled
    x + y/√(number of branches), rezero x + αy with a trainable α that starts at 0.
    """
    return Shortcut(residual, residual_every)


@MODELS.entry(
    source="Srivastava, Greff & Schmidhuber 2015, arXiv:1505.00387",
    ranges={"gate_bias": (-1e6, 1e6)},
)
def highway(*, gate_bias: float = -2.0) -> Shortcut:
    """x' = t y + (1 − t) x with gates t = σ(x W_t + b_t); b_t starts at `gate_bias`."""
    return Shortcut("highway", gate_bias=gate_bias)

"""What a labelled case is, and from which number on a word must be used of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import labelled_theory as theory
from labelled_theory import Start

STEPS = 120
BASE = (f"width={theory.WIDTH}", f"batch_size={theory.BATCH}", "device=cpu", "data=digits")
RULES = (
    "vanishing_gradient",
    "exploding_gradient",
    "signal_collapse",
    "signal_blowup",
    "saturation",
    "dead_units",
    "dead_layer",
    "symmetric_units",
    "sign_locked_weights",
    "correlation_collapse",
    "lost_updates",
    "update_ratio",
    "chance_plateau",
    "divergence",
    "slow_start",
)
VERDICTS = ("healthy", "vanishing", "exploding", "diverged", "unsure")


# What vanishes takes the updates of its layers along; how small they are is open.
SMALL = "lost_updates update_ratio"


@dataclass(frozen=True)
class Case:
    """A config and what is known of it.

    Attributes:
        name: tells it from the others.
        overrides: as typed, but for those of BASE, which they may set anew.
        must: the rules that have to fire.
        may: those that may, being undecided or a side effect; all others must be silent.
        verdicts: the words that are right.
        why: the reason in a sentence, with its source.
    """

    name: str
    overrides: tuple[str, ...]
    must: frozenset[str]
    may: frozenset[str]
    verdicts: frozenset[str]
    why: str

    @property
    def well(self) -> bool:
        """Whether nothing at all is wrong with it."""
        return not self.must and self.verdicts == {"healthy"}

    @property
    def words(self) -> dict[str, str]:
        """Every setting that is typed, by its key."""
        given = (*BASE, f"steps={STEPS}", *self.overrides)
        return dict(word.split("=", 1) for word in given)

    @property
    def typed(self) -> tuple[str, ...]:
        """All of its overrides."""
        return tuple(f"{key}={value}" for key, value in self.words.items())

    @property
    def start(self) -> Start | None:
        """What it starts from; None where theory has nothing to say of it."""
        words = self.words
        gain = gain_of(words)
        if gain is None or words["depth"] == "0" or words["data"] != "digits":
            return None
        torch_like = words.get("init") == "torch_default"
        default = gain / math.sqrt(theory.WIDTH) if torch_like else 0.0  # b ~ as each weight
        return Start(
            activation=words["activation"],
            gain=gain,
            depth=int(words["depth"]),
            bias=float(words.get("init.bias", 0.0)),
            bias_std=float(words.get("init.bias_std", default)),
            scale=words.get("data.scale", "standard"),
            norm=words.get("model.norm", "none"),
            residual=words.get("model.residual", "none"),
        )


def gain_of(words: Mapping[str, str]) -> float | None:
    """σ_w = √(fan_in · Var W) of the square layers; None where weights are not drawn at random."""
    name, root = words["init"], math.sqrt(theory.WIDTH)
    if name in ("zeros", "constant", "identity", "lsuv"):
        return None
    if name == "sparse":
        return float(words["init.std"]) * math.sqrt(1.0 - float(words["init.sparsity"])) * root
    if name == "normal":
        return float(words.get("init.std", 0.01)) * root or None
    if name == "uniform":
        return float(words.get("init.range", 0.05)) / math.sqrt(3.0) * root
    own = {**theory.GAINS, "torch_default": theory.GAINS["heuristic_uniform"]}
    return own.get(name, 1.0) * float(words.get("init.gain", 1.0))


def case(
    name: str, overrides: str, why: str, *, must: str = "", may: str = "", verdict: str = "healthy"
) -> Case:
    """A case from words with spaces between them."""
    given = Case(
        name,
        tuple(overrides.split()),
        frozenset(must.split()),
        frozenset(may.split()),
        frozenset(verdict.split()),
        why,
    )
    assert given.must | given.may <= set(RULES), name
    assert given.verdicts <= set(VERDICTS), name
    return given


class Bound(NamedTuple):
    """When a word is right.

    Attributes:
        number: of a network at step 0.
        ill: from here on it must be said.
        well: up to here it must not.
        unit: of the number.
        why: how the two were chosen.
    """

    number: Callable[[Start], float]
    ill: float
    well: float
    unit: str
    why: str


BOUNDS: Mapping[str, Bound] = {
    "vanishing_gradient": Bound(
        lambda start: -theory.decades(start),
        3.0,
        2.0,
        "decades",
        "A thousandth, and four standard deviations of what 40 ReLU layers of 64 units do to a "
        "gradient by chance (Hanin & Nica 2018, arXiv:1812.05994).",
    ),
    "exploding_gradient": Bound(theory.decades, 3.0, 2.0, "decades", "Likewise."),
    "signal_collapse": Bound(
        lambda start: -theory.spread(start), 3.0, 1.5, "decades", "As for the gradient."
    ),
    "signal_blowup": Bound(theory.spread, 3.0, 1.5, "decades", "As for the gradient."),
    "saturation": Bound(
        theory.saturation,
        0.75,
        0.45,
        "share",
        "Most slopes are gone, and more than half are left, after those that a rectifier closes.",
    ),
    "dead_units": Bound(
        theory.dead,
        0.6,
        0.45,
        "share of a layer",
        "By symmetry no more than half of a layer of ReLUs without biases are closed for all.",
    ),
    "sign_locked_weights": Bound(
        theory.coherence,
        0.95,
        0.7,
        "coherence",
        "At 0.95 a weight in forty goes the other way than the others of its unit, at 0.7 one in "
        "seven; deep ReLU networks lie between.",
    ),
    "correlation_collapse": Bound(
        theory.cosine,
        0.9995,
        0.99,
        "cosine",
        "At 0.9995 two inputs differ in 3 % of their length; ReLU and He are at 0.98 after 40 "
        "layers. Likeness of which a twentieth is left is shattered, and counts as 1.",
    ),
}


def numbers(start: Start) -> dict[str, float]:
    """The number of every bound."""
    return {rule: bound.number(start) for rule, bound in BOUNDS.items()}

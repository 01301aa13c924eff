"""Configs drawn at random, labelled by the numbers of mean-field theory alone.

Nobody has chosen them, so that no rule can have been fitted to them. Those of `drawn` are not
trained: their updates are too small for float32, and what is judged is the network that they start
from. Within `MARGIN` of a bound, which is what chance does to 64 units, a rule may speak. Those of
`trained` are near criticality, and are trained by common optimizers at their usual rates: nothing
is wrong with them, and every finding is a false alarm.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

import labelled_theory as theory
from labelled_case import BOUNDS, Case
from labelled_theory import Start

ACTIVATIONS = (
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "swish",
    "softplus",
    "softsign",
    "hard_tanh",
    "hard_sigmoid",
    "identity",
    "sine",
    "mish",
)
DEPTHS = (2, 4, 8, 16, 24, 32)
BIAS_STDS = (0.0, 0.0, 0.0, 0.3, 1.0)
GAINS = (0.3, 3.0)
OF_TRAINING = frozenset({"lost_updates", "update_ratio", "chance_plateau"})
LOCKED = frozenset({"sign_locked_weights"})  # most activations of one sign lie between
INITS = {
    "lecun_normal": 1.0,
    "lecun_uniform": 1.0,
    "xavier_normal": 1.0,
    "xavier_uniform": 1.0,
    "orthogonal": 1.0,
    "he_normal": math.sqrt(2.0),
    "he_uniform": math.sqrt(2.0),
}
SHALLOW = (1, 2, 3, 5, 8)
OPTIMIZERS = (
    "optimizer.lr=0.02",
    "optimizer.lr=0.05",
    "optimizer=momentum optimizer.lr=0.005",
    "optimizer=nesterov optimizer.lr=0.005",
    "optimizer=adam optimizer.lr=0.001",
    "optimizer=adamw optimizer.lr=0.001",
    "optimizer=rmsprop optimizer.lr=0.0005",
)
LEVEL = 0.5  # decades
MARGIN = {  # of a bound's number
    "vanishing_gradient": 0.6,
    "exploding_gradient": 0.6,
    "signal_collapse": 0.6,
    "signal_blowup": 0.6,
    "saturation": 0.1,
    "dead_units": 0.1,
    "sign_locked_weights": 0.03,
    "correlation_collapse": 0.0003,
}


def drawn(count: int, seed: int = 0) -> list[Case]:
    """Cases, the same ones for the same seed."""
    draw = np.random.default_rng(seed)
    cases = []
    for number in range(count):
        gain = float(np.exp(draw.uniform(*np.log(GAINS))))
        start = Start(
            activation=str(draw.choice(ACTIVATIONS)),
            gain=round(gain, 3),
            depth=int(draw.choice(DEPTHS)),
            bias_std=float(draw.choice(BIAS_STDS)),
        )
        cases.append(labelled(f"drawn-{number}", start))
    return cases


def trained(count: int, seed: int = 1) -> list[Case]:
    """Cases with which nothing is wrong, the same ones for the same seed."""
    draw = np.random.default_rng(seed)
    cases: list[Case] = []
    while len(cases) < count:
        init = str(draw.choice(list(INITS)))
        start = Start(
            activation=str(draw.choice(ACTIVATIONS)),
            gain=INITS[init],
            depth=int(draw.choice(SHALLOW)),
            scale=str(draw.choice(("standard", "unit"))),
        )
        overrides = (
            f"activation={start.activation}",
            f"init={init}",
            f"depth={start.depth}",
            f"data.scale={start.scale}",
            *str(draw.choice(OPTIMIZERS)).split(),
        )
        if _critical(start):
            case = labelled(f"trained-{len(cases)}", start)
            may = (case.may & LOCKED) | {"chance_plateau"}  # 120 updates are few for some
            cases.append(replace(case, overrides=overrides, may=may))
    return cases


def _critical(start: Start) -> bool:
    """Whether signal and gradient keep their size, and no rule has anything to say at the start."""
    level = abs(theory.decades(start)) <= LEVEL and abs(theory.spread(start)) <= LEVEL
    found = {rule: bound.number(start) > bound.well for rule, bound in BOUNDS.items()}
    return level and not any(hit for rule, hit in found.items() if rule not in LOCKED)


def labelled(name: str, start: Start) -> Case:
    """A config with the labels that its numbers give it."""
    overrides = (
        f"activation={start.activation}",
        "init=lecun_normal",
        f"init.gain={start.gain}",
        f"init.bias_std={start.bias_std}",
        f"depth={start.depth}",
        "optimizer.lr=1e-15",
        "steps=3",
    )
    must, may = set(), set(OF_TRAINING)
    for rule, bound in BOUNDS.items():
        number = bound.number(start)
        if number >= bound.ill + MARGIN[rule]:
            must.add(rule)
        elif not number <= bound.well - MARGIN[rule]:  # also where it is NaN
            may.add(rule)
    decades = -BOUNDS["vanishing_gradient"].number(start)
    why = f"{decades:+.2f} decades by mean-field theory"
    return Case(name, overrides, frozenset(must), frozenset(may), verdicts_of(decades), why)


def verdicts_of(decades: float) -> frozenset[str]:
    """The words that are right for so many decades across the network."""
    bound, margin = BOUNDS["vanishing_gradient"], MARGIN["vanishing_gradient"]
    if math.isnan(decades) or bound.well - margin < abs(decades) < bound.ill + margin:
        return frozenset({"healthy", "unsure", "vanishing", "exploding"})
    if abs(decades) <= bound.well - margin:
        return frozenset({"healthy"})
    return frozenset({"vanishing" if decades < 0 else "exploding"})

"""What became of the signal on its way forward, in a few plain sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from vgrad.diagnose.summary import Profile, hidden, value_of
from vgrad.phrases import number, percent

ALIKE = 0.999  # mean cosine between two examples
SATURATED = 0.65  # share over all layers; a rectifier has some 0.5 when it is well
SPREAD = 10  # times that the variance of the activations may change on the way forward
DEAD = 0.5  # share of one layer's units


def words_on_activations(
    config: Mapping[str, Any], first: Profile | None, last: Profile | None, depth: int
) -> list[str]:
    """The two gravest things that became of the signal, or that nothing did."""
    if depth == 0 or first is None:
        return []
    if _all_alike(first, depth):
        return ["All examples have the same activations: nothing of the input passes."]
    latest = last if last and _finite(last, "preact_ms", depth) is not None else first
    remarks = [
        *(_words_on_dead_units(latest, depth) if config.get("batch_size") != 1 else []),
        *(_words_on_likeness(first, latest, depth) if config.get("width") != 1 else []),
        *_words_on_saturation(latest, depth),
        *_words_on_spread(first, depth),
    ]
    near, far = (_finite(first, "act_var", layer) for layer in (1, depth))
    if not remarks and near is not None and far is not None and depth > 1:
        remarks = [
            "The activations keep their spread on the way forward: "
            f"variance {number(near)} in layer 1, {number(far)} in layer {depth}."
        ]
    return remarks[:2]


def _all_alike(first: Profile, depth: int) -> bool:
    """Whether the activations of every hidden layer have no variance at all."""
    return all(value == 0 for value in hidden(first, "act_var", depth))


def _words_on_spread(first: Profile, depth: int) -> list[str]:
    near, far = (_finite(first, "act_var", layer) for layer in (1, depth))
    if not near or far is None or 1 / SPREAD < far / near < SPREAD:
        return []
    verb, becomes = ("fade", "shrinks") if far < near else ("grow", "rises")
    mean = _finite(first, "act_mean", depth)
    around = "" if mean is None else f", around a mean of {number(mean)}"
    return [
        f"The activations {verb} on the way forward: their variance {becomes} from "
        f"{number(near)} in layer 1 to {number(far)} in layer {depth}{around}."
    ]


def _words_on_likeness(first: Profile, latest: Profile, depth: int) -> list[str]:
    start, end = (_finite(profile, "correlation", depth) for profile in (first, latest))
    if start is not None and start >= ALIKE:
        parted = end is not None and end < ALIKE
        training = f"; training has parted them ({end:.2g})" if parted else ""
        return [
            "Depth makes all inputs alike: the mean cosine between the activations of two "
            f"examples is {start:.4f} in layer {depth}{' at the start' if parted else ''}"
            f"{training}."
        ]
    if end is not None and end >= ALIKE:
        return [
            "Training has made all inputs alike: the mean cosine between the activations of two "
            f"examples is {end:.4f} in layer {depth}."
        ]
    return []


def _words_on_saturation(latest: Profile, depth: int) -> list[str]:
    shares = [v for v in hidden(latest, "saturated", depth) if v is not None and math.isfinite(v)]
    if not shares or (mean := sum(shares) / len(shares)) < SATURATED:
        return []
    return [
        f"{percent(mean)} of the activations are saturated: "
        "there their slope is under 5 % of its largest, and little gradient passes."
    ]


def _words_on_dead_units(latest: Profile, depth: int) -> list[str]:
    shares = [v or 0.0 for v in hidden(latest, "dead", depth)]
    worst = max(shares, default=0.0)
    if not worst >= DEAD:
        return []
    layer = shares.index(worst) + 1
    if worst == 1:
        return [f"Layer {layer} is dead: no example opens any of its units, so nothing passes."]
    return [f"{percent(worst)} of the units of layer {layer} are dead: no example opens them."]


def _finite(profile: Profile, column: str, layer: int) -> float | None:
    value = value_of(profile, column, layer)
    return value if value is not None and math.isfinite(value) else None

"""The thresholds of the rules, in one table; each is a setting: `dead_units.share=0.3`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vgrad.diagnose.verdict import HEALTHY, ILL
from vgrad.errors import ConfigError, did_you_mean

Limits = Mapping[str, float]
INF = math.inf


@dataclass(frozen=True)
class Threshold:
    """One number at which a rule begins to speak, or is silent.

    Attributes:
        name: as typed, RULE.NAME.
        value: by default.
        unit: what it counts.
        low, high: what it may be.
        meaning: what happens there.
        source: where it comes from: a paper, or how it was derived.
    """

    name: str
    value: float
    unit: str
    low: float
    high: float
    meaning: str
    source: str


TABLE = (
    Threshold(
        "vanishing_gradient.decades", ILL, "decades", 0.0, 1000.0,
        "From so many decades on, δ of layer 1 below δ of the last hidden layer is vanishing.",
        "Plain SGD moves a layer in proportion to its gradient: at a thousandth, layer 1 does in "
        "a whole run of 600 updates less than the last layer in one.",
    ),
    Threshold(
        "vanishing_gradient.healthy", HEALTHY, "decades", 0.0, 1000.0,
        "Up to so many decades it is healthy; between the two the loss decides.",
        "A product of random layers wanders without any drift: over 40 ReLU layers of 64 units "
        "log₁₀ δ has a standard deviation of 0.3 to 0.5 (Hanin & Nica 2018, arXiv:1812.05994), "
        "so 2 is four of them.",
    ),
    Threshold(
        "exploding_gradient.decades", ILL, "decades", 0.0, 1000.0,
        "From so many decades on, δ of layer 1 above δ of the last hidden layer is exploding.",
        "As for a vanishing gradient, the other way round.",
    ),
    Threshold(
        "exploding_gradient.healthy", HEALTHY, "decades", 0.0, 1000.0,
        "Up to so many decades it is healthy; between the two the loss decides.",
        "As for a vanishing gradient.",
    ),
    Threshold(
        "signal_collapse.decades", 2.5, "decades", 0.0, 1000.0,
        "From so many decades on, the spread of the activations (√ of their variance) that is "
        "lost between layer 1 and the last hidden layer is a collapse.",
        "Half-way between what is healthy and what is ill for δ: in a network that keeps both "
        "(Glorot & Bengio 2010, PMLR 9:249, eqs. 8 and 9) the two signals wander alike.",
    ),
    Threshold(
        "signal_blowup.decades", 2.5, "decades", 0.0, 1000.0,
        "From so many decades on, a growth of that spread is a blow-up.",
        "As for a collapse.",
    ),
    Threshold(
        "saturation.share", 0.65, "share", 0.0, 1.0,
        "The network is saturated when so many of its (example, unit) pairs, beyond those that "
        "a rectifier closes by design, have a slope under 5 % of the steepest.",
        "Two thirds gone leave √⅓ of δ in each layer at most, which no usual gain makes up for; "
        "Glorot & Bengio 2010, PMLR 9:249, section 3, on saturated sigmoid layers.",
    ),
    Threshold(
        "dead_units.share", 0.45, "share", 0.0, 1.0,
        "A layer has dead units when, of those that likeness of the examples would leave open, "
        "so many are closed for every example of the batch.",
        "Derived: for z Gaussian with the correlation that was measured, a unit is closed for a "
        "whole batch of B with probability E[Φ(−u√(ρ/(1−ρ)))ᴮ]; Lu et al. 2020, arXiv:1903.06733, "
        "on how ReLUs die.",
    ),
    Threshold(
        "dead_layer.share", 1.0, "share", 0.5, 1.0,
        "A layer is dead when so many of its units are.",
        "Through a layer without an open unit no gradient passes: Lu et al. 2020, "
        "arXiv:1903.06733.",
    ),
    Threshold(
        "symmetric_units.spread", 1e-5, "share", 0.0, 1.0,
        "Units are alike when the standard deviation of a layer's weights is no more than this "
        "share of their root mean square.",
        "Equal weights give 0 but for rounding, which in float32 is below 1e-6; Rumelhart, Hinton "
        "& Williams 1986, doi:10.1038/323533a0, on breaking the symmetry.",
    ),
    Threshold(
        "sign_locked_weights.coherence", 0.85, "share", 0.0, 1.0,
        "The weights are locked when, in more than half of the layers above the first, the "
        "signs of a unit's gradients agree so far.",
        "LeCun, Bottou, Orr & Müller 1998, doi:10.1007/3-540-49430-8_2, section 4.3: with inputs "
        "of one sign all weights of a neuron grow or shrink together. Random signs give "
        "0.8/√fan_in.",
    ),
    Threshold(
        "correlation_collapse.cosine", 0.9995, "cosine", 0.0, 1.0,
        "Depth has made the inputs alike when the mean cosine of two examples' activations in "
        "the last hidden layer is so large.",
        "Poole et al. 2016, arXiv:1606.05340, and Schoenholz et al. 2017, arXiv:1611.01232: in "
        "the ordered phase c → 1. At 0.9995 two examples differ by 3 % of their length; a healthy "
        "ReLU net, which nears 1 as 1/depth², is at 0.999 after some 40 narrow layers.",
    ),
    Threshold(
        "correlation_collapse.shattered", 0.1, "share", 0.0, 1.0,
        "They are shattered when at the start no more than this share of the likeness that "
        "layer 1 gives them is left in the last hidden layer.",
        "Poole et al. 2016, arXiv:1606.05340, the chaotic phase; Balduzzi et al. 2017, "
        "arXiv:1702.08591, on gradients.",
    ),
    Threshold(
        "lost_updates.share", 0.5, "share", 0.0, 1.0,
        "Updates are lost in a layer when in most records so many of its weights do not move, "
        "the update being too small for their float format.",
        "float32 drops what is below 6e-8 of a weight; IEEE 754 and Micikevicius et al. 2018, "
        "arXiv:1710.03740, section 3.1.",
    ),
    Threshold(
        "update_ratio.low", 1e-6, "‖ΔW‖/‖W‖", 0.0, 1.0,
        "A layer hardly learns when an update changes its weights by no more than this.",
        "A thousandth of the usual 1e-3 (Karpathy, CS231n notes, “Ratio of weights:updates”): "
        "1,000 such updates move a layer by 0.1 %.",
    ),
    Threshold(
        "update_ratio.high", 0.3, "‖ΔW‖/‖W‖", 0.0, INF,
        "A layer is rewritten rather than trained when an update changes its weights by so much.",
        "300 times the usual 1e-3 (Karpathy, CS231n notes): three updates are as large as the "
        "weights themselves.",
    ),
    Threshold(
        "chance_plateau.band", 0.07, "share", 0.0, 1.0,
        "An accuracy is at chance up to this share of the way from chance to 1.",
        "Three standard deviations of the accuracy of guessing on some 250 test images of ten "
        "classes.",
    ),
    Threshold(
        "chance_plateau.updates", 100, "updates", 0.0, INF,
        "A run of fewer updates is too short to be called stuck.",
        "A healthy 10-layer network on the embedded digits leaves chance within some 50 updates.",
    ),
    Threshold(
        "divergence.growth", 10.0, "times", 1.0, INF,
        "A loss that ends at so many times its first value, though finite, has diverged.",
        "A loss that gradient descent may let rise on the way (Cohen et al. 2021, "
        "arXiv:2103.00065) comes back; one that stays up does not.",
    ),
    Threshold(
        "slow_start.slope", 0.3, "share", 0.0, 1.0,
        "An output is saturated at the start when its mean slope is under this share of its "
        "steepest.",
        "Derived: with four in five outputs saturated, half of them wrongly, the mean slope that "
        "errors meet is 0.27 of the steepest; Nielsen 2015, chapter 3, on such neurons.",
    ),
    Threshold(
        "slow_start.fall", 0.1, "share", 0.0, 1.0,
        "The start is slow when the loss has covered less than this share of its whole fall in "
        "the first tenth of the run.",
        "A steady fall would have covered a tenth by then, an exponential one more.",
    ),
)  # fmt: skip

THRESHOLDS: Mapping[str, Threshold] = {threshold.name: threshold for threshold in TABLE}


def settle(given: Mapping[str, float] | None = None) -> dict[str, float]:
    """Every threshold, with the given ones in the place of the defaults.

    Raises:
        ConfigError: a name is unknown, or a number out of its range.
    """
    for name, value in (given or {}).items():
        if name not in THRESHOLDS:
            raise ConfigError(f"No threshold is named {name!r}.{did_you_mean(name, THRESHOLDS)}")
        _check(THRESHOLDS[name], value)
    return {name: float((given or {}).get(name, one.value)) for name, one in THRESHOLDS.items()}


def read(words: Iterable[str]) -> dict[str, float]:
    """Thresholds as typed, `RULE.NAME=VALUE` each.

    Raises:
        ConfigError: a word is of another form, is given twice, or is no threshold.
    """
    found: dict[str, float] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise ConfigError(f"{word!r} is not of the form RULE.THRESHOLD=VALUE.")
        if name not in THRESHOLDS:
            raise ConfigError(f"No threshold is named {name!r}.{did_you_mean(name, THRESHOLDS)}")
        if name in found:
            raise ConfigError(f"{name} is given twice.")
        try:
            found[name] = float(text)
        except ValueError:
            raise ConfigError(f"{name} must be a number, not {text!r}.") from None
        _check(THRESHOLDS[name], found[name])
    return found


def _check(threshold: Threshold, value: float) -> None:
    low, high = threshold.low, threshold.high
    if math.isfinite(value) and low <= value <= high:
        return
    most = f" and at most {high:g}" if math.isfinite(high) else ""
    raise ConfigError(f"{threshold.name} must be at least {low:g}{most}, not {value:g}.")

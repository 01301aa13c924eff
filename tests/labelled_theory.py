"""What mean-field theory and arithmetic say of a labelled config before anything is trained.

Layer by layer, for wide networks (Poole et al. 2016, arXiv:1606.05340; Schoenholz et al. 2017,
arXiv:1611.01232): a unit's z is N(b, s²) with s² = σ_w² E[h²] + σ_b², and the square of the error
signal takes the factor χ = σ_w² E[φ′²] on its way back through a layer. Nothing of vgrad is used
but the formulas of the activations in `activation_formulas`, which stand apart from it as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.stats import norm

from activation_formulas import FORMULAS

WIDTH = BATCH = FEATURES = 64
CLASSES = 10
REACH = 8.0  # standard deviations that the sums go
FINE = np.linspace(-REACH, REACH, 8001)
COARSE = np.linspace(-REACH, REACH, 201)
FINE_MASS = norm.pdf(FINE) / norm.pdf(FINE).sum()
COARSE_MASS = norm.pdf(COARSE) / norm.pdf(COARSE).sum()
SHUT = 0.05  # of the steepest slope: what is below counts as saturated
RECTIFIERS = ("relu", "leaky_relu", "relu6")  # closed below 0 by design
NEAR, SHATTERED = 0.2, 0.05  # cosine in layer 1, and the share of it that is left
SETTINGS: Mapping[str, Mapping[str, float]] = {
    "leaky_relu": {"slope": 0.01},
    "elu": {"alpha": 1.0},
    "selu": {"alpha": 1.6732632423543772, "scale": 1.0507009873554805},
    "gelu": {"approximate": "none"},
    "swish": {"beta": 1.0},
    "softplus": {"beta": 1.0},
    "sine": {"omega": 1.0},
}
GAINS: Mapping[str, float] = {  # √(fan_in · Var W) of a square layer, at gain=1
    "he_normal": math.sqrt(2.0),
    "heuristic_uniform": 1 / math.sqrt(3.0),
    "heuristic_normal": math.sqrt(3.0),
}
INPUTS: Mapping[str, tuple[float, float]] = {  # mean square, and mean cosine of two examples
    "standard": (1.0, 0.0),
    "unit": (0.235, 0.686),
}


@dataclass(frozen=True)
class Start:
    """What a network starts from, as far as the theory needs it.

    Attributes:
        activation: its name.
        gain: σ_w = √(fan_in · Var W) of every square layer.
        depth: hidden layers.
        bias, bias_std: of every layer's biases, at the start.
        scale: of the digits: `standard` or `unit`.
        norm: none, layer or batch, before the activation.
        residual: none, identity or scaled, over each layer.
    """

    activation: str
    gain: float
    depth: int
    bias: float = 0.0
    bias_std: float = 0.0
    scale: str = "standard"
    norm: str = "none"
    residual: str = "none"


@dataclass(frozen=True)
class Layer:
    """One hidden layer at step 0, as theory has it.

    Attributes:
        act_mean, act_ms, act_var: E[h], E[h²] and the variance of h over units and examples.
        chi: the factor of δ² on its way back through the layer.
        cosine: of the h of two examples.
        saturated: share of pairs whose slope is under 5 % of the steepest, but for those that a
            rectifier closes by design.
        dead: share of units that are closed for a whole batch.
        locked: the sign coherence of the weights that the layer feeds: (2/π) atan(mean of h over
            its deviation over the examples) where h ≥ 0, near 0 where both signs are as frequent.
    """

    act_mean: float
    act_ms: float
    act_var: float
    chi: float
    cosine: float
    saturated: float
    dead: float
    locked: float


def phi(name: str, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """φ(z) and φ′(z)."""
    value, slope = FORMULAS[name](z, **SETTINGS.get(name, {}))
    return np.broadcast_to(value, z.shape), np.broadcast_to(slope, z.shape)


@cache
def steepest(name: str) -> float:
    """sup|φ′|."""
    return float(np.abs(phi(name, np.linspace(-20.0, 20.0, 40_001))[1]).max())


def chi(name: str, gain: float, s: float, bias: float = 0.0) -> float:
    """χ = σ_w² E[φ′(z)²] for z ~ N(bias, s²)."""
    return gain**2 * float(FINE_MASS @ phi(name, bias + s * FINE)[1] ** 2)


def overlap(name: str, s: float, c: float, bias: float) -> float:
    """E[φ(z₁) φ(z₂)] for two normal z of correlation c."""
    apart = math.sqrt(max(0.0, 1.0 - c * c))
    first = phi(name, bias + s * COARSE)[0]
    second = phi(name, bias + s * (c * COARSE[:, None] + apart * COARSE[None, :]))[0]
    return float((COARSE_MASS * first) @ (second @ COARSE_MASS))


@cache
def layers(start: Start) -> tuple[Layer, ...]:
    """The hidden layers, from the input on.

    What comes into a layer has E[x²], the cosine of two examples, and a mean over the units, which
    counts where shortcuts add up branches of one sign.
    """
    square, cosine = INPUTS[start.scale]
    mean, share = 0.0, branch(start)
    found = []
    for _ in range(start.depth):
        layer = _layer(start, square, cosine)
        found.append(layer)
        if share == 0.0:
            square, cosine = layer.act_ms, layer.cosine
            continue
        cross = 2.0 * share * mean * layer.act_mean
        both = square * cosine + cross + share**2 * layer.act_ms * layer.cosine
        square += cross + share**2 * layer.act_ms
        cosine, mean = both / square, mean + share * layer.act_mean
    return tuple(found)


def branch(start: Start) -> float:
    """What a shortcut's branch is multiplied by; 0 where there are no shortcuts."""
    return {"none": 0.0, "identity": 1.0, "scaled": start.depth**-0.5}[start.residual]


def _layer(start: Start, square: float, cosine: float) -> Layer:
    name, gain = start.activation, start.gain
    s, c, loss = _preactivation(start, square, cosine)
    if s == 0.0 and start.bias == 0.0:
        slope = float(phi(name, np.zeros(1))[1][0])
        shut = float(slope == 0.0)
        return Layer(0.0, 0.0, 0.0, gain**2 * slope**2, math.nan, 0.0, shut, math.nan)
    value, slope = phi(name, start.bias + s * FINE)
    act_mean, act_ms = float(FINE_MASS @ value), float(FINE_MASS @ value**2)
    both = overlap(name, s, c, start.bias)
    like = min(1.0, max(-1.0, both / act_ms)) if act_ms > 0 else math.nan
    shut = np.abs(slope) < SHUT * steepest(name)
    if name in RECTIFIERS:
        shut &= start.bias + s * FINE > 0
    return Layer(
        act_mean=act_mean,
        act_ms=act_ms,
        act_var=max(0.0, act_ms - act_mean**2),
        chi=chi(name, gain, s, start.bias) * loss,
        cosine=like,
        saturated=float(FINE_MASS @ shut),
        dead=_dead(name, s, c, start.bias),
        locked=_locked(value, like),
    )


def _preactivation(start: Start, square: float, cosine: float) -> tuple[float, float, float]:
    """Deviation of z, its correlation between examples, and what a norm makes of χ.

    Layer norm divides by the deviation over the units, batch norm by that over the examples,
    which first loses what all examples have in common: Yang et al. 2019, arXiv:1902.08129.
    """
    variance = start.gain**2 * square + start.bias_std**2
    if variance == 0.0:
        return 0.0, 0.0, 1.0
    c = (start.gain**2 * square * cosine + start.bias_std**2) / variance
    if start.norm == "layer":
        return 1.0, c, 1.0 / (start.gain**2 * square)
    if start.norm == "batch":
        return 1.0, 0.0, 1.0 / (start.gain**2 * (square - square * max(0.0, cosine)))
    return math.sqrt(variance), c, 1.0


def _dead(name: str, s: float, c: float, bias: float) -> float:
    """Share of ReLUs that no example of a batch opens: E[P(z < 0 │ what they share)ᴮ]."""
    if name != "relu":
        return 0.0
    c = min(max(c, 0.0), 1.0 - 1e-12)
    if s == 0.0:
        return float(bias <= 0.0)
    shared = bias + s * math.sqrt(c) * FINE
    return float(FINE_MASS @ norm.cdf(-shared / (s * math.sqrt(1.0 - c))) ** BATCH)


def _locked(value: np.ndarray, cosine: float) -> float:
    """Sign coherence: the part of ∂L/∂w that all of a unit's weights share, against their own.

    ∂L/∂wᵢ = mean of hᵢ δ = h̄ᵢ δ̄ + scatter, with δ̄ ~ N(0, 1) and scatter s/h̄ in the same unit:
    the mean of │2 P(sign as δ̄) − 1│ = E[erf(r│δ̄│/√2)] = (2/π) atan r, r = h̄/s.
    """
    if not math.isfinite(cosine) or value.min() < 0.0:
        return 0.0 if value.min() < -0.05 * value.max() else math.nan
    return 2.0 / math.pi * math.atan(math.sqrt(max(cosine, 0.0) / max(1e-15, 1.0 - cosine)))


def decades(start: Start) -> float:
    """log₁₀ of δ of layer 1 over δ of the last hidden layer; −∞ where nothing passes."""
    if start.residual != "none":
        return _decades_with_shortcuts(start)
    passed = layers(start)[:-1]
    if any(layer.chi == 0.0 for layer in passed):
        return -math.inf
    return 0.5 * sum(math.log10(layer.chi) for layer in passed)


def _decades_with_shortcuts(start: Start) -> float:
    """Likewise for x + a φ(W x), with φ a rectifier and no biases.

    Of what is random δ² takes 1 + a² χ a layer: Yang & Schoenholz 2017, arXiv:1712.08969. But
    x · δ is the same in all layers, as the network is homogeneous in x (Euler): where x grows by
    the mean that its branches add up to, δ grows as much along x, from a share of 1/width.
    """
    hidden, share = layers(start), branch(start)
    drawn = math.prod(1.0 + share**2 * layer.chi for layer in hidden[1:])
    grown = hidden[-1].act_ms / hidden[0].act_ms / WIDTH
    return 0.5 * math.log10(drawn + grown)


def spread(start: Start) -> float:
    """log₁₀ of the activations' deviation in the last hidden layer over that in layer 1."""
    first, last = layers(start)[0].act_var, layers(start)[-1].act_var
    return 0.5 * math.log10(last / first) if last > 0.0 else -math.inf


def cosine(start: Start) -> float:
    """Of two examples in the last hidden layer; 1 as well where likeness in layer 1 is lost."""
    first, last = layers(start)[0].cosine, layers(start)[-1].cosine
    return 1.0 if first >= NEAR and last <= SHATTERED * first else last


def saturation(start: Start) -> float:
    """Mean share over the hidden layers."""
    return float(np.mean([layer.saturated for layer in layers(start)]))


def dead(start: Start) -> float:
    """The largest share of dead units in any layer."""
    return max(layer.dead for layer in layers(start))


def coherence(start: Start) -> float:
    """The median sign coherence of the layers that hidden layers feed."""
    return float(np.median([layer.locked for layer in layers(start)]))


def first_ratio(rate: float, deviation: float) -> float:
    """‖ΔW‖/‖W‖ of Adam's first update, which moves every weight by the learning rate.

    m̂/√v̂ = g/│g│ at the first step: Kingma & Ba 2015, arXiv:1412.6980, section 2.1.
    """
    return rate / deviation


def smallest_ratio(start: Start, rate: float) -> float:
    """At most this is ‖ΔW‖/‖W‖ of SGD's first update in the layer where it is smallest.

    ∂L/∂w is at most the root mean square of h times that of δ, and δ of the last hidden layer
    at most that of the output, 0.3 for cross-entropy at the start, times √(10 · Var W) sup│φ′│.
    """
    hidden = layers(start)
    deviation = start.gain / math.sqrt(WIDTH)
    delta = 0.3 * math.sqrt(CLASSES) * deviation * steepest(start.activation)
    inputs = [INPUTS[start.scale][0], *(layer.act_ms for layer in hidden[:-1])]
    smallest = math.inf
    for layer, square in zip(reversed(hidden), reversed(inputs), strict=True):
        delta = delta if layer is hidden[-1] else delta * math.sqrt(layer.chi)
        smallest = min(smallest, rate * math.sqrt(square) * delta / deviation)
    return smallest

"""The signal on its way forward through a wide network, layer by layer.

What a layer reads is known by three numbers, means over its units: E[x²], E[x], and E[x x̃] of two
examples. Weights are drawn anew in every layer, so that z is normal with the variance
σ_w² E[x²] + Var b; the norms are those of `vgrad.norm` in the limit of many units and examples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from vgrad.meanfield.phi import Phi
from vgrad.meanfield.scale import Scale
from vgrad.norm import EPS
from vgrad.parts.activations import ACTIVATIONS
from vgrad.parts.models import Architecture

_SELU = ACTIVATIONS["selu"].settings
SELU_FLOOR = -_SELU["scale"] * _SELU["alpha"]  # −λα, what alpha-dropout sets to
ROUNDING = 1e-12  # relative


@dataclass(frozen=True)
class Signal:
    """What a layer reads: E[x²], E[x] and, for two examples, E[x x̃]."""

    square: float
    mean: float
    overlap: float


@dataclass(frozen=True)
class Passed:
    """One hidden layer as the signal goes through it.

    Attributes:
        reads, gives: what comes in, and what the next layer reads.
        scale: of its parameters.
        preact_ms: E[z²].
        preact_mean: E[z].
        preact_c: the correlation of two examples' z.
        act_mean, act_ms, act_overlap: E[h], E[h²] and, for two examples, E[h h̃].
        gate_ms: E[φ′²], summed over the copies of each z.
        chi1: what δ² takes on its way back through the layer's weights and gates, by them alone.
        norm_before, norm_after: what a norm divides mean squares by; 1 without.
    """

    reads: Signal
    gives: Signal
    scale: Scale
    preact_ms: float
    preact_mean: float
    preact_c: float
    act_mean: float
    act_ms: float
    act_overlap: float
    gate_ms: float
    chi1: float
    norm_before: float = 1.0
    norm_after: float = 1.0

    @property
    def correlation(self) -> float | None:
        """Of the h of two examples, the mean cosine; None where h is 0."""
        if not 0.0 < self.act_ms < math.inf:
            return None
        return self.act_overlap / self.act_ms


def go_forward(
    phi: Phi, signal: Signal, scales: Sequence[Scale], plan: Architecture, *, equalised: bool
) -> list[Passed]:
    """The hidden layers, from the first on.

    Args:
        phi: the activation.
        signal: the inputs.
        scales: of each layer's parameters.
        plan: what stands between the layers.
        equalised: whether every layer's weights are then scaled to Var z = 1 (lsuv).
    """
    found: list[Passed] = []
    branches = plan.branches(len(scales))
    share = len(branches) ** -0.5 if branches and plan.shortcut.kind == "scaled" else 1.0
    starts: dict[int, Signal] = {}
    for layer, scale in enumerate(scales):
        if any(branch.start == layer for branch in branches):
            starts[layer] = signal
        if equalised and signal.square > 0.0:
            scale = replace(scale, sigma_w2=1.0 / signal.square)
        passed = step(phi, signal, scale, plan)
        for branch in branches:
            if branch.stop - 1 == layer:
                gives = _joined(starts[branch.start], passed.gives, share)
                passed = replace(passed, gives=gives)
        found.append(passed)
        signal = passed.gives
    return found


def step(phi: Phi, reads: Signal, scale: Scale, plan: Architecture) -> Passed:
    """One layer; what shortcuts add to it is not in it."""
    var = scale.sigma_w2 * reads.square + scale.bias_var
    overlap = scale.sigma_w2 * reads.overlap + scale.bias_var
    mean, before, after = scale.bias_mean, 1.0, 1.0
    if plan.norm != "none" and plan.norm_at == "before":
        var, mean, overlap, before = _normed(plan.norm, var, mean, overlap)
    phi = phi.about(mean)
    phi.learn(var)
    act_ms, gate_ms = phi.act_ms(var), phi.gate_ms(var)
    act_mean = _unless_rounding(phi.act_mean(var), math.sqrt(act_ms))
    c = min(1.0, max(-1.0, overlap / var)) if 0.0 < var < math.inf else 1.0
    act_overlap = _unless_rounding(phi.act_overlap(var, c), act_ms)
    gives = Signal(act_ms, act_mean, act_overlap)
    if plan.norm != "none" and plan.norm_at == "after":
        spread = act_ms - act_mean**2
        rest = act_overlap - act_mean**2
        spread, act_mean_, rest, after = _normed(plan.norm, spread, act_mean, rest)
        gives = Signal(spread + act_mean_**2, act_mean_, rest + act_mean_**2)
    gives = _dropped(gives, plan)
    own = (var + mean**2, mean, c, act_mean, act_ms, act_overlap, gate_ms * phi.copies)
    chi1 = scale.sigma_w2 * gate_ms
    return Passed(reads, gives, scale, *own, chi1, norm_before=before, norm_after=after)


def _unless_rounding(value: float, size: float) -> float:
    """0 for what is nothing beside its terms, as the mean of an odd φ, some 1e-17 by quadrature."""
    return 0.0 if abs(value) < ROUNDING * size else value


def _dropped(gives: Signal, plan: Architecture) -> Signal:
    """After dropout, whose masks differ between examples; the alpha form: a (m h + (1 − m) α′) + b.

    Srivastava et al. 2014, JMLR 15:1929; Klambauer et al. 2017, arXiv:1706.02515.
    """
    if not plan.alpha_dropout:
        return replace(gives, square=gives.square / (1.0 - plan.dropout))
    kept, lost, floor = 1.0 - plan.alpha_dropout, plan.alpha_dropout, SELU_FLOOR
    a = (kept + floor**2 * kept * lost) ** -0.5
    b = -a * floor * lost
    inner = kept * gives.mean + lost * floor
    square = kept * gives.square + lost * floor**2
    overlap = kept**2 * gives.overlap + 2.0 * kept * lost * floor * gives.mean + (lost * floor) ** 2
    rest = 2.0 * a * b * inner + b**2
    return Signal(a**2 * square + rest, a * inner + b, a**2 * overlap + rest)


def masked(plan: Architecture) -> float:
    """E[m²] of what dropout multiplies activations by, and so their errors; 1 without."""
    if plan.alpha_dropout:
        return float(1.0 / (1.0 + SELU_FLOOR**2 * plan.alpha_dropout))
    return 1.0 / (1.0 - plan.dropout)


def _normed(
    kind: str, var: float, mean: float, overlap: float
) -> tuple[float, float, float, float]:
    """Variance, mean and covariance of two examples after a norm, and what it divides by.

    Layer norm takes the mean over the units away, batch norm what all examples of a unit have in
    common (Yang et al. 2019, arXiv:1902.08129), RMS norm nothing.
    """
    if kind == "rms":
        size = var + mean**2 + EPS
        return var / size, mean / math.sqrt(size), overlap / size, size
    if kind == "batch":
        own = max(0.0, var - overlap)
        return own / (own + EPS), 0.0, 0.0, own + EPS
    return var / (var + EPS), 0.0, overlap / (var + EPS), var + EPS


def _joined(start: Signal, branch: Signal, share: float) -> Signal:
    """x + a y of a shortcut and its branch: y's weights know nothing of x, but both have a mean.

    Yang & Schoenholz 2017, arXiv:1712.08969.
    """
    both = 2.0 * share * start.mean * branch.mean
    return Signal(
        start.square + both + share**2 * branch.square,
        start.mean + share * branch.mean,
        start.overlap + both + share**2 * branch.overlap,
    )

"""The signal on its way forward through a wide network, layer by layer.

What a layer reads is known by three numbers, means over its units: E[x²], E[x], and E[x x̃] of two
examples. Weights are drawn anew in every layer, so that z is normal with the variance
σ_w² E[x²] + Var b; the norms are those of `vgrad.norm` in the limit of many units and examples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from vgrad.norm import EPS
from vgrad.parts.models import Architecture
from vgrad.theory.phi import Phi
from vgrad.theory.scale import Scale


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
        act_mean, act_ms, act_overlap: E[h], E[h²] and, for two examples, E[h h̃].
        gate_ms: E[φ′²].
        norm_before, norm_after: what a norm divides mean squares by; 1 without.
    """

    reads: Signal
    gives: Signal
    scale: Scale
    preact_ms: float
    act_mean: float
    act_ms: float
    act_overlap: float
    gate_ms: float
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
        passed = _pass(phi, signal, scale, plan)
        for branch in branches:
            if branch.stop - 1 == layer:
                gives = _joined(starts[branch.start], passed.gives, share)
                passed = replace(passed, gives=gives)
        found.append(passed)
        signal = passed.gives
    return found


def _pass(phi: Phi, reads: Signal, scale: Scale, plan: Architecture) -> Passed:
    var = scale.sigma_w2 * reads.square + scale.bias_var
    overlap = scale.sigma_w2 * reads.overlap + scale.bias_var
    mean, before, after = scale.bias_mean, 1.0, 1.0
    if plan.norm != "none" and plan.norm_at == "before":
        var, mean, overlap, before = _normed(plan.norm, var, mean, overlap)
    phi = phi.about(mean)
    act_mean, act_ms, gate_ms = phi.act_mean(var), phi.act_ms(var), phi.gate_ms(var)
    c = min(1.0, max(-1.0, overlap / var)) if 0.0 < var < math.inf else 1.0
    act_overlap = phi.act_overlap(var, c)
    gives = Signal(act_ms, act_mean, act_overlap)
    if plan.norm != "none" and plan.norm_at == "after":
        spread = act_ms - act_mean**2
        rest = act_overlap - act_mean**2
        spread, act_mean_, rest, after = _normed(plan.norm, spread, act_mean, rest)
        gives = Signal(spread + act_mean_**2, act_mean_, rest + act_mean_**2)
    gives = replace(gives, square=gives.square / (1.0 - plan.dropout))
    own = (var + mean**2, act_mean, act_ms, act_overlap, gate_ms)
    return Passed(reads, gives, scale, *own, norm_before=before, norm_after=after)


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

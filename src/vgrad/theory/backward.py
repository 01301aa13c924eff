"""The error signal on its way back, as logarithms: δ² of a deep network leaves every float.

δ²_l = δ²_{l+1} · fan_out · E[W²] · E[φ′²]: the sum over the units of layer l + 1 has fan_out terms,
whatever the fan-in (Glorot & Bengio 2010; Schoenholz et al. 2017, arXiv:1611.01232, eq. 9). Weights
are taken to be independent of the error that comes back through them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vgrad.parts.models import Architecture
from vgrad.theory.forward import Passed, Signal, masked


@dataclass(frozen=True)
class Fans:
    """Inputs and pre-activations of one layer, and its fan_out · E[W²]."""

    fan_in: int
    fan_out: int
    backward: float


@dataclass(frozen=True)
class Returned:
    """ln δ² of a layer's z, and ln ‖∂L/∂W‖², both up to the same constant in all layers."""

    delta: float
    gradient: float


def go_back(
    passed: Sequence[Passed], last: Signal, fans: Sequence[Fans], plan: Architecture
) -> list[Returned]:
    """Every layer, the output layer last; its δ² is 1.

    ‖∂L/∂W‖² is fan_in E[x²] · fan_out δ², with examples whose errors are not alike.

    Args:
        passed: the hidden layers.
        last: what the output layer reads.
        fans: of every layer, the output layer last.
        plan: what stands between the layers.
    """
    depth = len(passed)
    branches = plan.branches(depth)
    share = -math.log(len(branches)) if branches and plan.shortcut.kind == "scaled" else 0.0
    found = [Returned(0.0, _gradient(fans[-1], last, 0.0))]
    coming, skipped = _log(fans[-1].backward), -math.inf
    for layer in reversed(range(depth)):
        one = passed[layer]
        if any(branch.stop - 1 == layer for branch in branches):
            skipped, coming = coming, coming + share
        coming += math.log(masked(plan)) - math.log(one.norm_after)
        delta = coming + _log(one.gate_ms)
        error = delta - math.log(one.norm_before)
        found.append(Returned(delta, _gradient(fans[layer], one.reads, error)))
        coming = error + _log(fans[layer].backward)
        if any(branch.start == layer for branch in branches):
            coming = _sum(coming, skipped)
    return found[::-1]


def _gradient(fans: Fans, reads: Signal, error: float) -> float:
    return math.log(fans.fan_in) + math.log(fans.fan_out) + _log(reads.square) + error


def _sum(a: float, b: float) -> float:
    """ln(eᵃ + eᵇ)."""
    top, low = max(a, b), min(a, b)
    return top if math.isinf(top) else top + math.log1p(math.exp(low - top))


def _log(x: float) -> float:
    return math.log(x) if x > 0.0 else -math.inf if x == 0.0 else math.nan

"""The critical point of an activation, and the gains that have a meaning of their own.

At the critical point χ₁(q*) = 1 (the edge of chaos, Poole et al. 2016, arXiv:1606.05340; Hayou et
al. 2019, arXiv:1902.06853). With σ_w² = 1/E[φ′²] put in, q* = σ_w² E[φ²] + σ_b² is an equation in
q alone: every critical point at this σ_b is found, however many there are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from vgrad.meanfield.fixed_point import EQUAL
from vgrad.meanfield.phi import Phi
from vgrad.meanfield.roots import changes, root
from vgrad.phrases import number

GRID = [10.0 ** (power / 5.0) for power in range(-40, 41)]  # lengths that are looked at
SMALL = [10.0**power for power in range(-6, 7)]  # those that tell what becomes of a small one
LARGEST = 10.0  # σ_w: beyond it gates are all but shut, and no one draws such weights


@dataclass(frozen=True)
class Critical:
    """Where σ_w puts a network on the edge of chaos; None, with the reason, where nothing does.

    Attributes:
        sigma_w: σ_w = √(fan_in · Var W).
        sigma_b: the σ_b that was kept.
        q: q* there; 0 where the point is the limit q → 0.
        why: where it lies, or why there is none.
    """

    sigma_w: float | None
    sigma_b: float
    q: float | None
    why: str


@dataclass(frozen=True)
class Gains:
    """Values of σ_w, and the χ₁ that goes with one of them.

    Attributes:
        preserves_q1: 1/√E[φ²] at q = 1: without biases, q = 1 is kept.
        chi1_at_q1: χ₁ at q = 1 with that gain.
        critical_at_origin: the gain with χ₁ = 1 as q → 0.
    """

    preserves_q1: float | None
    chi1_at_q1: float | None
    critical_at_origin: float | None


def gains(phi: Phi) -> Gains:
    """The gains of an activation, None for those that it does not have."""
    square, gate, origin = phi.act_ms(1.0), phi.gate_ms(1.0), phi.gate_ms(0.0)
    known = 0.0 < square < math.inf
    return Gains(
        1.0 / math.sqrt(square) if known else None,
        gate / square if known else None,
        1.0 / math.sqrt(origin) if origin > EQUAL else None,
    )


def critical(
    phi: Phi, sigma_b: float, square: float = 1.0, *, largest: float = LARGEST
) -> Critical:
    """The critical point at some σ_b; of several stable ones that with the smallest q*.

    Args:
        phi: the activation; where its z have a mean, that is the constant part of the biases.
        sigma_b: √E[b²].
        square: E[x²] of the inputs, for an activation that keeps every length.
        largest: σ_w beyond which a point is out of reach.
    """
    bias_var = max(0.0, sigma_b**2 - phi.mean**2)
    if bias_var == 0.0 and phi.at_origin == 0.0 and phi.gate_ms(0.0) > EQUAL:
        sigma_w = 1.0 / math.sqrt(phi.gate_ms(0.0))
        trend = _trend(phi, sigma_w)
        if trend == 0:
            why = "every length is kept there"
            return Critical(sigma_w, sigma_b, sigma_w**2 * square, why)
        if trend < 0:
            return Critical(sigma_w, sigma_b, 0.0, "q* = 0 there: lengths shrink, ever more slowly")
    found = []
    for sigma_w, v, dq in _points(phi, bias_var):
        if abs(dq) < 1.0 and sigma_w <= largest:
            return Critical(sigma_w, sigma_b, v + phi.mean**2, "q* is stable there")
        found.append((sigma_w, v, dq))
    stable = [(sigma_w, v) for sigma_w, v, dq in found if abs(dq) < 1.0]
    return Critical(None, sigma_b, None, _why_none(phi, found, stable, biased=sigma_b > 0.0))


def _points(phi: Phi, bias_var: float) -> Iterator[tuple[float, float, float]]:
    """σ_w, the variance of z and dq where χ₁ = 1 at a fixed point above 0, smaller ones first."""

    def excess(v: float) -> float:
        phi.learn(v)
        gate = phi.gate_ms(v)
        if gate <= 0.0:
            return math.nan
        found = (phi.act_ms(v) / gate + bias_var) / v - 1.0
        return 0.0 if abs(found) <= EQUAL else found

    for one, other in changes(excess, GRID):
        v = math.exp(root(lambda x: excess(math.exp(x)), math.log(one), math.log(other)))
        sigma_w2 = 1.0 / phi.gate_ms(v)
        yield math.sqrt(sigma_w2), v, sigma_w2 * phi.growth(v)


def _trend(phi: Phi, sigma_w: float) -> int:
    """Whether lengths near 0 shrink (−1), grow (1) or, like all others, are kept (0)."""
    for v in SMALL:
        change = sigma_w**2 * phi.act_ms(v) / v - 1.0
        if abs(change) > EQUAL:
            return -1 if change < 0.0 else 1
    return 0


def _why_none(
    phi: Phi,
    found: list[tuple[float, float, float]],
    stable: list[tuple[float, float]],
    *,
    biased: bool,
) -> str:
    if stable:
        sigma_w, v = stable[0]
        words = (
            f"χ₁ = 1 only at σ_w = {number(sigma_w, 5)}, q = {number(v + phi.mean**2, 3)}, which "
            "is out of reach: gates are nearly shut there"
        )
    elif found:
        words = (
            f"at σ_w = {number(found[0][0], 5)}, where χ₁ = 1, q* is not stable: lengths a little "
            "smaller shrink away from it and larger ones grow"
        )
    elif phi.at_origin == 0.0 and (origin := gains(phi).critical_at_origin) is not None:
        words = (
            f"χ₁ = 1 only as q → 0, at σ_w = {number(origin, 5)}, where lengths grow away from 0; "
            "with smaller weights they die out"
        )
    else:
        words = "χ₁ is below 1 wherever the length settles"
    gain = gains(phi.about(0.0)).preserves_q1
    where = "without biases " if biased else ""
    return words if gain is None else f"{words}; {where}σ_w = {number(gain, 5)} keeps q = 1"

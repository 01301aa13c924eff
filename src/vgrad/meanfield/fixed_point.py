"""Where the length and the correlation settle in a deep network, and how fast they do.

Poole et al. 2016, arXiv:1606.05340: q ↦ σ_w² E[φ(√q z)²] + σ_b², c ↦ (σ_w² E[φ(u₁) φ(u₂)] + σ_b²)
/ q*. Schoenholz et al. 2017, arXiv:1611.01232: distances from q* and c* shrink by dq and χ_c a
layer, and the square of the error signal takes the factor χ₁, so that the depth scales are
ξ = 1/│ln dq│, 1/│ln χ_c│ and 1/│ln χ₁│.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from vgrad.meanfield.phi import FAR, ORIGIN, Phi
from vgrad.meanfield.roots import changes, root
from vgrad.meanfield.scale import Scale

EQUAL = 1e-11  # relative: what quadrature does not tell apart
OCTAVES = (*range(20), *range(20, 81, 4))  # where a fixed point is looked for, up and down
NEAR_ONE = 1e-7  # how near c* comes to 1 before it counts as 1


@dataclass(frozen=True)
class FixedPoint:
    """Where a deep network of one scale ends up.

    Attributes:
        q: E[z²]; 0 where the signal dies out, infinite where it grows for ever.
        c: the correlation of two examples' z.
        chi1: χ₁ = σ_w² E[φ′²], the factor that δ² takes on its way back through a layer.
        chi_c: χ_c = σ_w² E[φ′(u₁) φ′(u₂)] at c*, the factor of distances from c*; where q is
            infinite, that of the correlation itself. None where it is not known.
        dq: dq_{l+1}/dq_l at q*, the factor of distances from q*.
    """

    q: float
    c: float
    chi1: float
    chi_c: float | None
    dq: float


def length(phi: Phi, scale: Scale, v: float) -> float:
    """The variance of z in the next layer, σ_w² E[φ²] + Var b."""
    return scale.sigma_w2 * phi.act_ms(v) + scale.bias_var


def settle(phi: Phi, scale: Scale, start: float, kept: float = 1.0) -> FixedPoint:
    """The fixed point that a network reaches whose first layer has the variance `start`.

    It is the nearest one in the direction in which the length map goes from there; a length that
    is kept exactly, as by ReLU at σ_w² = 2, is its own fixed point.

    Args:
        phi: the activation.
        scale: of the parameters.
        start: where the way begins.
        kept: the share of activations that dropout leaves, 1 without (Schoenholz et al. 2017,
            section 5: σ_w² counts 1/kept times in q and in χ₁, and once between two examples).
    """
    phi = phi.about(scale.bias_mean)
    wide = replace(scale, sigma_w2=scale.sigma_w2 / kept)
    v = _settled_length(phi, wide, start)
    at = {0.0: ORIGIN, math.inf: FAR}.get(v, v)
    chi1 = wide.sigma_w2 * phi.gate_ms(at)
    dq = wide.sigma_w2 * phi.growth(at)
    if phi.noisy or kept < 1.0:
        c, chi_c = _apart(phi, scale, at, length(phi, wide, at))
    else:
        c, chi_c = _settled_correlation(phi, scale, v, chi1)
    return FixedPoint(v + scale.bias_mean**2, c, chi1, chi_c, dq)


def _settled_length(phi: Phi, scale: Scale, start: float) -> float:
    """The variance of z far from the input; 0 or infinite where it never settles."""

    def excess(v: float) -> float:
        """By how much the map raises v, relative to it; 0 where quadrature cannot tell."""
        if v == 0.0:
            return 0.0
        found = length(phi, scale, v) / v - 1.0
        return 0.0 if abs(found) <= EQUAL else found

    if scale.sigma_w2 == 0.0:
        return scale.bias_var
    if start <= 0.0:
        start = length(phi, scale, 0.0) or ORIGIN
    if not math.isfinite(start):
        return math.inf
    direction = excess(start)
    if direction == 0.0:
        return start
    step = 2.0 if direction > 0.0 else 0.5
    points = (start * step**octave for octave in OCTAVES)
    for one, other in changes(excess, points):
        return math.exp(root(lambda x: excess(math.exp(x)), math.log(one), math.log(other)))
    return math.inf if direction > 0.0 else 0.0


def _settled_correlation(phi: Phi, scale: Scale, v: float, chi1: float) -> tuple[float, float]:
    """c* and χ_c.

    The map is convex with C(1) = 1 (its series in c has no negative term), so that below 1 it has
    no fixed point where its slope there, χ₁, is at most 1, and one where it is more.
    """
    if v == math.inf:
        return 1.0, chi1 / max(scale.sigma_w2 * phi.growth(FAR), 1e-300)
    if chi1 <= 1.0 + EQUAL or v == 0.0:
        return 1.0, chi1
    if phi.odd and scale.bias_var == 0.0:
        return 0.0, scale.sigma_w2 * phi.gate_overlap(v, 0.0)

    def rise(c: float) -> float:
        found = (scale.sigma_w2 * phi.act_overlap(v, c) + scale.bias_var) / v
        return (found - c) / (1.0 - c)

    top = 1.0 - NEAR_ONE
    if rise(top) >= 0.0:
        return 1.0, chi1
    if rise(0.0) <= 0.0:
        return 0.0, scale.sigma_w2 * phi.gate_overlap(v, 0.0)
    c = root(rise, 0.0, top, 1e-12)
    c = c if c > EQUAL else 0.0
    return c, scale.sigma_w2 * phi.gate_overlap(v, c)


def _apart(phi: Phi, scale: Scale, v: float, after: float) -> tuple[float, float]:
    """c* and χ_c where noise keeps examples apart: the map is convex and below 1 at c = 1.

    Args:
        phi: the activation.
        scale: of the parameters, without what dropout adds to lengths.
        v: the variance of z.
        after: that in the next layer.
    """
    if scale.sigma_w2 == 0.0:
        return 1.0, 0.0

    def rise(c: float) -> float:
        return (scale.sigma_w2 * phi.act_overlap(v, c) + scale.bias_var) / after - c

    def steepness(c: float) -> float:
        return scale.sigma_w2 * phi.gate_overlap(v, c) * v / after

    if rise(0.0) <= EQUAL:
        return 0.0, steepness(0.0)
    if rise(1.0) >= -EQUAL:
        return 1.0, steepness(1.0)
    c = root(rise, 0.0, 1.0, 1e-12)
    return c, steepness(c)


def depth_scale(factor: float | None) -> float | None:
    """ξ = 1/│ln factor│: the layers in which a distance changes by e; infinite at factor 1."""
    if factor is None or math.isnan(factor):
        return None
    if factor == 0.0 or math.isinf(factor):
        return 0.0
    rate = abs(math.log(abs(factor)))
    return math.inf if rate <= 10 * EQUAL else 1.0 / rate

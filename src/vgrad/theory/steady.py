"""Where a deep network with norms, or with alpha-dropout, ends up: its one layer, over and over.

Layer norm and RMS norm leave the correlation of two examples a map of its own. Batch norm takes
away what all examples share, so that z of two of them are uncorrelated, and δ² grows by
E[φ′²]/Var φ a layer: Yang et al. 2019, arXiv:1902.08129. Alpha-dropout pulls lengths towards 1.
"""

from __future__ import annotations

from collections.abc import Callable

from vgrad.meanfield.fixed_point import EQUAL, NEAR_ONE, FixedPoint
from vgrad.meanfield.phi import Phi
from vgrad.meanfield.roots import root
from vgrad.meanfield.scale import Scale
from vgrad.parts.models import Architecture
from vgrad.theory.forward import Passed, Signal, masked, step

ROUNDS = 400  # layers until lengths rest, at the most
AT_REST = 1e-12  # relative
NUDGE = 1e-4  # relative


def steady(phi: Phi, scale: Scale, plan: Architecture) -> FixedPoint | None:
    """The fixed point of hidden layers without shortcuts, from inputs of mean square 1.

    Args:
        phi: the activation.
        scale: of the parameters.
        plan: what stands between the layers.

    Returns:
        None where lengths do not come to rest.
    """
    batch = plan.norm == "batch"

    def layer(square: float, overlap: float) -> Passed:
        return step(phi, Signal(square, 0.0, overlap), scale, plan)

    square, overlap = 1.0, 0.0 if batch else 1.0
    for _ in range(ROUNDS):
        gives = layer(square, overlap).gives
        still = abs(gives.square - square) <= AT_REST * square
        square, overlap = gives.square, gives.overlap if batch else gives.square
        if still or not square > 0.0:
            break
    if not still or not square > 0.0:
        return None
    if not batch:
        overlap = _shared(lambda overlap: layer(square, overlap).gives.overlap, square)
    found = layer(square, overlap)
    factor = masked(plan) / (found.norm_before * found.norm_after)
    chi_c = None if batch else _steepness(phi, found, scale, plan)
    dq = 0.0
    if plan.norm == "none":
        up, down = (layer(s, s).gives.square for s in (square * (1 + NUDGE), square * (1 - NUDGE)))
        dq = (up - down) / (2.0 * NUDGE * square)
    return FixedPoint(found.preact_ms, found.preact_c, found.chi1 * factor, chi_c, dq)


def _steepness(phi: Phi, found: Passed, scale: Scale, plan: Architecture) -> float:
    """χ_c: dropout's masks differ between two examples, so that their mean counts for it."""
    kept = masked(plan) * (1.0 - plan.alpha_dropout) if plan.alpha_dropout else 1.0
    mean = found.preact_mean
    v = found.preact_ms - mean**2
    gate = phi.about(mean).gate_overlap(v, found.preact_c)
    return kept * scale.sigma_w2 * gate / (found.norm_before * found.norm_after)


def _shared(after: Callable[[float], float], square: float) -> float:
    """E[x x̃] that a layer keeps; of a convex map whose value at `square` is at most that."""
    if after(square) >= square * (1.0 - EQUAL):

        def rise(share: float) -> float:
            return (after(share * square) / square - share) / (1.0 - share)

        top = 1.0 - NEAR_ONE
        if rise(top) >= 0.0:
            return square
    else:
        top = 1.0

        def rise(share: float) -> float:
            return after(share * square) / square - share

    if rise(0.0) <= EQUAL:
        return 0.0
    return square * root(rise, 0.0, top, 1e-12)

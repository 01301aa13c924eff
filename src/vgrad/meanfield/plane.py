"""E[f(u₁) f(u₂)] of two normal variables with a correlation, by quadrature on both axes.

u₁ and u₂ share a part s and have a part t of their own, uᵢ = √v (√c s + √(1 − c) tᵢ), so that the
expectation is that of g(s)², g(s) = E[f(√v (√c s + √(1 − c) t))]; for c < 0 it is g(s) g(−s). Both
lines are cut at the kinks of f, so that the Gauss–Legendre nodes never see one. Where f has none
and bends little, Gauss–Hermite nodes do as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import cache

import numpy as np
import torch
from torch import Tensor

NODES, WEIGHTS = map(torch.from_numpy, np.polynomial.legendre.leggauss(12))
REACH, STEP = 9.0, 1.5  # in standard deviations; 1e-19 of the mass lies beyond
TOLERANCE = 1e-11  # of E[f²], which the same nodes must find
HERMITE = (40, 60, 90)  # nodes that are tried where f has no kinks
MOST_HALVINGS = 4
ROWS = 400_000  # numbers that are worked on at a time

Function = Callable[[Tensor], Tensor]


def overlap(f: Function, v: float, c: float, square: float, kinks: Iterable[float] = ()) -> float:
    """E[f(u₁) f(u₂)] for u₁, u₂ ~ N(0, v) with correlation c, to some 1e-11 of E[f²].

    Args:
        f: elementwise, of float64 tensors.
        v: the variance, above 0.
        c: from −1 to 1.
        square: E[f(u)²], which the nodes are tried on.
        kinks: where f or a derivative of it jumps.

    Raises:
        ArithmeticError: f turns too often for the nodes.
    """
    if c >= 1.0:
        return square
    shared, own = math.sqrt(v * abs(c)), math.sqrt(v * max(0.0, 1.0 - abs(c)))
    kinks = tuple(kinks)
    if not kinks and (found := _smooth(f, shared, own, square, mirrored=c < 0.0)) is not None:
        return found
    places = torch.tensor([0.0, *kinks], dtype=torch.float64)
    for halvings in range(MOST_HALVINGS + 1):
        s, mass = _nodes(_halved(_outer(places, shared, own, both=c < 0.0), halvings))
        s, mass = s.flatten(), mass.flatten()
        mean, power = _inner(f, shared * s, own, places, halvings)
        if not math.isfinite(square) or not torch.isfinite(mean).all():
            return math.nan
        if abs(float(mass @ power) - square) <= TOLERANCE * square:
            other = mean.flip(0) if c < 0.0 else mean  # the nodes lie evenly about 0
            return float(mass @ (mean * other))
    raise ArithmeticError(f"no expectation found after {MOST_HALVINGS} halvings")


def _smooth(
    f: Function, shared: float, own: float, square: float, *, mirrored: bool
) -> float | None:
    """By Gauss–Hermite nodes on both axes, much quicker; None unless more of them change nothing.

    Nor may they miss E[f²], in which a feature shows that is too narrow for all of them.
    """
    before = math.nan
    for count in HERMITE:
        x, mass = _hermite(count)
        values = _of(f, shared * x[:, None] + own * x)
        mean = values @ mass
        found = float(mass @ (mean * (mean.flip(0) if mirrored else mean)))
        power = float(mass @ values.square() @ mass)
        if max(abs(found - before), abs(power - square)) <= TOLERANCE * square:
            return found
        before = found
    return None


@cache
def _hermite(count: int) -> tuple[Tensor, Tensor]:
    """Nodes and their mass under N(0, 1)."""
    x, weight = np.polynomial.hermite_e.hermegauss(count)
    return torch.from_numpy(x), torch.from_numpy(weight / weight.sum())


def _outer(places: Tensor, shared: float, own: float, *, both: bool) -> Tensor:
    """Where the line of s is cut: g bends about the kinks within `own`, about 0 within 1."""
    if shared == 0.0:
        return _base()
    near = torch.cat([_around(float(place), min(own, 0.5), shared) for place in places])
    cuts = torch.cat([places, near]) / shared
    if both:
        cuts = torch.cat([cuts, -cuts])
    return torch.cat([_base(), cuts[cuts.abs() < REACH]]).sort().values


def _around(place: float, width: float, scale: float) -> Tensor:
    """Points about a place, ever farther apart, as far as they matter."""
    least = 1e-4 * scale
    rounds = max(0, math.ceil(math.log(REACH * scale / max(width, least), 3.0)))
    far = max(width, least) * 3.0 ** torch.arange(rounds, dtype=torch.float64)
    return torch.cat([place - far, place + far])


def _inner(
    f: Function, centres: Tensor, own: float, places: Tensor, halvings: int
) -> tuple[Tensor, Tensor]:
    """E[f(u)] and E[f(u)²] over t for u = centre + own · t, of each centre."""
    if own == 0.0:
        values = _of(f, centres)
        return values, values.square()
    bends = places
    if own > 0.5:  # the width of f itself shows within that of t
        bends = torch.cat([places, _around(0.0, 0.5, own)])
    cuts = ((bends - centres[:, None]) / own).clamp(-REACH, REACH)
    edges = torch.cat([_base().expand(len(centres), -1), cuts], 1).sort(1).values
    edges = _halved(edges, halvings)
    count = max(1, ROWS // (edges.shape[1] * len(NODES)))
    found = []
    for part, centre in zip(torch.split(edges, count), torch.split(centres, count), strict=True):
        t, mass = _nodes(part)
        values = _of(f, centre[:, None, None] + own * t)
        weighed = values * mass
        found.append(torch.stack([weighed.sum((1, 2)), (weighed * values).sum((1, 2))]))
    mean, power = torch.cat(found, 1)
    return mean, power


def _of(f: Function, u: Tensor) -> Tensor:
    with torch.no_grad():
        return f(u.flatten()).view_as(u)


def _base() -> Tensor:
    return torch.arange(-REACH, REACH + STEP / 2, STEP, dtype=torch.float64)


def _halved(edges: Tensor, times: int) -> Tensor:
    """The edges with each piece cut in two, so many times."""
    for _ in range(times):
        middle = (edges[..., 1:] + edges[..., :-1]) / 2.0
        edges = torch.cat([edges, middle], -1).sort(-1).values
    return edges


def _nodes(edges: Tensor) -> tuple[Tensor, Tensor]:
    """The nodes of every piece and their mass under N(0, 1), [… pieces, nodes]."""
    half = ((edges[..., 1:] - edges[..., :-1]) / 2.0)[..., None]
    x = (edges[..., :-1, None] + half) + half * NODES
    return x, torch.exp(-0.5 * x.square()) / math.sqrt(2.0 * math.pi) * half * WEIGHTS

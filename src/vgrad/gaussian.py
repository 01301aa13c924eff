"""Expectations over a normal variable, by quadrature, and the gain that keeps E[h²] = 1.

Gauss–Hermite nodes are of no use here: one kink, as in ReLU, costs them percents. So the line is
cut at the kinks, and each piece is halved until Gauss–Legendre nodes agree on it with its halves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vgrad.errors import ConfigError
from vgrad.parts.activations import kinks
from vgrad.registry import Entry

NODES, WEIGHTS = map(torch.from_numpy, np.polynomial.legendre.leggauss(20))
REACH = 16.0  # standard deviations: 1e-57 of the mass lies beyond
TOLERANCE = 1e-13  # of E|f|, for each piece
MOST_PIECES = 100_000

_gains: dict[Hashable, float] = {}


def expect(f: Callable[[Tensor], Tensor], q: float = 1.0, kinks: Iterable[float] = ()) -> float:
    """E[f(z)] for z ~ N(0, q), to some 1e-12 of E|f(z)|.

    Args:
        f: elementwise, of a float64 tensor of one dimension. Around 0 features as narrow as 1e-6
            are seen, elsewhere those of 0.1 standard deviations.
        q: the variance of z; at 0, E[f(z)] = f(0).
        kinks: where f or a derivative of it jumps.

    Returns:
        The expectation; infinite or NaN where f is so within 16 standard deviations.

    Raises:
        ArithmeticError: f turns too often for 100,000 pieces.
    """
    return expect_each(lambda z: f(z)[None], q, kinks)[0]


def expect_each(
    f: Callable[[Tensor], Tensor], q: float = 1.0, kinks: Iterable[float] = ()
) -> list[float]:
    """E of several functions at once, as `expect` finds that of one.

    Args:
        f: elementwise, [n] → [K, n], the values of K functions.
        q: the variance of z.
        kinks: where one of them or a derivative jumps.

    Raises:
        ArithmeticError: they turn too often for 100,000 pieces.
    """
    scale = math.sqrt(q)
    if scale == 0.0:
        return [float(x) for x in f(torch.zeros(1, dtype=torch.float64))[:, 0]]
    edges = _edges(scale, kinks)
    left, right = edges[:-1], edges[1:]
    terms = _terms(f, scale, left, right)
    whole, tolerance = terms.sum(2), TOLERANCE * terms.abs().sum((1, 2))
    total = torch.where(tolerance.isfinite(), 0.0, whole.sum(1))
    while len(left):
        if len(left) > MOST_PIECES:
            raise ArithmeticError(f"no expectation found with {MOST_PIECES} pieces")
        middle = (left + right) / 2.0
        left, right = torch.stack([left, middle]), torch.stack([middle, right])
        halves = _terms(f, scale, left.flatten(), right.flatten()).sum(2)
        halves = halves.view(len(whole), *left.shape)
        better = halves.sum(1)
        wide = (better - whole).abs() > tolerance[:, None]
        rest = (wide & tolerance.isfinite()[:, None]).any(0)
        found = better[:, ~rest].sum(1)
        total = torch.where(tolerance.isfinite(), total + found, total)
        left, right = left[:, rest].flatten(), right[:, rest].flatten()
        whole = halves[:, :, rest].flatten(1)
    return [float(x) for x in total]


def gain(entry: Entry, settings: Mapping[str, Any]) -> float:
    """1/√E[h²] for z ~ N(0, 1): weights of that gain keep E[h²] = 1 from layer to layer.

    Args:
        entry: an activation.
        settings: those of the run; kept by name and settings, so that it is computed once.

    Raises:
        ConfigError: there is no such gain, or it is not known.
    """
    own = entry.own(settings)
    key = (entry.name, entry.function, *sorted(own.items()))
    if key not in _gains:
        _gains[key] = 1.0 / math.sqrt(_mean_square(entry, own))
    return _gains[key]


def _mean_square(entry: Entry, settings: Mapping[str, Any]) -> float:
    """E[h²] for z ~ N(0, 1), as the entry states it, or by quadrature.

    Raises:
        ConfigError: it is 0, not finite, or not known.
    """
    if entry.mean_square is not None:
        value = float(entry.mean_square(**settings))
    elif entry.elementwise:
        places = kinks(entry, settings)
        try:
            value = expect(lambda z: entry.function(z, **settings).square(), 1.0, places)
        except ArithmeticError:
            raise _no_gain(entry, settings, "varies too fast for E[h²] to be computed") from None
    else:
        raise _no_gain(entry, settings, "is not elementwise, and its E[h²] is not known")
    if not 0.0 < value < math.inf:
        raise _no_gain(entry, settings, f"has E[h²] = {value:g} at E[z²] = 1")
    return value


def _no_gain(entry: Entry, settings: Mapping[str, Any], why: str) -> ConfigError:
    name = " ".join(
        [f"activation={entry.name}", *(f"activation.{key}={settings[key]}" for key in settings)]
    )
    return ConfigError(f"init.gain=auto has no answer: {name} {why}. Write init.gain=NUMBER.")


def _edges(scale: float, kinks: Iterable[float]) -> Tensor:
    """Where the line is cut, in standard deviations: ever finer towards 0, where φ bends."""
    finest = 10 + max(0, math.ceil(math.log(scale, 4.0)))  # 1e-6, whatever the scale
    fine = torch.arange(1, finest + 1, dtype=torch.float64).neg().exp2().square()
    cuts = torch.tensor([kink / scale for kink in kinks], dtype=torch.float64)
    whole = torch.arange(-REACH, REACH + 1.0, dtype=torch.float64)
    return torch.cat([whole, fine, -fine, cuts[cuts.abs() < REACH]]).sort().values


def _terms(f: Callable[[Tensor], Tensor], scale: float, left: Tensor, right: Tensor) -> Tensor:
    """The terms, [K, pieces, nodes], whose sums are the integrals of f times the density of z."""
    half = ((right - left) / 2.0)[:, None]
    x = (left[:, None] + half) + half * NODES
    density = torch.exp(-0.5 * x.square()) / math.sqrt(2.0 * math.pi)
    with torch.no_grad():
        values = f((scale * x).flatten()).view(-1, *x.shape)
    return values * density * half * WEIGHTS

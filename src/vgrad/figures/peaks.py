"""Two peaks: how far a distribution is from every one that has a single peak, from its quantiles.

A mean and a variance cannot tell units at 0 and at 1 from units about 0.5.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from vgrad.figures.scale import Numbers

LEAST = 0.05
"""The dip from which two peaks are spoken of: then the smaller has a tenth of the values or more.

Of samples of 64 values that are spread evenly 1 in 30 has such a dip by chance, of normal ones
less than 1 in 1,000.
"""
KNOTS = 17  # quantiles that are looked at, at most
LARGEST = 0.25  # of all dips
HALVINGS = 12
AT_ONCE = 256  # distributions

Flags = NDArray[np.bool_]


def has_two(quantiles: Numbers) -> Flags:
    """Which distributions [N, Q] have two peaks, [N]."""
    with np.errstate(invalid="ignore"):
        return np.asarray(dip(quantiles) >= LEAST)


def dip(quantiles: Numbers) -> Numbers:
    """How far each distribution is from the nearest one with a single peak.

    It is the dip of J. A. Hartigan & P. M. Hartigan 1985, The Annals of Statistics 13(1):70: the
    largest distance between a distribution function F and the nearest unimodal one, G: 0 for a
    single peak (a spike counts as one), 1/4 for two spikes of half the values each. G is convex up
    to its peak and concave from there on. The distance is found by halving an interval: for each
    distance and each peak there is a G if its convex part and its concave part can meet.

    Args:
        quantiles: evenly spaced, from the smallest value to the largest, [N, Q]; between them F
            is taken to be linear, and equal ones to be a jump.

    Returns:
        [N], to 1e-4; NaN where a quantile is not finite.
    """
    every = quantiles[:, :: max(1, (quantiles.shape[-1] - 1) // (KNOTS - 1))]
    known = np.isfinite(quantiles).all(-1)
    parts = np.array_split(every[known], -(-len(every) // AT_ONCE) or 1)
    found = np.full(len(quantiles), np.nan)
    found[known] = np.concatenate([_dip(np.maximum.accumulate(part, -1)) for part in parts])
    return found


def _dip(values: Numbers) -> Numbers:
    """The dips of distributions in order, [N, Q] → [N]."""
    there, back = _Rise(values), _Rise(-values[:, ::-1])
    low, high = np.zeros(len(values)), np.full(len(values), LARGEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        # The concave part, looked at from the other end, is a convex part that rises from 1 − F.
        fits = (there.ends(middle) + back.ends(middle)[:, ::-1] <= 1).any(1)
        low, high = np.where(fits, low, middle), np.where(fits, middle, high)
    return high


class _Rise:
    """The convex parts of functions near distribution functions F, up to each of the quantiles."""

    def __init__(self, values: Numbers) -> None:
        count = values.shape[-1]
        self._shares = np.linspace(0.0, 1.0, count)
        self._first = (values[:, :, None] == values[:, None]).argmax(-1)  # of those that are equal
        self._left, self._right = np.array([*combinations(range(count), 2)]).T
        gap = values[:, self._right] - values[:, self._left]
        beyond = values[:, :, None] - values[:, None, self._right]
        usable = (self._right <= self._first[..., None]) & (gap > 0)[:, None]
        with np.errstate(all="ignore"):
            self._along = np.where(usable, beyond / gap[:, None], np.nan)  # [N, Q, pairs]
        self._excess = np.take_along_axis(_excess(values, self._shares), self._first, -1)

    def ends(self, distance: Numbers) -> Numbers:
        """The least that a convex G may be at each quantile, [N, Q]; infinite where there is none.

        A line from F + d to F − d further right is the flattest way there, and G rises no slower
        beyond it.

        Args:
            distance: d [N], that no G may be further than from F.
        """
        d = distance[:, None, None]
        rise = (self._shares[self._right] - self._shares[self._left]) - 2 * d
        reached = self._shares[self._right] - d + rise * self._along
        least = np.fmax.reduce(reached, axis=-1)
        at_least = self._shares[self._first] - distance[:, None]
        return np.where(self._excess > 2 * distance[:, None], np.inf, np.fmax(least, at_least))


def _excess(values: Numbers, shares: Numbers) -> Numbers:
    """By how much F rises above its chords, all those up to each quantile, [N, Q]."""
    left, middle, right = np.array([*combinations(range(values.shape[-1]), 3)]).T
    begin = values[:, left]
    span, part = values[:, right] - begin, values[:, middle] - begin
    along = np.divide(part, span, out=np.zeros_like(part), where=span > 0)
    chord = shares[left] + (shares[right] - shares[left]) * along
    excess = np.where(span > 0, shares[middle] - chord, 0.0)
    found = np.zeros(values.shape[::-1])
    np.maximum.at(found, right, excess.T)
    return np.maximum.accumulate(found.T, axis=-1)

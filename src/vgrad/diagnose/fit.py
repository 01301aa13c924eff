"""The straight line through log₁₀ δ over the layers, with an interval that fits such data."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from vgrad.diagnose.finding import Slope
from vgrad.diagnose.summary import is_size

ROUNDING = 1e-12  # of the mean square of log₁₀ δ about its mean: all δ are equal
FEWEST = 4  # points for an interval: two increments leave it a degree of freedom too few


def fit(deltas: Sequence[float | None]) -> Slope:
    """The slope of log₁₀ δ from the output towards the input, in decades per layer.

    δ of a layer is δ of the next one times a random factor, so that log₁₀ δ is a random walk: its
    errors add up, and the usual interval of least squares, which takes them for independent,
    would be several times too narrow. The slope is a weighted sum of the walk's increments,
    Σ wⱼ eⱼ with wⱼ = Σ_{i ≥ j} cᵢ and cᵢ = (xᵢ − x̄) / Σ (x − x̄)²; its variance is
    Var e · Σ wⱼ², and the interval is Student's with as many degrees of freedom as there are
    increments but one.

    Args:
        deltas: of the hidden layers, from layer 1 on. Those that are zero, infinite, NaN or null
            are left out.
    """
    points = [(layer, math.log10(delta)) for layer, delta in enumerate(deltas, 1) if is_size(delta)]
    if len(points) < 2:
        return Slope()
    x, y = np.array(points, dtype=float).T
    weights = (x - x.mean()) / np.square(x - x.mean()).sum()
    slope = float(weights @ y)
    spread = float(np.square(y - y.mean()).sum())
    rest = float(np.square(y - y.mean() - slope * (x - x.mean())).sum())
    told = len(points) > 2 and spread >= ROUNDING * len(y)  # through two points every line fits
    r2 = max(0.0, 1 - rest / spread) if told else None
    if len(points) < FEWEST:
        return Slope(0.0 - slope, r2=r2)
    increments, gaps = np.diff(y), np.diff(x)
    unexplained = (increments - slope * gaps) / np.sqrt(gaps)
    sigma2 = float(np.square(unexplained).sum()) / (len(unexplained) - 1)
    shares = np.cumsum(weights[::-1])[::-1][1:]  # wⱼ
    error = math.sqrt(sigma2 * float(np.sum(np.square(shares) * gaps)))
    half = float(stdtrit(len(unexplained) - 1, 0.975)) * error
    return Slope(0.0 - slope, -slope - half, -slope + half, r2)

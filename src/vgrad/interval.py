"""Intervals: what some seeds say of all seeds.

Below ten values an interval is Student's: a bootstrap of so few is too narrow (Hesterberg 2015,
"What Teachers Should Know About the Bootstrap", doi:10.1080/00031305.2015.1089789). From ten
on it is the bias-corrected and accelerated bootstrap (Efron 1987, doi:10.2307/2289144), with a
fixed random state: the same values give the same interval. Of two groups the interval is Welch's
(1947, doi:10.1093/biomet/34.1-2.28); of a median of few values, the one from ranks.

A value that is NaN or infinite has no place in a mean. Where there is one among the values, the
statistic is what arithmetic says (NaN, or infinite) and the limits are NaN: nothing is claimed
of such a group. To speak of the finite values alone, leave out the others first, and say so.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ENOUGH = 10  # values for a bootstrap
RESAMPLES = 9999
Statistic = Callable[..., Any]


@dataclass(frozen=True)
class Interval:
    """A statistic of some values, and between what limits it is for all seeds.

    Attributes:
        value: the statistic; NaN of no values.
        low, high: the limits; NaN where the values say nothing of them: fewer than two, or one of
            them not finite.
        count: how many values there are, in both groups for a difference.
    """

    value: float
    low: float
    high: float
    count: int

    @property
    def is_known(self) -> bool:
        """Whether it has limits."""
        return not math.isnan(self.low)


def of_mean(values: Iterable[float], level: float = 0.95) -> Interval:
    """The mean of some values: Student's t below ten, a BCa bootstrap from ten on."""
    array = _array(values)
    if len(array) < 2 or not np.isfinite(array).all():
        return _unknown(_plain(np.mean, array), len(array))
    unit = _unit(array)
    mean, limits = float(np.mean(array / unit)), None
    if len(array) >= ENOUGH:
        limits = _bootstrap((array / unit,), _mean, level)
    if limits is None:
        half = _t(level, len(array) - 1) * math.sqrt(_error2(array / unit))
        limits = mean - half, mean + half
    return Interval(mean * unit, limits[0] * unit, limits[1] * unit, len(array))


def of_difference(a: Iterable[float], b: Iterable[float], level: float = 0.95) -> Interval:
    """The mean of `a` less the mean of `b`: Welch's t, a BCa bootstrap where both have ten."""
    first, second = groups = _array(a), _array(b)
    count, least = len(first) + len(second), min(map(len, groups))
    if least < 2 or not all(np.isfinite(group).all() for group in groups):
        return _unknown(_plain(np.mean, first) - _plain(np.mean, second), count)
    unit = max(map(_unit, groups))
    first, second = groups = first / unit, second / unit
    value, limits = float(np.mean(first) - np.mean(second)), None
    if least >= ENOUGH:
        limits = _bootstrap(groups, _difference, level)
    if limits is None:
        half = _welch(_error2(first), _error2(second), len(first), len(second), level)
        limits = value - half, value + half
    return Interval(value * unit, limits[0] * unit, limits[1] * unit, count)


def of_median(values: Iterable[float], level: float = 0.95) -> Interval:
    """The median of some values, between two of them.

    Which two follows from the binomial distribution of their ranks, whatever that of the values
    (Thompson 1936, doi:10.1214/aoms/1177732502); with fewer than six no two are far enough apart
    for 95 %, and the limits are NaN. An infinite value has a rank: only NaN leaves no limits.
    """
    array = np.sort(_array(values))
    value = _plain(np.median, array)
    if len(array) < 2 or np.isnan(array).any():
        return _unknown(value, len(array))
    from scipy.stats import binom

    below = int(binom.ppf((1 - level) / 2, len(array), 0.5))
    if below < 1:
        return _unknown(value, len(array))
    return Interval(value, float(array[below - 1]), float(array[len(array) - below]), len(array))


def of_share(times: int, count: int, level: float = 0.95) -> Interval:
    """How often something was so, as a share of all.

    The interval is exact (Clopper & Pearson 1934, doi:10.1093/biomet/26.4.404).
    """
    if not count:
        return _unknown(math.nan, 0)
    from scipy.stats import binomtest

    limits = binomtest(times, count).proportion_ci(level, method="exact")
    return Interval(times / count, float(limits.low), float(limits.high), count)


def _array(values: Iterable[float]) -> NDArray[np.float64]:
    return np.asarray(list(values), dtype=np.float64)


def _unknown(value: float, count: int) -> Interval:
    return Interval(value, math.nan, math.nan, count)


def _plain(statistic: Statistic, array: NDArray[np.float64]) -> float:
    """The statistic, without a warning where it is NaN."""
    if not len(array):
        return math.nan
    with np.errstate(invalid="ignore"):
        return float(statistic(array))


def _unit(array: NDArray[np.float64]) -> float:
    """The largest size among finite values: squares of 1e-200 do not fit a float."""
    return float(np.max(np.abs(array))) or 1.0


def _error2(array: NDArray[np.float64]) -> float:
    """The square of the standard error of the mean; exactly 0 where all values are one."""
    return float(np.var(array, ddof=1)) / len(array) if np.ptp(array) > 0 else 0.0


def _welch(first: float, second: float, n: int, m: int, level: float) -> float:
    """Half the width of Welch's interval of two means of n and m, from their errors squared."""
    both = first + second
    if both == 0:
        return 0.0
    freedom = 1 / ((first / both) ** 2 / (n - 1) + (second / both) ** 2 / (m - 1))
    return _t(level, freedom) * math.sqrt(both)


def _t(level: float, freedom: float) -> float:
    from scipy.special import stdtrit  # scipy.stats takes a second to import

    return float(stdtrit(freedom, (1 + level) / 2))


def _mean(values: Any, axis: int = -1) -> Any:
    return np.mean(values, axis=axis)


def _difference(first: Any, second: Any, axis: int = -1) -> Any:
    return np.mean(first, axis=axis) - np.mean(second, axis=axis)


def _bootstrap(
    groups: tuple[NDArray[np.float64], ...], statistic: Statistic, level: float
) -> tuple[float, float] | None:
    """The limits; None where resampling says nothing, as of values that are all one."""
    from scipy.stats import bootstrap

    if all(np.ptp(group) == 0 for group in groups):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of degenerate data: then the limits are NaN
        limits = bootstrap(
            groups,
            statistic,
            confidence_level=level,
            n_resamples=RESAMPLES,
            vectorized=True,
            method="BCa",
            random_state=np.random.default_rng(0),
        ).confidence_interval
    if not np.isfinite([limits.low, limits.high]).all():
        return None
    return float(limits.low), float(limits.high)

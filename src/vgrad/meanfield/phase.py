"""The plane of σ_w and σ_b of one activation: where lengths settle, and in which phase.

E[φ²] and E[φ′²] are functions of one number, the variance of z. They are tabulated once, and what
is read between the points of the table is right to some 1e-5: the whole plane takes no longer than
a few hundred expectations. Ordered is χ₁(q*) < 1 and chaotic χ₁(q*) > 1 (Poole et al. 2016,
arXiv:1606.05340; Schoenholz et al. 2017, arXiv:1611.01232, figure 1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicHermiteSpline, CubicSpline, PchipInterpolator

from vgrad.meanfield.phi import FAR, ORIGIN, Phi

Numbers = NDArray[np.float64]

A_DECADE = 16  # points of the table
LEAST, MOST = -8, 10  # decades of the variance
BELOW = 4.0  # how far below the diagonal every length map must be where the table ends
EQUAL = 1e-7  # relative: what is read between the points does not tell apart
KEPT = 1e-9  # the same at the points themselves
FINER = 16  # points of the critical line for each of the table
SHUT = 1e-12  # E[φ′²] below which no weights make up for it
BISECTIONS = 48
TINY = 1e-300


@dataclass(frozen=True)
class Moments:
    """E[φ²] and E[φ′²] of one activation on a grid of variances.

    Attributes:
        v: the variances, evenly on a logarithm, [V].
        act_ms, gate_ms: E[φ²] and E[φ′²] there, [V].
        growth: dE[φ²]/dv, [V].
        at_zero: E[φ²] and E[φ′²] as v → 0.
    """

    v: Numbers
    act_ms: Numbers
    gate_ms: Numbers
    growth: Numbers
    at_zero: tuple[float, float]

    @classmethod
    def of(cls, phi: Phi, sigma_w: float, bias_var: float) -> Moments:
        """The table of an activation, as far up as no map of a plane goes beyond it.

        Args:
            phi: the activation.
            sigma_w: the largest of the plane.
            bias_var: likewise.

        Raises:
            ArithmeticError: φ turns too often for its expectations.
        """
        rows = []
        for step in range(LEAST * A_DECADE, MOST * A_DECADE + 1):
            v = 10.0 ** (step / A_DECADE)
            phi.learn(v)
            rows.append((v, phi.act_ms(v), phi.gate_ms(v), phi.growth(v)))
            if v > BELOW * (sigma_w**2 * rows[-1][1] + bias_var) and v > 1.0:
                break
        v_V, act_V, gate_V, growth_V = np.array(rows, dtype=np.float64).T
        return cls(v_V, act_V, gate_V, growth_V, (phi.act_ms(0.0), phi.gate_ms(ORIGIN)))

    @cached_property
    def _log_act(self) -> CubicHermiteSpline:
        """ln E[φ²] over ln v, with its true slopes."""
        act = np.maximum(self.act_ms, TINY)
        return CubicHermiteSpline(np.log(self.v), np.log(act), self.v * self.growth / act)

    @cached_property
    def _log_gate(self) -> CubicSpline:
        return CubicSpline(np.log(self.v), np.log(np.maximum(self.gate_ms, TINY)))

    def act(self, log_v: Numbers) -> Numbers:
        """E[φ²] at some ln v of the table."""
        return np.asarray(np.exp(self._log_act(log_v)))

    def gate(self, log_v: Numbers) -> Numbers:
        """E[φ′²] at some ln v of the table."""
        return np.asarray(np.exp(self._log_gate(log_v)))

    def excess(self, log_v: Numbers, sigma_w2: Numbers, bias_var: Numbers) -> Numbers:
        """ln of the length map's value over v: by how much it raises v; 0 where it keeps it."""
        with np.errstate(divide="ignore"):
            return np.log(sigma_w2 * self.act(log_v) + bias_var) - log_v


@dataclass(frozen=True)
class Stretch:
    """A stretch of the critical line: σ_w and σ_b where χ₁ = 1 at a stable q*, [P] each."""

    sigma_w: Numbers
    sigma_b: Numbers


@dataclass(frozen=True)
class Diagram:
    """The plane of σ_w and σ_b.

    Attributes:
        sigma_w, sigma_b: where, [W] and [B].
        q: q*, [B, W]; 0 where the signal dies out, infinite where it grows for ever.
        chi1: χ₁ at q*, likewise, or its limit there.
        line: the critical line.
    """

    sigma_w: Numbers
    sigma_b: Numbers
    q: Numbers
    chi1: Numbers
    line: tuple[Stretch, ...]


def diagram(
    phi: Phi,
    sigma_w: Sequence[float] | Numbers,
    sigma_b: Sequence[float] | Numbers,
    square: float = 1.0,
) -> Diagram:
    """Where networks settle whose first layer reads inputs of one size.

    Args:
        phi: the activation; where its z have a mean, that is the constant part of all biases.
        sigma_w: values of √(fan_in · Var W), above 0.
        sigma_b: values of √E[b²], not below │mean│.
        square: E[x²] of the inputs.

    Raises:
        ArithmeticError: φ turns too often for its expectations.
    """
    w_W, b_B = np.asarray(sigma_w, dtype=np.float64), np.asarray(sigma_b, dtype=np.float64)
    var_B = np.maximum(b_B**2 - phi.mean**2, 0.0)
    moments = Moments.of(phi, float(w_W.max()), float(var_B.max()))
    v_BW = np.array([settled(moments, w_W**2, np.full(w_W.shape, b), square) for b in var_B])
    chi1_BW = w_W**2 * _gate_at(phi, moments, v_BW)
    return Diagram(w_W, b_B, v_BW + phi.mean**2, chi1_BW, critical_line(moments, phi.mean))


def settled(moments: Moments, sigma_w2: Numbers, bias_var: Numbers, square: float) -> Numbers:
    """The variance of z in which networks settle, [N]; 0 or infinite where they do not.

    It is the nearest fixed point in the direction in which the map goes from the first layer's
    variance σ_w² · square + Var b, as `settle` finds it one at a time.

    Args:
        moments: of the activation.
        sigma_w2: of each network, [N].
        bias_var: likewise.
        square: E[x²] of the inputs.
    """
    grid_V = np.log(moments.v)
    with np.errstate(divide="ignore"):
        start_N = np.log(sigma_w2 * square + bias_var)
    inside_N = np.clip(start_N, grid_V[0], grid_V[-1])
    direction_N = moments.excess(inside_N, sigma_w2, bias_var)
    up_N = direction_N > 0.0
    with np.errstate(divide="ignore"):
        map_NV = np.log(sigma_w2[:, None] * moments.act_ms + bias_var[:, None]) - grid_V
    turned_NV = np.where(up_N[:, None], map_NV < -EQUAL, map_NV > EQUAL)
    turned_NV &= np.where(up_N[:, None], grid_V > inside_N[:, None], grid_V < inside_N[:, None])
    last = len(grid_V) - 1
    first_N = np.where(up_N, turned_NV.argmax(1), last - turned_NV[:, ::-1].argmax(1))
    before_N = np.where(up_N, first_N - 1, first_N + 1).clip(0, last)
    near_N = np.where(
        up_N, np.maximum(grid_V[before_N], inside_N), np.minimum(grid_V[before_N], inside_N)
    )
    root_N = _root(moments, sigma_w2, bias_var, near_N, grid_V[first_N], up_N)
    v_N = np.where(turned_NV.any(1), np.exp(root_N), np.where(up_N, np.inf, 0.0))
    kept_N = np.abs(direction_N) <= EQUAL
    return np.where(kept_N, np.exp(inside_N), v_N)


def _root(
    moments: Moments,
    sigma_w2: Numbers,
    bias_var: Numbers,
    near: Numbers,
    far: Numbers,
    up: NDArray[np.bool_],
) -> Numbers:
    """Where the map crosses the diagonal between two ln v, by bisection, [N]."""
    for _ in range(BISECTIONS):
        middle = (near + far) / 2.0
        value = moments.excess(middle, sigma_w2, bias_var)
        beyond = np.where(up, value < 0.0, value > 0.0)
        near, far = np.where(beyond, near, middle), np.where(beyond, middle, far)
    return (near + far) / 2.0


def _gate_at(phi: Phi, moments: Moments, v: Numbers) -> Numbers:
    """E[φ′²] where networks settled, or its limit."""
    ends = np.isinf(v) | (v == 0.0)
    inside = np.where(ends, 1.0, v)
    gate = moments.gate(np.log(np.clip(inside, moments.v[0], moments.v[-1])))
    gate[v == 0.0] = moments.at_zero[1]
    if np.isinf(v).any():
        gate[np.isinf(v)] = phi.gate_ms(FAR)
    return gate


def critical_line(moments: Moments, mean: float = 0.0) -> tuple[Stretch, ...]:
    """The stretches of the line on which χ₁ = 1 at a stable fixed point.

    It has the variance as its parameter: σ_w² = 1/E[φ′²], and the biases' variance is what
    v = σ_w² E[φ²] + Var b leaves for it.

    Args:
        moments: of the activation.
        mean: the constant part of the biases.
    """
    log_V = np.log(moments.v)
    square_V = 1.0 / np.maximum(moments.gate_ms, SHUT)
    rest_V = 1.0 - square_V * moments.act_ms / moments.v
    slope_V = square_V * moments.growth
    fine_P = np.linspace(log_V[0], log_V[-1], FINER * (len(log_V) - 1) + 1)
    table_V3 = np.column_stack([np.log(square_V), rest_V, slope_V])
    log_square, rest, slope = PchipInterpolator(log_V, table_V3)(fine_P).T
    rest = np.where(np.abs(rest) <= KEPT, 0.0, rest)
    kept = bool((np.abs(slope_V - 1.0) <= KEPT).all())
    there = (rest >= 0.0) & ((np.abs(slope) < 1.0 - KEPT) | kept) & (log_square < -np.log(SHUT))
    sigma_w = np.exp(log_square / 2.0)
    sigma_b = np.sqrt(np.maximum(rest, 0.0) * np.exp(fine_P) + mean**2)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]]).astype(int)))
    found = []
    for begin, end in edges.reshape(-1, 2):
        w, b = sigma_w[begin:end], sigma_b[begin:end]
        if begin and rest[begin - 1] < 0.0 < rest[begin]:  # the line begins between two points
            share = rest[begin] / (rest[begin] - rest[begin - 1])
            w = np.insert(w, 0, w[0] + share * (sigma_w[begin - 1] - w[0]))
            b = np.insert(b, 0, abs(mean))
        found.append(Stretch(w, b))
    return tuple(found)


def fixed_points(
    moments: Moments, sigma_w2: float, bias_var: float
) -> tuple[tuple[float, float], ...]:
    """Every v above 0 that the length map keeps, and the map's slope dq there."""
    scale = np.array([sigma_w2]), np.array([bias_var])
    grid_V = np.log(moments.v)
    value_V = moments.excess(grid_V, *scale)
    value_V = np.where(np.abs(value_V) <= EQUAL, 0.0, value_V)
    told = np.flatnonzero(value_V)
    found = []
    for one, other in pairwise(told):
        if (value_V[one] > 0.0) == (value_V[other] > 0.0):
            continue
        near, far = grid_V[[one]], grid_V[[other]]
        place = _root(moments, *scale, near, far, np.array([value_V[one] > 0.0]))
        v = math.exp(float(place[0]))
        share = sigma_w2 * float(moments.act(place)[0]) / v
        found.append((v, share * float(moments._log_act(place, 1)[0])))
    return tuple(found)

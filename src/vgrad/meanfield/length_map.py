"""The length map of one network, and the way that a signal takes along it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vgrad.meanfield.fixed_point import length
from vgrad.meanfield.phase import Moments, fixed_points
from vgrad.meanfield.phi import Phi
from vgrad.meanfield.scale import Scale

Numbers = NDArray[np.float64]

POINTS = 200  # of the curve
FEWEST, MOST_LAYERS = 3, 60  # of the way
AT_REST = 1e-3  # relative change of a layer: the rest of the way cannot be seen
SPAN = 30.0  # from a start to a fixed point: beyond it both axes are logarithms
ROOM = 1.25  # beyond the largest length of the way


@dataclass(frozen=True)
class LengthMap:
    """q of one layer → q of the next.

    Attributes:
        q, next_q: the curve, [N] each, q evenly from one end of the axis to the other.
        path: q of layers 1, 2 …, until it rests or leaves the axis.
        points: the fixed points on the axis and the slope of the map there.
        reached: the one that this network comes to; 0 or infinite where it does not rest.
        logarithmic: whether q is even on a logarithm.
    """

    q: Numbers
    next_q: Numbers
    path: tuple[float, ...]
    points: tuple[tuple[float, float], ...]
    reached: float
    logarithmic: bool

    @property
    def marked(self) -> list[tuple[float, float]]:
        """The points to be marked: 0 too, where lengths die out."""
        return [*self.points, *([(0.0, 0.0)] if self.reached == 0.0 else [])]


def length_map(phi: Phi, scale: Scale, square: float, depth: int, reached: float) -> LengthMap:
    """The length map of hidden layers of one scale.

    Args:
        phi: the activation.
        scale: of the hidden layers.
        square: E[x²] of the inputs.
        depth: hidden layers: the way has no more.
        reached: q*, as `settle` finds it.

    Raises:
        ArithmeticError: φ turns too often for its expectations.
    """
    phi, shift = phi.about(scale.bias_mean), scale.bias_mean**2
    path = _path(phi, scale, scale.sigma_w2 * square + scale.bias_var, depth)
    low, high, logarithmic = _axis(path, max(0.0, reached - shift))
    moments = Moments.of(phi, math.sqrt(scale.sigma_w2), scale.bias_var)
    points = [
        pair for pair in fixed_points(moments, scale.sigma_w2, scale.bias_var) if pair[0] <= high
    ]
    make = np.geomspace if logarithmic else np.linspace
    curve = make(low, high, POINTS)
    after = np.array([length(phi, scale, float(v)) for v in curve])
    return LengthMap(
        curve + shift,
        after + shift,
        tuple(v + shift for v in path if v <= high),
        tuple((v + shift, slope) for v, slope in points),
        reached,
        logarithmic,
    )


def _path(phi: Phi, scale: Scale, start: float, depth: int) -> list[float]:
    """The variance of z in layers 1, 2 …, until it rests."""
    path = [start]
    while len(path) < min(max(depth, FEWEST), MOST_LAYERS) and 0.0 < path[-1] < 1e30:
        path.append(length(phi, scale, path[-1]))
        if abs(path[-1] - path[-2]) <= AT_REST * path[-1]:
            break
    return path


def _axis(path: list[float], reached: float) -> tuple[float, float, bool]:
    """The ends of the axis, and whether it is a logarithm."""
    start = path[0] or 1.0
    if math.isinf(reached):
        return 0.0, ROOM * max(path[: FEWEST + 1]), False
    if reached > 0.0 and max(start / reached, reached / start) > SPAN:
        return min(start, reached) / 3.0, max(start, reached) * 3.0, True
    return 0.0, ROOM * max(start, reached, *path), False

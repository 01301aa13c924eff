"""How far single networks scatter about the theory of wide ones, over seeds.

The noise of `vgrad.theory.noise`, carried through the layers: forward to the lengths of the signal,
back to the size of the error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vgrad.meanfield.phi import Phi
from vgrad.meanfield.scale import Scale
from vgrad.theory.forward import Passed, Signal
from vgrad.theory.hermite import Floats
from vgrad.theory.noise import (
    Batch,
    Layers,
    Noise,
    Pair,
    cosines_of,
    lengths_of,
    log_variance,
    moved,
    noise_of,
)

Flags = npt.NDArray[np.bool_]

FIRST_ORDER = 0.1  # of a standard deviation, that the second order moves the mean
UNLIKE = 0.1  # the variance of ln δ² within a batch that comes from lengths
SHARP = 0.15  # of the relative variance of φ′²
MOST_LAYERS = 2000  # beyond them the tables of all layers take too much memory
DEEP = 0.16  # layers above, over their width


@dataclass(frozen=True)
class Spread:
    """Standard deviations over seeds, in decades.

    Attributes:
        delta: of δ relative to the last hidden layer.
        preact: of the mean square of z.
    """

    delta: float | None = None
    preact: float | None = None


def spreads(
    phi: Phi,
    passed: Sequence[Passed],
    last: tuple[Signal, Scale],
    sizes: Sequence[tuple[int, int]],
    batch: Batch,
    *,
    orthogonal: bool = False,
) -> list[Spread]:
    """The spread of every layer, the output layer last; nothing where numbers leave the floats.

    Args:
        phi: the activation.
        passed: the hidden layers, at least one.
        last: what the output layer reads, and the scale of its parameters.
        sizes: fan_in and units of every layer, the output layer last.
        batch: the examples.
        orthogonal: whether weights keep all products of what they read.
    """
    layers = Layers.of(passed, last, sizes, orthogonal=orthogonal)
    if not layers.usable or len(passed) > MOST_LAYERS:
        return [Spread()] * len(sizes)
    with np.errstate(all="ignore"):
        pair = Pair.of(phi.about(layers.mean), layers.v[:-1])
        cosines = cosines_of(pair, layers, batch)
        noise = noise_of(pair, layers, cosines, batch)
        first = layers.share[0] ** 2 * batch.lengths
        lengths = lengths_of(noise.carried, noise.act, first)
        preact = _preact(layers, lengths, cosines, batch)
        delta = _delta(noise, lengths)
        told = _told(noise, layers, lengths, delta, batch)
    delta, preact = (np.where(*two, np.nan) for two in zip(told, (delta, preact), strict=True))
    return [Spread(_decades(d / 4.0), _decades(q)) for d, q in zip(delta, preact, strict=True)]


def _preact(layers: Layers, lengths: Floats, cosines: Floats, batch: Batch) -> Floats:
    """Var ln E[z²] of every layer: that of u, and of a mean over n units."""
    square, free = layers.v + layers.mean**2, 1.0 - layers.kept

    def shared(c: Floats) -> Floats:
        return (2.0 * (layers.v * c) ** 2 * free + 4.0 * layers.mean**2 * layers.v * c) / square**2

    other = (shared(cosines[0]) + shared(cosines[1])) / 2.0
    own = batch.mean(shared(np.ones_like(layers.c)), other) / layers.units
    return np.asarray((layers.v / square) ** 2 * lengths + log_variance(own))


def _delta(noise: Noise, lengths: Floats) -> Floats:
    """Var ln(D_l / D_L) of every layer, L the last hidden one: Σ (ζ + s u) between them.

    That sum is α u_l + what later layers add of their own, and α goes back as α = s + a α.
    """
    last = len(noise.slope) - 1
    of_outputs = log_variance(noise.error[last]) + noise.slope[last] ** 2 * lengths[last]
    found: list[Floats | float] = [of_outputs, 0.0]
    alphas, alpha, rest = _alphas(noise), 0.0, 0.0
    for layer in reversed(range(last)):
        act, error = noise.act[layer], noise.error[layer]
        more = error + 2.0 * alpha * noise.both[layer] + alpha**2 * act
        rest += float(log_variance(more))
        alpha = alphas[layer]
        found.append(alpha**2 * lengths[layer] + rest)
    return np.array(found[::-1])


def _with_outputs(told: Flags) -> Flags:
    """What holds in a layer and in all above it; of the outputs, what does in the last one."""
    return np.append(np.logical_and.accumulate(told[::-1])[::-1], told[-1])


def _alphas(noise: Noise) -> Floats:
    """How much of u goes into ln(D_l / D_L), in the hidden layers."""
    found = [0.0]
    for s, a in zip(noise.slope[-2::-1], noise.carried[-2::-1], strict=True):
        found.append(s + a * found[-1])
    return np.array(found[::-1])


def _told(
    noise: Noise, layers: Layers, lengths: Floats, delta: Floats, batch: Batch
) -> tuple[Flags, Flags]:
    """Where the first order tells the spread of δ and of E[z²] to a fifth or so, found by draws.

    For one example that is where the maps bend little within the spread of u. In a batch it is
    where examples of unlike lengths do not come to weigh unlike in δ, and where the layers above
    are not many for their width. Orthogonal weights must have gates that vary: else what is left
    is of the next order.
    """
    last = len(noise.slope) - 1
    open_enough = (noise.gate >= SHARP) | (layers.kept_back[:-1] == 0.0)
    if batch.examples > 1:
        alone = lengths_of(noise.carried, noise.alone, layers.share[0] ** 2 * batch.lengths)
        above = np.arange(last, -1, -1) / layers.units[:-1]
        good = (_alphas(noise) ** 2 * alone[:-1] <= UNLIKE) & (above <= DEEP) & open_enough
        return _with_outputs(good), np.ones_like(lengths, dtype=bool)
    shift = moved(noise.carried, noise.bend, lengths)
    length_told = np.abs(shift) <= FIRST_ORDER * np.sqrt(lengths) + 1e-9
    steps = noise.slope * shift[:-1] + noise.slope_bend * lengths[:-1] / 2.0
    gone = np.append(np.cumsum(steps[:last][::-1])[::-1], 0.0)
    good = np.abs(gone) <= FIRST_ORDER * np.sqrt(delta[:-1]) + 1e-9
    return _with_outputs(good & length_told[:-1] & open_enough), length_told


def _decades(variance: float) -> float | None:
    if not variance >= -1e-9 or math.isinf(variance):
        return None
    return math.sqrt(max(0.0, variance)) / math.log(10.0)

"""The noise that each layer of n units adds to its lengths and errors, to first order in 1/n.

With u the relative deviation of the variance of z (its mean over the B examples of a batch), and D
the mean of δ² over examples and units,

    u_{l+1} = a u_l + ε_l,    ln D_l = ln D_{l+1} + s u_l + ζ_l,

a = d ln v_{l+1} / d ln v_l, s = d ln E[φ′²] / d ln v. Given the layers below, the units of a layer
are independent and normal, so that ε is the noise of a mean of φ² over n units, ζ that of φ′² g²,
g the error that comes back, normal as well: for one example var ζ = (3 E[φ′⁴]/E[φ′²]² − 1)/n, which
is 5/n for ReLU (Hanin 2018, arXiv:1801.03744; Hanin & Nica 2018, arXiv:1812.05994). Both come from
the same z and are correlated. In a batch, what pairs of examples share stays, by their correlations
forward, c, and backward, ρ; the rest is divided by B.

Orthogonal weights keep all products of what they read: noise quadratic in z, or in g, is left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from vgrad.meanfield.phi import Phi
from vgrad.meanfield.scale import Scale
from vgrad.theory.forward import Passed, Signal
from vgrad.theory.hermite import Floats, Series, expectation, nodes

LOWEST, HIGHEST = 1e-100, 1e60


@dataclass(frozen=True)
class Batch:
    """What the examples of a recorded batch have in common.

    Attributes:
        examples: B.
        lengths: the variance of the batch's mean x², relative to the square of its expectation.
        cosines: the variance of the cosine of two examples' inputs.
        errors: the mean square of the cosine of two examples' output errors, weighed by their size.
        uneven: the mean square of an example's share in Σ δ², over the square of its mean.
    """

    examples: int
    lengths: float = 0.0
    cosines: float = 0.0
    errors: float = 0.0
    uneven: float = 1.0

    def mean(self, same: Floats, other: Floats, uneven: Floats | float = 1.0) -> Floats:
        """The mean over all pairs of examples, of what one shares with itself and with another."""
        alone = np.minimum(1.0, uneven / self.examples)
        return alone * same + (1.0 - alone) * other


@dataclass(frozen=True)
class Layers:
    """What layers are in the limit, the output layer last, [L + 1] each.

    Attributes:
        units: n.
        v: the variance of z; mean: its mean.
        share: the part of v that comes through the weights, the rest being the biases'.
        c: the correlation of two examples' z.
        kept: the part of the noise of Σ z² that orthogonal weights do not make.
        kept_back: likewise of Σ g², by the weights above a layer.
    """

    units: Floats
    v: Floats
    mean: float
    share: Floats
    c: Floats
    kept: Floats
    kept_back: Floats

    @classmethod
    def of(
        cls,
        passed: Sequence[Passed],
        last: tuple[Signal, Scale],
        sizes: Sequence[tuple[int, int]],
        *,
        orthogonal: bool = False,
    ) -> Layers:
        """The layers of a network.

        Args:
            passed: the hidden layers, at least one.
            last: what the output layer reads, and the scale of its parameters.
            sizes: fan_in and units of every layer.
            orthogonal: whether weights keep all products of what they read.
        """
        reads = [*(one.reads for one in passed), last[0]]
        scales = [*(one.scale for one in passed), last[1]]
        through = np.array([s.sigma_w2 * x.square for s, x in zip(scales, reads, strict=True)])
        shared = np.array([s.sigma_w2 * x.overlap for s, x in zip(scales, reads, strict=True)])
        bias = np.array([scale.bias_var for scale in scales])
        fan_in, units = np.array(sizes, dtype=float).T
        with np.errstate(all="ignore"):
            v = through + bias
            share, c = through / v, np.clip((shared + bias) / v, -1.0, 1.0)
        larger = np.maximum(fan_in, units) if orthogonal else math.inf
        kept, back = share**2 * units / larger, np.append((fan_in / larger)[1:], 0.0)
        return cls(units, v, scales[0].bias_mean, share, c, kept, back)

    @property
    def usable(self) -> bool:
        """Whether all variances, and their powers, are within the floats."""
        return bool(((self.v > LOWEST) & (self.v < HIGHEST)).all())


@dataclass(frozen=True)
class Pair:
    """φ and φ′ of two examples, relative to their root mean squares, in the hidden layers."""

    steepness: Floats  # v E[φ′²] / E[φ²]
    phi: Series
    square: Series
    cube: Series
    slope: Series
    gate: Series

    @classmethod
    def of(cls, phi: Phi, v: Floats) -> Pair:
        """Of φ about the mean of z, with z's variance in each layer."""
        u = torch.from_numpy(np.sqrt(v)[:, None] * nodes())
        values, slopes = (x.view(u.shape).numpy() for x in phi.at(u.flatten()))
        square, gate = expectation(values**2), expectation(slopes**2)
        h, g = values / np.sqrt(square)[:, None], slopes / np.sqrt(gate)[:, None]
        every = [Series.of(values) for values in (h, h**2, h**3, g, g**2)]
        return cls(v * gate / square, *every)


@dataclass(frozen=True)
class Noise:
    """How u and ln D go on, and the variances of their noise, in the hidden layers."""

    carried: Floats  # a
    slope: Floats  # s
    act: Floats  # var ε
    error: Floats  # var ζ
    both: Floats  # cov(ε, ζ)
    alone: Floats  # var ε of one example
    gate: Floats  # the relative variance of φ′²
    curve: Floats  # v² f″/f of the length map f
    bend: Floats  # da / d ln v
    slope_bend: Floats  # ds / d ln v


def cosines_of(pair: Pair, layers: Layers, batch: Batch) -> Floats:
    """The correlation of two examples' z, [2, L + 1]: its mean less a deviation, and more.

    It is spread by the inputs, and by the units that its mean is taken over.
    """
    c, after, share = layers.c[:-1], layers.c[1:], layers.share[1:]
    steps = share * pair.steepness * pair.slope.by(pair.slope, c)
    shared, single = pair.phi.by(pair.phi, c), pair.square.by(pair.square, np.ones_like(c))
    both, lone = pair.square.by(pair.square, c), pair.cube.by(pair.phi, c)
    noise = both - shared**2 + after**2 / 2.0 * (single + both - 2.0)
    noise -= 2.0 * after * (lone - shared)
    noise -= layers.kept[:-1] * pair.phi.terms[:, 1] ** 4 * (1.0 - c**2) ** 2
    noise = share**2 * np.maximum(noise, 0.0) / layers.units[:-1]
    spread = [layers.share[0] ** 2 * batch.cosines]
    for step, more in zip(steps, noise, strict=True):
        spread.append(min(1.0, step**2 * spread[-1] + more * (1.0 - spread[-1]) ** 2))
    deviation = np.sqrt(spread)
    return np.clip(np.stack([layers.c - deviation, layers.c + deviation]), -1.0, 1.0)


def noise_of(pair: Pair, layers: Layers, cosines: Floats, batch: Batch) -> Noise:
    """The noise of the hidden layers, with `cosines_of` them."""
    n, share, free = layers.units[:-1], layers.share[1:], 1.0 - layers.kept[:-1]
    low, high = cosines[:, :-1]

    def shared(one: Series, other: Series) -> tuple[Floats, Floats]:
        """Of an example with itself, and with another."""
        same = one.by(other, np.ones_like(low), free)
        return same, (one.by(other, low, free) + one.by(other, high, free)) / 2.0

    gates = shared(pair.gate, pair.gate)
    alike = np.ones_like(n), _errors_alike(pair, layers, batch)
    back = layers.kept_back[:-1]
    error = [g * (1.0 + 2.0 * r) - 2.0 * r * back - 1.0 for g, r in zip(gates, alike, strict=True)]
    uneven = batch.uneven * _grown((error[0] - error[1]) / n)
    acts = shared(pair.square, pair.square)
    both = batch.mean(*shared(pair.square, pair.gate)) - 1.0
    carried, rise = share * _first(pair.square), _first(pair.gate)
    return Noise(
        carried=carried,
        slope=rise,
        act=share**2 * (batch.mean(*acts) - 1.0) / n,
        error=batch.mean(error[0], error[1], uneven) / n,
        both=share * both / n,
        alone=share**2 * (acts[0] - 1.0) / n,
        gate=pair.gate.by(pair.gate, np.ones_like(n)) - 1.0,
        curve=share * _second(pair.square),
        bend=share * _second(pair.square) + carried - carried**2,
        slope_bend=_second(pair.gate) + rise - rise**2,
    )


def _first(f: Series) -> Floats:
    """dE[f] / d ln v, of an f with E[f] = 1."""
    return f.terms[:, 2] / math.sqrt(2.0)


def _second(f: Series) -> Floats:
    """v² d²E[f] / dv²."""
    return f.terms[:, 4] * math.sqrt(24.0) / 4.0


def _grown(rates: Floats) -> Floats:
    """How much more uneven examples' δ² have become above each layer, by what they do not share."""
    logs = np.cumsum(np.log1p(np.maximum(rates, 0.0))[::-1])[::-1]
    return np.asarray(np.exp(np.append(logs[1:], 0.0)))


def _errors_alike(pair: Pair, layers: Layers, batch: Batch) -> Floats:
    """ρ², the mean square of the cosine of two examples' g, in the hidden layers."""
    c, n = layers.c[:-1], layers.units[:-1]
    kept = pair.slope.by(pair.slope, c) ** 2
    chance = pair.gate.by(pair.gate, c) / n
    found = [batch.errors]
    for layer in reversed(range(1, len(c))):
        now = found[-1]
        found.append(min(1.0, now * kept[layer] + (1.0 - now) * chance[layer]))
    return np.array(found[::-1])


def lengths_of(carried: Floats, noise: Floats, first: float) -> Floats:
    """Var u of every layer, the output layer last."""
    found = [first]
    for a, more in zip(carried, noise, strict=True):
        found.append(a * a * found[-1] + log_variance(more))
    return np.array(found)


def moved(carried: Floats, bend: Floats, lengths: Floats) -> Floats:
    """How far the mean of a length is off in every layer, where the map bends within its spread.

    M_{l+1} = a M_l + ½ b Var u_l, with Var u of every layer as `lengths_of` has it.
    """
    found = [0.0]
    for a, b, var in zip(carried, bend, lengths[:-1], strict=True):
        found.append(float(a * found[-1] + b * var / 2.0))
    return np.array(found)


def log_variance(variance: Floats | float) -> Floats | float:
    """The variance of ln x, x a mean of squares with this relative variance: ψ′(1/variance)."""
    return variance * (1.0 + variance / 2.0 * (1.0 + variance / 3.0))

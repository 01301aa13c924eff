"""By how much the mean of E[z²] over seeds is off at finite width, to first order in 1/n.

Where the length map f bends, its mean over scattered lengths is not its value at their mean. With M
the relative shift of E[z²], and V the relative variance of one example's length,

    M_{l+1} = a M_l + ½ v² f″/f V_l,    f(v) = σ_w² E[φ²] + Var b.

`Layer.preact_ms` is that of infinite width, without it.
"""

from __future__ import annotations

from collections.abc import Sequence

from vgrad.meanfield.phi import Phi
from vgrad.meanfield.scale import Scale
from vgrad.theory.forward import Passed, Signal
from vgrad.theory.noise import Batch, Layers, Pair, cosines_of, lengths_of, moved, noise_of


def shifts(
    phi: Phi,
    passed: Sequence[Passed],
    last: tuple[Signal, Scale],
    sizes: Sequence[tuple[int, int]],
    lengths: float,
) -> list[float]:
    """The relative shift of E[z²] in every layer, for weights that are drawn each for itself.

    Args:
        phi: the activation.
        passed: the hidden layers, at least one.
        last: what the output layer reads, and the scale of its parameters.
        sizes: fan_in and units of every layer, the output layer last.
        lengths: the relative variance of Σ x² over examples.
    """
    layers, alone = Layers.of(passed, last, sizes), Batch(1, lengths)
    pair = Pair.of(phi.about(layers.mean), layers.v[:-1])
    noise = noise_of(pair, layers, cosines_of(pair, layers, alone), alone)
    spread = lengths_of(noise.carried, noise.act, layers.share[0] ** 2 * lengths)
    return list(map(float, moved(noise.carried, noise.curve, spread)))

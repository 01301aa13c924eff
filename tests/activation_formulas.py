"""What each elementwise activation is, written out in float64, apart from the program's code.

A formula takes z, a float64 array, and the entry's settings, and gives φ(z) and φ′(z). Both are
good to the last digits wherever they are not near 0 by cancellation of their own. At a kink φ′ is
the one-sided slope that torch takes: that of the piece whose condition holds there.
"""

from __future__ import annotations

import numpy as np
from scipy.special import erfc, expit


def pieces(condition, here, elsewhere):
    """(value, slope) of one piece where the condition holds, of another elsewhere."""
    return tuple(np.where(condition, *pair) for pair in zip(here, elsewhere, strict=True))


def leaky(z, slope):
    return pieces(z > 0, (z, 1.0), (slope * z, slope))


def clamped(z, kinks, bounds, slope):
    (low, high), line = kinks, slope * (z - kinks[0]) + bounds[0]
    return pieces((z > low) & (z < high), (line, slope), (np.clip(line, *bounds), 0.0))


def tanh(z):
    tail = np.exp(-2.0 * np.abs(z))
    return np.tanh(z), 4.0 * tail / (1.0 + tail) ** 2


def scaled_tanh(z):
    value, slope = tanh(2.0 * z / 3.0)
    return 1.7159 * value, 1.7159 * 2.0 / 3.0 * slope


def gaussian(z):
    bell = np.exp(-(z**2))
    return bell, -2.0 * z * bell


def elu(z, alpha, scale=1.0, width=1.0):
    left = np.minimum(z, 0.0) / width
    floor = scale * alpha * np.expm1(left), scale * alpha / width * np.exp(left)
    return pieces(z > 0, (scale * z, scale), floor)


def gelu(z, approximate):
    near = np.clip(z, -40.0, 40.0)  # beyond, Φ is 0 or 1, and its slope 0
    if approximate == "none":
        mass, density = 0.5 * erfc(-near / np.sqrt(2.0)), np.exp(-(near**2) / 2.0)
        return z * mass, mass + near * density / np.sqrt(2.0 * np.pi)
    twice = np.sqrt(8.0 / np.pi)  # (1 + tanh x)/2 is σ(2x)
    mass = expit(twice * (near + 0.044715 * near**3))
    rest = expit(-twice * (near + 0.044715 * near**3))
    return z * mass, mass + near * mass * rest * twice * (1.0 + 3.0 * 0.044715 * near**2)


def swish(z, beta, trained=False):
    u = beta * z
    return z * expit(u), expit(u) * (1.0 + u * expit(-u))


def hard_swish(z):
    inside = z * (z + 3.0) / 6.0, (2.0 * z + 3.0) / 6.0
    return pieces(np.abs(z) < 3.0, inside, (np.maximum(z, 0.0), np.where(z > 0, 1.0, 0.0)))


def mish(z):
    value, slope = tanh(np.logaddexp(0.0, z))
    return z * value, value + z * slope * expit(z)


def softplus(z, beta):
    return np.logaddexp(0.0, beta * z) / beta, expit(beta * z)


def squareplus(z, b):
    root = np.hypot(z, np.sqrt(b))
    wide = np.abs(z) + root
    return pieces(z > 0, (wide / 2, wide / 2 / root), (b / 2 / wide, b / 2 / wide / root))


FORMULAS = {
    "identity": lambda z: (z, np.ones_like(z)),
    "sigmoid": lambda z: (expit(z), expit(z) * expit(-z)),
    "tanh": tanh,
    "scaled_tanh": scaled_tanh,
    "softsign": lambda z: (z / (1.0 + np.abs(z)), 1.0 / (1.0 + np.abs(z)) ** 2),
    "gaussian": gaussian,
    "sine": lambda z, omega: (np.sin(omega * z), omega * np.cos(omega * z)),
    "hard_tanh": lambda z: clamped(z, (-1.0, 1.0), (-1.0, 1.0), 1.0),
    "hard_sigmoid": lambda z: clamped(z, (-3.0, 3.0), (0.0, 1.0), 1.0 / 6.0),
    "relu": lambda z: leaky(z, 0.0),
    "relu6": lambda z: clamped(z, (0.0, 6.0), (0.0, 6.0), 1.0),
    "leaky_relu": leaky,
    "prelu": lambda z, slope, per_unit: leaky(z, slope),
    "rrelu": lambda z, lower, upper: leaky(z, (lower + upper) / 2.0),
    "elu": elu,
    "celu": lambda z, alpha: elu(z, alpha, width=alpha),
    "selu": elu,
    "gelu": gelu,
    "swish": swish,
    "hard_swish": hard_swish,
    "mish": mish,
    "softplus": softplus,
    "squareplus": squareplus,
}

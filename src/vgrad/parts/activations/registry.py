"""The registry of activations: what an entry states beside its function."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vgrad.registry import Registry

ABOVE_ZERO = (math.nextafter(0.0, 1.0), math.inf)  # the range of a setting that is divided by


@dataclass(frozen=True)
class Kernel:
    """An activation's fused forms; both write into `out` and take the entry's settings as well.

    Attributes:
        forward: (z, out) → h = φ(z); for an elementwise φ `out` may be z.
        backward: (g, z, h, out) → g · φ′(z), or g times the Jacobian; `out` is neither z nor h.
        needs_z: whether `backward` reads z; where it does not, h may overwrite z.
    """

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    needs_z: bool = False


ACTIVATIONS = Registry(
    "activation",
    "activations",
    facts={
        # Points where φ is not differentiable, or (**settings) → those points.
        "kinks": (),
        # The init that the activation's own literature asks for.
        "matched": "lecun_normal",
        # A Kernel; None for autograd on the function.
        "kernel": None,
        # Whether h_j = φ(z_j). Other entries map z, [..., Z], to h, [..., H].
        "elementwise": True,
        # Z per unit: a number, or the setting that says it.
        "pieces": 1,
        # H per unit.
        "copies": 1,
        # Of an entry that is not elementwise: (z, h, out, **settings) → writes, for each z_j, the
        # length √Σᵢ(∂hᵢ/∂z_j)², which stands for its │φ′(z_j)│.
        "slopes": None,
        # (**settings) → sup │φ′│, or the sup of that length; None where it is to be sampled. A
        # trained setting may come as a tensor.
        "steepest": None,
        # The setting that is a trainable parameter: one per layer and run, or one per unit where a
        # setting `per_unit` is true. It is trained unless a setting `trained` is false.
        # The function gets it as a tensor that broadcasts against z, and then no kernel is used.
        "trainable": None,
        # Whether the function takes draws from U(0, 1), of z's shape, after z: None in evaluation.
        "noisy": False,
        # (**settings) → E[h²] per unit of h for z ~ N(0, 1) in training; None where the integral
        # over φ is that.
        "mean_square": None,
    },
)

"""The registry of activations: what an entry states beside its function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vgrad.registry import Entry, Registry


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
        # (**settings) → the settings of that init, those that differ from its defaults; None where
        # it needs none. A trained setting counts as what it starts from.
        "matched_settings": None,
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


def kinks(entry: Entry, settings: Mapping[str, Any]) -> tuple[float, ...]:
    """Where φ is not differentiable at these settings."""
    known = entry.kinks
    return tuple(known(**settings) if callable(known) else known)


def size_of(entry: Entry, settings: Mapping[str, Any]) -> tuple[int, int]:
    """How many z and how many h one unit has at these settings."""
    pieces = settings[entry.pieces] if isinstance(entry.pieces, str) else entry.pieces
    return int(pieces), int(entry.copies)

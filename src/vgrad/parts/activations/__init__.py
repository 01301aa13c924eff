"""Activations φ: one function each, and what the program needs to know about it.

An entry is a function of the pre-activations z. Its derivative is taken by autograd on that one
operation, unless the entry names a `kernel`: torch's own fused forms, which write into tensors that
are there already. Most entries are elementwise and take z of any shape; those in `vector` work on
the last dimension.

A file holds a family: `bounded`, `linear` in pieces, `rectifiers` that are curved, and `vector`
for the functions of several units.
"""

from __future__ import annotations

from vgrad.parts.activations import bounded, linear, rectifiers, vector
from vgrad.parts.activations.registry import ACTIVATIONS, Kernel, kinks, size_of

__all__ = [
    "ACTIVATIONS",
    "Kernel",
    "bounded",
    "kinks",
    "linear",
    "rectifiers",
    "size_of",
    "vector",
]

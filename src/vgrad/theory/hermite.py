"""Expectations of two examples at any correlation, by Hermite series: quick, to about 1e-3.

E[f(u₁) g(u₂)] = Σ aₖ bₖ cᵏ, aₖ = E[f(√v x) Heₖ(x)] / √k! (Mehler's formula). Good for how far
numbers scatter; the maps themselves take the exact `vgrad.meanfield.plane`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import torch

Floats = npt.NDArray[np.float64]

TERMS = 48
REACH, PIECES = 9.0, 72  # standard deviations, and pieces of the line, with 6 nodes each


@dataclass(frozen=True)
class Series:
    """A function of √v x for L layers at once.

    Attributes:
        terms: aₖ, [L, TERMS].
        values: at the nodes, [L, nodes].
    """

    terms: Floats
    values: Floats

    @classmethod
    def of(cls, values: Floats) -> Series:
        """The series of a function with these values at `nodes()`."""
        _, mass, basis = _grid()
        # torch's product: NumPy's may start threads, which cost more than it where cores are busy.
        terms = torch.from_numpy(values * mass) @ torch.from_numpy(basis).T
        return cls(terms.numpy(), values)

    def by(self, other: Series, c: Floats, free: Floats | float = 1.0) -> Floats:
        """E[f(u₁) g(u₂)], [L], at the correlations c, [L].

        Args:
            other: g.
            c: from −1 to 1.
            free: the share of the second term that counts.
        """
        product = self.terms * other.terms
        _, mass, _ = _grid()
        rest = (self.values * other.values) @ mass - product.sum(1)  # of terms beyond the last
        powers = c[:, None] ** np.arange(TERMS)
        found = (product * powers).sum(1) + rest * np.maximum(c, 0.0) ** (2 * TERMS)
        return np.asarray(found - (1.0 - free) * product[:, 2] * c**2)


def nodes() -> Floats:
    """x, in standard deviations."""
    return _grid()[0]


def expectation(values: Floats) -> Floats:
    """E[f] of values at the nodes, [… nodes]."""
    return np.asarray(values @ _grid()[1])


@cache
def _grid() -> tuple[Floats, Floats, Floats]:
    """Nodes, their mass under N(0, 1), and Heₖ/√k! at them, [TERMS, nodes]."""
    at, weight = np.polynomial.legendre.leggauss(6)
    half = REACH / PIECES
    middles = np.linspace(-REACH + half, REACH - half, PIECES)
    x = (middles[:, None] + half * at).ravel()
    mass = np.exp(-0.5 * x**2) / np.sqrt(2.0 * np.pi) * np.tile(half * weight, PIECES)
    basis = [np.ones_like(x), x]
    for k in range(1, TERMS - 1):
        basis.append((x * basis[k] - np.sqrt(k) * basis[k - 1]) / np.sqrt(k + 1.0))
    return x, mass, np.stack(basis)

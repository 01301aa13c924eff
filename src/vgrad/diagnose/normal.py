"""What is normal: the shares that a healthy layer shows, by design or by chance."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from vgrad.diagnose.entries import NOT_FLAT, ONE_SIDED, SMOOTH
from vgrad.diagnose.trace import Floats, Trace

NODES = 512  # of the quadrature


def closed_by_design(trace: Trace) -> float | None:
    """The share of slopes that count as saturated in a healthy layer; None where none can be.

    What is flat on one side, as ELU and GELU, is made to be so for half of all z.
    """
    name = trace.text("activation")
    if name in NOT_FLAT:
        return None
    return 0.5 if name in (*ONE_SIDED, *SMOOTH) else 0.0


def closed_for_all(cosine: Floats, batch: int) -> Floats:
    """The chance that a rectifier with random weights is closed for every example of a batch.

    Its pre-activations are Gaussian, and any two of them have the correlation ρ of what the layer
    reads. With one common factor, z_b = √ρ u + √(1 − ρ) e_b, that is E_u[Φ(−√(ρ / (1 − ρ)) u)ᴮ]:
    2⁻ᴮ at ρ = 0, 1 / (B + 1) at ½, and ½ where all examples are alike.

    Args:
        cosine: ρ; NaN, where all examples are 0, counts as 1.
        batch: B.
    """
    rho = np.clip(np.nan_to_num(cosine, nan=1.0), 0.0, 1.0 - 1e-12)
    u = ndtri((np.arange(NODES) + 0.5) / NODES)
    closed = ndtr(-np.sqrt(rho / (1 - rho))[..., None] * u) ** batch
    return np.asarray(closed.mean(axis=-1))

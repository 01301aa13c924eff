"""Norms, moments and cosines in float64, for what the format of a run cannot hold."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def norm(x: Tensor) -> float:
    """The L2 norm of x in float64, scaled so that no square over- or underflows."""
    x = x.cpu().double()
    largest = float(x.abs().amax())
    if largest == 0.0 or not math.isfinite(largest):
        return largest
    return largest * float(torch.linalg.vector_norm(x / largest))


def moments(x: Tensor) -> tuple[float, float]:
    """Mean of x and the L2 norm of x − mean, in float64."""
    x = x.cpu().double()
    mean = x.mean()
    deviations = x - mean
    return float(mean), norm(deviations - deviations.mean())


def cosines(h: Tensor) -> tuple[float, float]:
    """‖Σ h/‖h‖‖ over the rows of h [B, D] that are not 0, and how many those are."""
    h = h.cpu().double()
    h = h / h.abs().amax(1, keepdim=True)
    h = h[~h.isnan().any(1)]
    h = h / torch.linalg.vector_norm(h, dim=1, keepdim=True)
    return float(torch.linalg.vector_norm(h.sum(0))), float(len(h))

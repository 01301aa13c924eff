"""The fate of the gradient: the one place that decides it, for run.json and `vgrad diagnose`.

How far the error signal changes across the hidden layers is counted in decades: log₁₀ of δ of
layer 1 over δ of the last one, at step 0 and at the last record. Weight gradients decide nothing:
each is the product of the error signal and of the forward signal, and with ReLU and Xavier, where
both shrink, it stays level while δ is lost.
"""

from __future__ import annotations

import math

HEALTHY = 2.0  # decades across the network, up or down, that training copes with
ILL = 3.0  # decades from which the gradient itself is called vanishing or exploding


def decades(ratio: float | None) -> float | None:
    """log₁₀ of a ratio, −∞ for 0."""
    if ratio is None:
        return None
    return math.log10(ratio) if ratio > 0 else -math.inf


def fate(
    start: float | None,
    end: float | None,
    *,
    fell: bool,
    healthy: float = HEALTHY,
    ill: float = ILL,
) -> str:
    """What became of the gradient, from its change across the network in decades.

    From `ill` decades on it vanishes or explodes, be it at the start or at the end; up to
    `healthy` all is well. Between the two the loss decides: where it has not fallen by a tenth
    the gradient is ill, else it is unsure.

    Args:
        start: log₁₀ of δ of layer 1 over δ of the last hidden layer at step 0; None where it
            cannot be told.
        end: the same at the last record.
        fell: whether the training loss fell by a tenth or more.
        healthy: decades up to which the gradient is well.
        ill: decades from which on it is not, whatever the loss does.
    """
    for change in (start, end):
        if change is not None and abs(change) >= ill:
            return direction(change)
    if start is None:
        start = end if fell else None
    if start is None:
        return "unsure"
    if abs(start) <= healthy:
        return "healthy"
    return "unsure" if fell else direction(start)


def direction(change: float) -> str:
    """Vanishing where the change is negative, else exploding."""
    return "vanishing" if change < 0 else "exploding"

"""Architectures: what stands between one layer's activations and the next one's."""

from __future__ import annotations

from dataclasses import dataclass

from vgrad.registry import Registry

MODELS = Registry("model", "models")


@dataclass(frozen=True)
class Architecture:
    """What all runs of a stack share beside depth and width.

    Attributes:
        bias: whether a layer adds a bias.
    """

    bias: bool


@MODELS.entry(source="Rumelhart, Hinton & Williams 1986, doi:10.1038/323533a0")
def mlp(*, bias: bool = True) -> Architecture:
    """hₗ = φ(hₗ₋₁ Wₗ + bₗ) for each hidden layer, then a linear output layer."""
    return Architecture(bias=bias)

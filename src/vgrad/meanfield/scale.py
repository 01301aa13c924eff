"""How large the weights and biases of a layer are drawn, as the theory counts them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """The scale of one layer's parameters.

    Attributes:
        sigma_w2: σ_w² = fan_in · E[W²].
        bias_var: the variance of the biases over the units.
        bias_mean: their mean, a constant that all units have.
    """

    sigma_w2: float
    bias_var: float = 0.0
    bias_mean: float = 0.0

    @property
    def sigma_b2(self) -> float:
        """σ_b² = E[b²]."""
        return self.bias_var + self.bias_mean**2

"""What the theory says of a config, and the document that programs read."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from vgrad.meanfield.critical import Critical, Gains
from vgrad.meanfield.fixed_point import FixedPoint, depth_scale

if TYPE_CHECKING:
    import pandas as pd

TRAINABLE = 6.0  # depth scales: Schoenholz et al. 2017, arXiv:1611.01232, figure 5


@dataclass(frozen=True)
class Layer:
    """One layer of a wide network at step 0; None where nothing is predicted.

    Attributes:
        layer: 1 … depth the hidden layers, depth + 1 the output layer.
        fan_in, fan_out: its inputs and its pre-activations.
        sigma_w2, sigma_b2: fan_in · E[W²], and E[b²].
        preact_ms: E[z²].
        act_mean, act_var: of h = φ(z); of the outputs themselves in the last layer.
        gate_ms: E[φ′²].
        chi1: σ_w² E[φ′²].
        correlation: mean cosine between the h of two examples.
        delta_rms: the error signal, 1 in the last hidden layer.
        weight_grad_norm: ‖∂L/∂W‖, likewise.
        delta_spread, preact_spread: how far single networks of this width scatter about it, the
            standard deviation over seeds, in decades, of δ and of E[z²] as they are recorded.
    """

    layer: int
    fan_in: int
    fan_out: int
    sigma_w2: float | None = None
    sigma_b2: float | None = None
    preact_ms: float | None = None
    act_mean: float | None = None
    act_var: float | None = None
    gate_ms: float | None = None
    chi1: float | None = None
    correlation: float | None = None
    delta_rms: float | None = None
    weight_grad_norm: float | None = None
    delta_spread: float | None = None
    preact_spread: float | None = None


@dataclass(frozen=True)
class DepthScales:
    """ξ, in layers: of the length, of the correlation, and of the square of the gradient."""

    q: float | None = None
    c: float | None = None
    gradient: float | None = None


@dataclass(frozen=True)
class Prediction:
    """What mean-field theory says of a config before it is trained.

    Attributes:
        layers: the layers in order, the output layer last.
        fixed_point: where a deep network of these hidden layers ends up; None where it never does,
            or where that is not known.
        depth_scale: how fast.
        critical: where another σ_w would put it on the edge of chaos, or why none does.
        gain: the gains of the activation that have a meaning of their own.
        grad_decay: decades that δ gains per layer on its way back; negative = vanishing.
        trainable_depth: about how many layers such a network may have.
        not_predicted: why there is no prediction of the layers, or None.
        sigma_w: of the hidden layers, √(fan_in · E[W²]).
        init: the init that the weights are drawn by.
        bias_mean: the constant part of the biases, which counts in the critical point's σ_b.
    """

    layers: tuple[Layer, ...]
    fixed_point: FixedPoint | None
    depth_scale: DepthScales
    critical: Critical
    gain: Gains
    grad_decay: float | None
    trainable_depth: float | None
    not_predicted: str | None
    sigma_w: float | None
    init: str
    bias_mean: float = 0.0

    def document(self) -> dict[str, Any]:
        """What `vgrad theory --json` prints."""
        point = self.fixed_point
        names = [field.name for field in fields(FixedPoint)]
        at = {name: None if point is None else getattr(point, name) for name in names}
        return {
            "layers": [asdict(layer) for layer in self.layers],
            "fixed_point": at,
            "depth_scale": asdict(self.depth_scale),
            "critical": asdict(self.critical),
            "gain": asdict(self.gain),
            "grad_decay": self.grad_decay,
            "trainable_depth": self.trainable_depth,
            "not_predicted": self.not_predicted,
        }

    def frame(self) -> pd.DataFrame:
        """The layers as a data frame, with the columns of `layers.parquet` that are predicted."""
        import pandas as pd

        return pd.DataFrame([asdict(layer) for layer in self.layers])

    def _repr_html_(self) -> str:
        return str(self.frame().to_html(index=False))


def scales_of(point: FixedPoint | None) -> DepthScales:
    """The depth scales about a fixed point; none without."""
    if point is None:
        return DepthScales()
    return DepthScales(depth_scale(point.dq), depth_scale(point.chi_c), depth_scale(point.chi1))


def trainable(scales: DepthScales) -> float | None:
    """Six times the smaller of ξ_c and ξ_∇: how far examples differ, and the gradient reaches."""
    known = [scale for scale in (scales.c, scales.gradient) if scale is not None]
    return TRAINABLE * min(known) if known else None


def size(log_square: float, log_unit: float) -> float | None:
    """√(e^a / e^b) of two logarithms; None where the unit is 0 or not known."""
    if not math.isfinite(log_unit) or math.isnan(log_square):
        return None
    exponent = (log_square - log_unit) / 2.0
    return math.inf if exponent > 709.0 else math.exp(exponent)

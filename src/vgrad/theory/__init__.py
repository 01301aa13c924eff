"""Mean-field theory: what becomes of the signal and of the gradient, without training.

For wide random networks the pre-activations of a layer are normal variables, and a few numbers
follow them through the layers (Poole et al. 2016, arXiv:1606.05340; Schoenholz et al. 2017,
arXiv:1611.01232). `predict` takes a checked config; the rest serves single activations.
"""

from __future__ import annotations

from vgrad.theory.critical import Critical, Gains, critical, gains
from vgrad.theory.fixed_point import FixedPoint, depth_scale, settle
from vgrad.theory.phi import Phi
from vgrad.theory.predict import predict
from vgrad.theory.prediction import DepthScales, Layer, Prediction
from vgrad.theory.scale import Scale

__all__ = [
    "Critical",
    "DepthScales",
    "FixedPoint",
    "Gains",
    "Layer",
    "Phi",
    "Prediction",
    "Scale",
    "critical",
    "depth_scale",
    "gains",
    "predict",
    "settle",
]

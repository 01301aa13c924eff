"""What becomes of the signal and of the gradient of a network, predicted without training.

`predict` takes a checked config through the maps of `vgrad.meanfield`, layer by layer.
"""

from __future__ import annotations

from vgrad.theory.predict import predict
from vgrad.theory.prediction import DepthScales, Layer, Prediction

__all__ = ["DepthScales", "Layer", "Prediction", "predict"]

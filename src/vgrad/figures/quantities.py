"""What is drawn: a title, an axis with its unit, and the kind of scale of each measured column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from vgrad.figures.scale import Numbers, Scale, choose, fixed


@dataclass(frozen=True)
class Quantity:
    """A measured column as a reader meets it.

    Attributes:
        column: its name in the tables; with a `:` it is made from others.
        title, axis: what a panel says.
        prefer: the kind of scale; "share" goes from 0 to 100 %, "unit" from 0 to 1.
        of_hidden: whether it is of hidden layers only: the output layer has no activation, and
            its z would stretch the scale.
        ceiling: what is larger does not stretch the scale.
    """

    column: str
    title: str
    axis: str
    prefer: Literal["log", "auto", "share", "unit"]
    of_hidden: bool = False
    ceiling: float = np.inf

    def scale(self, values: Numbers) -> Scale:
        """The scale for these values."""
        if self.prefer in ("share", "unit"):
            return fixed(0.0, 1.0, values)
        return choose(values, "log" if self.prefer == "log" else "auto")


BY_LAYER = (
    Quantity("delta_rms", "Error signal δ", "RMS of ∂ℓ/∂z  [loss per unit of z]", "log"),
    Quantity("weight_grad_norm", "Weight gradient", "‖∂L/∂W‖  [loss per unit of weight]", "log"),
    Quantity("act_mean", "Activation mean", "mean of h  [units of h]", "auto", True),
    Quantity(
        "act_var", "Activation variance", "variance of h  [units of h²]", "log", of_hidden=True
    ),
)
ERROR_SIGNAL, WEIGHT_GRADIENT, _, ACTIVATION_VARIANCE = BY_LAYER
INNER = (
    Quantity(
        "saturated",
        "Saturation",
        "│φ′│ < 5 % of its largest  [% of (example, unit)]",
        "share",
        True,
    ),
    Quantity("dead", "Dead units", "φ′ = 0 for all examples  [% of units]", "share", True),
    Quantity(
        "sign_coherence", "Sign coherence", "1 = all weights of a unit go one way  [1]", "unit"
    ),
    Quantity(
        "correlation", "Correlation", "mean cosine of two examples' h  [1]", "auto", of_hidden=True
    ),
)
UPDATE_RATIO = Quantity(
    "update_ratio", "Update ratio", "‖ΔW‖ / ‖W‖ per step  [1]", "log", ceiling=10.0
)
LOSS, ACCURACY = (
    Quantity("loss", "Loss", "mean over examples  [units of the loss]", "auto"),
    Quantity("accuracy", "Accuracy", "share of examples classified right  [%]", "share"),
)


def numbers(column: pd.Series) -> Numbers:
    """A column as float64; NaN where it holds NaN and where it holds nothing."""
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def measured(steps: pd.DataFrame, column: str) -> pd.DataFrame:
    """The rows in which a loss or an accuracy was measured.

    A frame cannot tell NaN from nothing. The training loss is measured in every row, and the
    validation loss where there is an accuracy, so that NaN is then a loss that has diverged.
    """
    if column == "train_loss":
        return steps
    there = steps[column].notna()
    return steps[there | steps["val_accuracy"].notna() if column == "val_loss" else there]

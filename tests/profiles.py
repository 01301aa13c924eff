"""Made-up layers and steps of a run, as `summarise` and `describe` take them."""

from __future__ import annotations

import math

NAN, INF = math.nan, math.inf


def fading(keep, depth, output=0.1):
    """The δ of layers 1 … depth + 1 where each layer keeps this share."""
    return [keep ** (depth - layer) for layer in range(1, depth + 1)] + [output]


def profile(deltas, **columns):
    """The layers at one step, of a network that is well but for what is said."""
    well = {"preact_ms": 1.0, "act_var": 0.5, "act_mean": 0.1, "correlation": 0.3}
    return {name: [value] * len(deltas) for name, value in well.items()} | {
        "delta_rms": deltas,
        **columns,
    }


def rows(loss=(2.4, 0.1), accuracy=(0.1, 0.95), step=600):
    """The first and the last row of the steps."""
    return [
        {"step": 0, "train_loss": loss[0], "train_accuracy": accuracy[0], "grad_norm": 1.0,
         "val_loss": loss[0], "val_accuracy": accuracy[0]},
        {"step": step, "train_loss": loss[1], "train_accuracy": accuracy[1], "grad_norm": 1.0,
         "val_loss": loss[1], "val_accuracy": accuracy[1]},
    ]  # fmt: skip


STUCK = {"loss": (2.4, 2.3), "accuracy": (0.1, 0.1)}

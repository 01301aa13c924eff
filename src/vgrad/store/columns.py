"""What a run records: the columns of its tables, and the files that hold them."""

from __future__ import annotations

from dataclasses import dataclass

LAYER_COLUMNS = (
    "preact_mean",
    "preact_var",
    "preact_ms",
    "act_mean",
    "act_var",
    "delta_rms",
    "weight_grad_norm",
    "bias_grad_norm",
    "weight_norm",
    "update_ratio",
    "gate_ms",
    "saturated",
    "dead",
    "sign_coherence",
    "correlation",
    "lost_updates",
    "activation_param",
    "activation_param_grad",
    "weight_gain",
)
STEP_COLUMNS = (
    "train_loss",
    "train_accuracy",
    "val_loss",
    "val_accuracy",
    "lr",
    "grad_norm",
    "clipped_updates",
    "grad_noise",
)
QUANTILES = 33  # of h, evenly spaced, from the smallest to the largest
QUANTILE_COLUMNS = tuple(f"q{number}" for number in range(QUANTILES))


@dataclass(frozen=True)
class Table:
    """One of a run's tables.

    Attributes:
        name: what its files are named for.
        keys: what tells its rows apart within a run.
        columns: what was measured, float64 each.
    """

    name: str
    keys: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def journal(self) -> str:
        """The file that its records go to while the run lives: an Arrow IPC stream."""
        return f"{self.name}.arrow"

    @property
    def parquet(self) -> str:
        """The file that it is when the run has ended."""
        return f"{self.name}.parquet"


LAYERS = Table("layers", ("step", "layer"), LAYER_COLUMNS)
STEPS = Table("steps", ("step",), STEP_COLUMNS)
DISTRIBUTIONS = Table("distributions", ("step", "layer"), QUANTILE_COLUMNS)
ALWAYS = (LAYERS, STEPS)  # that every run leaves, be they empty
TABLES = (*ALWAYS, DISTRIBUTIONS)
DOCUMENT = "run.json"
LOCK = ".lock"
LOG = "run.log"
CHECKPOINT = "checkpoint.safetensors"

"""Quantities: one number of each run, from its summary or its records, for claims to speak of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vgrad.arms import Arm, setting_columns
from vgrad.diagnose import summarise
from vgrad.errors import ConfigError, did_you_mean
from vgrad.listing import Filter
from vgrad.store import LAYER_COLUMNS, STEP_COLUMNS, foretold

if TYPE_CHECKING:
    import pandas as pd

    from vgrad.store import Frames

FORETOLD = tuple(foretold.cells({}))  # `theory.grad_decay` and the like
AT_START = (  # known of a run that diverged
    *("grad_decay", "reach", "initial_train_loss", "chance"),
    *FORETOLD,
)
RESULTS = (  # what `.runs` has beside the settings
    *("run_id", "path", "resolved_init", "resolved_gain"),
    *summarise(None, None, [], 0, "completed"),
    *FORETOLD,
)
HIDDEN_LAYERS = "hidden"
LAYERS = ("first", "last", "output", HIDDEN_LAYERS)  # or a number
STEPS = ("first", "last")  # or a number
NOT_IN_ALL = ("val_loss", "val_accuracy", "update_ratio", "lost_updates")  # records have these


@dataclass(frozen=True)
class Quantity:
    """What is looked at in each run.

    Attributes:
        column: of `.runs`, `.steps` or `.layers`.
        layer: of a column of `.layers`: 1, 2 …, `first` or `last` of the hidden layers, their mean
            (`hidden`), or `output`.
        step: of a column of `.layers` or `.steps`: the record of this step, or the latest before
            it that has the number; `first` or `last` record.
        log10: whether the number is the decimal logarithm of it.
        share: in the place of a column: of how many runs this is true.
    """

    column: str = ""
    layer: int | str | None = None
    step: int | str = "last"
    log10: bool = False
    share: Filter | None = None

    @property
    def is_recorded(self) -> bool:
        """Whether it stands in the records of steps or layers."""
        return self.share is None and (self.layer is not None or self.column in STEP_COLUMNS)

    def check(self, frames: Frames) -> None:
        """See whether the runs have it.

        Raises:
            ConfigError: they have no such column.
        """
        if self.share is None and not self.is_recorded and self.column not in frames.runs:
            known = [*map(str, frames.runs.columns), *STEP_COLUMNS, *LAYER_COLUMNS]
            near = did_you_mean(self.column, known)
            raise ConfigError(f"No column of these runs is named {self.column!r}.{near}")


def values(
    of: Quantity, arm: Arm, frames: Frames, rows: Mapping[str, Mapping[str, Any]]
) -> list[float]:
    """The number of each of an arm's runs; NaN where there is none.

    What came at the end of a run that diverged is none; what its records hold is.

    Args:
        of: what is looked at.
        arm: whose runs.
        frames: of all runs.
        rows: their rows of `.runs` by run_id.
    """
    if of.share is not None:
        return [float(of.share.fits(rows[run_id])) for run_id in arm.run_ids]
    if not of.is_recorded:
        early = {*AT_START, *setting_columns(frames.runs)}
        found = [_of_run(of, rows[run_id], early) for run_id in arm.run_ids]
    else:
        table = frames.steps if of.layer is None else frames.layers
        table = table[table["run_id"].isin(arm.run_ids)]
        depth = int(arm.settings["depth"])
        found = [_of_table(of, table[table["run_id"] == run], depth) for run in arm.run_ids]
    return [_log10(value) if of.log10 else value for value in found]


def _of_run(of: Quantity, row: Mapping[str, Any], early: set[str]) -> float:
    value = row.get(of.column)
    if row["status"] == "diverged" and of.column not in early:
        return math.nan
    return float(value) if isinstance(value, int | float) else math.nan


def _of_table(of: Quantity, mine: pd.DataFrame, depth: int) -> float:
    """The number in the records of one run."""
    if of.layer is None:
        return _of_record(of, mine)
    if of.layer == HIDDEN_LAYERS:
        layers = range(1, depth + 1)
        found = [_of_record(of, mine[mine["layer"] == layer]) for layer in layers]
        return sum(found) / len(found) if found else math.nan
    places: Mapping[int | str, int] = {"first": 1, "last": depth, "output": depth + 1}
    return _of_record(of, mine[mine["layer"] == places.get(of.layer, of.layer)])


def _of_record(of: Quantity, rows: pd.DataFrame) -> float:
    """The number at the step that is asked for."""
    if of.column in NOT_IN_ALL:
        rows = rows[rows[of.column].notna()]
    if isinstance(of.step, int):
        rows = rows[rows["step"] <= of.step]
    if rows.empty:
        return math.nan
    ordered = rows.sort_values("step")
    return float(ordered[of.column].iloc[0 if of.step == "first" else -1])


def _log10(value: float) -> float:
    return math.log10(value) if value > 0 else -math.inf if value == 0 else math.nan

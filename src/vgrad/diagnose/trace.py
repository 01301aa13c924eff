"""One run as the rules see it: plain arrays of what was recorded, and its settings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vgrad.diagnose.summary import Profile, summarise
from vgrad.store.columns import LAYER_COLUMNS, STEP_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

    from vgrad.store import Frames

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
TOLD = ("delta_rms", "preact_ms", "act_var")
FORETOLD = ("delta_rms", "act_var", "correlation")
DEEPEST = 10_000  # hidden layers that a run may have
RUNAWAY = 10.0  # times the first loss


@dataclass(frozen=True, eq=False)
class Trace:
    """One run.

    Attributes:
        run_id: of the run.
        settings: its config with flat keys as typed, and the fields of its summary; without what
            is null.
        depth: hidden layers.
        when: the steps at which the layers were recorded, [T].
        layers: column → values, [T, depth + 1]; NaN where null. T may be 0.
        step: the steps of the other table, [S].
        steps: column → values, [S]; NaN where null. S may be 0.
        foretold: column → what theory foretold of each layer, None where nothing; None where it
            foretold nothing at all.
    """

    run_id: str
    settings: Mapping[str, Any]
    depth: int
    when: NDArray[np.int64]
    layers: Mapping[str, Floats]
    step: NDArray[np.int64]
    steps: Mapping[str, Floats]
    foretold: Profile | None = None

    def hidden(self, column: str) -> Floats:
        """A column's values in the hidden layers, [T, depth]."""
        return self.layers[column][:, : self.depth]

    def number(self, key: str, default: float) -> float:
        """A setting as a number; the default where it is absent or none."""
        value = self.settings.get(key)
        usable = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if usable and value is not None else default

    def text(self, key: str) -> str:
        """A setting as text, empty where it is absent."""
        return str(self.settings.get(key, ""))

    def sound(self) -> Trace:
        """The same run without the records of its divergence, if it diverged.

        What a network shows while its loss runs away is no ill of its own: the records from where
        the loss is ten times what it was are left out, and those whose signal is not finite.
        """
        signal = self.hidden("act_var")
        if np.isnan(signal).all():
            return self  # it was not recorded, or nothing is left to judge
        kept = np.isfinite(signal).all(axis=1)
        if self.text("status") == "diverged" and len(self.step):
            losses = self.steps["train_loss"]
            away = ~(losses < RUNAWAY * losses[0])
            kept &= self.when < (self.step[int(np.argmax(away))] if away.any() else np.inf)
        layers = {name: values[kept] for name, values in self.layers.items()}
        return replace(self, when=self.when[kept], layers=layers)

    @property
    def begins(self) -> bool:
        """Whether the layers were recorded at step 0."""
        return len(self.when) > 0 and int(self.when[0]) == 0

    @property
    def updates(self) -> int:
        """How many updates were made."""
        last = int(self.step[-1]) if len(self.step) else 0
        return max(last, int(self.number("last_step", 0)))

    @property
    def chance(self) -> float | None:
        """The accuracy of guessing; None for a regression, or where it is not known."""
        told = self.number("chance", math.nan)
        if math.isfinite(told):
            return told
        classes = self.number("data.classes", math.nan)
        return 1 / classes if classes > 0 else None

    def profile(self, record: int) -> Profile:
        """The layers at one record, with what `summarise` reads of them."""
        return {column: self.layers[column][record].tolist() for column in TOLD}

    @cached_property
    def summary(self) -> dict[str, Any]:
        """What `summarise` makes of the records: the same as stands in run.json."""
        first = self.profile(0) if self.begins else None
        last = self.profile(-1) if len(self.when) else None
        status = self.text("status")
        return summarise(first, last, self._rows(), self.depth, status, chance=self.chance)

    def _rows(self) -> list[dict[str, Any]]:
        """The first and the last row: the verdict needs no others."""
        ends = sorted({0, len(self.step) - 1}) if len(self.step) else []
        return [
            {"step": int(self.step[row])}
            | {name: _or_null(name, float(values[row])) for name, values in self.steps.items()}
            for row in ends
        ]


def traces(frames: Frames) -> Iterator[Trace]:
    """The runs of some frames, in their order."""
    layers = dict(tuple(frames.layers.groupby("run_id", sort=False)))
    steps = dict(tuple(frames.steps.groupby("run_id", sort=False)))
    theory = dict(tuple(frames.theory.groupby("run_id", sort=False)))
    for row in frames.runs.to_dict("records"):
        settings = {str(key): value for key, value in row.items() if not _is_null(value)}
        run_id = str(settings["run_id"])
        own = (
            rows.get(run_id, frame[:0])
            for rows, frame in ((layers, frames.layers), (steps, frames.steps))
        )
        yield replace(trace(settings, *own), foretold=_foretold(theory.get(run_id)))


def trace(settings: Mapping[str, Any], layers: pd.DataFrame, steps: pd.DataFrame) -> Trace:
    """One run from its settings and its rows of the two tables, in any order."""
    depth = _depth(settings.get("depth"))
    layers = layers[layers["layer"].between(1, depth + 1)] if depth is not None else layers[:0]
    depth = depth or 0
    when, record = np.unique(layers["step"].to_numpy(np.int64), return_inverse=True)
    shape = (len(when), depth + 1)
    place = (record, layers["layer"].to_numpy(np.int64) - 1)
    steps = steps.sort_values("step")
    return Trace(
        run_id=str(settings["run_id"]),
        settings=settings,
        depth=depth,
        when=when,
        layers={name: _spread(layers, name, place, shape) for name in LAYER_COLUMNS},
        step=steps["step"].to_numpy(np.int64),
        steps={name: _column(steps, name) for name in STEP_COLUMNS},
    )


def _foretold(rows: pd.DataFrame | None) -> Profile | None:
    """The columns that findings are judged by, layer by layer."""
    if rows is None:
        return None
    rows = rows.sort_values("layer")
    return {
        name: [None if value != value else float(value) for value in rows[name]]
        for name in FORETOLD
    }


def _depth(value: Any) -> int | None:
    """The hidden layers; None where a run.json says what no run can have."""
    known = isinstance(value, int | float) and 0 <= value <= DEEPEST
    return int(value) if known and value == int(value) else None


def _spread(
    layers: pd.DataFrame, name: str, place: tuple[Any, Any], shape: tuple[int, int]
) -> Floats:
    values = np.full(shape, np.nan)
    values[place] = _column(layers, name)
    return values


def _column(rows: pd.DataFrame, name: str) -> Floats:
    """A column as floats; NaN throughout where an older version did not record it."""
    if name not in rows:
        return np.full(len(rows), np.nan)
    return np.asarray(rows[name].to_numpy(dtype=float, na_value=np.nan))


def _is_null(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _or_null(column: str, value: float) -> float | None:
    """NaN in a column that is never null is what was computed; in others nothing was measured."""
    return None if math.isnan(value) and column not in ("train_loss", "grad_norm") else value

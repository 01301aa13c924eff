"""The minutes of a run: its records on their way to the files, and what its summary needs."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

import numpy as np

from vgrad.config import RunConfig
from vgrad.diagnose import Profile, summarise
from vgrad.draw import drawn_init
from vgrad.parts.datasets import Dataset
from vgrad.store import LAYER_COLUMNS, RunWriter
from vgrad.terminal import View
from vgrad.train import Outcome, Record
from vgrad.training import Row

UNEVEN = 1.5  # times its even share, from which a class is worth guessing
DELTA = LAYER_COLUMNS.index("delta_rms")


class Minutes:
    """Passes a run's records on to its files and views, and keeps of them what is needed.

    Attributes:
        seconds: spent on writing and showing.
    """

    def __init__(self, writer: RunWriter, views: Sequence[View]) -> None:
        self.seconds = 0.0
        self._writer, self._views = writer, views
        self._first: Record | None = None
        self._last: Record | None = None
        self._rows: dict[str, Row] = {}

    @property
    def first(self) -> Profile | None:
        """The layers at step 0, None if they were not recorded."""
        return _profile(self._first)

    @property
    def last(self) -> Profile | None:
        """The layers at the last record, None if there is none."""
        return _profile(self._last)

    @property
    def rows(self) -> list[Row]:
        """The first row, the best and the last evaluation, and the last row, each once."""
        rows = {row["step"]: row for row in self._rows.values()}
        return sorted(rows.values(), key=lambda row: row["step"] or 0)

    def take(self, record: Record) -> None:
        """Write one record, show it, and keep it if it counts."""
        begun = perf_counter()
        self._writer.record(
            record.step, record.steps, record.layers, record.absent, record.quantiles
        )
        self.keep(record)
        deltas: Sequence[float] = ()
        if record.layers is not None:
            deltas = record.layers[:, DELTA].tolist()
        for view in self._views:
            view.record(record.step, record.steps, deltas)
        self.seconds += perf_counter() - begun

    def keep(self, record: Record) -> None:
        """Keep of a record what counts: a handful, so that memory does not grow with the steps."""
        if record.layers is not None:
            self._last = record
            if record.step == 0:
                self._first = record
        row: Row = {"step": record.step, **record.steps}
        self._rows.setdefault("first", row)
        self._rows["last"] = row
        if row["val_loss"] is None:
            return
        self._rows["evaluated"] = row
        best = self._rows.setdefault("best", row)
        if (row["val_accuracy"] or 0.0) > (best["val_accuracy"] or 0.0):
            self._rows["best"] = row

    def summary(self, config: RunConfig, data: Dataset, outcome: Outcome) -> dict[str, Any]:
        """What stands in run.json of how the run went."""
        summary = summarise(
            self.first, self.last, self.rows, config.depth, outcome.status, chance=_chance(data)
        )
        init = drawn_init(config)
        summary |= {"last_step": outcome.updates, "resolved_init": init.name}
        if config.init.settings.get("gain") == "auto" or config.init.name == "critical":
            summary |= {"resolved_gain": init.settings["gain"]}
        if self.rows and self.rows[-1]["clipped_updates"] is not None:
            summary |= {"clipped_updates": self.rows[-1]["clipped_updates"]}
        if outcome.status == "diverged":
            summary |= {"first_bad_step": outcome.updates, "first_bad_layer": outcome.bad_layer}
        return summary


def _chance(data: Dataset) -> float | None:
    """The accuracy of guessing: 1 / classes, or of always naming a class that is far more frequent.

    That class is the most frequent one in training, and its share that in the test set.
    """
    if data.classes is None:
        return None
    share = float((data.test_y == np.bincount(data.train_y).argmax()).mean())
    even = 1.0 / data.classes
    return share if share > UNEVEN * even else even


def _profile(record: Record | None) -> Profile | None:
    if record is None or record.layers is None or record.absent is None:
        return None
    values = record.layers.astype(object)
    values[record.absent] = None
    return {name: values[:, index].tolist() for index, name in enumerate(LAYER_COLUMNS)}

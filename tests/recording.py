"""Runs with made-up records, written by the real writer: for tests of the store.

It imports no pandas, so that a test's own process can use it and start fast.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vgrad.errors import StoreError
from vgrad.store import LAYER_COLUMNS, RunWriter

if TYPE_CHECKING:
    from vgrad.store import Frames

RUN_ID = "0123456789ab"
CONFIG = {
    "activation": {"name": "selu", "alpha": 1.5},
    "init": {"name": "matched"},
    "depth": 3,
    "probe": {"every": None},
    "name": "a$\\frac$ <script>",
}
ABSENT = np.zeros((4, len(LAYER_COLUMNS)), dtype=bool)
ABSENT[3, 10:13] = True


def layers_at(step: int) -> np.ndarray:
    """The layers' rows of a step, [4, columns]: all different, with NaN and infinity among them."""
    values = step * 1000 + np.arange(float(ABSENT.size)).reshape(ABSENT.shape) / 7
    values[1, 2], values[2, 3], values[2, 4] = np.nan, np.inf, -np.inf
    return values


def steps_at(step: int) -> dict[str, float | None]:
    """The run's row of a step: `val_loss` is null where it is odd, NaN at 2."""
    val_loss = None if step % 2 else step / 3
    return {"train_loss": 1 / (step + 1), "val_loss": np.nan if step == 2 else val_loss, "lr": 0.1}


def begin(folder: Path, run_id: str = RUN_ID, **config: Any) -> RunWriter:
    """A writer that has recorded nothing yet."""
    return RunWriter(folder, run_id, {**CONFIG, **config}, {"versions": {"vgrad": "1"}})


def record(writer: RunWriter, count: int = 5) -> None:
    """Steps 0, 1, …, each with its layers."""
    for step in range(count):
        writer.record(step, steps_at(step), layers_at(step), ABSENT)


def write(folder: Path, run_id: str = RUN_ID, status: str = "completed", **config: Any) -> Path:
    """A run of five steps that has ended."""
    with begin(folder, run_id, **config) as writer:
        record(writer)
        writer.finish(status, {"final_train_loss": 0.2, "grad_decay": -np.inf}, {"train": 1.5})
    return folder


def write_killed(folder: Path, run_id: str = RUN_ID) -> Path:
    """A run of five steps as a kill leaves it: nothing was ended, and nobody holds the lock."""
    alive = folder.with_name("." + folder.name)
    with begin(alive, run_id) as writer:
        record(writer)
        shutil.copytree(alive, folder)
    shutil.rmtree(alive)
    return folder


def assert_holds_the_first_steps(frames: Frames, count: int = 5) -> None:
    """The one run of the frames has steps 0, 1, … and nothing else, each value as recorded."""
    assert list(frames.steps.step) == list(range(count))
    assert list(frames.layers.step) == [step for step in range(count) for _ in range(4)]
    assert list(frames.layers.layer) == [1, 2, 3, 4] * count
    for step in range(count):
        values = frames.layers[frames.layers.step == step][list(LAYER_COLUMNS)]
        np.testing.assert_array_equal(values, np.where(ABSENT, np.nan, layers_at(step)))
        row = frames.steps[frames.steps.step == step].iloc[0]
        for name, value in steps_at(step).items():
            np.testing.assert_equal(row[name], np.nan if value is None else value)


def first_steps(frames: Frames, count: int) -> Frames:
    """The frames without the records of step `count` and later."""
    steps = frames.steps[frames.steps.step < count]
    layers = frames.layers[frames.layers.step < count]
    return type(frames)(frames.runs, steps, layers, frames.problems)


def try_to_load(folder: Path) -> Frames | str:
    """The frames, or the message of the error."""
    from vgrad.store import load

    try:
        return load(folder)
    except StoreError as error:
        return str(error)


def environment() -> dict[str, str]:
    """What a test's own process needs to import what this one can."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

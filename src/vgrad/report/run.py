"""One run as the page shows it: its document, its records, its numbers and its words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from vgrad.diagnose import Profile, describe, summarise
from vgrad.diagnose.words import AT_CHANCE
from vgrad.figures import plain
from vgrad.store import Frames, RunFile

CLASSES = {"digits": 10, "mnist": 10}  # of the data sets that do not have it as a setting


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        file: what its run.json says.
        layers, steps: its rows of the two tables.
        summary: the fields of its summary, also where the run was killed before it had one.
        words: what became of it, in sentences.
    """

    file: RunFile
    layers: pd.DataFrame
    steps: pd.DataFrame
    summary: Mapping[str, Any]
    words: Sequence[str]

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The config with flat keys."""
        return self.file.settings

    @property
    def depth(self) -> int:
        """Hidden layers."""
        return int(self.settings["depth"])

    @property
    def chance(self) -> float | None:
        """The accuracy of guessing."""
        chance: float | None = self.summary["chance"]
        return chance

    @property
    def name(self) -> str:
        """What the user called it."""
        return plain(self.settings.get("name", self.file.path.name))

    @property
    def drawable(self) -> bool:
        """Whether its layers were recorded."""
        return not self.layers.empty


def collect(frames: Frames) -> tuple[list[Run], list[str]]:
    """The runs that were loaded, and a line for each whose run.json makes no sense.

    Args:
        frames: what `vgrad.store.load` returned.
    """
    by_id = {file.run_id: file for file in frames.files}
    layers = dict(tuple(frames.layers.groupby("run_id", sort=False)))
    steps = dict(tuple(frames.steps.groupby("run_id", sort=False)))
    runs, problems = [], []
    for run_id, path in zip(frames.runs["run_id"], frames.runs["path"], strict=True):
        rows = (layers.get(run_id, frames.layers[:0]), steps.get(run_id, frames.steps[:0]))
        try:
            runs.append(_run(by_id[run_id], *rows))
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            why = f"{type(error).__name__}: {error}"
            problems.append(f"{path}/run.json is left out, as it makes no sense ({why}).")
    return runs, problems


def names(runs: Sequence[Run], *, hidden: bool = False) -> list[str]:
    """What each run is called: its name, and its folder's where several have the same.

    Args:
        runs: all that are shown together.
        hidden: whether they are only counted, since a name may say who gave it.
    """
    numbered = [f"run {place}" for place in range(1, len(runs) + 1)]
    if hidden:
        return numbered
    given = [run.name for run in runs]
    counts = Counter(given)
    return [
        (name if counts[name] == 1 else f"{name}/{plain(run.file.path.name)}").strip() or number
        for name, run, number in zip(given, runs, numbered, strict=True)
    ]


def by_layer(layers: pd.DataFrame, step: int, column: str) -> dict[int, float]:
    """A column's values at one step: layer → value."""
    rows = layers[layers["step"] == step]
    return dict(zip(rows["layer"].tolist(), rows[column].tolist(), strict=True))


def _run(file: RunFile, layers: pd.DataFrame, steps: pd.DataFrame) -> Run:
    config, settings = file.config, file.settings
    depth = settings["depth"]
    if not isinstance(depth, int) or depth < 0:
        raise ValueError(f"depth is {depth!r}")
    if not (layers.empty or (layers["layer"].min(), layers["layer"].max()) == (1, depth + 1)):
        raise ValueError("its tables have other layers")
    told = file.summary
    chance = told.get("chance") if told else _chance(settings)
    first, last = _profile(layers, "min"), _profile(layers, "max")
    own = summarise(first, last, _rows(steps), depth, file.status, chance=chance)
    own |= {"resolved_init": None, "resolved_gain": None}
    summary = {key: told.get(key, value) for key, value in own.items()} | {"status": file.status}
    _check(summary)
    return Run(file, layers, steps, summary, describe(config, summary, first, last))


def _check(summary: Mapping[str, Any]) -> None:
    """Refuse a summary that holds anything but numbers and its three words."""
    kinds: dict[str, tuple[type, ...]] = {
        "status": (str,),
        "verdict": (str,),
        "resolved_init": (str, type(None)),
    }
    for key, value in summary.items():
        wanted = kinds.get(key, (int, float, type(None)))
        if not isinstance(value, wanted):
            raise TypeError(f"{key} is {value!r}")


def _chance(settings: Mapping[str, Any]) -> float | None:
    """1 / classes where the config tells it: a run that was killed has no summary."""
    classes = settings.get("data.classes", CLASSES.get(str(settings.get("data"))))
    return 1 / classes if isinstance(classes, int) and classes > 0 else None


def _profile(layers: pd.DataFrame, end: str) -> Profile | None:
    """The layers at the first or at the last record; None where there is none."""
    if layers.empty:
        return None
    rows = layers[layers["step"] == layers["step"].agg(end)].sort_values("layer")
    columns = [name for name in rows if name not in ("run_id", "step", "layer")]
    return {str(name): rows[name].tolist() for name in columns}


def _rows(steps: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of the steps; what validation and accuracy leave as NaN was not measured."""
    rows = steps.sort_values("step").to_dict("records")
    return [
        {
            str(key): None if _is_nan(value) and key not in ("train_loss", "grad_norm") else value
            for key, value in row.items()
        }
        for row in rows
    ]


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and bool(np.isnan(value))


def stays_at_chance(run: Run) -> bool:
    """Whether it was trained to its end, and validation never got beyond guessing."""
    best, chance = run.summary["best_val_accuracy"], run.chance
    trained = run.steps["val_accuracy"].notna() & (run.steps["step"] > 0)
    if best is None or chance is None or run.summary["status"] != "completed":
        return False
    return bool(trained.any() and best <= chance + AT_CHANCE * (1 - chance))

"""Runs of several arms as data frames, made up in a line: for tests of the figures that compare."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from vgrad.arms import Arm
from vgrad.figures import Sheet

STEPS = (0, 1, 2, 5, 10)
DECAY = {"sigmoid": -0.6, "tanh": -0.05, "relu": 0.0, "selu": 0.02}


def arm(number: int, seeds: int = 3, **settings: Any) -> Arm:
    """An arm with its runs' ids."""
    given = {"activation": "relu", "init": "he_normal", "depth": 4} | settings
    label = " ".join(str(value) for value in given.values())
    ids = tuple(f"a{number}s{seed}" for seed in range(seeds))
    return Arm(number, given, ids, tuple(range(seeds)), label)


def grid(seeds: int = 3, **keys: Iterable[Any]) -> list[Arm]:
    """An arm for each combination of some settings."""
    combinations: list[dict[str, Any]] = [{}]
    for key, values in keys.items():
        name = key.replace("__", ".")
        combinations = [{**one, name: value} for one in combinations for value in values]
    return [arm(number, seeds, **one) for number, one in enumerate(combinations)]


def layers_of(arms: Iterable[Arm], steps: Iterable[int] = STEPS) -> pd.DataFrame:
    """The layers of all runs: δ changes by what the activation says, a little by the seed."""
    frames = []
    for one in arms:
        depth = one.settings["depth"]
        decay = DECAY.get(one.settings["activation"], -0.1)
        for seed, run_id in enumerate(one.run_ids):
            for step in steps:
                layer = np.arange(1, depth + 2)
                hidden = layer <= depth
                delta = 10.0 ** (-1 + decay * (depth + 1 - layer) + 0.1 * seed)
                columns = {
                    "delta_rms": delta,
                    "weight_grad_norm": 3 * delta,
                    "act_mean": 0.1 * layer,
                    "act_var": 10.0 ** (-0.1 * layer),
                    "preact_ms": 10.0 ** (-0.1 * layer),
                    "gate_ms": np.where(hidden, 0.25, np.nan),
                    "saturated": np.where(hidden, 0.2, np.nan),
                    "dead": np.where(hidden, 0.1, np.nan),
                    "sign_coherence": 0.3,
                    "correlation": 0.5,
                    "update_ratio": np.nan if step == max(steps) else 1e-3,
                }
                keys = {"run_id": run_id, "step": step, "layer": layer}
                frames.append(pd.DataFrame(keys | columns))
    return pd.concat(frames, ignore_index=True)


def steps_of(arms: Iterable[Arm], steps: Iterable[int] = STEPS) -> pd.DataFrame:
    """The steps of all runs; each seed is a tenth better than the one before."""
    frames = []
    for one in arms:
        for seed, run_id in enumerate(one.run_ids):
            step = np.array(tuple(steps))
            accuracy = 0.1 + 0.05 * step + 0.1 * seed
            columns = {"train_accuracy": accuracy, "val_accuracy": accuracy}
            columns |= {"train_loss": 2.3 - accuracy, "val_loss": 2.4 - accuracy}
            frames.append(pd.DataFrame({"run_id": run_id, "step": step} | columns))
    return pd.concat(frames, ignore_index=True)


def runs_of(arms: Iterable[Arm], **results: Any) -> pd.DataFrame:
    """A row per run; results are those given, the same in all runs, or of the seed."""
    rows = []
    for one in arms:
        decay = DECAY.get(one.settings["activation"], -0.1)
        for seed, run_id in enumerate(one.run_ids):
            row = {
                **one.settings,
                "seed": seed,
                "run_id": run_id,
                "status": "completed",
                "verdict": "vanishing" if decay * one.settings["depth"] < -2 else "healthy",
                "final_val_accuracy": 0.5 + 0.1 * seed,
                "final_val_loss": 1.0 + 0.1 * seed,
                "final_train_loss": 1.0,
                "grad_decay": decay + 0.001 * seed,
                "reach": 10.0 ** (decay * one.settings["depth"]),
                "chance": 0.1,
            }
            rows.append(row | results)
    return pd.DataFrame(rows)


def lines_of(sheet: Sheet, panel: int, gid: str) -> list[Line2D]:
    """The lines of a panel with a group id, the arm's own first."""
    return [line for line in sheet.panels[panel].get_lines() if line.get_gid() == gid]


def gids(sheet: Sheet) -> set[str]:
    """All group ids of arms and bands."""
    artists = [artist for axes in sheet.axes for artist in [*axes.get_lines(), *axes.patches]]
    return {str(artist.get_gid()) for artist in artists if artist.get_gid()}

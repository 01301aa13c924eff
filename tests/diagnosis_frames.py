"""Frames of a network that is well in every column, but for what a test makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from vgrad.diagnose import diagnose
from vgrad.store import LAYER_COLUMNS, STEP_COLUMNS, Frames

NAN, INF = float("nan"), float("inf")
WHEN = (0, 1, 2, 5, 10, 20, 50, 100, 200, 300)
WIDTH = 64
SETTINGS = {
    "activation": "relu", "init": "matched", "init.bias": 0.0, "init.bias_std": 0.0,
    "loss": "cross_entropy", "data": "digits", "optimizer": "sgd", "optimizer.lr": 0.02,
    "optimizer.clip_norm": 0.0, "model": "mlp", "model.norm": "none", "model.residual": "none",
    "model.dropout": 0.0, "model.alpha_dropout": 0.0, "width": WIDTH, "steps": WHEN[-1],
    "batch_size": 64, "seed": 0, "dtype": "float32",
}  # fmt: skip
RESULTS = {"status": "completed", "path": "runs/made", "chance": 0.1, "resolved_init": "he_normal"}
MORE_RESULTS = ("first_bad_step", "first_bad_layer")
LAYERS = {
    "preact_mean": 0.0, "preact_var": 1.0, "preact_ms": 1.0, "act_mean": 0.4, "act_var": 0.5,
    "delta_rms": 0.01, "weight_grad_norm": 0.1, "bias_grad_norm": 0.01, "weight_norm": 11.3,
    "update_ratio": 1e-3, "gate_ms": 0.5, "saturated": 0.5, "dead": 0.02, "sign_coherence": 0.3,
    "correlation": 0.5, "lost_updates": 0.0, "weight_gain": 1.41,
}  # fmt: skip
NULL_IN_OUTPUT = ("gate_ms", "saturated", "dead")
NULL_AT_END = ("update_ratio", "lost_updates")


def frames(
    depth: int = 10,
    *,
    when: tuple[int, ...] = WHEN,
    layers: Mapping[str, Any] | None = None,
    steps: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Frames:
    """One run.

    Args:
        depth: hidden layers.
        when: the recorded steps.
        layers: column → a number, a value a layer [depth + 1], or [records, depth + 1].
        steps: column → a number or a value a record.
        **settings: with `__` for the dot, `optimizer__lr=2`.
    """
    shape = (len(when), depth + 1)
    table = {name: np.full(shape, LAYERS.get(name, NAN)) for name in LAYER_COLUMNS}
    for name, values in (layers or {}).items():
        table[name] = np.array(np.broadcast_to(values, shape), float)
    for name in NULL_IN_OUTPUT:
        table[name][:, -1] = NAN
    for name in NULL_AT_END:
        table[name][-1:] = NAN
    table["weight_gain"][1:] = NAN
    given = {key.replace("__", "."): value for key, value in settings.items()}
    told = {key: value for key, value in given.items() if key in (*RESULTS, *MORE_RESULTS)}
    row = SETTINGS | {"depth": depth} | {key: given[key] for key in given if key not in told}
    row |= {"run_id": f"run{row['seed']}", **RESULTS, **told}
    keys = {"run_id": row["run_id"], "step": np.repeat(when, depth + 1)}
    keys["layer"] = np.tile(np.arange(1, depth + 2), len(when))
    rows = pd.DataFrame({**keys, **{name: values.ravel() for name, values in table.items()}})
    return Frames(pd.DataFrame([row]), _steps(row["run_id"], when, steps or {}), rows, [])


def _steps(run_id: str, when: tuple[int, ...], given: Mapping[str, Any]) -> pd.DataFrame:
    done = 1 - np.exp(-np.array(when, float) / 60)
    table = dict.fromkeys(STEP_COLUMNS, NAN) | {
        "train_loss": 2.3 - 2.2 * done,
        "train_accuracy": 0.1 + 0.88 * done,
        "val_loss": 2.3 - 2.1 * done,
        "val_accuracy": 0.1 + 0.86 * done,
        "lr": 0.02,
        "grad_norm": 1.0,
    }
    return pd.DataFrame({"run_id": run_id, "step": np.array(when), **table, **given})


def joined(*parts: Frames) -> Frames:
    """Several runs in one."""
    tables = [pd.concat([getattr(one, name) for one in parts], ignore_index=True)
              for name in ("runs", "steps", "layers")]  # fmt: skip
    return Frames(*tables, [])


def fading(decades: float, depth: int = 10) -> list[float]:
    """δ of layers 1 … depth + 1 that changes by so many decades from the last to the first."""
    slope = decades / (depth - 1)
    return [0.01 * 10 ** (slope * (depth - layer)) for layer in range(1, depth + 1)] + [0.01]


def found(run: Frames, **thresholds: float) -> dict[str, Any]:
    """rule → finding of one run; thresholds with `__` for the dot."""
    limits = {key.replace("__", "."): value for key, value in thresholds.items()}
    (diagnosis,) = diagnose(run, limits)
    return {finding.rule: finding for finding in diagnosis.findings}


STUCK = {"train_loss": 2.3, "train_accuracy": 0.1, "val_accuracy": 0.1, "val_loss": 2.3}

"""The numbers of a run that stand in its `run.json`: its results, and how its gradient fared.

δ is the error signal, `delta_rms`. How far it changes across the network is δ of layer 1 over δ
of the last hidden layer, the *reach* of the gradient; its log₁₀ is counted in decades.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import linear_regression
from typing import Any, TypeGuard

from vgrad.diagnose.verdict import decades, fate

Profile = Mapping[str, Sequence[float | None]]

VALIDATION = ("val_loss", "val_accuracy")
RESULTS = ("train_loss", "train_accuracy", *VALIDATION)

STUCK = 0.9  # a loss above this share of its first value has not fallen


def grad_decay(profile: Profile, depth: int) -> float | None:
    """The slope of log₁₀ δ over the hidden layers, from the output towards the input.

    Least squares, in decades per layer: negative = vanishing, positive = exploding. Layers whose
    δ is zero (too small for its float format), infinite, NaN or null are left out; None where
    fewer than two remain.
    """
    deltas = enumerate(hidden(profile, "delta_rms", depth), 1)
    points = [(layer, math.log10(delta)) for layer, delta in deltas if is_size(delta)]
    if len(points) < 2:
        return None
    return 0.0 - linear_regression(*zip(*points, strict=True)).slope


def reach(profile: Profile, depth: int) -> float | None:
    """δ of layer 1 over δ of the last hidden layer: 1 where nothing is lost on the way.

    0 where layer 1 has none, being too small for its float format, and where no hidden layer has
    any though the output layer has; infinity where δ overflows on the way. None where it cannot
    be told: no hidden layer, no error at all (a loss of zero), NaN or null, or where the error
    passes the last hidden layer by, as with a branch that starts at 0.
    """
    near_input, near_output = (value_of(profile, "delta_rms", layer) for layer in (1, depth))
    if near_input is None or near_output is None:
        return None
    if math.isnan(near_input) or math.isnan(near_output):
        return None
    if near_output == 0 and near_input > 0:
        return None
    if near_output == 0:
        return 0.0 if is_size(value_of(profile, "delta_rms", depth + 1)) else None
    return math.inf if math.isinf(near_input) else near_input / near_output


def summarise(
    first: Profile | None,
    last: Profile | None,
    steps: Sequence[Mapping[str, Any]],
    depth: int,
    status: str,
    *,
    chance: float | None = None,
) -> dict[str, Any]:
    """The numbers of a run that stand in `run.json`.

    Args:
        first: the layers at step 0, None if they were not recorded.
        last: the layers at the last record.
        steps: the rows of `steps.parquet` in order, each with its `step`; None is null.
        depth: hidden layers.
        status: how the run ended: completed, diverged, interrupted or failed.
        chance: the accuracy of guessing, 1 / classes; None for regression or where not known.

    Returns:
        What the contract names, and what `describe` needs: `status`, `last_step`, `chance`,
        `last_evaluated_step`, `initial_train_loss`, `final_grad_decay`, `reach` at step 0 and
        `final_reach`, `first_bad_step` and `first_bad_layer` (None where all that was
        recorded is finite).
    """
    evaluated = [row for row in steps if any(row.get(column) is not None for column in VALIDATION)]
    train_losses = _recorded(steps, "train_loss")
    accuracies = _recorded(steps, "val_accuracy")
    summary = {
        "status": status,
        "last_step": max((int(row["step"]) for row in steps), default=0),
        "last_evaluated_step": int(evaluated[-1]["step"]) if evaluated else None,
        "chance": chance,
        "initial_train_loss": train_losses[0] if train_losses else None,
        **{f"final_{column}": _final(steps, column) for column in RESULTS},
        "best_val_accuracy": max(filter(math.isfinite, accuracies), default=None),
        "grad_decay": grad_decay(first, depth) if first else None,
        "final_grad_decay": grad_decay(last, depth) if last else None,
        "reach": reach(first, depth) if first else None,
        "final_reach": reach(last, depth) if last else None,
        "first_bad_step": _first_bad_step(steps),
        "first_bad_layer": _first_bad_layer(last) if last else None,
    }
    return summary | {"verdict": _verdict(summary, depth, recorded=first is not None)}


def loss_fell(summary: Mapping[str, Any]) -> bool:
    """Whether the training loss ended a tenth or more below its first value."""
    before, after = summary["initial_train_loss"], summary["final_train_loss"]
    return before is not None and after is not None and bool(after < STUCK * before)


def hidden(profile: Profile, column: str, depth: int) -> list[float | None]:
    """A column's values in the hidden layers, from layer 1 on; empty if it was not recorded."""
    return list(profile.get(column, ()))[:depth]


def value_of(profile: Profile, column: str, layer: int) -> float | None:
    """A column's value in one layer; None where it is null or was not recorded."""
    values = profile.get(column, ())
    return values[layer - 1] if 1 <= layer <= len(values) else None


def is_size(value: float | None) -> TypeGuard[float]:
    """Whether a value has a logarithm: positive and finite."""
    return value is not None and 0 < value < math.inf


def _recorded(steps: Iterable[Mapping[str, Any]], column: str) -> list[float]:
    return [float(row[column]) for row in steps if row.get(column) is not None]


def _final(steps: Iterable[Mapping[str, Any]], column: str) -> float | None:
    values = _recorded(steps, column)
    return values[-1] if values else None


def _first_bad_step(steps: Iterable[Mapping[str, Any]]) -> int | None:
    for row in steps:
        if not all(math.isfinite(row.get(column) or 0) for column in ("train_loss", "grad_norm")):
            return int(row["step"])
    return None


def _first_bad_layer(profile: Profile) -> int | None:
    """Where the first infinity or NaN arose: on the way forward, the lowest layer, else δ's top."""

    def bad(column: str) -> list[int]:
        values = enumerate(profile.get(column, ()), 1)
        return [layer for layer, value in values if not math.isfinite(value or 0)]

    forwards = [*bad("preact_ms"), *bad("act_var")]
    return min(forwards, default=None) or max(bad("delta_rms"), default=None)


def _verdict(summary: Mapping[str, Any], depth: int, *, recorded: bool) -> str:
    """One word for the gradient, at the start and at the end."""
    if summary["status"] == "diverged":
        return "diverged"
    start, end = decades(summary["reach"]), decades(summary["final_reach"])
    word = fate(start, end, fell=loss_fell(summary))
    return "healthy" if start is None and word == "unsure" and recorded and depth == 0 else word

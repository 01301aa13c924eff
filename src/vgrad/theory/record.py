"""The prediction as a run's run.json has it: made when the run begins, once for all of an arm."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from vgrad.config import RunConfig
from vgrad.parts.datasets import DATASETS
from vgrad.store.foretold import THEORY_COLUMNS
from vgrad.theory.predict import predict
from vgrad.theory.prediction import Prediction

Recorded = Mapping[str, Any]

DEEPEST = 500  # hidden layers that are predicted before a run begins: a second at most
DIGITS = 8  # significant ones: more than any measurement has
KINDS = ("activation", "init", "loss", "model")
SIZES = ("depth", "width", "batch_size")


@dataclass(frozen=True)
class _Asked:
    """A config, told from others by what the prediction depends on."""

    determined_by: str
    config: RunConfig = field(compare=False)


def record(config: RunConfig) -> Recorded:
    """What theory says of a run, for its run.json.

    Runs that differ in their seed alone share it. Theory never stops a run, nor keeps it waiting:
    where it fails, or would take long, that is the reason why nothing is predicted.

    Returns:
        `not_predicted` (a reason, or None), `grad_decay`, `trainable_depth`, and `layers`: by
        column a list over layers 1 … depth + 1, None where nothing is predicted.
    """
    fingerprint = DATASETS[config.data.name].fingerprint
    told = [getattr(config, kind).plain() for kind in KINDS]
    told += [config.data.plain(), fingerprint and fingerprint(config.data.settings)]
    told += [getattr(config, size) for size in SIZES]
    return _recorded(_Asked(json.dumps(told, sort_keys=True), config))


@lru_cache(maxsize=256)
def _recorded(asked: _Asked) -> Recorded:
    if asked.config.depth > DEEPEST:
        why = f"a run of more than {DEEPEST} layers does not wait for it; `vgrad theory` has it"
        return nothing(why, asked.config.depth)
    try:
        found = predict(asked.config, whole=False)
    except Exception as error:
        return nothing(f"the theory failed: {type(error).__name__}: {error}", asked.config.depth)
    return plain(found)


def plain(prediction: Prediction) -> Recorded:
    """A prediction as plain data, rounded."""
    layers = prediction.layers
    return {
        "not_predicted": prediction.not_predicted,
        "grad_decay": _rounded(prediction.grad_decay),
        "trainable_depth": _rounded(prediction.trainable_depth),
        "layers": {
            name: [_rounded(getattr(layer, name, None)) for layer in layers]
            for name in THEORY_COLUMNS
        },
    }


def nothing(why: str, depth: int) -> Recorded:
    """What is recorded where nothing is predicted."""
    return {
        "not_predicted": why,
        "grad_decay": None,
        "trainable_depth": None,
        "layers": {name: [None] * (depth + 1) for name in THEORY_COLUMNS},
    }


def _rounded(value: float | None) -> float | None:
    if value is None or math.isnan(value):
        return None
    return float(f"{value:.{DIGITS}g}")

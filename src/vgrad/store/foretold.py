"""What theory foretold of a run, as it stands in run.json under `theory`; nothing there is trusted.

A run of an older program, or a file that someone else wrote, may have none of it, or something
else in its place: then nothing was foretold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from vgrad.store.run_file import RunFile

THEORY = "theory"  # the key in run.json
NUMBERS = ("grad_decay", "trainable_depth")
REASON = "not_predicted"
THEORY_COLUMNS = (
    "preact_ms",
    "act_mean",
    "act_var",
    "gate_ms",
    "correlation",
    "delta_rms",
    "weight_grad_norm",
    "delta_spread",
    "preact_spread",
)
INFINITE = {"inf": float("inf"), "-inf": float("-inf"), "nan": float("nan")}


def cells(document: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of `.runs` that speak of the prediction; None where nothing was foretold."""
    told = _told(document)
    found: dict[str, Any] = {f"{THEORY}.{name}": _number(told.get(name)) for name in NUMBERS}
    reason = told.get(REASON)
    return found | {f"{THEORY}.{REASON}": reason if isinstance(reason, str) else None}


def brief(document: Mapping[str, Any]) -> dict[str, Any]:
    """A run.json without the layers of its prediction, for lists of many runs."""
    told = document.get(THEORY)
    if not isinstance(told, Mapping):
        return dict(document)
    return {**document, THEORY: {key: told[key] for key in told if key != "layers"}}


def frame(runs: Iterable[RunFile]) -> pd.DataFrame:
    """A row per run and layer: `run_id`, `layer` and THEORY_COLUMNS, null as NaN."""
    import numpy as np
    import pandas as pd

    ids, blocks = [], []
    for run in runs:
        block = _layers(run.document)
        if block is not None:
            ids.append(run.run_id)
            blocks.append(block)
    values = np.concatenate(blocks, axis=1) if blocks else np.empty((len(THEORY_COLUMNS), 0))
    lengths = [block.shape[1] for block in blocks]
    layers = [np.arange(1, length + 1) for length in lengths] or [np.empty(0, np.int64)]
    run_id = pd.Series(ids, dtype=None if ids else object).repeat(lengths)
    columns = dict(zip(THEORY_COLUMNS, values, strict=True))
    return pd.DataFrame({"run_id": run_id.array, "layer": np.concatenate(layers), **columns})


def _layers(document: Mapping[str, Any]) -> NDArray[np.float64] | None:
    """The columns of one run, [columns, layers]; None where they are not those of its layers."""
    import numpy as np

    layers = _told(document).get("layers")
    depth = document["config"].get("depth")
    if not isinstance(layers, Mapping):
        return None
    rows = [layers.get(name) for name in THEORY_COLUMNS]
    if not all(isinstance(row, list) and len(row) - 1 == depth for row in rows):
        return None
    try:
        return np.array(rows, dtype=np.float64)
    except (TypeError, ValueError):
        return None


def _told(document: Mapping[str, Any]) -> Mapping[str, Any]:
    told = document.get(THEORY)
    return told if isinstance(told, Mapping) else {}


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        return INFINITE.get(value)
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if known else None

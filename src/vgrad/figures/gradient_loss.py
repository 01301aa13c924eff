"""Where the gradient is lost: each layer's weights, each layer's gates, and the loss itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from vgrad.arms import Arm
from vgrad.figures.arm_profiles import at_end, by_depth, label_by_layer, number_of, sheaf_of
from vgrad.figures.bands import Sheaf, fill
from vgrad.figures.curves import label_steps
from vgrad.figures.facets import Facets
from vgrad.figures.lines import guide
from vgrad.figures.looks import looks
from vgrad.figures.palette import GUIDE_DASH, MUTED
from vgrad.figures.quantities import Quantity
from vgrad.figures.series import Points, Rows, Series, how_banded, series
from vgrad.figures.settings import before_training
from vgrad.figures.split import split
from vgrad.figures.style import Key, Sheet, styled

Part = Literal["gates", "weights", "both"]
GATES = Quantity("factor:gates", "Kept by the gates", "√ mean φ′² of layer l  [1]", "log", True)
WEIGHTS = Quantity(
    "factor:weights", "Kept by the weights", "(δ of l / δ of l + 1) / gates  [1]", "log", True
)
BOTH = Quantity("factor:both", "Kept by the layer", "δ of layer l / δ of l + 1  [1]", "log", True)
OUTPUT = Quantity(
    "factor:loss", "What the loss sends back", "δ of the output layer  [loss per unit of z]", "log"
)
PARTS: dict[Part, Quantity] = {"gates": GATES, "weights": WEIGHTS, "both": BOTH}
MOST_GROUPS = 3
WHOLE = Key("kept whole", MUTED, GUIDE_DASH)


@styled
def losses_of_gradient(
    layers: pd.DataFrame, arms: Sequence[Arm], facets: Facets | None = None, title: str = ""
) -> Sheet:
    """Each layer's share in the shrinkage of δ before training, split into its two causes.

    From layer l + 1 back to l the error signal goes through the weights and through the gates φ′:
    √(mean φ′²) is the gates' factor, and what remains of δ_l / δ_{l+1} is that of the weights
    (with all else that stands between, such as a norm or a branch), so that the two multiply to
    the whole. What the loss sends into the output layer stands apart, over the training: a loss
    that hardly sends anything stops a net that would pass it on.

    Args:
        layers: the rows of all runs of `layers.parquet`.
        arms: what is compared.
        facets: which settings have the colours and the panels.
        title: a heading.
    """
    facets = facets or Facets()
    arms = before_training(arms)
    look = looks(arms, facets, by_depth(arms))
    groups = split(arms, facets, look, most_groups=MOST_GROUPS)
    across = len(groups.groups)
    heading = title or "Where the gradient is lost, before training"
    figure = Sheet(
        4 * across, heading + groups.common, [*look.legend(groups.arms), WHOLE], across=across
    )
    rows, output = Rows(at_end(layers, "first")), Rows(_of_output(layers))
    sheaves = [
        sheaf_of(groups, rows, quantity, partial(_factors, part=part))
        for part, quantity in PARTS.items()
    ]
    sheaves.append(Sheaf(OUTPUT, [series(group.arms, output, _sent) for group in groups.groups]))
    fill(figure, sheaves, groups, look, "layer", label_by_layer, {OUTPUT.column: ("step", _steps)})
    for place, axes in enumerate(figure.panels):
        live = figure.live[place]
        if live and live.column != OUTPUT.column and live.scale.low < 0 < live.scale.high:
            guide(axes, 0.0)
    figure.caption = _caption(sheaves)
    means = f"Lines are geometric means over seeds; {how_banded(groups.arms)}."
    figure.note = " ".join(filter(None, [means, figure.note]))
    return figure


def factors(delta: np.ndarray, gate_ms: np.ndarray) -> dict[Part, np.ndarray]:
    """Each hidden layer's factors of δ on the way back: those of its gates, its weights, both.

    Args:
        delta: `delta_rms` of layers 1 … depth + 1.
        gate_ms: of layers 1 … depth.
    """
    with np.errstate(all="ignore"):
        both = delta[:-1] / delta[1:]
        gates = np.sqrt(gate_ms)
        return {"gates": gates, "weights": both / gates, "both": both}


def _factors(rows: Rows, run_id: str, part: Part) -> Points | None:
    layer, delta = rows.of(run_id, "layer"), rows.of(run_id, "delta_rms")
    if len(layer) < 2:
        return None
    return layer[:-1], factors(delta, rows.of(run_id, "gate_ms")[:-1])[part]


def _of_output(layers: pd.DataFrame) -> pd.DataFrame:
    """The rows of each run's output layer."""
    codes, ids = pd.factorize(layers["run_id"])
    layer = layers["layer"].to_numpy()
    last = np.zeros(len(ids), dtype=layer.dtype)
    np.maximum.at(last, codes, layer)
    kept: pd.DataFrame = layers[layer == last[codes]]
    return kept


def _sent(rows: Rows, run_id: str) -> Points:
    return rows.of(run_id, "step"), rows.of(run_id, "delta_rms")


def _steps(axes: Axes, members: Sequence[Series]) -> None:
    label_steps(axes, max((float(one.x.max()) for one in members), default=0.0))


def _caption(sheaves: Sequence[Sheaf]) -> str:
    """The arm that loses most in a layer, and to what."""
    found = []
    for gates, weights, both in zip(*(sheaf.groups for sheaf in sheaves[:3]), strict=True):
        found += [
            (_mean(b), _mean(g), _mean(w), b.arm)
            for g, w, b in zip(gates, weights, both, strict=True)
        ]
    known = [part for part in found if all(np.isfinite(part[:3]))]
    if not known:
        return "No layer's factor has a size to be compared."
    both_, gates_, weights_, arm = min(known, key=lambda part: part[0])
    return (
        f"{arm.label} loses most: a layer passes × {number_of(both_)} of the error signal on, "
        f"× {number_of(gates_)} by its gates and × {number_of(weights_)} by its weights."
    )


def _mean(one: Series) -> float:
    """The geometric mean of a factor over layers and seeds."""
    with np.errstate(all="ignore"):
        logs = np.log10(one.recorded)
    logs = logs[np.isfinite(logs)]
    return float(10.0 ** logs.mean()) if len(logs) else float("nan")

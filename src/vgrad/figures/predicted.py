"""What theory predicts beside what was measured, before training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from vgrad.arms import Arm
from vgrad.figures.arm_profiles import at_end, by_depth, label_by_layer
from vgrad.figures.bands import Sheaf, fill, titled
from vgrad.figures.facets import Facets
from vgrad.figures.lines import mark, stroke
from vgrad.figures.live import Live
from vgrad.figures.looks import Looks, looks
from vgrad.figures.palette import MUTED
from vgrad.figures.quantities import ACTIVATION_VARIANCE, Quantity
from vgrad.figures.scale import Numbers, Scale
from vgrad.figures.series import Points, Rows, how_banded, series
from vgrad.figures.settings import before_training
from vgrad.figures.split import Split, split
from vgrad.figures.style import Key, Sheet, styled

RELATIVE = "δ / δ of last hidden layer  [1]"
DELTA = Quantity("delta_rms", "Error signal δ", RELATIVE, "log")
QUANTITIES = (
    DELTA,
    Quantity("preact_ms", "Pre-activation", "mean square of z  [units of z²]", "log", True),
)
COSINE = Quantity("correlation", "Correlation", "mean cosine of two examples' h  [1]", "unit", True)
MORE = (ACTIVATION_VARIANCE, COSINE)
SPREADS = {"delta_rms": "delta_spread", "preact_ms": "preact_spread"}  # in decades, over seeds
PREDICTED = Key("measured: line; predicted: dots", MUTED, "solid", "o")
OUTLINE = (0, (1, 1.6))
SPREAD = Key("predicted spread over seeds, ±2 sd", MUTED, OUTLINE)
MOST_GROUPS = 4
WIDEST = 0.5  # decades: a wider spread does not stretch the axis
MOST_DOTS = 20  # of one arm in one panel
MOST_NAMED = 3  # arms of one reason in the note
Prediction = Mapping[str, Sequence[float]]
Predictions = Mapping[int, Prediction]


@styled
def predicted(
    layers: pd.DataFrame,
    arms: Sequence[Arm],
    prediction: Predictions,
    facets: Facets | None = None,
    title: str = "",
    reasons: Mapping[int, str] | None = None,
) -> Sheet:
    """The error signal and the pre-activations by layer, measured and predicted.

    Where one panel holds all arms, so do the variance of the activations and the correlation.

    Args:
        layers: the rows of all runs of `layers.parquet`.
        arms: what is compared; those without a prediction are left out.
        prediction: the number of an arm → for each column its values in layers 1, 2 …; those of
            `delta_rms` are relative to the last hidden layer. `delta_spread`, `preact_spread` are
            standard deviations over seeds, in decades.
        facets: which settings have the colours and the panels.
        title: a heading.
        reasons: the number of an arm without a prediction → why it has none.
    """
    facets = facets or Facets()
    known = before_training([arm for arm in arms if arm.number in prediction])
    look = looks(known, facets, by_depth(known))
    groups = split(known, facets, look, most_groups=MOST_GROUPS)
    across = max(len(groups.groups), 1)
    quantities = QUANTITIES if across > 1 else (*QUANTITIES, *MORE)
    rows = Rows(at_end(layers, "first"))
    sheaves = [_sheaf(quantity, groups, rows, prediction) for quantity in quantities]
    banded = any(_has(prediction[arm.number], name) for arm in known for name in SPREADS.values())
    keys = [*look.legend(groups.arms), PREDICTED, *([SPREAD] if banded else [])]
    heading = (title or "Predicted and measured, before training") + groups.common
    figure = Sheet(len(quantities) * across, heading, keys, across=across)
    fill(figure, sheaves, groups, look, "layer", label_by_layer)
    depths = {arm.number: int(arm.settings["depth"]) for arm in known}
    for axes, live in zip(figure.panels, figure.live, strict=True):
        if live is not None:
            _draw_panel(axes, live, prediction, look, depths)
    figure.table = _table(figure, sheaves, groups, prediction)
    figure.caption = _caption(sheaves[0], prediction)
    figure.note = " ".join(_notes(groups, arms, prediction, reasons or {}))
    return figure


def predicted_of_run(
    layers: pd.DataFrame, arm: Arm, prediction: Prediction, title: str = ""
) -> Sheet:
    """The same of one run, by itself.

    Args:
        layers: its rows of `layers.parquet`.
        arm: the run as an arm of its own.
        prediction: for each column its values in layers 1, 2 ….
        title: a heading.
    """
    figure = predicted(layers, [arm], {arm.number: prediction}, title=title)
    figure.live = [None] * len(figure.panels)
    for artist in figure.findobj(lambda artist: str(artist.get_gid()).startswith(("arm-", "band"))):
        artist.set_gid(None)  # on a page these are of the arms of all runs
    return figure


@dataclass(frozen=True)
class _Foretold:
    """What is predicted of one quantity of one arm in the hidden layers, [depth] each.

    `spread` is a standard deviation in decades, NaN where none is predicted.
    """

    values: Numbers
    spread: Numbers

    @property
    def ends(self) -> tuple[Numbers, Numbers]:
        """Two standard deviations below and above."""
        with np.errstate(all="ignore"):
            factor = 10.0 ** (2.0 * self.spread)
            return self.values / factor, self.values * factor


def _foretold(prediction: Prediction, column: str, depth: int) -> _Foretold:
    """The hidden layers alone: the output layer has no such line beside it."""
    values = _numbers(prediction.get(column, ()), depth)
    name = SPREADS.get(column, "")
    return _Foretold(values, _numbers(prediction.get(name, ()), len(values), filled=True))


def _numbers(values: Sequence[float], most: int, *, filled: bool = False) -> Numbers:
    """The first of them; missing ones as NaN."""
    found = np.array([np.nan if v is None else v for v in values][:most], dtype=np.float64)
    return np.pad(found, (0, most - len(found)), constant_values=np.nan) if filled else found


def _has(prediction: Prediction, column: str) -> bool:
    values = prediction.get(column, ())
    return bool(np.isfinite(_numbers(values, len(values))).any())


def _sheaf(quantity: Quantity, groups: Split, rows: Rows, prediction: Predictions) -> Sheaf:
    """One quantity, on a scale that has room for what is predicted."""
    points = partial(_points, quantity=quantity)
    found = [series(group.arms, rows, points) for group in groups.groups]
    seen = [np.empty(0)]
    for group in groups.groups:
        for arm in group.arms:
            own = _foretold(prediction[arm.number], quantity.column, int(arm.settings["depth"]))
            told = own.spread <= WIDEST
            seen += [own.values[~np.isnan(own.values)], *(end[told] for end in own.ends)]
    return Sheaf(quantity, found, seen=np.concatenate(seen))


def _points(rows: Rows, run_id: str, quantity: Quantity) -> Points | None:
    layer, values = rows.of(run_id, "layer")[:-1], rows.of(run_id, quantity.column)[:-1]
    if not len(layer):
        return None
    with np.errstate(all="ignore"):
        return layer, values / values[-1] if quantity.column == "delta_rms" else values


def _draw_panel(
    axes: Axes, live: Live, prediction: Predictions, look: Looks, depths: Mapping[int, int]
) -> None:
    """The predictions of the arms of one panel."""
    for number in live.arms:
        own = _foretold(prediction[number], live.column, depths[number])
        _outline(axes, own, live.scale, look.of[number].colour, number)
        _dots(axes, own.values, live.scale, look.of[number].colour, number)


def _dots(axes: Axes, values: Numbers, scale: Scale, colour: str, number: int) -> None:
    layer = np.arange(1, len(values) + 1, dtype=np.float64)
    few = np.unique(np.linspace(0, max(len(values) - 1, 0), MOST_DOTS).round().astype(int))
    few = few[: len(values)]
    gid = f"arm-{number}"
    axes.plot(
        layer[few],
        np.clip(scale.place(values[few]), scale.low, scale.high),
        color=colour,
        linestyle="none",
        marker="o",
        markersize=4.0,
        markerfacecolor="none",
        markeredgewidth=0.9,
        gid=gid,
    )
    for rail, mask in scale.marks(values).items():
        if rail != "NaN":  # nothing is predicted there
            mark(axes, layer[mask], scale, rail, colour, gid=gid)


def _outline(axes: Axes, own: _Foretold, scale: Scale, colour: str, number: int) -> None:
    """Two standard deviations to both sides, as dotted lines, as far as the axis goes."""
    layer = np.arange(1, len(own.values) + 1, dtype=np.float64)
    for end in own.ends:
        placed = scale.place(end)
        placed[(placed < scale.low) | (placed > scale.high)] = np.nan
        if np.isfinite(placed).any():
            style: dict[str, Any] = {"linestyle": OUTLINE, "linewidth": 0.9, "zorder": 1.6}
            stroke(axes, layer, placed, color=colour, gid=f"band-{number}", **style)


def _table(
    figure: Sheet, sheaves: Sequence[Sheaf], groups: Split, prediction: Predictions
) -> pd.DataFrame | None:
    """What is drawn: of each arm what was measured, what is predicted, and by how much they differ.

    The difference is in decades where the axis is a logarithm.
    """
    if figure.table is None:
        return None
    titles = [titled(s.quantity.title, group.title) for s in sheaves for group in groups.groups]
    live_of = dict(zip(titles, figure.live, strict=True))
    parts = []
    for (panel, number), measured in figure.table.groupby(["panel", "arm"], sort=False):
        live = live_of[str(panel)]
        assert live is not None
        x = measured["x"].to_numpy(dtype=np.float64)
        own = _foretold(prediction[int(str(number))], live.column, int(x.max(initial=0)))
        at = x.astype(int) - 1
        told = at < len(own.values)
        rows, at = measured[told], at[told]
        if rows.empty:
            parts.append(measured)
            continue
        values, ends = own.values[at], [end[at] for end in own.ends]
        decades = live.scale.kind == "log"
        off = _off(rows["value"].to_numpy(dtype=np.float64), values, decades=decades)
        label, unit = str(rows["label"].iloc[0]), "decades" if decades else "in its units"
        nothing = {"low": np.nan, "high": np.nan, "seeds": 0}
        foretold: dict[str, Any] = {"label": f"{label}, predicted", "value": values}
        foretold |= {"low": ends[0], "high": ends[1], "seeds": 0}
        differ: dict[str, Any] = {
            "label": f"{label}, measured − predicted, {unit}",
            "value": off,
        } | nothing
        parts += [measured, rows.assign(**foretold), rows.assign(**differ)]
    return pd.concat(parts, ignore_index=True)


def _off(measured: Numbers, foretold: Numbers, *, decades: bool) -> Numbers:
    with np.errstate(all="ignore"):
        return np.log10(measured / foretold) if decades else measured - foretold


def _layer_1(sheaf: Sheaf, prediction: Predictions) -> Iterator[tuple[Numbers, float]]:
    """Of each arm by how many decades each seed's δ of layer 1 is off, and the predicted sd."""
    for group in sheaf.groups:
        for one in group:
            depth = int(one.arm.settings["depth"])
            own = _foretold(prediction[one.arm.number], DELTA.column, depth)
            if len(own.values):
                off = _off(one.values[:, 0], own.values[:1], decades=True)
                yield off[np.isfinite(off)], float(own.spread[0])


def _caption(sheaf: Sheaf, prediction: Predictions) -> str:
    found = [(off, spread) for off, spread in _layer_1(sheaf, prediction) if len(off)]
    if not found:
        return "There is nothing to compare."
    errors = [abs(float(np.mean(off))) for off, _ in found]
    if len(errors) == 1:
        told = f"Theory misses the error signal of layer 1 by {errors[0]:.2g} decades"
    else:
        told = (
            f"Theory misses the error signal of layer 1 by {np.median(errors):.2g} decades in the "
            f"median of {len(errors)} arms, and by {max(errors):.2g} at most"
        )
    within = [np.abs(off) <= 2.0 * spread for off, spread in found if spread >= 0.0]
    if not within:
        return f"{told}."
    inside, count = sum(int(part.sum()) for part in within), sum(map(len, within))
    return f"{told}; {inside} of {count} runs lie within the predicted spread of two sd there."


def _notes(
    groups: Split, arms: Sequence[Arm], prediction: Predictions, reasons: Mapping[int, str]
) -> Iterator[str]:
    yield "Theory is of infinite width: open dots."
    yield f"Lines are means over seeds; {how_banded(groups.arms)}."
    if groups.note:
        yield groups.note
    why: dict[str, list[str]] = {}
    for arm in arms:
        if arm.number not in prediction:
            reason = reasons.get(arm.number) or "there is no record of a prediction"
            why.setdefault(reason, []).append(arm.label)
    for reason, labels in why.items():
        rest = len(labels) - MOST_NAMED
        named = ", ".join(labels[:MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
        yield f"Not predicted: {named} ({reason})."

"""Vanishing and exploding: how far the error signal changes across the hidden layers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from vgrad.diagnose.finding import LIKELY, SURE, UNSURE, Slope
from vgrad.diagnose.fit import fit
from vgrad.diagnose.rules.rule import Sign, since, span
from vgrad.diagnose.summary import loss_fell, reach
from vgrad.diagnose.thresholds import Limits
from vgrad.diagnose.trace import Flags, Floats, Trace
from vgrad.diagnose.verdict import decades, direction, fate
from vgrad.phrases import number, percent, sentence

LEVEL = 1.0  # decades within which the weight gradients of first and last layer are level
GOOD_FIT = 0.9  # R² from which on the loss is so much a layer, and can be told beyond the floats
RATIO = "decades across the hidden layers"


def vanishing_gradient(trace: Trace, limits: Limits) -> Sign | None:
    """δ of layer 1 is a thousandth of δ of the last hidden layer, or less."""
    return _changed(trace, limits, "vanishing")


def exploding_gradient(trace: Trace, limits: Limits) -> Sign | None:
    """δ of layer 1 is a thousand times δ of the last hidden layer, or more."""
    return _changed(trace, limits, "exploding")


def verdict(trace: Trace, limits: Limits) -> str:
    """The word for the gradient, as run.json has it where the thresholds are the same."""
    summary = trace.summary
    if summary["status"] == "diverged" or (trace.depth == 0 and len(trace.when)):
        return str(summary["verdict"])
    return _fate(summary, limits, _worse(summary))


def _fate(summary: Mapping[str, Any], limits: Limits, kind: str) -> str:
    rule = f"{kind}_gradient"
    return fate(
        decades(summary["reach"]),
        decades(summary["final_reach"]),
        fell=loss_fell(summary),
        healthy=limits[f"{rule}.healthy"],
        ill=limits[f"{rule}.decades"],
    )


def _worse(summary: Mapping[str, Any]) -> str:
    """Whose thresholds count: those of the direction in which the gradient changes more."""
    changes = [decades(summary[key]) for key in ("reach", "final_reach")]
    return direction(max((c for c in changes if c is not None), key=abs, default=-0.0))


def _changed(trace: Trace, limits: Limits, kind: str) -> Sign | None:
    if trace.depth < 2 or not len(trace.when):
        return None
    summary = trace.summary
    changes = _changes(trace)
    ill, healthy = limits[f"{kind}_gradient.decades"], limits[f"{kind}_gradient.healthy"]
    towards = changes if kind == "exploding" else -changes
    ends = np.zeros(len(changes), bool)
    ends[[0, -1]] = True
    if (towards[ends] >= ill).any():
        beyond, unsure = ill, False
    elif (towards[0] if trace.begins else -math.inf) > healthy:
        beyond, unsure = healthy, _fate(summary, limits, kind) == "unsure"
    else:
        return None
    record = int(np.nanargmax(np.where(ends, towards, -np.inf)))
    deltas = trace.hidden("delta_rms")[record]
    line = fit(deltas.tolist())
    value = _value(float(changes[record]), line, trace.depth)
    return Sign(
        layers=span(_beyond(deltas, beyond, kind)),
        since_step=since(trace.when, towards >= beyond),
        value=value,
        unit=RATIO,
        confidence=UNSURE if unsure else _sureness(value, line, ill, trace.depth),
        why=_why(trace, record, value, line, kind),
        cause="start" if trace.begins and towards[0] >= healthy else "training",
    )


def _changes(trace: Trace) -> Floats:
    """log₁₀ of what layer 1 gets over what the last hidden layer gets, at each record, [T]."""
    column = trace.hidden("delta_rms").tolist()
    outer = trace.layers["delta_rms"][:, -1:].tolist()
    reached = [
        reach({"delta_rms": inner + out}, trace.depth)
        for inner, out in zip(column, outer, strict=True)
    ]
    return np.array([math.nan if r is None else decades(r) for r in reached], dtype=float)


def _beyond(deltas: Floats, limit: float, kind: str) -> Flags:
    """The layers whose δ is so many decades from that of the last; layer 1 in any case."""
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.log10(deltas) - np.log10(deltas[-1])
    if deltas[-1] == 0:  # nothing enters at the top
        return np.ones(len(deltas), bool)
    flags = np.asarray((change if kind == "exploding" else -change) >= limit)
    flags[0] = True
    return flags


def _value(change: float, line: Slope, depth: int) -> float:
    """The change in decades; from the line through the others where δ left the float format."""
    if math.isfinite(change) or line.value is None or (line.r2 or 0.0) < GOOD_FIT:
        return change
    told = line.value * (depth - 1)
    return told if told * change > 0 else change


def _sureness(value: float, line: Slope, ill: float, depth: int) -> str:
    """Sure where the whole interval of the fit lies beyond the threshold, or δ is lost for good."""
    if not math.isfinite(value):
        return SURE
    if line.low is None or line.high is None:
        return LIKELY
    nearest = line.low if value > 0 else line.high
    return SURE if nearest * value > 0 and abs(nearest) * (depth - 1) >= ill else LIKELY


def _why(trace: Trace, record: int, value: float, line: Slope, kind: str) -> str:
    deltas = trace.hidden("delta_rms")[record]
    verb = "lose" if kind == "vanishing" else "add"
    clauses = [_pace(trace, record, line)]
    if not (deltas > 0).any():
        clauses = ["no error signal reaches the hidden layers: their δ is exactly 0"]
    elif deltas[0] == 0 or math.isinf(deltas[0]):
        lost = int(np.sum((deltas == 0) | np.isinf(deltas)))
        side = "below" if kind == "vanishing" else "beyond"
        clauses.append(f"in {lost} layers δ is {side} what {trace.text('dtype') or 'float'} holds")
    elif not clauses[0]:
        clauses = [f"the hidden layers together {verb} {number(abs(value))} decades of δ"]
    clauses.append(_hidden_by_weights(trace, record, value))
    return sentence("; ".join(filter(None, clauses)))


def _pace(trace: Trace, record: int, line: Slope) -> str:
    """What a layer does to δ, and what of that the gates and the weights do."""
    if line.value is None or (line.r2 or 0.0) < GOOD_FIT or abs(line.value) > 300:
        return ""
    factor = 10**line.value
    keeps = f"each layer towards the input keeps {percent(factor)} of δ"
    if factor > 1 or factor < 1e-3:
        keeps = f"each layer towards the input multiplies δ by {number(factor)}"
    gates = trace.hidden("gate_ms")[record]
    gates = gates[np.isfinite(gates) & (gates > 0)]
    if not len(gates) or not _is_plain(trace):
        return keeps
    gate = math.sqrt(float(np.median(gates)))
    made = number(factor / gate)
    return f"{keeps}: φ′ passes {number(gate)} of it, the weights multiply that by {made}"


def _is_plain(trace: Trace) -> bool:
    """Whether nothing but weights and activations stands between two layers."""
    return (
        trace.text("model.residual") in ("", "none")
        and trace.text("model.norm") in ("", "none")
        and trace.text("model") in ("", "mlp")
    )


def _hidden_by_weights(trace: Trace, record: int, value: float) -> str:
    """That the weight gradients do not show it, where they do not."""
    norms = trace.layers["weight_grad_norm"][record]
    first, last = float(norms[0]), float(norms[trace.depth - 1])
    if not (0 < first < math.inf and 0 < last < math.inf) or math.isinf(value):
        return ""
    if abs(math.log10(first / last)) > LEVEL:
        return ""
    return (
        f"the weight gradients hide it (layer 1 has {number(first / last)} times that of layer "
        f"{trace.depth}), as the forward signal changes the other way along the layers"
    )

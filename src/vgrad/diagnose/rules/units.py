"""Units that do nothing, or all the same: dead units, dead layers, symmetry, locked signs."""

from __future__ import annotations

import math

import numpy as np

from vgrad.diagnose.finding import LIKELY, SURE
from vgrad.diagnose.normal import closed_for_all
from vgrad.diagnose.rules.rule import Sign, middle, since, span
from vgrad.diagnose.thresholds import Limits
from vgrad.diagnose.trace import Flags, Floats, Trace
from vgrad.phrases import percent

NOISE = 3.0  # standard deviations of the share of `width` units
FEWEST = 3  # records that tell
FEW_INPUTS = 8  # of a unit, below which its signs agree by chance


def dead_units(trace: Trace, limits: Limits) -> Sign | None:
    """More units of a layer are closed for the whole batch than likeness accounts for."""
    trace = trace.sound()
    if trace.depth < 1 or not len(trace.when):
        return None
    dead, limit = trace.hidden("dead"), limits["dead_units.share"]
    if not (dead[-1] >= limit).any():
        return None
    normal = _normal_deaths(trace, np.asarray((dead >= limit).any(axis=1)))
    noise = NOISE * np.sqrt(normal * (1 - normal) / trace.number("width", 1))
    share = (dead - normal) / (1 - normal)  # of those that should be open
    flags = np.asarray((share >= limit) & (dead - normal >= noise))
    holds = np.asarray(flags.any(axis=1))
    if not holds[-1]:
        return None
    worst = int(np.nanargmax(np.where(flags[-1], dead[-1], -1.0)))
    value = float(dead[-1, worst])
    born = bool(flags[0].any()) and trace.begins
    how = (
        "They start closed: their weights and bias keep z where φ′ is 0"
        if born
        else "Updates have pushed their z to where φ′ is 0, for good"
    )
    return Sign(
        layers=span(flags[-1]),
        since_step=since(trace.when, holds),
        value=value,
        unit="share of a layer's units",
        confidence=SURE if float(share[-1, worst]) >= (1 + limit) / 2 else LIKELY,
        why=(
            f"{percent(value)} of the units of layer {worst + 1} are closed for every example, "
            f"where {percent(float(normal[-1, worst]))} would be by chance. {how}, so that no "
            "gradient reaches their weights."
        ),
        cause="start" if born else "training",
    )


def _normal_deaths(trace: Trace, records: Flags) -> Floats:
    """The share of units that likeness of the examples closes for the batch, [T, depth].

    Only that of some records is worked out, as it takes long: the others have NaN.
    """
    cosine = trace.hidden("correlation")
    before = np.concatenate([cosine[:, :1], cosine[:, :-1]], axis=1)  # layer 1: not recorded
    normal = np.full(before.shape, np.nan)
    batch = max(1, int(trace.number("batch_size", 64)))
    normal[records] = closed_for_all(before[records], batch)
    return normal


def dead_layer(trace: Trace, limits: Limits) -> Sign | None:
    """No example opens any unit of a layer."""
    trace = trace.sound()
    if trace.depth < 1 or not len(trace.when) or trace.number("batch_size", 64) < 2:
        return None
    dead = trace.hidden("dead")
    flags = np.asarray(dead >= limits["dead_layer.share"])
    holds = np.asarray(flags.any(axis=1))
    if not holds[-1]:
        return None
    first, last = span(flags[-1])
    around = trace.text("model.residual") not in ("", "none") or trace.text("model") == "highway"
    through = "only the shortcuts pass anything" if around else "no gradient passes"
    where = f"layer {first}" if first == last else f"layers {first} to {last}"
    return Sign(
        layers=(first, last),
        since_step=since(trace.when, holds),
        value=float(np.nanmax(dead[-1])),
        unit="share of a layer's units",
        confidence=SURE,
        why=f"No example opens any unit of {where}: {through}, and what lies below cannot learn.",
        cause="start" if holds[0] and trace.begins else "training",
    )


def symmetric_units(trace: Trace, limits: Limits) -> Sign | None:
    """All units of a layer start alike, and get the same gradient for ever."""
    width = trace.number("width", 1)
    if trace.depth < 1 or not trace.begins or width < 2 or trace.number("init.bias_std", 0.0) > 0:
        return None
    norms = trace.hidden("weight_norm")[0]
    spread = trace.hidden("weight_gain")[0] * math.sqrt(width)  # √(fan_in · fan_out) · std
    share = np.where(norms > 0, spread / np.where(norms > 0, norms, 1.0), 0.0)
    share[np.isnan(norms) | np.isnan(spread)] = np.nan
    flags = share <= limits["symmetric_units.spread"]
    if not flags.any():
        return None
    broken = trace.number("model.dropout", 0.0) + trace.number("model.alpha_dropout", 0.0) > 0
    return Sign(
        layers=span(flags),
        since_step=0,
        value=float(share[flags].max()),
        unit="spread of the weights over their size",
        confidence=LIKELY if broken else SURE,
        why=(
            "All weights of a layer start equal, so that its units compute the same, get the same "
            "gradient and stay the same: the layer is worth one unit."
        ),
        cause="start",
    )


def sign_locked_weights(trace: Trace, limits: Limits) -> Sign | None:
    """In most layers the gradients of a unit's incoming weights have one sign."""
    trace = trace.sound()
    if trace.depth < 1 or len(trace.when) < FEWEST or trace.number("width", 1) < FEW_INPUTS:
        return None
    coherence = trace.layers["sign_coherence"][:, 1:]  # layer 1 reads the data
    limit = limits["sign_locked_weights.coherence"]
    typical = middle(coherence)
    locked = np.asarray(typical >= limit)
    if not locked.mean() > 0.5:
        return None
    value = float(np.median(typical[locked]))
    first, last = span(locked)
    often = np.asarray((coherence >= limit).mean(axis=1) > 0.5)
    return Sign(
        layers=(first + 1, last + 1),
        since_step=since(trace.when, often),
        value=value,
        unit="share of the signs that agree",
        confidence=SURE if value >= (1 + limit) / 2 else LIKELY,
        why=(
            "What these layers read has one sign, so that all weights of a unit must grow or "
            "shrink together: they can turn only by a zigzag of many updates."
        ),
        cause="training",
    )

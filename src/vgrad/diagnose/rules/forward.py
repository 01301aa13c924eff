"""What becomes of the signal on its way forward: its size, its variety, its slopes."""

from __future__ import annotations

import math

import numpy as np

from vgrad.diagnose.finding import LIKELY, SURE
from vgrad.diagnose.foretold import ALIKE_AT_FIRST, SHATTERED
from vgrad.diagnose.normal import closed_by_design
from vgrad.diagnose.rules.rule import Sign, since, span
from vgrad.diagnose.thresholds import Limits
from vgrad.diagnose.trace import Floats, Trace
from vgrad.phrases import number, percent

CLEARLY = 1.5  # times the threshold: no doubt is left
SPREAD = "decades of spread across the hidden layers"


def signal_collapse(trace: Trace, limits: Limits) -> Sign | None:
    """The activations' spread fades towards the output."""
    return _spread(trace, limits["signal_collapse.decades"], -1)


def signal_blowup(trace: Trace, limits: Limits) -> Sign | None:
    """The activations' spread grows towards the output."""
    return _spread(trace, limits["signal_blowup.decades"], 1)


def _spread(trace: Trace, limit: float, way: int) -> Sign | None:
    """One way in which √variance of the activations may change, from layer 1 on."""
    trace = trace.sound()
    if trace.depth < 2 or not len(trace.when):
        return None
    variances = trace.hidden("act_var")
    with np.errstate(divide="ignore", invalid="ignore"):
        change = 0.5 * way * (np.log10(variances) - np.log10(variances[:, :1]))
    reached = np.where(variances[:, -1] > 0, change[:, -1], np.nan)  # 0: a dead layer, or equals
    if not (reached[[0, -1]] >= limit).any():
        return None
    record = 0 if reached[0] >= limit else len(reached) - 1
    value = float(reached[record])
    first, last = (float(variances[record, layer]) for layer in (0, -1))
    verb = "fades" if way < 0 else "grows"
    return Sign(
        layers=span(change[record] >= limit),
        since_step=since(trace.when, reached >= limit),
        value=way * value,
        unit=SPREAD,
        confidence=SURE if value >= CLEARLY * limit else LIKELY,
        why=(
            f"The spread of the activations {verb} on the way forward, from {_root(first)} in "
            f"layer 1 to {_root(last)} in layer {trace.depth}: {_weights(trace, record, way)}."
        ),
        cause="start" if record == 0 and trace.begins else "training",
    )


def _root(variance: float) -> str:
    return number(math.sqrt(variance)) if variance >= 0 else "nothing that can be told"


def _weights(trace: Trace, record: int, way: int) -> str:
    """Whose fault it is, as far as the gain of the weights tells."""
    gains = trace.layers["weight_gain"][0, 1 : trace.depth]
    if record != 0 or not len(gains) or not np.isfinite(gains).all():
        return "training has made the weights too " + ("small" if way < 0 else "large")
    if trace.text("model.residual") == "identity" and way > 0:
        return "every branch adds its own to what it is added to"
    size = "small" if way < 0 else "large"
    return f"weights of gain {number(float(np.median(gains)))} are too {size} for this activation"


def correlation_collapse(trace: Trace, limits: Limits) -> Sign | None:
    """All examples have come to the same activations, or alike ones to unlike ones."""
    trace = trace.sound()
    if trace.depth < 1 or not len(trace.when) or trace.number("width", 2) == 1:
        return None
    cosines = trace.hidden("correlation")
    limit = limits["correlation_collapse.cosine"]
    far = cosines[:, -1]
    alike = far >= limit
    if not alike[[0, -1]].any():
        return _shattered(trace, cosines, limits["correlation_collapse.shattered"])
    record = 0 if alike[0] else len(far) - 1
    mended = bool(alike[0] and not alike[-1])
    after = f"; training has parted them ({far[-1]:.2g})" if mended else ""
    return Sign(
        layers=span(cosines[record] >= limit),
        since_step=since(trace.when, alike),
        value=float(far[record]),
        unit="mean cosine of two examples",
        confidence=LIKELY if mended else SURE,
        why=(
            "Each layer brings the examples nearer to one another, until the mean cosine of two "
            f"is {far[record]:.5f} in layer {trace.depth}{after}: what tells them apart hardly "
            "reaches the output."
        ),
        cause="start" if record == 0 and trace.begins else "training",
    )


def _shattered(trace: Trace, cosines: Floats, share: float) -> Sign | None:
    """At the start: what layer 1 makes alike, the last hidden layer has made unlike."""
    if not trace.begins or trace.depth < 2:
        return None
    near, far = float(cosines[0, 0]), float(cosines[0, -1])
    if not (near >= ALIKE_AT_FIRST and far <= share * near):
        return None
    lost = np.asarray(cosines[0] <= share * near)
    return Sign(
        layers=span(lost),
        since_step=0,
        value=far,
        unit="mean cosine of two examples",
        confidence=LIKELY,
        why=(
            f"The network starts chaotic: examples with a mean cosine of {near:.2g} in layer 1 "
            f"have one of {far:.2g} in layer {trace.depth}, so that near inputs get unlike "
            "outputs and gradients."
        ),
        cause=SHATTERED,
    )


def saturation(trace: Trace, limits: Limits) -> Sign | None:
    """Most slopes of the network are under 5 % of the steepest."""
    trace = trace.sound()
    design = closed_by_design(trace)
    if trace.depth < 1 or not len(trace.when) or design is None:
        return None
    limit = limits["saturation.share"]
    share = (trace.hidden("saturated") - design) / (1 - design)
    mean = share.mean(axis=1)
    holds = np.asarray(mean >= limit)
    if not holds[[0, -1]].any():
        return None
    record = len(holds) - 1 if holds[-1] else 0
    flags = np.asarray(share[record] >= limit)
    told = float(trace.hidden("saturated")[record].mean())
    beyond = f", where {percent(design)} are so by design" if design else ""
    return Sign(
        layers=span(flags),
        since_step=since(trace.when, holds),
        value=told,
        unit="share of the slopes",
        confidence=SURE if float(mean[record]) >= (1 + limit) / 2 else LIKELY,
        why=(
            f"The pre-activations are so large that {percent(told)} of the slopes of φ are under "
            f"5 % of the steepest{beyond}: little of δ passes them."
        ),
        cause="start" if holds[0] and trace.begins else "training",
    )

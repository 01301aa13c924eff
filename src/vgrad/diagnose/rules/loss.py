"""What the loss does: it diverges, stays at chance, or is slow to start."""

from __future__ import annotations

import math

import numpy as np

from vgrad.diagnose.entries import NOTHING_TO_LEARN, SQUASHED
from vgrad.diagnose.finding import LIKELY, SURE, UNSURE
from vgrad.diagnose.rules.rule import Sign
from vgrad.diagnose.summary import STUCK
from vgrad.diagnose.thresholds import Limits
from vgrad.diagnose.trace import Floats, Trace
from vgrad.phrases import number, percent

FEWEST = 6  # records for a trend
FALLING = 1e-4  # chance of so steep a fall by noise alone
LATE = 0.25  # share of the records that count as the end


def divergence(trace: Trace, limits: Limits) -> Sign | None:
    """The numbers became infinite or undefined, or the loss ends far above where it began."""
    if trace.text("status") == "diverged":
        return _diverged(trace)
    losses = trace.steps["train_loss"]
    if len(losses) < 3 or not np.isfinite(losses).all():
        return _diverged(trace) if len(losses) and not np.isfinite(losses).all() else None
    begun, ended = float(losses[0]), float(np.median(losses[-3:]))
    growth = limits["divergence.growth"]
    if not ended >= growth * begun > 0:
        return None
    return Sign(
        layers=None,
        since_step=int(trace.step[int(np.argmax(losses >= growth * begun))]),
        value=ended / begun,
        unit="times the first loss",
        confidence=LIKELY,
        why=f"The loss rose from {number(begun)} to {number(ended)}: the updates overshoot.",
        cause="training",
    )


def _diverged(trace: Trace) -> Sign:
    """What the summary says of it, else the first record that is not finite."""
    losses, norms = trace.steps["train_loss"], trace.steps["grad_norm"]
    bad = ~(np.isfinite(losses) & np.isfinite(norms))
    recorded = int(trace.step[int(np.argmax(bad))]) if bad.any() else trace.updates
    step = int(trace.number("first_bad_step", recorded))
    layer = trace.number("first_bad_layer", math.nan)
    layers = (int(layer), int(layer)) if math.isfinite(layer) else None
    at_once = step == 0
    where = "" if layers is None else f", first in layer {layers[0]}"
    why = (
        "What the network starts from is too large: at step 0"
        if at_once
        else f"The updates overshoot: at step {step}"
    )
    return Sign(
        layers=layers,
        since_step=step,
        value=float(step),
        unit="the first bad step",
        confidence=SURE,
        why=f"{why} numbers leave the float format{where}.",
        cause="start" if at_once else "training",
    )


def chance_plateau(trace: Trace, limits: Limits) -> Sign | None:
    """After enough updates the accuracy is still that of guessing, and the loss has not fallen."""
    chance = trace.chance
    if (
        chance is None
        or trace.text("status") == "diverged"
        or trace.text("data") in NOTHING_TO_LEARN
        or trace.updates < limits["chance_plateau.updates"]
    ):
        return None
    top = chance + limits["chance_plateau.band"] * (1 - chance)
    ended, training = _late(trace.steps["val_accuracy"]), _late(trace.steps["train_accuracy"])
    losses = trace.steps["train_loss"]
    if not (ended <= top and training <= top) or not len(losses):
        return None
    falling, fell = _falls(trace), _late(losses) < STUCK * float(losses[0])
    learnt = "all that it has learnt is to be less sure of it" if fell else "its loss has not moved"
    state = "though its loss falls still, so that it may only be short" if falling else learnt
    return Sign(
        layers=None,
        since_step=_since_above(trace, top),
        value=ended,
        unit="validation accuracy, the mean of the last quarter of its records",
        confidence=UNSURE if falling else LIKELY if fell else SURE,
        why=(
            f"After {trace.updates} updates the network guesses as at first (chance is "
            f"{percent(chance)}), {state}."
            if falling
            else f"After {trace.updates} updates the network guesses (chance is "
            f"{percent(chance)}): {state}."
        ),
        cause="plateau",
    )


def _falls(trace: Trace) -> bool:
    """Whether the loss falls over the last half of the run by more than its noise explains."""
    late = trace.step >= trace.step[-1] / 2
    losses, step = trace.steps["train_loss"][late], trace.step[late]
    if len(losses) < FEWEST or not np.isfinite(losses).all() or np.ptp(losses) == 0:
        return False
    from scipy.stats import linregress  # takes a second to import, and is seldom needed

    line = linregress(step, losses)
    return bool(line.slope < 0 and line.pvalue < FALLING)


def slow_start(trace: Trace, limits: Limits) -> Sign | None:
    """The loss hardly moves at first, as the output is saturated where it is wrong."""
    if not trace.begins or len(trace.step) < 3 or trace.text("loss") not in SQUASHED:
        return None
    slope = _output_slope(trace)
    limit = limits["slow_start.slope"]
    if not slope <= limit:
        return None
    fall = _early_fall(trace)
    if fall is not None and fall >= limits["slow_start.fall"]:
        return None
    output = trace.depth + 1
    moved = "" if fall is None else f"; a tenth of the run brought {percent(max(0.0, fall))} of it"
    return Sign(
        layers=(output, output),
        since_step=0,
        value=slope,
        unit="mean slope of the output over its steepest",
        confidence=SURE if slope <= limit / 2 else LIKELY,
        why=(
            "The output starts saturated on the wrong side, and a squared error passes its slope "
            f"on: only {percent(slope)} of the steepest is left{moved}."
        ),
        cause="start",
    )


def _output_slope(trace: Trace) -> float:
    """√ of the mean of (error · slope)² over that of error², relative to an output at rest.

    With ℓ the mean of e² over C outputs, δ is 2 e s / C, s the slope of what squashes the output:
    at rest ¼ for a sigmoid, (1 − 1/C)/C for a softmax over C classes.
    """
    outputs = trace.number("data.classes", 0.0) or _outputs(trace)
    softmax = trace.text("loss") == "mse_softmax" and outputs > 1
    rest = (1 - 1 / outputs) / outputs if softmax else 0.25
    loss, delta = float(trace.steps["train_loss"][0]), float(trace.layers["delta_rms"][0, -1])
    if not (loss > 0 and math.isfinite(loss) and math.isfinite(delta)):
        return math.nan
    return delta * outputs / (2 * math.sqrt(loss)) / rest


def _outputs(trace: Trace) -> float:
    """How many outputs the network has, as the accuracy of guessing tells it; 1 in a regression."""
    chance = trace.chance
    return 1.0 if chance is None else float(round(1 / chance))


def _early_fall(trace: Trace) -> float | None:
    """The share of the loss's whole fall that the first tenth of the run brought; None at none."""
    losses = trace.steps["train_loss"]
    whole = float(losses[0]) - float(np.min(losses))
    early = trace.step <= 0.1 * trace.step[-1]
    if not whole > 0.01 * float(losses[0]) or early.sum() < 2:
        return None
    return (float(losses[0]) - float(losses[early][-1])) / whole


def _since_above(trace: Trace, top: float) -> int:
    """The step of the evaluation after the last one above `top`; 0 where training never led there.

    What an untrained network scores is luck, and counts for nothing.
    """
    accuracy = trace.steps["val_accuracy"]
    told = np.flatnonzero(~np.isnan(accuracy) & (trace.step > 0))
    above = np.flatnonzero(accuracy[told] > top)
    after = int(above[-1]) + 1 if len(above) else 0
    return int(trace.step[told[after]]) if 0 < after < len(told) else 0


def _late(values: Floats) -> float:
    """The mean of a column over the last quarter of the records; NaN where there is none."""
    kept = values[~np.isnan(values)]
    return float(kept[-max(1, int(LATE * len(kept))) :].mean()) if len(kept) else math.nan

"""What to do about a finding, in the words of the command line, the best first.

Each remedy is the overrides of one fix. What the run has already is never suggested, nor what its
architecture, its batch or its data has no room for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from vgrad.diagnose.entries import MATCHED, ONE_SIGN, ZEROED
from vgrad.diagnose.rules.rule import Sign
from vgrad.diagnose.trace import Trace
from vgrad.phrases import number

SELU = "activation=selu init=lecun_normal"
TANH = "activation=tanh init=xavier_normal"
STEP = 10.0  # by which a learning rate is changed
USUAL = 1e-2  # ‖ΔW‖/‖W‖ of an update, at most
SMALLEST = 1e-30  # of a first update, that says how much faster to go
LEAST_UPDATE = 1e-3
BY_GRADIENT = ("sgd", "momentum", "nesterov")  # their updates are in proportion to the gradient
LARGEST_SLOPE = 0.3  # of a leaky rectifier that its init makes up for
LEAST = 1e-4  # of a learning rate, which no fix goes below
LONGER = 4  # times the updates

MODEST = 0.1  # learning rates up to here have not broken what starts well
# What brings other ills about, the deepest first: with it mended they are gone.
ROOTS = (
    "symmetric_units",
    "exploding_gradient",
    "divergence",
    "dead_layer",
    "vanishing_gradient",
    "dead_units",
    "saturation",
)
OWN = ("slow_start", "sign_locked_weights")  # have a cause of their own

Fixes = Iterator[str]


def fixes(rule: str, signs: Mapping[str, Sign], trace: Trace) -> tuple[str, ...]:
    """The fixes for what a rule saw in a run, the best first; those of its root where it has one.

    Args:
        rule: one of those that saw something.
        signs: all that the rules saw in the run.
        trace: the run.
    """
    root = rule if rule in OWN else next((name for name in ROOTS if name in signs), rule)
    graver = root if rule not in ROOTS or ROOTS.index(root) < ROOTS.index(rule) else rule
    found = dict.fromkeys(FIXES[graver](signs[graver], trace))
    return tuple(fix for fix in found if changes(fix, trace.settings))


def changes(fix: str, settings: Mapping[str, Any]) -> bool:
    """Whether a run does not have all of a fix already."""
    pairs = [override.partition("=") for override in fix.split()]
    return any(_text(settings.get(key)) != value for key, _, value in pairs)


def _text(value: Any) -> str:
    return number(value, digits=6) if isinstance(value, float) else str(value)


def _init(trace: Trace) -> Fixes:
    """The activation's own init without biases, where the parameters were drawn by another."""
    if fix := _unbiased(" ".join(_weights(trace)), trace):
        yield fix


def _weights(trace: Trace) -> Fixes:
    """The init of the weights, where they were drawn by a worse one or with another gain."""
    activation, init = trace.text("activation"), trace.text("init")
    if init in ("matched", "critical"):
        return
    asked = MATCHED.get(activation)
    drawn_so = asked is not None and init.rpartition("_")[0] == asked.rpartition("_")[0]
    usual = trace.number("init.gain", 1.0) == 1.0 and trace.text("init.gain") != "auto"
    if drawn_so and usual and trace.number("init.slope", 0.0) <= LARGEST_SLOPE:
        return
    yield f"init={asked}" if asked and not drawn_so else "init=matched"


def _unbiased(fix: str, trace: Trace) -> str:
    """A fix, and biases that start from 0 where they do not: an init keeps them otherwise."""
    keys = [key for key in ("init.bias", "init.bias_std") if trace.number(key, 0.0) != 0]
    return " ".join(filter(None, (fix, *(f"{key}=0" for key in keys))))


def _normed(trace: Trace) -> Fixes:
    if trace.text("model.norm") in ("", "none"):
        yield f"model.norm={'batch' if trace.number('batch_size', 64) > 1 else 'layer'}"


def _shortcut(trace: Trace, kind: str) -> Fixes:
    """A residual branch around each layer, where the model is one that can have them."""
    if trace.text("model") in ("", "mlp") and trace.depth > 1:
        yield f"model.residual={kind}"


def _slower(trace: Trace) -> Fixes:
    """A learning rate whose first update is of a usual size, a tenth of what it was at most."""
    rate = trace.number("optimizer.lr", 0.0)
    if rate > 0:
        first = float(np.max(trace.layers["update_ratio"][0])) if trace.begins else math.nan
        share = min(1 / STEP, USUAL / first) if first > 0 else 1 / STEP
        yield f"optimizer.lr={number(rate * max(share, LEAST), digits=1)}"
    yield from _clipped(trace)


def _clipped(trace: Trace) -> Fixes:
    if not trace.number("optimizer.clip_norm", 0.0):
        yield "optimizer.clip_norm=1"


def _faster(trace: Trace) -> Fixes:
    """A learning rate with which a first update is a thousandth, ten times what it was at least."""
    rate = trace.number("optimizer.lr", 0.0)
    first = _first_update(trace, rate)
    if rate > 0:
        times = LEAST_UPDATE / first if SMALLEST < first < LEAST_UPDATE else 1.0
        yield f"optimizer.lr={number(rate * max(STEP, 10.0 ** round(math.log10(times))))}"


def _first_update(trace: Trace, rate: float) -> float:
    """‖ΔW‖/‖W‖ of the first update in the middle of the layers; NaN where it is not known.

    Where all of it was lost it is worked out: of SGD from the gradient, of the others, which
    divide by the size of that, from the number of the weights.
    """
    if not trace.begins:
        return math.nan
    measured = float(np.median(trace.layers["update_ratio"][0]))
    if measured > 0:
        return measured
    norms, gradients = trace.hidden("weight_norm")[0], trace.hidden("weight_grad_norm")[0]
    if trace.text("optimizer") not in BY_GRADIENT:
        gradients = np.full(len(norms), trace.number("width", 1.0))
    known = (norms > 0) & (gradients > 0) & np.isfinite(norms) & np.isfinite(gradients)
    return rate * float(np.median(gradients[known] / norms[known])) if known.any() else math.nan


def _adaptive(trace: Trace) -> Fixes:
    if trace.text("optimizer") in ("", "sgd"):
        yield "optimizer=adam"


def _vanishing(sign: Sign, trace: Trace) -> Fixes:
    if sign.cause == "training":
        yield from _overshot(sign, trace)
        return
    one_sign = trace.text("activation") in ONE_SIGN
    if not one_sign:
        yield from _init(trace)
    yield _unbiased(SELU, trace)
    yield from _shortcut(trace, "identity" if one_sign else "scaled")
    yield from _normed(trace)


def _exploding(sign: Sign, trace: Trace) -> Fixes:
    if sign.cause == "training":
        yield from _overshot(sign, trace)
        return
    if trace.text("model.residual") == "identity":
        yield from _shortcut(trace, "scaled")
    yield from _init(trace)
    if trace.text("model.residual") in ("", "none"):
        yield from _shortcut(trace, "scaled")
    if trace.text("model.norm") in ("", "none"):
        yield "model.norm=layer"
    yield from _slower(trace)


def _overshot(sign: Sign, trace: Trace) -> Fixes:
    """What training has broken, smaller updates would have left whole."""
    if sign.cause == "start":
        yield from _exploding(sign, trace)
        return
    yield from _slower(trace)
    if trace.text("activation") in ZEROED:
        yield "activation=leaky_relu"
    yield from _normed(trace)


def _collapsed(sign: Sign, trace: Trace) -> Fixes:
    """The signal has faded, or the examples have become alike."""
    if sign.cause == "training":
        yield from _overshot(sign, trace)
        return
    yield from _vanishing(sign, trace)


def _alike(sign: Sign, trace: Trace) -> Fixes:
    if sign.cause == "shattered":
        yield from _exploding(sign, trace)
        return
    if sign.cause == "training":
        yield from _overshot(sign, trace)
        return
    if trace.text("activation") not in ONE_SIGN:
        yield from _init(trace)
        yield from _normed(trace)
    yield _unbiased(SELU, trace)
    yield from _shortcut(trace, "scaled")
    yield from _normed(trace)


def _closed(sign: Sign, trace: Trace) -> Fixes:
    """Units that are dead or saturated."""
    if sign.cause == "start":
        yield from _init(trace)
        yield from _normed(trace)
    else:
        yield from _slower(trace)
        yield from _normed(trace)
    if trace.text("activation") in ZEROED:
        yield "activation=leaky_relu"
    else:
        yield _unbiased(SELU, trace)


def _same(sign: Sign, trace: Trace) -> Fixes:
    yield _unbiased("init=matched", trace)


def _locked(sign: Sign, trace: Trace) -> Fixes:
    yield _unbiased(SELU, trace)
    yield _unbiased(TANH, trace)
    yield "model.norm=layer model.norm_at=after"


def _small(sign: Sign, trace: Trace) -> Fixes:
    """Updates that are too small: for want of a gradient, or of a learning rate."""
    if sign.cause == "large":
        yield from _slower(trace)
        return
    if sign.cause == "gradient":
        yield from _vanishing(Sign(None, 0, 0.0, "", "", "", "start"), trace)
        return
    yield from _faster(trace)
    yield from _adaptive(trace)
    if trace.text("dtype") == "float32":
        yield "dtype=float64"


def _stuck(sign: Sign, trace: Trace) -> Fixes:
    yield from _adaptive(trace)
    yield from _faster(trace)
    yield from _normed(trace)
    yield f"steps={LONGER * max(1, trace.updates)}"


def _slow(sign: Sign, trace: Trace) -> Fixes:
    if trace.chance is not None:
        yield "loss=cross_entropy"
        yield "loss=bce"
    yield from _init(trace)
    yield from _faster(trace)


def _diverged(sign: Sign, trace: Trace) -> Fixes:
    if sign.cause == "start":
        yield from _exploding(sign, trace)
        return
    if trace.number("optimizer.lr", 0.0) <= MODEST:
        if trace.text("model.residual") == "identity":
            yield from _shortcut(trace, "scaled")
        yield from _init(trace)
    yield from _slower(trace)
    yield from _init(trace)
    yield from _normed(trace)


FIXES: Mapping[str, Callable[[Sign, Trace], Fixes]] = {
    "vanishing_gradient": _vanishing,
    "exploding_gradient": _exploding,
    "signal_collapse": _collapsed,
    "signal_blowup": _overshot,
    "saturation": _closed,
    "dead_units": _closed,
    "dead_layer": _closed,
    "symmetric_units": _same,
    "sign_locked_weights": _locked,
    "correlation_collapse": _alike,
    "lost_updates": _small,
    "update_ratio": _small,
    "chance_plateau": _stuck,
    "divergence": _diverged,
    "slow_start": _slow,
}

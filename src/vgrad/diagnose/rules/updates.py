"""Updates that are too small for the float format, too small to learn, or too large."""

from __future__ import annotations

import numpy as np

from vgrad.diagnose.finding import LIKELY, SURE
from vgrad.diagnose.rules.rule import Sign, middle, since, span
from vgrad.diagnose.thresholds import Limits
from vgrad.diagnose.trace import Flags, Floats, Trace
from vgrad.phrases import number, percent

FULL_RATE = 0.1  # of the largest learning rate: below it, small updates are what was asked for
LEARNT = 0.1  # of the first loss: below it, small updates are all that is needed
FEWEST = 3  # records that tell
CLEARLY = 10.0  # times beyond the threshold


def lost_updates(trace: Trace, limits: Limits) -> Sign | None:
    """Most updates of a layer are too small to change its weights."""
    lost = trace.layers["lost_updates"]
    telling = _telling(trace)
    if telling.sum() < FEWEST:
        return None
    flags = np.asarray(lost >= limits["lost_updates.share"])
    lasting = flags[telling].mean(axis=0) >= 0.5
    if not lasting.any():
        return None
    told = lost[telling][:, lasting]
    value = float(np.nanmean(told))
    dtype = trace.text("dtype") or "float32"
    return Sign(
        layers=span(lasting),
        since_step=since(trace.when[telling], np.asarray(flags[telling][:, lasting].any(axis=1))),
        value=value,
        unit="share of the weights that no update moves",
        confidence=SURE if value >= 0.9 else LIKELY,
        why=(
            f"The updates are smaller than the last digit of a weight in {dtype}: "
            f"{percent(value)} of the weights stay exactly as they were."
        ),
        cause=_cause(trace, lasting),
    )


def update_ratio(trace: Trace, limits: Limits) -> Sign | None:
    """The updates of a layer are far from a thousandth of its weights."""
    telling = _telling(trace)
    if telling.sum() < FEWEST:
        return None
    typical = middle(trace.layers["update_ratio"][telling])
    low, high = limits["update_ratio.low"], limits["update_ratio.high"]
    if (typical >= high).any() and not _learnt(trace):
        return _ratio(trace, telling, typical, np.asarray(typical >= high), high)
    if (typical <= low).any():
        return _ratio(trace, telling, typical, np.asarray(typical <= low), low)
    return None


def _ratio(trace: Trace, telling: Flags, typical: Floats, flags: Flags, limit: float) -> Sign:
    """What is said of layers whose typical ratio is out of the band, on the side of `limit`."""
    large = bool(typical[flags][0] >= limit)
    value = float(typical[flags].max() if large else typical[flags].min())
    ratios = trace.layers["update_ratio"][telling][:, flags]
    holds = np.asarray((ratios >= limit if large else ratios <= limit).any(axis=1))
    times = value / limit if large else limit / max(value, np.finfo(float).tiny)
    why = (
        f"A typical update is {percent(value)} of the weights: they are rewritten faster than the "
        "loss surface allows, so the loss jumps about instead of falling."
        if large
        else f"A typical update is {number(value)} of the weights: what arrives there, times "
        "the learning rate, is too small to teach them anything in such a run."
    )
    return Sign(
        layers=span(flags),
        since_step=since(trace.when[telling], holds),
        value=value,
        unit="‖ΔW‖/‖W‖",
        confidence=SURE if times >= CLEARLY else LIKELY,
        why=why,
        cause="large" if large else _cause(trace, flags),
    )


def _telling(trace: Trace) -> Flags:
    """The records that make an update at about full rate while there is something to learn, [T]."""
    if not len(trace.when) or not len(trace.step):
        return np.zeros(len(trace.when), bool)
    place = np.clip(np.searchsorted(trace.step, trace.when), 0, len(trace.step) - 1)
    rate, loss = trace.steps["lr"][place], trace.steps["train_loss"][place]
    updates = ~np.isnan(trace.layers["update_ratio"]).all(axis=1)
    largest = np.nanmax(rate) if not np.isnan(rate).all() else np.nan
    at_rate = np.isnan(rate) | (rate >= FULL_RATE * largest)
    learning = ~(loss < LEARNT * loss[0])
    return np.asarray(updates & at_rate & learning & (trace.step[place] == trace.when))


def _learnt(trace: Trace) -> bool:
    """Whether the loss was learnt away: then its updates were not too large."""
    losses = trace.steps["train_loss"]
    return bool(np.median(losses[-FEWEST:]) < LEARNT * losses[0])


def _cause(trace: Trace, flags: Flags) -> str:
    """Where updates are too small: `near the input` points at δ, else at the learning rate."""
    return "gradient" if not flags[-1] else "rate"

"""What theory foretold of a run's start, judged by the thresholds by which its records are judged.

Theory speaks of wide networks at step 0. What it says comes as plain data, as run.json has it: the
columns of `Frames.theory` by layer, None where nothing is predicted, which is a Profile.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vgrad.diagnose.finding import Finding
from vgrad.diagnose.summary import Profile, reach, value_of
from vgrad.diagnose.thresholds import THRESHOLDS, Limits
from vgrad.diagnose.verdict import decades
from vgrad.phrases import number

if TYPE_CHECKING:
    from vgrad.diagnose.rules.rule import Sign

ALIKE_AT_FIRST = 0.2  # cosine in layer 1 from which on there is a likeness to be lost
LOST = 7.0  # decades: what is smaller is below the last digit of a float32
LEVEL = 0.3  # decades: within a factor of 2 a signal keeps its size
SHATTERED = "shattered"
DEFAULTS: Limits = {name: threshold.value for name, threshold in THRESHOLDS.items()}


def expected(
    rule: str, sign: Sign, theory: Profile | None, depth: int, limits: Limits
) -> bool | None:
    """Whether theory foretold what a rule saw; None where it says nothing of it.

    A finding that came with training was foretold where theory has it at the start already.
    """
    if theory is None or depth < 1:
        return None
    if rule in ("vanishing_gradient", "exploding_gradient"):
        change = decades(reach(theory, depth))
        ill, healthy = limits[f"{rule}.decades"], limits[f"{rule}.healthy"]
        way = -1.0 if rule == "vanishing_gradient" else 1.0
        least = ill if abs(sign.value) >= ill else math.nextafter(healthy, math.inf)
        return None if change is None else way * change >= least
    if rule in ("signal_collapse", "signal_blowup"):
        change = _spread(theory, depth)
        way = -1.0 if rule == "signal_collapse" else 1.0
        return None if change is None else way * change >= limits[f"{rule}.decades"]
    if rule == "correlation_collapse":
        return _alike(sign.cause, theory, depth, limits)
    return None


def _alike(cause: str, theory: Profile, depth: int, limits: Limits) -> bool | None:
    near, far = (value_of(theory, "correlation", layer) for layer in (1, depth))
    if near is None or far is None:
        return None
    if cause == SHATTERED:
        share = limits["correlation_collapse.shattered"]
        return near >= ALIKE_AT_FIRST and far <= share * near
    return far >= limits["correlation_collapse.cosine"]


def _spread(theory: Profile, depth: int) -> float | None:
    """The change of √Var h from layer 1 to the last hidden layer, in decades."""
    near, far = (value_of(theory, "act_var", layer) for layer in (1, depth))
    if not near or far is None or math.isinf(near):
        return None
    change = decades(far / near)
    return None if change is None else 0.5 * change


def told(finding: Finding) -> str:
    """Whether theory foretold a finding, as a sentence; empty where it says nothing of it."""
    if finding.expected_by_theory is None:
        return ""
    if finding.expected_by_theory:
        return "Theory foretold it." if not finding.since_step else "Theory has it at the start."
    if finding.since_step:
        return "Theory does not have it at the start: it came with training."
    return "Theory did not foretell it: wide networks of these settings start without it."


def line(theory: Mapping[str, Any], depth: int) -> str:
    """What theory says of a run that begins, in a line; empty where there is nothing to say.

    Args:
        theory: what its run.json will have of it.
        depth: hidden layers.
    """
    if theory.get("not_predicted"):
        return f"theory: no prediction, as {theory['not_predicted']}"
    layers: Profile = theory["layers"]
    share = reach(layers, depth)
    change = decades(share)
    if depth < 2 or share is None or change is None:
        return ""
    clauses = [_pace(theory["grad_decay"], change), _arrival(share, change, depth)]
    if abs(change) < DEFAULTS["vanishing_gradient.decades"]:
        clauses.append(_forwards(layers, depth))
    return f"theory: {'; '.join(filter(None, clauses))}"


def _pace(slope: float | None, change: float) -> str:
    """What each layer does to the error signal."""
    if abs(change) <= LEVEL:
        return "the error signal should keep its size"
    if slope is None or slope * change <= 0.0 or abs(slope) > 300.0:
        return ""
    factor = 10.0**slope
    if factor >= 1.0:
        return f"the error signal grows {number(factor, 3)}-fold per layer"
    kept = f"{number(100.0 * factor, 3)} %" if factor >= 1e-3 else number(factor)
    return f"the error signal keeps {kept} per layer"


def _arrival(share: float, change: float, depth: int) -> str:
    """What layer 1 gets, and whether that is enough."""
    if abs(change) <= LEVEL:
        return ""
    kind = "vanishing_gradient" if change < 0.0 else "exploding_gradient"
    if math.isinf(share):
        return f"at depth {depth} it will leave what floats can hold before layer 1"
    if change <= -LOST:
        return f"at depth {depth} nothing will reach layer 1"
    size = f"{number(share)} times" if share >= 1e-3 else f"{number(share)} of"
    if 1e-3 <= share < 1.0:
        size = f"{number(100.0 * share)} % of"
    ends = "too little" if change < 0.0 else "too much"
    judged = f", which is {ends}"
    if abs(change) <= DEFAULTS[f"{kind}.healthy"]:
        judged = ", which will do"
    elif abs(change) < DEFAULTS[f"{kind}.decades"]:
        judged = f", which may be {ends}"
    return f"at depth {depth} layer 1 will get {size} what layer {depth} gets{judged}"


def _forwards(layers: Profile, depth: int) -> str:
    """What becomes of the signal, where that is an ill of its own."""
    change = _spread(layers, depth)
    if change is not None and -change >= DEFAULTS["signal_collapse.decades"]:
        if -change >= LOST:
            return f"the signal will die out before layer {depth}"
        return f"the signal will fade to {number(10.0**change)} of itself by layer {depth}"
    if change is not None and change >= DEFAULTS["signal_blowup.decades"]:
        grown = number(10.0**change) if change < 300.0 else "beyond all floats"
        return f"the signal will grow {grown}-fold by layer {depth}"
    cosine = value_of(layers, "correlation", depth)
    if cosine is not None and cosine >= DEFAULTS["correlation_collapse.cosine"]:
        return f"all examples will look alike in layer {depth}"
    return ""

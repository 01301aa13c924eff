"""A run in a few plain sentences, the same on the terminal and on the page."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from vgrad.diagnose.entries import MATCHED, NOTHING_TO_LEARN, UNSCALED_INITS
from vgrad.diagnose.signal import words_on_activations
from vgrad.diagnose.summary import Profile, hidden, is_size, loss_fell
from vgrad.diagnose.verdict import HEALTHY, ILL, decades
from vgrad.phrases import counted, name_of, number, percent, sentence

AT_CHANCE = 0.07  # of the way from chance to perfect: what noise can do
FITS = 0.5  # of that way: what the few examples of one batch do not reach by luck
COPING_DEPTH = 1.5  # decades that a depth which is suggested may lose


def describe(
    config: Mapping[str, Any],
    summary: Mapping[str, Any],
    first: Profile | None,
    last: Profile | None,
) -> list[str]:
    """A run in a few plain sentences.

    What became of the gradient, of the activations and of the learning; how the run ended, if
    early; what `init=matched` stood for; and what to try, where there is good reason to expect
    that it helps.

    Args:
        config: the run's settings as nested plain data (`RunConfig.plain`).
        summary: what `summarise` returned; where it has `resolved_init` and `resolved_gain` too,
            those are what the weights were drawn with.
        first: the layers at step 0, None if they were not recorded.
        last: the layers at the last record.
    """
    depth = int(config["depth"])
    return [
        *_words_on_divergence(summary),
        *_words_on_gradient(config, summary, first, depth),
        *words_on_activations(config, first, last, depth),
        *_words_on_learning(config, summary),
        *_words_on_early_end(summary),
        *_words_on_init(config, summary),
        *_words_on_remedy(config, summary, depth),
    ]


def _words_on_divergence(summary: Mapping[str, Any]) -> list[str]:
    if summary["status"] != "diverged":
        return []
    step, layer = summary.get("first_bad_step"), summary.get("first_bad_layer")
    when = "" if step is None else f" at step {step}"
    where = "" if layer is None else f", first in layer {layer}"
    return [f"It diverged{when}: numbers became infinite or undefined{where}."]


def _words_on_gradient(
    config: Mapping[str, Any], summary: Mapping[str, Any], first: Profile | None, depth: int
) -> list[str]:
    if depth == 0:
        return ["There is no hidden layer that the gradient would have to cross."]
    if first is None:
        return ["The layers were not recorded, so nothing is known about the gradient."]
    start, slope = summary["reach"], summary["grad_decay"]
    deltas = hidden(first, "delta_rms", depth)
    if start is None and is_size(deltas[0]):
        return _words_on_passing(summary, depth)
    if start is None:
        return ["The error signal at the start cannot be measured: it is zero or not a number."]
    if not any(deltas):
        return ["No error signal reaches the hidden layers: at the start it is exactly 0 in all."]
    if depth == 1:
        return ["There is one hidden layer, so the gradient has no depth to cross."]
    pace = _pace(start, slope)
    arrival = _arrival(start, deltas, config["dtype"])
    return [sentence(f"{pace}; {arrival}" if pace else arrival), *_words_on_change(summary, depth)]


def _words_on_passing(summary: Mapping[str, Any], depth: int) -> list[str]:
    """What to say where shortcuts carry the error past the upper layers, as rezero does."""
    at_start = f"At the start the error signal passes layer {depth} by and reaches layer 1"
    end = summary["final_reach"]
    if not is_size(end):
        return [f"{at_start}."]
    after = counted(summary["last_step"], "step")
    return [f"{at_start}; after {after} layer 1 gets {_multiple(end, depth)}."]


def _pace(start: float, slope: float | None) -> str:
    """What each layer does to the error signal, on its way from the output to the input."""
    change = decades(start)
    if change is None or slope is None:
        return ""
    if abs(change) < 1:
        return "the error signal keeps its order of magnitude on the way back"
    if change * slope < 0 or abs(slope) > sys.float_info.max_10_exp:
        return ""
    factor = 10**slope
    if factor < 1:
        return f"each layer towards the input keeps {_share(factor)} of the error signal"
    times = number(factor, digits=3 if factor < 1.1 else 2)
    return f"each layer towards the input multiplies the error signal by {times}"


def _arrival(start: float, deltas: Sequence[float | None], dtype: str) -> str:
    """What layer 1 gets of the error signal."""
    depth = len(deltas)
    if 0 < start < math.inf:
        return f"layer 1 of {depth} gets {_multiple(start, depth)}"
    held = [layer for layer, delta in enumerate(deltas, 1) if is_size(delta)]
    lost = min(held, default=depth + 1) - 1
    if not lost:
        ratio = "less than 1e-300 of" if start == 0 else "more than 1e300 times"
        return f"layer 1 of {depth} gets {ratio} what layer {depth} gets"
    layers = "in layer 1" if lost == 1 else f"in layers 1 to {lost}"
    side = "below" if start == 0 else "beyond"
    return f"{layers} of {depth} the signal is {side} what {dtype} can hold"


def _words_on_change(summary: Mapping[str, Any], depth: int) -> list[str]:
    """What training did to the reach of the gradient, where it went from well to ill or back."""
    start, end = (decades(summary[key]) for key in ("reach", "final_reach"))
    if start is None or end is None:
        return []
    was_ill, is_ill = abs(start) >= ILL, abs(end) >= ILL
    if is_ill == was_ill or (was_ill and abs(end) > HEALTHY):
        return []
    after = f"After {counted(summary['last_step'], 'step')}"
    if math.isinf(end):
        return [f"{after} {'nothing' if end < 0 else 'infinity'} arrives in layer 1."]
    mended = ": training has mended it" if was_ill else ""
    return [f"{after} layer 1 gets {_multiple(summary['final_reach'], depth)}{mended}."]


def _words_on_learning(config: Mapping[str, Any], summary: Mapping[str, Any]) -> list[str]:
    if summary["last_step"] == 0 or summary["status"] == "diverged":
        return []
    final, best = summary["final_val_accuracy"], summary["best_val_accuracy"]
    chance = summary.get("chance")
    if final is None or best is None:
        return _words_on_loss(summary)
    if summary["status"] != "completed":
        return [_last_evaluation(summary, final, best, chance)]
    if chance is None:
        return [f"Validation accuracy is {percent(final)} at the end, {percent(best)} at best."]
    if _at_chance(best, chance):
        return [_words_at_chance(config, summary, chance)]
    if _at_chance(final, chance):
        return [
            f"Validation accuracy fell back to chance ({percent(chance)}) from {percent(best)}."
        ]
    at_best = "" if best == final else f", {percent(best)} at best"
    return [f"Validation accuracy is {percent(final)}{at_best} (chance is {percent(chance)})."]


def _words_on_loss(summary: Mapping[str, Any]) -> list[str]:
    before, after = summary["initial_train_loss"], summary["final_train_loss"]
    if before is None or after is None:
        return []
    validation = summary["final_val_loss"]
    beside = "" if validation is None else f"; the validation loss is {number(validation)}"
    return [f"The training loss went from {number(before)} to {number(after)}{beside}."]


def _last_evaluation(
    summary: Mapping[str, Any], final: float, best: float, chance: float | None
) -> str:
    """What is known of a run that did not come to its end."""
    step = summary.get("last_evaluated_step")
    when = "" if step is None else f", at step {step}"
    at_best = "" if best == final else f", {percent(best)} at best"
    beside = "" if chance is None else f" (chance is {percent(chance)})"
    return f"Validation accuracy was {percent(final)} when last evaluated{when}{at_best}{beside}."


def _at_chance(accuracy: float, chance: float) -> bool:
    return accuracy <= chance + AT_CHANCE * (1 - chance)


def _words_at_chance(config: Mapping[str, Any], summary: Mapping[str, Any], chance: float) -> str:
    stuck = f"validation accuracy stays at chance ({percent(chance)})"
    training = summary["final_train_accuracy"]
    if loss_fell(summary) and training is not None and training > chance + FITS * (1 - chance):
        return f"It fits what it trains on ({percent(training)}), but {stuck}."
    if name_of(config, "data") in NOTHING_TO_LEARN:
        return f"Validation accuracy is at chance ({percent(chance)}): the labels are random."
    return sentence(f"{stuck}{_reason(summary)}")


def _reason(summary: Mapping[str, Any]) -> str:
    end = decades(summary["final_reach"])
    if summary["verdict"] == "vanishing" and end is not None and abs(end) <= HEALTHY:
        return ": at the start the layers near the input got almost no signal to learn from"
    if summary["verdict"] == "vanishing":
        return ": the layers near the input get almost no signal to learn from"
    if summary["verdict"] == "healthy" and not loss_fell(summary):
        return ", but not for want of a gradient: look at the learning rate and the steps"
    return ""


def _words_on_early_end(summary: Mapping[str, Any]) -> list[str]:
    early = {"interrupted": "was interrupted", "failed": "failed"}.get(summary["status"])
    after = counted(summary["last_step"], "step")
    return [f"It {early} after {after}; what was recorded is kept."] if early else []


def _words_on_init(config: Mapping[str, Any], summary: Mapping[str, Any]) -> list[str]:
    resolved, gain = summary.get("resolved_init"), summary.get("resolved_gain")
    asked = name_of(config, "init")
    if gain is not None and asked == "critical":
        told = number(gain, digits=5)
        return [f"init=critical stands for init={resolved} init.gain={told} here."]
    if gain is not None:
        return [f"init.gain=auto stands for {number(gain, digits=5)} here."]
    if not resolved or asked != "matched":
        return []
    return [f"init=matched stands for {resolved} here."]


def _words_on_remedy(
    config: Mapping[str, Any], summary: Mapping[str, Any], depth: int
) -> list[str]:
    start = decades(summary["reach"])
    if summary["verdict"] in ("vanishing", "exploding"):
        ill = start is not None and abs(start) > HEALTHY
        return _initial_remedy(config, summary, depth, start) if ill and start else []
    if summary["verdict"] != "diverged":
        return []
    if start is not None and start > HEALTHY:
        return _initial_remedy(config, summary, depth, start)
    if summary.get("first_bad_step") == 0:
        other = " Try init=matched." if name_of(config, "init") != "matched" else ""
        return [f"No update was made yet: what it starts from is too large.{other}"]
    optimizer = config.get("optimizer")
    rate = optimizer.get("lr") if isinstance(optimizer, Mapping) else None
    return [f"Try a smaller step: optimizer.lr={number(rate / 10)}."] if rate else []


def _initial_remedy(
    config: Mapping[str, Any], summary: Mapping[str, Any], depth: int, change: float
) -> list[str]:
    """What to type when the gradient is ill at step 0, before any training."""
    activation = name_of(config, "activation")
    init = str(summary.get("resolved_init") or name_of(config, "init"))
    he, asks_for_he = init.startswith("he_"), MATCHED.get(activation) == "he_normal"
    makes_up = he or name_of(config, "init") == "critical"
    if init in UNSCALED_INITS:
        return ["Try init=matched: weights scaled to the width, as the activation asks for."]
    if asks_for_he and not makes_up:
        return ["Try init=he_normal: it makes up for the half that a rectifier cuts off."]
    if change > 0:
        smaller = he and not asks_for_he
        return ["Try init=lecun_normal: smaller weights."] if smaller else []
    fewer = _coping_depth(summary["grad_decay"])
    fewer_layers = f"fewer layers: depth={fewer}" if fewer and fewer < depth else ""
    other = "" if activation == "selu" else "activation=selu init=lecun_normal"
    choices = ", or ".join(filter(None, (other, fewer_layers)))
    return [f"Try {choices}."] if choices else []


def _coping_depth(slope: float | None) -> int | None:
    return 1 + int(COPING_DEPTH / -slope) if slope is not None and slope < 0 else None


def _share(share: float) -> str:
    if share < 1e-3:
        return number(share)
    return f"{number(100 * share, digits=3 if share > 0.98 else 2)} %"


def _multiple(ratio: float, layer: int) -> str:
    """How much that is: `24 % of what layer 20 gets`, `as much as layer 20`."""
    if number(ratio) == "1":
        return f"as much as layer {layer}"
    size = f"{_share(ratio)} of" if ratio < 1 else f"{number(ratio)} times"
    return f"{size} what layer {layer} gets"

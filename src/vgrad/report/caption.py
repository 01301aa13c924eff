"""One sentence below each figure: what there is to see, with this run's own numbers."""

from __future__ import annotations

import math

from vgrad.diagnose import number, percent
from vgrad.report.run import Run, by_layer


def headline(run: Run) -> str:
    """The error signal before training, and the result."""
    return f"{_error_signal(run, 'first')}, and {_result(run)}."


def profiles(run: Run) -> str:
    """The way back and the way forward."""
    gradient = _ends(run, "weight_grad_norm", "first")
    variance = _ends(run, "act_var", "first")
    if run.depth < 2 or gradient is None or variance is None:
        return "Each quantity in each layer, at the chosen steps."
    near, far = gradient
    first, last = variance
    return (
        f"Before training the weight gradient is {number(far)} in layer {run.depth} and "
        f"{number(near)} in layer 1, while the variance of the activations goes from "
        f"{number(first)} to {number(last)} on the way forward."
    )


def heatmaps(run: Run) -> str:
    """What training changed."""
    before, after = _ends(run, "delta_rms", "first"), _ends(run, "delta_rms", "last")
    if run.depth == 0 or before is None or after is None:
        return "Colour is size: where it does not change from left to right, nothing happened."
    return (
        "Colour is size, time goes to the right: the error signal of layer 1 is "
        f"{number(before[0])} at step 0 and {number(after[0])} at step {run.summary['last_step']}."
    )


def curves(run: Run) -> str:
    """What was learnt."""
    before, after = run.summary["initial_train_loss"], run.summary["final_train_loss"]
    if before is None or after is None:
        return "The loss was not recorded."
    steps = run.summary["last_step"]
    if steps == 0:
        return f"Before any update the training loss is {number(before, 3)}."
    return (
        f"In {steps} step{'' if steps == 1 else 's'} the training loss goes from "
        f"{number(before, 3)} to {number(after, 3)}, and {_result(run)}."
    )


def _error_signal(run: Run, when: str) -> str:
    ends = _ends(run, "delta_rms", when)
    if run.depth < 2 or ends is None:
        return "The error signal is drawn by layer"
    near, far = ends
    if not all(0 < size < math.inf for size in ends):
        return (
            f"Before training the error signal is {number(far)} in layer {run.depth} and "
            f"{number(near)} in layer 1"
        )
    change = "keeps its order of magnitude"
    change = "falls" if near < far / 10 else "grows" if near > 10 * far else change
    return (
        f"On its way back from layer {run.depth} to layer 1 the error signal {change} before "
        f"training ({number(far)} to {number(near)})"
    )


def _result(run: Run) -> str:
    final, chance = run.summary["final_val_accuracy"], run.summary["chance"]
    if final is not None:
        guess = "" if chance is None else f" (chance is {percent(chance)})"
        return f"validation accuracy ends at {percent(final)}{guess}"
    loss = run.summary["final_val_loss"]
    return "there was no validation" if loss is None else f"validation loss ends at {number(loss)}"


def _ends(run: Run, column: str, when: str) -> tuple[float, float] | None:
    """A column's values in layer 1 and in the last hidden layer, at the first or last record."""
    if run.layers.empty or run.depth == 0:
        return None
    step = int(run.layers["step"].agg("min" if when == "first" else "max"))
    values = by_layer(run.layers, step, column)
    if not {1, run.depth} <= set(values):
        return None
    return values[1], values[run.depth]

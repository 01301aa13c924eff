"""The words of a page: its question, and the answer that the data give."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from vgrad.diagnose import number, percent
from vgrad.diagnose.words import AT_CHANCE
from vgrad.report.run import Run, differences, label

ENDS = {  # of one run, of several
    "completed": ("completed", "completed"),
    "diverged": ("diverged", "diverged"),
    "interrupted": ("was interrupted", "were interrupted"),
    "failed": ("failed", "failed"),
    "running": ("is still running", "are still running"),
}
VERDICTS = {
    "healthy": "is healthy",
    "vanishing": "vanishes",
    "exploding": "explodes",
    "unsure": "is in doubt",
}


def question(runs: Sequence[Run]) -> str:
    """What the page answers."""
    if len(runs) > 1:
        return f"Which of these {len(runs)} networks learn, and what becomes of their gradient?"
    run = runs[0]
    network = f"this {_layers(run.depth)} {run.settings['activation']} network"
    if run.summary["status"] == "diverged":
        return f"Why does {network} blow up?"
    if stays_at_chance(run):
        return f"Why does {network} not learn?"
    return f"What becomes of the gradient in {network}?"


def answer(runs: Sequence[Run]) -> list[str]:
    """The answer, in sentences made from the data."""
    if len(runs) == 1:
        return [*_because(runs[0]), *runs[0].words]
    return [_on_ends(runs), *_on_gradients(runs), *_on_learning(runs)]


def stays_at_chance(run: Run) -> bool:
    """Whether it was trained to its end, and validation never got beyond guessing."""
    best, chance = run.summary["best_val_accuracy"], run.chance
    trained = run.steps["val_accuracy"].notna() & (run.steps["step"] > 0)
    if best is None or chance is None or run.summary["status"] != "completed":
        return False
    return bool(trained.any() and best <= chance + AT_CHANCE * (1 - chance))


def _because(run: Run) -> list[str]:
    """The reason why a run learns nothing, where its gradient is one."""
    if not stays_at_chance(run):
        return []
    if run.summary["verdict"] == "vanishing":
        return ["Because its gradient vanishes before it reaches the first layers."]
    if run.summary["verdict"] == "exploding":
        return ["Because its gradient explodes on the way to the first layers."]
    return []


def _on_ends(runs: Sequence[Run]) -> str:
    counts = Counter(run.summary["status"] for run in runs)
    words = {status: ends[counts[status] > 1] for status, ends in ENDS.items() if counts[status]}
    if len(words) == 1:
        return f"All {len(runs)} runs {next(iter(words.values()))}."
    return f"Of {len(runs)} runs, {_list(f'{counts[s]} {end}' for s, end in words.items())}."


def _on_gradients(runs: Sequence[Run]) -> list[str]:
    counts = Counter(run.summary["verdict"] for run in runs)
    verdicts = [f"{words} in {counts[word]}" for word, words in VERDICTS.items() if counts[word]]
    sentences = [f"The gradient {_list(verdicts)}."] if verdicts else []
    known = [run for run in runs if _decades(run) is not None]
    if len(known) > 1:
        worst = max(known, key=lambda run: abs(_decades(run) or 0.0))
        if abs(_decades(worst) or 0.0) >= 1:
            sentences.append(
                f"It changes most with {label(worst, differences(runs))}: layer 1 of {worst.depth} "
                f"gets {number(worst.summary['reach'])} times the error signal of layer "
                f"{worst.depth} before training."
            )
    return sentences


def _on_learning(runs: Sequence[Run]) -> list[str]:
    scored = [run for run in runs if run.summary["best_val_accuracy"] is not None]
    if not scored:
        return []
    best = max(scored, key=lambda run: run.summary["best_val_accuracy"])
    accuracy = percent(best.summary["best_val_accuracy"])
    stuck = [run for run in runs if stays_at_chance(run)]
    sentences = [f"Validation accuracy is best with {label(best, differences(runs))}: {accuracy}."]
    if stuck:
        stay = "run stays" if len(stuck) == 1 else "runs stay"
        sentences.append(f"{len(stuck)} {stay} at chance{_on_reason(stuck)}.")
    return sentences


def _on_reason(stuck: Sequence[Run]) -> str:
    vanishing = sum(run.summary["verdict"] == "vanishing" for run in stuck)
    if not vanishing:
        return ""
    if len(stuck) == 1:
        return ": its gradient vanishes"
    share = "all" if vanishing == len(stuck) else str(vanishing)
    return f", and in {share} of them the gradient vanishes"


def _decades(run: Run) -> float | None:
    reach = run.summary["reach"]
    if reach is None or not 0 < reach < math.inf:
        return None
    return math.log10(reach)


def _layers(depth: int) -> str:
    return "one-layer" if depth == 0 else f"{depth}-layer"


def _list(words: Iterable[str]) -> str:
    *head, last = words
    return f"{', '.join(head)} and {last}" if head else last

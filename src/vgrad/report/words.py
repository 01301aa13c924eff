"""The words of a page: its question, and the answer for one run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vgrad.phrases import listed
from vgrad.report.answer import Sentence
from vgrad.report.run import Run, stays_at_chance

ENDS = {  # of one run, of several
    "completed": ("completed", "completed"),
    "diverged": ("diverged", "diverged"),
    "interrupted": ("was interrupted", "were interrupted"),
    "failed": ("failed", "failed"),
    "running": ("is still running", "are still running"),
}


def question(runs: Sequence[Run], keys: Sequence[str]) -> str:
    """What the page answers.

    Args:
        runs: what it shows.
        keys: the settings in which its arms differ.
    """
    if len(runs) == 1:
        return _question_of_one(runs[0])
    others = [key for key in keys if key != "depth"][:2]
    what = " × ".join(others)
    if "depth" in keys and what:
        return f"Which {what} still trains at depth {max(run.depth for run in runs)}?"
    if "depth" in keys:
        return "How deep can this network be and still learn?"
    if what:
        return f"Which {what} lets this network learn, and what becomes of its gradient?"
    return f"What do {len(runs)} seeds of this network say of its gradient?"


def of_one(run: Run) -> list[Sentence]:
    """The answer for one run, in sentences made from its data."""
    return [Sentence("", text) for text in [*_because(run), *run.words]]


def on_ends(runs: Sequence[Run]) -> list[Sentence]:
    """How the runs ended, where not all of them were completed."""
    counts = Counter(run.summary["status"] for run in runs)
    words = {status: ends[counts[status] > 1] for status, ends in ENDS.items() if counts[status]}
    if set(words) == {"completed"}:
        return []
    if len(words) == 1:
        return [Sentence("", f"All {len(runs)} runs {next(iter(words.values()))}.")]
    told = listed(f"{counts[s]} {end}" for s, end in words.items())
    return [Sentence("", f"Of {len(runs)} runs, {told}.")]


def _question_of_one(run: Run) -> str:
    network = f"this {_layers(run.depth)} {run.settings['activation']} network"
    if run.summary["status"] == "diverged":
        return f"Why does {network} blow up?"
    if stays_at_chance(run):
        return f"Why does {network} not learn?"
    return f"What becomes of the gradient in {network}?"


def _because(run: Run) -> list[str]:
    """The reason why a run learns nothing, where its gradient is one."""
    if not stays_at_chance(run):
        return []
    if run.summary["verdict"] == "vanishing":
        return ["Because its gradient vanishes before it reaches the first layers."]
    if run.summary["verdict"] == "exploding":
        return ["Because its gradient explodes on the way to the first layers."]
    return []


def _layers(depth: int) -> str:
    return "one-layer" if depth == 0 else f"{depth}-layer"

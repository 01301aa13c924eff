"""The pictures of a page: each a figure, its file's name, and a sentence that says what to see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from vgrad import figures
from vgrad.figures import Sheet
from vgrad.report import caption
from vgrad.report.run import Run, differences, label


@dataclass(frozen=True)
class Picture:
    """One figure of the page.

    Attributes:
        slug: what its files and its ids are named for; unlike that of any other.
        caption: one sentence that says what to see.
        sheet: the figure.
    """

    slug: str
    caption: str
    sheet: Sheet

    @cached_property
    def svg(self) -> str:
        """The figure as SVG: drawn once for the page and for its file."""
        return figures.svg(self.sheet)


def headline(runs: Sequence[Run]) -> Picture | None:
    """The picture that answers the question; None where nothing was recorded."""
    if len(runs) > 1:
        return _compared_headline(runs)
    run = runs[0]
    if run.drawable and not run.steps.empty:
        sheet = figures.headline(run.layers, run.steps, run.chance, run.name)
        return Picture("headline", caption.headline(run), sheet)
    return None


def of_run(run: Run, prefix: str = "") -> dict[str, Picture]:
    """The pictures of one run by theme; none for what was not recorded.

    Args:
        run: the run.
        prefix: what their slugs begin with.
    """
    pictures = {}
    if run.drawable:
        sheet = figures.profiles(run.layers, run.name)
        pictures["layers"] = Picture(f"{prefix}profiles", caption.profiles(run), sheet)
        sheet = figures.heatmaps(run.layers, run.name)
        pictures["training"] = Picture(f"{prefix}heatmaps", caption.heatmaps(run), sheet)
    if not run.steps.empty:
        sheet = figures.curves(run.steps, run.chance, run.name)
        pictures["learning"] = Picture(f"{prefix}curves", caption.curves(run), sheet)
    return pictures


def of_runs(runs: Sequence[Run]) -> dict[str, Picture]:
    """The pictures of several runs together, by theme."""
    looks, keys = figures.looks(_facts(runs))
    layers, steps = _layers(runs), _steps(runs)
    many = f"{len(runs)} runs"
    pictures = {}
    if not layers.empty:
        sheet = figures.compared_profiles(layers, looks, keys, "first", f"{many}, before training")
        pictures["start"] = Picture("before-training", caption.before_training(runs), sheet)
        sheet = figures.compared_profiles(layers, looks, keys, "last", f"{many}, at their end")
        pictures["end"] = Picture("at-the-end", caption.at_the_end(runs), sheet)
    if not steps.empty:
        sheet = figures.compared_curves(steps, looks, keys, _common_chance(runs), many)
        pictures["learning"] = Picture("learning", caption.learning(runs), sheet)
    return pictures


def _compared_headline(runs: Sequence[Run]) -> Picture | None:
    layers, steps = _layers(runs), _steps(runs)
    if layers.empty or steps.empty:
        return None
    looks, keys = figures.looks(_facts(runs))
    chance = _common_chance(runs)
    title = f"{len(runs)} runs"
    sheet = figures.compared_headline(layers, steps, looks, keys, chance, title)
    return Picture("headline", caption.compared_headline(runs), sheet)


def _facts(runs: Sequence[Run]) -> list[dict[str, str]]:
    keys = differences(runs)
    return [
        {
            "run_id": run.file.run_id,
            "activation": str(run.settings["activation"]),
            "init": str(run.settings["init"]),
            "label": label(run, keys),
        }
        for run in runs
    ]


def _layers(runs: Sequence[Run]) -> pd.DataFrame:
    return pd.concat([run.layers for run in runs], ignore_index=True)


def _steps(runs: Sequence[Run]) -> pd.DataFrame:
    return pd.concat([run.steps for run in runs], ignore_index=True)


def _common_chance(runs: Sequence[Run]) -> float | None:
    chances = {run.chance for run in runs}
    return chances.pop() if len(chances) == 1 else None

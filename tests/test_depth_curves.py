"""Depth curves and runs that diverged: these have no result, here as in the tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from arm_figures import grid, lines_of, runs_of
from vgrad import figures
from vgrad.arms import Arm
from vgrad.figures import Facets, Sheet


def with_diverged(arms: list[Arm], *bad: str) -> pd.DataFrame:
    """The runs; those named have diverged, after an evaluation that left an accuracy behind."""
    runs = runs_of(arms)
    runs.loc[runs["run_id"].isin(bad), "status"] = "diverged"
    runs.loc[runs["run_id"].isin(bad), "final_val_accuracy"] = 0.123
    return runs


def line_of(sheet: Sheet) -> list[float]:
    return [float(y) for y in lines_of(sheet, 0, "arms-0-1")[0].get_ydata()]


def test_the_mean_is_of_the_runs_that_did_not_diverge() -> None:
    arms = grid(depth=[2, 4])  # accuracies 0.5, 0.6, 0.7
    sheet = figures.depth_curves(with_diverged(arms, "a1s0", "a1s1"), arms)
    assert line_of(sheet) == pytest.approx([0.6, 0.7])
    assert sheet.table is not None
    drawn = sheet.table[sheet.table["panel"] == "Final accuracy"]
    assert drawn["seeds"].tolist() == [3, 1]
    assert "2 runs that diverged have no result" in sheet.note


def test_where_deeper_nets_are_whole_again_no_mean_is_lost() -> None:
    arms = grid(depth=[2, 4])
    sheet = figures.depth_curves(with_diverged(arms, "a0s0", "a0s1"), arms)
    assert line_of(sheet) == pytest.approx([0.7, 0.6])


def test_an_arm_that_diverged_has_a_mark_on_the_lowest_rail_and_no_accuracy() -> None:
    arms = grid(activation=["relu", "tanh"], depth=[2, 4])
    sheet = figures.depth_curves(with_diverged(arms, "a3s0", "a3s1", "a3s2"), arms)
    live = sheet.live[0]
    assert live is not None
    assert live.scale.rails["diverged"] < live.scale.low
    drawn = {float(y) for line in lines_of(sheet, 0, "arm-3") for y in line.get_ydata()}
    assert drawn == {live.scale.rails["diverged"]}
    labels = [tick.get_text() for tick in sheet.panels[0].get_yticklabels()]
    assert labels[-1] == "diverged"
    assert sheet.caption == (
        "At depth 4 the final accuracy is 60 % with relu he_normal 4; "
        "every run of tanh he_normal 4 diverged."
    )


def test_what_a_run_was_before_training_it_was_also_if_it_diverged() -> None:
    arms = grid(depth=[2, 4])
    sheet = figures.depth_curves(with_diverged(arms, "a1s0"), arms)
    place = next(i for i, live in enumerate(sheet.live) if live and live.column == "grad_decay")
    assert "diverged" not in sheet.live[place].scale.rails  # type: ignore[union-attr]
    assert sheet.table is not None
    decay = sheet.table[sheet.table["panel"] == "Gradient decay"]
    assert decay["seeds"].tolist() == [3, 3]


def test_without_diverged_runs_nothing_is_said_of_them() -> None:
    arms = grid(depth=[2, 4])
    sheet = figures.depth_curves(runs_of(arms), arms)
    assert "diverged" not in sheet.note + sheet.caption


def test_a_caption_names_an_end_at_which_all_diverged() -> None:
    arms = grid(seeds=1, depth=[2, 4, 8])
    caption = figures.depth_curves(with_diverged(arms, "a2s0"), arms).caption
    assert caption == (
        "The final accuracy goes from 50 % at depth 2 to 50 % at depth 4; at depth 8 every run "
        "diverged."
    )


def test_the_best_setting_is_not_one_whose_runs_diverged() -> None:
    arms = grid(activation=["relu", "tanh"], depth=[2, 4])
    runs = with_diverged(arms, "a2s0", "a2s1", "a2s2", "a3s0", "a3s1", "a3s2")
    runs.loc[runs["status"] == "diverged", "final_val_accuracy"] = 0.99
    best = figures.choose(runs).best
    assert best is not None
    assert best["activation", "tanh"] <= best["activation", "relu"]


def test_an_empty_panel_says_why_it_is_empty() -> None:
    arms = grid(activation=["relu", "tanh"], depth=[1, 4], width=[8, 16])
    runs = runs_of(arms)
    shallow = runs["depth"] == 1
    runs.loc[shallow, ["grad_decay", "reach"]] = np.nan
    sheet = figures.depth_curves(runs, arms, Facets("width", "activation", "depth"))
    titles = [axes.get_title(loc="left") for axes in sheet.panels]
    panel = sheet.panels[titles.index("Gradient decay, depth=1")]
    assert [text.get_text() for text in panel.texts] == ["no slope in less than two hidden layers"]
    other = sheet.panels[titles.index("Gradient decay, depth=4")]
    assert not other.texts

"""Figures of what theory foretold: beside what was measured, and over what was trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from arm_figures import arm, gids, grid, layers_of, lines_of, runs_of
from vgrad import figures
from vgrad.arms import Arm
from vgrad.figures.trainability import places

DELTA = "Error signal δ"


def foretold(depth: int, decay: float = 0.0, **more: Any) -> dict[str, list[float]]:
    """A prediction of a network with an output layer."""
    layer = np.arange(1, depth + 2)
    values = 10.0 ** (decay * (depth - layer))
    return {"delta_rms": values.tolist(), "preact_ms": [0.5] * (depth + 1), **more}


def test_the_output_layer_has_no_dot() -> None:
    arms = [arm(0, depth=4)]
    sheet = figures.predicted(layers_of(arms), arms, {0: foretold(4, -0.1)})
    dots = [line for line in lines_of(sheet, 0, "arm-0") if line.get_marker() == "o"]
    assert dots[-1].get_xdata().tolist() == [1, 2, 3, 4]
    assert dots[-1].get_ydata() == pytest.approx([-0.3, -0.2, -0.1, 0.0])


def test_arms_in_one_panel_show_the_signal_too() -> None:
    arms = [arm(0)]
    told = foretold(4, act_var=[0.1] * 5, correlation=[0.4] * 5)
    sheet = figures.predicted(layers_of(arms), arms, {0: told})
    titles = [axes.get_title(loc="left") for axes in sheet.panels]
    assert titles == [DELTA, "Pre-activation", "Activation variance", "Correlation"]
    dots = [line for line in lines_of(sheet, 3, "arm-0") if line.get_marker() == "o"]
    assert dots[-1].get_ydata() == pytest.approx([0.4] * 4)


def test_the_predicted_spread_is_an_outline_of_two_standard_deviations() -> None:
    arms = [arm(0, seeds=3)]
    told = foretold(4, delta_spread=[0.3, 0.2, 0.1, 0.0, 0.0])
    sheet = figures.predicted(layers_of(arms), arms, {0: told})
    low, high = lines_of(sheet, 0, "band-0")
    assert low.get_ydata() == pytest.approx([-0.6, -0.4, -0.2, 0.0])
    assert high.get_ydata() == pytest.approx([0.6, 0.4, 0.2, 0.0])
    assert "predicted spread over seeds, ±2 sd" in [key.label for key in sheet.keys]
    assert "3 of 3 runs lie within the predicted spread" in sheet.caption
    flat = figures.predicted(layers_of(arms), arms, {0: foretold(4)})
    assert len(flat.keys) == len(sheet.keys) - 1, "nulls leave no band"
    assert "spread" not in flat.caption


def test_a_spread_of_decades_does_not_stretch_the_axis() -> None:
    arms = [arm(0)]
    sheets = [
        figures.predicted(layers_of(arms), arms, {0: foretold(4, delta_spread=[s, 0.1, 0, 0, 0])})
        for s in (0.1, 30.0)
    ]
    narrow, wide = (sheet.live[0] for sheet in sheets)
    assert narrow is not None
    assert wide is not None
    assert wide.scale.high <= narrow.scale.high
    assert np.isnan(lines_of(sheets[1], 0, "band-0")[1].get_ydata()[0]), "it leaves the panel"


def test_the_table_behind_has_what_was_measured_what_is_predicted_and_the_difference() -> None:
    arms = [arm(0, seeds=1, activation="sigmoid", depth=3)]  # loses 0.6 decades a layer
    told = foretold(3, -0.5, delta_spread=[0.2, 0.1, 0.0, 0.0])
    table = figures.predicted(layers_of(arms), arms, {0: told}).table
    assert table is not None
    rows = table[(table["panel"] == DELTA) & (table["x"] == 1)].set_index("label")["value"]
    name = arms[0].label
    assert np.log10(rows[name]) == pytest.approx(-1.2)
    assert np.log10(rows[f"{name}, predicted"]) == pytest.approx(-1.0)
    assert rows[f"{name}, measured − predicted, decades"] == pytest.approx(-0.2)
    band = table[(table["label"] == f"{name}, predicted") & (table["x"] == 1)].iloc[0]
    assert np.log10([band["low"], band["high"]]) == pytest.approx([-1.4, -0.6])


def test_what_is_predicted_has_its_place_on_the_axis() -> None:
    arms = [arm(0)]
    sheet = figures.predicted(layers_of(arms), arms, {0: foretold(4, -5.0)})
    live = sheet.live[0]
    assert live is not None
    assert live.scale.low < -15.0


def test_a_prediction_of_nothing_stands_on_the_rail() -> None:
    arms = [arm(0)]
    told = {"delta_rms": [0.0, 1.0, 1.0, 1.0], "preact_ms": [np.inf] * 4}
    sheet = figures.predicted(layers_of(arms), arms, {0: told})
    for panel, rail in ((0, "0"), (1, "∞")):
        live = sheet.live[panel]
        assert live is not None
        marks = [y for line in lines_of(sheet, panel, "arm-0") for y in line.get_ydata()]
        assert live.scale.rails[rail] in marks


def test_an_arm_without_a_prediction_is_named_with_its_reason() -> None:
    arms = grid(activation=["relu", "maxout", "softmax"])
    sheet = figures.predicted(layers_of(arms), arms, {0: foretold(4)},
                              reasons={1: "several at once"})  # fmt: skip
    assert f"Not predicted: {arms[1].label} (several at once)." in sheet.note
    assert f"Not predicted: {arms[2].label} (there is no record" in sheet.note
    assert {"arm-1", "arm-2"}.isdisjoint(gids(sheet))


def test_one_run_by_itself_belongs_to_no_arm_of_a_page() -> None:
    one = arm(0, seeds=1)
    sheet = figures.predicted_of_run(layers_of([one]), one, foretold(4), "mine")
    assert gids(sheet).isdisjoint({"arm-0", "band-0"})
    assert all(live is None for live in sheet.live)
    assert sheet.caption.startswith("Theory misses the error signal of layer 1 by ")
    assert "mine" in sheet.texts[0].get_text()


GAINS, DEPTHS = [0.5, 1.0, 2.0], [2, 10, 40]
REACH = {0.5: 5.0, 1.0: np.inf, 2.0: 20.0}


def trained(gains: list[float] = GAINS, **more: Any) -> tuple[pd.DataFrame, list[Arm]]:
    """Runs that train just where they should."""
    arms = grid(seeds=2, init__gain=gains, depth=DEPTHS, **more)
    runs = runs_of(arms)
    limit = runs["init.gain"].map(lambda gain: REACH.get(gain, 7.0))
    runs["theory.trainable_depth"] = limit
    runs["final_val_accuracy"] = np.where(runs["depth"] < limit, 0.9, 0.1)
    return runs, arms


def map_of(sheet: figures.Sheet, panel: int = 0) -> np.ndarray:
    """The colours of the cells."""
    (image,) = sheet.panels[panel].get_images()
    return np.asarray(image.get_array())


def test_a_cell_has_the_colour_of_its_accuracy() -> None:
    runs, arms = trained()
    cells = map_of(figures.trainability(runs, arms))
    assert cells.shape[:2] == (3, 3)
    good, bad = cells[0, 0], cells[2, 0]
    for row, depth in enumerate(DEPTHS):
        for column, gain in enumerate(GAINS):
            assert (cells[row, column] == (good if depth < REACH[gain] else bad)).all()


def test_the_line_stands_where_six_depth_scales_are() -> None:
    runs, arms = trained()
    axes = figures.trainability(runs, arms).panels[0]
    line = axes.get_lines()[-1]
    assert line.get_xdata().tolist() == [0, 1, 2]
    # 5 is 3/8 of the way from 2 to 10, 20 a third of that from 10 to 40, and ∞ beyond the top
    assert line.get_ydata() == pytest.approx([0.375, 3.5, 1 + 1 / 3])
    assert axes.get_ylim() == (-0.5, 2.5)


def test_the_caption_counts_how_often_theory_is_right() -> None:
    runs, arms = trained()
    assert "In 100 % of 9 cells" in figures.trainability(runs, arms).caption
    runs["final_val_accuracy"] = 0.9
    assert "In 66.7 % of 9 cells" in figures.trainability(runs, arms).caption


def test_a_run_that_diverged_is_a_mark_and_one_without_an_accuracy_another() -> None:
    runs, arms = trained()
    runs.loc[runs["run_id"].isin(arms[0].run_ids), ["status", "final_val_accuracy"]] = [
        "diverged",
        np.nan,
    ]
    runs.loc[runs["run_id"] == arms[4].run_ids[0], "final_val_accuracy"] = np.nan
    sheet = figures.trainability(runs, arms)
    found = {
        line.get_gid(): (line.get_xdata().tolist(), line.get_ydata().tolist())
        for line in sheet.panels[0].get_lines()
        if str(line.get_gid()).startswith("cells")
    }
    assert found == {"cells diverged": ([0], [0]), "cells no accuracy": ([1], [1])}
    assert "×: a run that diverged." in sheet.note
    assert sheet.table is not None
    assert sheet.table["diverged"].tolist().count(2) == 1
    assert (map_of(sheet)[1, 1] == map_of(sheet)[0, 1]).all(), "the other seed has its colour"


def test_each_activation_has_a_panel_and_five_are_too_many() -> None:
    runs, arms = trained(activation=["relu", "tanh"])
    sheet = figures.trainability(runs, arms)
    assert [axes.get_title(loc="left") for axes in sheet.panels] == [
        "relu: accuracy  [%]",
        "tanh: accuracy  [%]",
    ]
    runs, arms = trained(activation=list("abcde"))
    sheet = figures.trainability(runs, arms)
    assert len(sheet.panels) == 4
    assert "4 of 5 panels" in sheet.note


def test_where_nothing_is_predicted_there_is_no_line() -> None:
    runs, arms = trained()
    runs.loc[runs["init.gain"] == 0.5, "theory.trainable_depth"] = np.nan
    sheet = figures.trainability(runs, arms)
    assert np.isnan(sheet.panels[0].get_lines()[-1].get_ydata()[0])
    assert "of 6 cells" in sheet.caption
    assert "nothing is predicted" in sheet.note


def test_the_figure_needs_three_depths_three_values_and_a_prediction() -> None:
    runs, arms = trained()
    assert figures.scale_key(runs, arms) == "init.gain"
    few, few_arms = trained(GAINS[:2])
    assert figures.scale_key(few, few_arms) is None
    assert figures.scale_key(runs.drop(columns="theory.trainable_depth"), arms) is None
    assert figures.scale_key(runs.assign(final_val_accuracy=np.nan), arms) is None
    shallow = [one for one in arms if one.settings["depth"] < 40]
    assert figures.scale_key(runs, shallow) is None


def test_a_standard_deviation_can_go_along_x() -> None:
    arms = grid(seeds=1, init__std=[0.01, 0.1, 1.0], depth=DEPTHS)
    runs = runs_of(arms).assign(**{"theory.trainable_depth": 7.0})
    assert figures.scale_key(runs, arms) == "init.std"
    assert "init.std" in figures.trainability(runs, arms).panels[0].get_xlabel()


def test_places_go_on_beyond_the_ends_as_far_as_the_last_two_are_apart() -> None:
    known = np.array([2.0, 10.0, 40.0])
    values = np.array([2.0, 25.0, 70.0, -6.0, np.nan])
    assert places(values, known) == pytest.approx([0, 1.5, 3, -1, np.nan], nan_ok=True)

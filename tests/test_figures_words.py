"""What figures of arms say beside their lines: captions, headings, legends."""

from __future__ import annotations

import numpy as np
import pandas as pd

from arm_figures import arm, grid, layers_of, runs_of
from vgrad import figures
from vgrad.arms import Arm
from vgrad.figures import Facets, Sheet


def fates_of(arms: list[Arm]) -> Sheet:
    """The fates of some arms."""
    return figures.fates(runs_of(arms), layers_of(arms, (0,)), arms)


def heading(sheet: Sheet) -> str:
    """What stands above a figure."""
    return sheet.texts[0].get_text()


def titles(sheet: Sheet) -> list[str]:
    """The titles of the panels."""
    return [axes.get_title(loc="left") for axes in sheet.panels]


def test_fates_do_not_name_one_depth_where_the_depth_is_a_column() -> None:
    sheet = fates_of(grid(seeds=1, activation=["relu", "sigmoid"], depth=[6, 16]))
    assert sheet.caption == (
        "The gradient is healthy in 2 of 4 combinations (relu depth=6, relu depth=16), "
        "vanishes in 2."
    )
    assert heading(sheet) == "What becomes of the gradient"


def test_fates_do_not_name_one_depth_where_the_depth_is_a_row() -> None:
    sheet = fates_of(grid(seeds=1, depth=[6, 16]))
    assert sheet.caption == "The gradient is healthy in 2 of 2 cases (depth=6, depth=16)."


def test_fates_of_cells_that_end_at_different_depths_name_none() -> None:
    arms = [
        arm(n, seeds=1, activation=name, init=init, depth=depth)
        for n, (name, init, depth) in enumerate(
            [("relu", "a", 2), ("relu", "b", 4), ("tanh", "a", 4), ("tanh", "b", 4)]
        )
    ]
    assert fates_of(arms).caption.startswith("In the deepest nets of each cell the gradient is")
    assert fates_of(arms[1:]).caption.startswith("At depth 4 the gradient is")


def scattered() -> tuple[pd.DataFrame, list[Arm]]:
    """Learning rates drawn by chance, so that no two arms share one, and their accuracies."""
    arms = [
        arm(n, seeds=1, activation=name, **{"optimizer.lr": lr})
        for n, (name, lr) in enumerate([("relu", 0.2), ("tanh", 0.4), ("relu", 0.6)])
    ]
    runs = runs_of(arms)
    runs["final_val_accuracy"] = [0.61, 0.89, 0.08]
    return runs, arms


def test_a_caption_names_the_arms_where_lines_of_several_have_one_far_end() -> None:
    runs, arms = scattered()
    caption = figures.depth_curves(runs, arms, Facets("optimizer.lr", "activation")).caption
    assert caption == (
        "Of what is drawn, relu he_normal 4 0.6 has the worst final accuracy, 8 %, and "
        "tanh he_normal 4 0.4 the best, 89 %."
    )


def test_a_caption_of_one_line_says_how_its_ends_compare() -> None:
    arms = grid(seeds=1, depth=[2, 4, 8])
    runs = runs_of(arms)
    runs["final_val_accuracy"] = [0.61, 0.89, 0.08]
    assert figures.depth_curves(runs, arms).caption == (
        "The final accuracy goes from 61 % at depth 2 to 8 % at depth 8, and is best, 89 %, at 4."
    )


def test_a_panel_without_any_value_is_left_out() -> None:
    arms = grid(loss=["mse", "cross_entropy"], width=[8, 16], depth=[1])
    runs = runs_of(arms, grad_decay=np.nan, reach=np.nan)
    sheet = figures.depth_curves(runs, arms, Facets("width"))
    assert titles(sheet) == ["Final accuracy", "Final loss"]
    assert [key.label for key in sheet.keys if "chance" in key.label] == ["chance"]
    brief = figures.depth_curves(runs, arms, Facets("width"), brief=True)
    assert titles(brief) == ["Final accuracy", "Final loss"]


def test_what_only_runs_that_are_not_drawn_have_gets_no_panel() -> None:
    arms = grid(depth=[2, 4])
    runs = runs_of(arms, grad_decay=np.nan)
    other = runs.assign(run_id="other", grad_decay=-0.1)
    sheet = figures.depth_curves(pd.concat([runs, other.iloc[:1]]), arms)
    assert "Gradient decay" not in titles(sheet)


def test_runs_without_any_result_are_drawn_all_the_same() -> None:
    arms = grid(depth=[2, 4])
    nothing = dict.fromkeys(
        ["grad_decay", "reach", "final_val_accuracy", "final_val_loss", "final_train_loss"], np.nan
    )
    sheet = figures.depth_curves(runs_of(arms, **nothing), arms)
    assert titles(sheet) == ["Gradient decay"]
    assert figures.svg(sheet)

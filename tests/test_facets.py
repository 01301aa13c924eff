"""Facets: which settings go where, and which arms share a panel."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arm_figures import grid, runs_of
from vgrad import figures
from vgrad.errors import ConfigError
from vgrad.figures import Facets
from vgrad.figures.facets import explained
from vgrad.figures.split import lines, split, spread


def sweep(**keys: list[object]) -> pd.DataFrame:
    """The runs of a sweep."""
    return runs_of(grid(**keys))


def test_depth_goes_along_x_and_the_activation_has_the_colours() -> None:
    chosen = figures.choose(sweep(activation=["relu", "tanh"], init=["a", "b"], depth=[2, 4]))
    assert (chosen.x, chosen.hue, chosen.facet) == ("depth", "activation", None)
    assert "init has the line styles" in chosen.why


def test_the_setting_that_explains_most_of_the_rest_has_panels_of_its_own() -> None:
    runs = sweep(activation=["relu", "tanh"], depth=[2, 4], width=[16, 32], batch_size=[8, 16])
    runs["final_val_accuracy"] = runs["batch_size"] / 20 + runs["seed"] / 100
    chosen = figures.choose(runs)
    assert chosen.facet == "batch_size"
    assert chosen.shares is not None
    assert chosen.shares["batch_size"] > 10 * chosen.shares["width"]
    assert "batch_size has panels of its own" in chosen.why


def test_a_sweep_over_learning_rates_has_them_along_x() -> None:
    chosen = figures.choose(sweep(optimizer__lr=[0.01, 0.1, 1.0]))
    assert chosen.x == "optimizer.lr"


def test_a_sweep_over_names_alone_has_nothing_along_x() -> None:
    assert figures.choose(sweep(init=["he_normal", "zeros"])).x is None


def test_what_the_user_asks_for_is_done_and_said() -> None:
    runs = sweep(activation=["relu", "tanh"], depth=[2, 4], width=[16, 32])
    chosen = figures.choose(runs, x="width", hue="depth", facet="activation")
    assert (chosen.x, chosen.hue, chosen.facet) == ("width", "depth", "activation")
    assert "as asked: --x, --hue, --facet" in chosen.why


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"x": "dept"}, "Did you mean 'depth'?"),
        ({"hue": "init"}, "the same in all runs"),
        ({"x": "activation"}, "an axis needs numbers"),
        (
            {"x": "seed"},
            "runs that differ in it alone are taken together, as one arm. These differ",
        ),
        ({"x": "grad_decay"}, "no setting has that name"),
        ({"hue": "activation.alpha"}, "it follows from another setting"),
        ({"x": "depth", "hue": "depth"}, "--hue depth: --x has it already. These are free: act"),
        ({"hue": "activation", "facet": "activation"}, "--hue has it already"),
    ],
)
def test_a_setting_that_cannot_be_had_is_refused_with_what_can(
    asked: dict[str, str], message: str
) -> None:
    runs = sweep(activation=["relu", "tanh"], init=["he_normal"], depth=[2, 4])
    runs.insert(0, "activation.alpha", runs["activation"].map({"tanh": 1.4}))
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        figures.choose(runs, **asked)


def test_runs_that_differ_in_nothing_have_no_facets() -> None:
    chosen = figures.choose(sweep(depth=[4]))
    assert (chosen.x, chosen.hue, chosen.facet) == (None, None, None)


def test_a_setting_that_is_another_one_in_each_run_explains_nothing_by_chance() -> None:
    rng = np.random.default_rng(0)
    runs = pd.DataFrame(
        {
            "optimizer.lr": rng.uniform(size=200),
            "width": rng.choice([16, 32], 200),
            "run_id": [f"r{i}" for i in range(200)],
            "final_val_accuracy": rng.uniform(size=200),
            "grad_decay": rng.normal(size=200),
        }
    )
    shares = explained(runs, ["optimizer.lr", "width"])
    assert max(shares.values()) < 0.1


def test_where_nothing_differs_no_setting_is_named() -> None:
    with pytest.raises(ConfigError, match=r"the same in all runs\. No setting differs"):
        figures.choose(sweep(depth=[4]), x="depth")
    with pytest.raises(ConfigError, match=r"no setting has that name\. No setting differs"):
        figures.choose(sweep(depth=[4]), x="dept")


def test_what_a_setting_explains_is_not_said_where_each_run_has_a_value_of_its_own() -> None:
    runs = runs_of(grid(seeds=1, depth=[2, 4, 8]))
    runs["final_val_accuracy"] = [0.9, 0.5, 0.1]
    chosen = figures.choose(runs)
    assert chosen.shares is not None
    assert np.isnan(chosen.shares["depth"])
    assert "cannot be told from these runs. Here depth goes to the right" in chosen.why
    assert "%" not in chosen.why


def test_a_setting_of_which_it_cannot_be_told_takes_no_number_from_the_others() -> None:
    runs = runs_of(grid(seeds=1, activation=["relu", "tanh"], optimizer__lr=[0.1, 1.0]))
    runs["optimizer.lr"] = [0.1, 0.2, 0.3, 0.4]
    runs["final_val_accuracy"] = [0.9, 0.8, 0.2, 0.1]
    chosen = figures.choose(runs)
    assert chosen.x == "optimizer.lr"
    assert "activation 9" in chosen.why
    assert "; of optimizer.lr it cannot be told from these runs. So" in chosen.why


def test_what_a_setting_explains_of_results_that_are_all_alike_is_not_said() -> None:
    runs = sweep(activation=["relu", "tanh"], depth=[2, 4])
    runs["grad_decay"] = np.nan
    runs["final_val_accuracy"] = 0.1
    assert "cannot be told from these runs" in figures.choose(runs).why


def test_results_that_are_not_numbers_do_not_stop_the_choice() -> None:
    runs = sweep(activation=["relu", "tanh"], depth=[2, 4])
    runs["grad_decay"] = np.nan
    runs.loc[runs["depth"] == 4, "final_val_accuracy"] = np.nan
    assert figures.choose(runs).shares == pytest.approx({"activation": 0, "depth": 1}, abs=0.9)


def test_a_dozen_lines_share_a_panel_and_more_are_split_by_what_no_look_tells_apart() -> None:
    few = grid(activation=["relu", "tanh"], init=["a", "b"], depth=[2, 4])
    many = grid(activation=list("abcdefgh"), init=["x", "y"], depth=[2, 4, 8])
    for arms, groups in ((few, 1), (many, 6)):
        look = figures.looks(arms, Facets(hue="activation"), ["depth"] if arms is many else [])
        assert len(split(arms, Facets(), look).groups) == groups


def test_no_arm_is_lost_or_drawn_twice_where_there_is_room() -> None:
    arms = grid(activation=list("abcd"), init=["x", "y"], depth=[2, 4], width=[1, 2])
    made = split(arms, Facets("depth", "activation", "width"), figures.looks(arms, Facets()))
    assert sorted(one.number for one in made.arms) == list(range(len(arms)))
    assert made.note == ""


def test_what_is_left_out_is_said() -> None:
    arms = grid(activation=list("abcdefghijklmnop"), depth=list(range(1, 11)))
    look = figures.looks(arms, Facets(hue="activation"), ["depth"])
    made = split(arms, Facets(), look)
    assert len(made.groups) <= 6
    assert "of 10 values of depth" in made.note
    assert all(len(group.arms) <= 12 for group in made.groups)


def test_arms_that_differ_along_x_alone_share_a_line() -> None:
    arms = grid(activation=["relu", "tanh"], depth=[2, 4, 8])
    assert [[one.number for one in line] for line in lines(arms, "depth")] == [[0, 1, 2], [3, 4, 5]]


@given(st.integers(1, 200), st.integers(2, 30))
def test_places_are_spread_from_the_first_to_the_last(count: int, most: int) -> None:
    places = spread(count, most)
    assert (places[0], places[-1]) == (0, count - 1)
    assert len(places) == min(count, most)
    assert places == sorted(set(places))


def test_what_all_panels_share_is_said_once() -> None:
    arms = grid(activation=list("abcdefgh"), init=["x", "y"], depth=list(range(1, 11)))
    look = figures.looks(arms, Facets(hue="activation"), ["depth"])
    made = split(arms, Facets(), look, most_groups=2)
    assert [group.title for group in made.groups] == ["x", "y"]
    assert made.common == ", depth=10"
    assert made.note.endswith("All panels: depth=10.")

"""Figures that compare arms: what is drawn is the data's, and stays readable however many."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from arm_figures import STEPS, arm, gids, grid, layers_of, lines_of, runs_of, steps_of
from vgrad import figures
from vgrad.arms import Arm
from vgrad.figures import Facets, Sheet
from vgrad.figures.gradient_loss import factors
from vgrad.figures.split import MOST_LINES

HOSTILE = r"a$\frac$ <script>alert(1)</script>"
ARMS = grid(activation=["sigmoid", "relu"], init=["xavier_normal", "he_normal"], depth=[2, 8])
KINDS = (
    "headline",
    "headline without a number",
    "depth",
    "fates",
    "first",
    "last",
    "relative",
    "losses",
    "inner",
    "learning",
    "updates",
    "heat",
    "predicted",
)


@cache
def drawn(kind: str) -> Sheet:
    """A figure of a kind, drawn once: for tests that only look at it."""
    return draw(kind)


def draw(kind: str, title: str = "") -> Sheet:
    """A figure of a kind."""
    arms = ARMS
    layers, runs, steps = layers_of(arms), runs_of(arms), steps_of(arms)
    facets = Facets("depth", "activation")
    flat = Facets(None, "activation")
    foretold = {one.number: {"delta_rms": [1.0] * one.settings["depth"]} for one in arms}
    return {
        "headline": lambda: figures.headline_by_arm(
            runs, layers, steps, arms, facets, 0.1, title=title
        ),
        "headline without a number": lambda: figures.headline_by_arm(
            runs, layers, steps, arms, flat, 0.1, title=title
        ),
        "depth": lambda: figures.depth_curves(runs, arms, facets, title),
        "fates": lambda: figures.fates(runs, layers, arms, title),
        "first": lambda: figures.profiles_by_arm(layers, arms, "first", facets=facets, title=title),
        "last": lambda: figures.profiles_by_arm(layers, arms, "last", facets=facets, title=title),
        "relative": lambda: figures.profiles_by_arm(
            layers, arms, "first", relative=True, facets=facets, title=title
        ),
        "losses": lambda: figures.losses_of_gradient(layers, arms, facets, title),
        "inner": lambda: figures.inner_state(layers, arms, "last", facets, title),
        "learning": lambda: figures.learning(steps, arms, facets, 0.1, title),
        "updates": lambda: figures.update_ratios(layers, arms, facets, title),
        "heat": lambda: figures.heat(layers, arms[-1], title=title),
        "predicted": lambda: figures.predicted(layers, arms, foretold, facets, title),
    }[kind]()


def one_panel(arms: list[Arm], layers: pd.DataFrame | None = None, when: str = "first") -> Sheet:
    """The profiles of a few arms."""
    layers = layers_of(arms) if layers is None else layers
    return figures.profiles_by_arm(layers, arms, "first" if when == "first" else "last")


def test_a_profile_is_the_geometric_mean_of_the_seeds() -> None:
    arms = [arm(7, seeds=3, activation="sigmoid", depth=5)]
    layers = layers_of(arms)
    sheet = one_panel(arms, layers)
    line = lines_of(sheet, 0, "arm-7")[0]
    at_start = layers[layers["step"] == 0]
    logs = np.log10(at_start["delta_rms"]).groupby(at_start["layer"]).mean()
    assert line.get_xdata() == pytest.approx(np.arange(1, 7))
    assert line.get_ydata() == pytest.approx(logs.to_numpy())


def test_a_band_is_the_interval_of_the_mean_by_students_t() -> None:
    arms = [arm(0, seeds=5)]
    layers = layers_of(arms)
    table = one_panel(arms, layers).table
    assert table is not None
    first = table[(table["panel"] == "Error signal δ") & (table["x"] == 1)].iloc[0]
    logs = np.log10(layers[(layers["step"] == 0) & (layers["layer"] == 1)]["delta_rms"])
    low, high = stats.t.interval(0.95, 4, logs.mean(), stats.sem(logs))
    assert np.log10([first["low"], first["high"]]) == pytest.approx([low, high])


def test_two_seeds_give_a_band_from_one_to_the_other_and_one_gives_none() -> None:
    two, one = one_panel([arm(0, seeds=2)]), one_panel([arm(0, seeds=1)])
    assert two.table is not None
    row = two.table.iloc[0]
    assert [row["low"], row["high"]] == pytest.approx([0.1, 10**-0.9])
    assert "band-0" in gids(two)
    assert "band-0" not in gids(one)
    assert "from one seed to the other" in two.note
    assert "no bands" in one.note


def test_what_has_no_place_on_the_axis_is_a_mark_and_no_gap() -> None:
    arms = [arm(0, seeds=3)]
    layers = layers_of(arms)
    first = layers["run_id"] == "a0s0"
    layers.loc[first & (layers["layer"] == 2), "delta_rms"] = np.nan
    layers.loc[layers["layer"] == 3, "delta_rms"] = 0.0
    sheet = one_panel(arms, layers)
    live = sheet.live[0]
    assert live is not None
    line, *marks = lines_of(sheet, 0, "arm-0")
    assert np.isfinite(line.get_ydata()[1])  # the mean of the seeds that have one
    assert np.isnan(line.get_ydata()[2])
    places = {(float(m.get_xdata()[0]), float(m.get_ydata()[0])) for m in marks if m.get_marker()}
    assert {(2.0, live.scale.rails["NaN"]), (3.0, live.scale.rails["0"])} <= places


def test_a_step_that_one_seed_alone_recorded_does_not_bend_the_line() -> None:
    arms = [arm(0, seeds=3)]
    steps = steps_of(arms)
    own = steps[(steps["run_id"] == "a0s0") & (steps["step"] <= 5)].copy()
    own.loc[own.index[-1], ["step", "train_loss"]] = [7, 1e6]
    steps = pd.concat([own, steps[steps["run_id"] != "a0s0"]])
    sheet = figures.learning(steps, arms)
    assert list(lines_of(sheet, 0, "arm-0")[0].get_xdata()) == list(STEPS)


def test_a_run_that_diverged_does_not_flatten_the_others() -> None:
    arms = [arm(0), arm(1, activation="tanh")]
    steps = steps_of(arms)
    bad = steps["run_id"].isin(arms[1].run_ids)
    steps.loc[bad & (steps["step"] == 5), "train_loss"] = 1e30
    steps.loc[bad & (steps["step"] == 10), "train_loss"] = np.nan
    live = figures.learning(steps, arms).live[0]
    assert live is not None
    assert live.scale.kind == "linear"
    assert live.scale.high < 4
    assert "NaN" in live.scale.rails


def test_depth_curves_draw_the_mean_of_each_arm_at_its_depth() -> None:
    arms = grid(activation=["relu", "sigmoid"], depth=[2, 4, 8])
    runs = runs_of(arms)
    sheet = figures.depth_curves(runs, arms, Facets("depth", "activation"))
    line = lines_of(sheet, 0, "arms-0-1-2")[0]
    mean = runs.set_index("run_id").loc[list(arms[0].run_ids), "final_val_accuracy"].mean()
    assert line.get_ydata() == pytest.approx([mean] * 3)
    assert line.get_xdata() == pytest.approx([2, 4, 8], abs=0.2)  # each line a little apart
    assert {f"arm-{n}" for n in range(6)} <= gids(sheet)
    assert sheet.table is not None
    drawn = sheet.table[(sheet.table["panel"] == "Gradient decay") & (sheet.table["arm"] == 5)]
    assert drawn["value"].item() == pytest.approx(-0.599)
    assert drawn["x"].item() == 8


def test_depth_curves_show_each_seed() -> None:
    arms = grid(depth=[2, 4])
    runs = runs_of(arms)
    sheet = figures.depth_curves(runs, arms)
    seeds = [line for line in lines_of(sheet, 0, "arm-0") if len(line.get_xdata()) == 3]
    assert sorted(seeds[0].get_ydata()) == pytest.approx([0.5, 0.6, 0.7])


def test_any_number_can_go_along_x() -> None:
    arms = grid(optimizer__lr=[0.001, 0.1, 10.0])
    sheet = figures.depth_curves(runs_of(arms), arms, Facets("optimizer.lr"))
    live = sheet.live[0]
    assert live is not None
    assert (live.x_key, live.x_kind) == ("optimizer.lr", "log")
    names = [tick.get_text() for tick in sheet.panels[0].get_xticklabels()]
    assert names == ["0.001", "0.1", "10"]


def test_a_loss_that_diverged_is_a_mark_in_the_depth_curves() -> None:
    arms = grid(depth=[2, 4])
    runs = runs_of(arms)
    bad = runs["run_id"].isin(arms[1].run_ids)
    runs.loc[bad, ["status", "final_val_loss"]] = ["diverged", np.nan]
    sheet = figures.depth_curves(runs, arms)
    place = next(i for i, live in enumerate(sheet.live) if live and "loss" in live.column)
    live = sheet.live[place]
    assert live is not None
    marks = [line.get_ydata()[0] for line in lines_of(sheet, place, "arm-1")]
    assert marks == [live.scale.rails["diverged"]]


def test_a_cell_says_in_words_what_became_of_the_gradient() -> None:
    sheet = figures.fates(runs_of(ARMS), layers_of(ARMS), ARMS)
    words = [text.get_text() for text in sheet.panels[0].texts]
    assert words.count("vanishes") == 2
    assert words.count("healthy") == 2
    assert {"sigmoid", "relu", "xavier_normal", "he_normal"} <= set(words)
    assert "At depth 8" in sheet.caption


def test_a_cell_says_how_many_seeds_agree() -> None:
    arms = grid(seeds=5, activation=["relu", "tanh"])
    runs = runs_of(arms)
    runs.loc[runs["run_id"].isin(["a0s0", "a0s1"]), "verdict"] = "exploding"
    runs.loc[runs["run_id"].isin(["a1s0", "a1s1", "a1s2"]), "verdict"] = "diverged"
    words = [text.get_text() for text in figures.fates(runs, layers_of(arms), arms).panels[0].texts]
    assert {"healthy 3 of 5", "diverged 3 of 5"} <= set(words)


def test_the_profiles_of_all_cells_stand_on_one_axis() -> None:
    sheet = figures.fates(runs_of(ARMS), layers_of(ARMS), ARMS)
    cells = [axes for axes in sheet.axes if str(axes.get_gid()).startswith("panel-0.")]
    assert len(cells) == 4
    assert len({axes.get_ylim() for axes in cells}) == 1
    deepest = cells[0].get_lines()
    assert any(line.get_ydata()[-1] == pytest.approx(0) for line in deepest)  # 1 at the last layer


def test_gates_and_weights_multiply_to_what_a_layer_keeps() -> None:
    rng = np.random.default_rng(0)
    delta, gate_ms = 10.0 ** rng.uniform(-30, 0, 12), rng.uniform(0, 1, 11)
    found = factors(delta, gate_ms)
    assert found["gates"] * found["weights"] == pytest.approx(found["both"])
    assert found["both"] == pytest.approx(delta[:-1] / delta[1:])


def test_the_loss_side_stands_apart_over_the_steps() -> None:
    sheet = figures.losses_of_gradient(layers_of(ARMS[:2]), ARMS[:2])
    last = sheet.live[-1]
    assert last is not None
    assert (last.kind, last.column) == ("step", "factor:loss")
    assert [live.kind for live in sheet.live[:3] if live] == ["layer"] * 3


def test_the_last_record_of_an_update_ratio_is_the_one_that_an_update_followed() -> None:
    sheet = figures.update_ratios(layers_of(ARMS[:1]), ARMS[:1])
    for panel in (0, 1):
        assert lines_of(sheet, panel, "arm-0")[0].get_ydata() == pytest.approx([-3, -3, -3])
    assert [live.moves for live in sheet.live if live] == [False, True]


def test_relative_profiles_lie_over_each_other() -> None:
    arms = grid(seeds=1, activation=["sigmoid"], depth=[4, 8])
    sheet = figures.profiles_by_arm(layers_of(arms), arms, "first", relative=True)
    lines = [lines_of(sheet, 0, f"arm-{n}")[0] for n in (0, 1)]
    assert [line.get_xdata()[-1] for line in lines] == [1, 1]
    assert [len(line.get_xdata()) for line in lines] == [4, 8]


def test_a_prediction_is_drawn_beside_what_was_measured() -> None:
    arms = [arm(0, depth=3)]
    sheet = figures.predicted(layers_of(arms), arms, {0: {"delta_rms": [0.1, 0.5, 1.0]}})
    measured, foretold = lines_of(sheet, 0, "arm-0")
    assert measured.get_ydata() == pytest.approx([0, 0, 0])
    assert foretold.get_ydata() == pytest.approx(np.log10([0.1, 0.5, 1.0]))
    assert "1 decades" in sheet.caption


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_figure_of_arms_gives_the_same_bytes(kind: str) -> None:
    assert figures.svg(drawn(kind)) == figures.svg(draw(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_a_dollar_and_a_tag_in_a_title_come_out_as_they_are(kind: str) -> None:
    svg = figures.svg(draw(kind, title=HOSTILE))
    assert "a$\\frac$ &lt;script&gt;" in svg
    assert "<script" not in svg


@pytest.mark.parametrize("kind", KINDS)
def test_every_figure_of_arms_says_what_to_see(kind: str) -> None:
    sheet = drawn(kind)
    assert sheet.caption.endswith(".")
    assert len(sheet.live) == len(sheet.panels)
    if kind != "heat":
        assert sheet.table is not None
        assert {"panel", "arm", "label", "x", "value", "low", "high"} <= set(sheet.table)
        assert gids(sheet) >= {f"arm-{number}" for number in set(sheet.table["arm"])}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "fates"])
def test_every_axis_of_a_figure_of_arms_has_its_unit(kind: str) -> None:
    for axes in drawn(kind).panels:
        assert axes.get_title(loc="left")
        assert "[" in axes.get_xlabel()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("fates", "heat")])
def test_a_script_can_place_a_value_in_a_panel(kind: str) -> None:
    sheet = drawn(kind)
    for axes, live in zip(sheet.panels, sheet.live, strict=True):
        assert live is not None
        assert live.x == axes.get_xlim()
        assert live.scale.limits == pytest.approx(axes.get_ylim())
        x, y, width, height = live.box
        left, top, across, down = sheet.boxes[str(axes.get_gid())]
        assert left <= x < x + width <= left + across
        assert top <= y < y + height <= top + down
        assert live.arms


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, 5e-324])
def test_arms_with_one_value_everywhere_are_drawn(value: float) -> None:
    layers = layers_of(ARMS[:3])
    layers.loc[:, layers.columns.difference(["run_id", "step", "layer"])] = value
    runs = runs_of(ARMS[:3], grad_decay=np.nan, reach=value, final_val_loss=value)
    for sheet in (
        figures.profiles_by_arm(layers, ARMS[:3], "last"),
        figures.fates(runs, layers, ARMS[:3]),
        figures.losses_of_gradient(layers, ARMS[:3]),
        figures.inner_state(layers, ARMS[:3]),
        figures.update_ratios(layers, ARMS[:3]),
        figures.depth_curves(runs, ARMS[:3]),
        figures.heat(layers, ARMS[0]),
    ):
        assert figures.svg(sheet)


def test_arms_of_no_hidden_layer_are_drawn() -> None:
    arms = grid(activation=["relu", "tanh"], depth=[0])
    layers, runs = layers_of(arms), runs_of(arms)
    for sheet in (
        figures.profiles_by_arm(layers, arms, "first"),
        figures.profiles_by_arm(layers, arms, "first", relative=True),
        figures.fates(runs, layers, arms),
        figures.losses_of_gradient(layers, arms),
    ):
        assert figures.svg(sheet)


def test_hundreds_of_arms_stay_a_dozen_lines_a_panel_and_a_small_file() -> None:
    many = grid(
        seeds=1,
        activation=["sigmoid", "tanh", "relu", "selu", "elu", "gelu", "swish", "identity"],
        init=["xavier_normal", "he_normal", "lecun_normal", "orthogonal"],
        depth=[2, 4, 8, 16],
        width=[16, 32],
    )
    layers, facets = layers_of(many, (0, 10)), Facets("depth", "activation", "width")
    sheets = [
        figures.profiles_by_arm(layers, many, "first", facets=facets),
        figures.depth_curves(runs_of(many), many, facets),
        figures.fates(runs_of(many), layers, many),
    ]
    for sheet in sheets[:2]:
        for live in sheet.live:
            assert live is not None
            assert len(live.arms) <= MOST_LINES * (4 if live.kind == "depth" else 1)
        assert "are drawn" in sheet.note
    for sheet in sheets:
        assert len(figures.svg(sheet)) < 1_000_000


def test_a_figure_before_training_draws_one_of_the_arms_that_are_alike_there() -> None:
    arms = grid(activation=["relu", "tanh"], optimizer__lr=[0.1, 1.0])
    first = figures.profiles_by_arm(layers_of(arms), arms, "first")
    last = figures.profiles_by_arm(layers_of(arms), arms, "last")
    counts = [{n for live in sheet.live if live for n in live.arms} for sheet in (first, last)]
    assert [len(count) for count in counts] == [2, 4]


def test_the_headline_shows_the_best_arm_and_every_activation_however_many_there_are() -> None:
    names = ["sigmoid", "tanh", "relu", "selu"]
    arms = grid(seeds=1, activation=names, init=list("abcdef"), depth=[2, 8])
    runs, best = runs_of(arms), arms[-1]
    runs.loc[runs["run_id"].isin(best.run_ids), "final_val_accuracy"] = 0.9
    facets = figures.choose(runs)
    sheet = figures.headline_by_arm(runs, layers_of(arms), steps_of(arms), arms, facets)
    live = sheet.live[0]
    assert live is not None
    assert best.number in live.arms
    assert {arms[number].settings["activation"] for number in live.arms} == set(names)
    assert "16 of 24 lines" in sheet.note


def test_panels_that_are_dropped_are_not_those_with_the_best_results() -> None:
    arms = grid(seeds=1, activation=list("abcdefgh"), init=list("stuvwxyz"), depth=[2, 8])
    runs = runs_of(arms)
    runs.loc[runs["init"] == "v", "final_val_accuracy"] = 0.9
    sheet = figures.depth_curves(runs, arms, figures.choose(runs))
    assert any("v" in axes.get_title(loc="left").split(", ") for axes in sheet.panels)
    assert "6 of 8 values of init" in sheet.note


def test_a_run_without_a_verdict_is_unsure() -> None:
    arms = grid(seeds=1, activation=["relu", "tanh"])
    runs = runs_of(arms, verdict=None)
    words = [text.get_text() for text in figures.fates(runs, layers_of(arms), arms).panels[0].texts]
    assert words.count("unsure") == 2

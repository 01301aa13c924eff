"""Figures: what is drawn where, and how it is written."""

from __future__ import annotations

import io
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from vgrad import figures
from vgrad.figures import Sheet
from vgrad.figures.heatmaps import rectangles
from vgrad.figures.lines import layer_ticks
from vgrad.figures.quantities import ACCURACY, BY_LAYER

STEPS = [*range(11), *range(15, 51, 5), *range(75, 601, 25)]
HOSTILE = r"a$\frac$ <script>alert(1)</script>"
DRAWN = [quantity.column for quantity in BY_LAYER]


def layer_rows(
    run_id: str = "r1", depth: int = 20, decay: float = -0.62, steps: list[int] = STEPS
) -> pd.DataFrame:
    """The layers of one run, whose error signal changes by `decay` decades a layer."""
    frames = []
    for step in steps:
        layer = np.arange(1, depth + 2)
        delta = 10 ** (-1.5 + decay * (depth + 1 - layer))
        columns = {
            "delta_rms": delta,
            "weight_grad_norm": 30 * delta,
            "act_mean": 0.5 + 0.001 * np.sin(layer + step),
            "act_var": 10 ** (-1 - 0.3 * layer),
        }
        frames.append(pd.DataFrame({"run_id": run_id, "step": step, "layer": layer, **columns}))
    return pd.concat(frames, ignore_index=True)


def step_rows(run_id: str = "r1", final: float = 0.9, steps: list[int] = STEPS) -> pd.DataFrame:
    """The steps of one run; every fiftieth is evaluated."""
    step = np.array(steps)
    accuracy = 0.1 + (final - 0.1) * (1 - np.exp(-step / 120))
    loss = 2.4 - 2 * accuracy
    evaluated = step % 50 == 0
    return pd.DataFrame(
        {
            "run_id": run_id,
            "step": step,
            "train_loss": loss,
            "train_accuracy": accuracy,
            "val_loss": np.where(evaluated, loss + 0.1, np.nan),
            "val_accuracy": np.where(evaluated, accuracy, np.nan),
        }
    )


def draw(kind: str, title: str = "") -> Sheet:
    """A figure of a kind."""
    one, its_steps = layer_rows(), step_rows()
    make = {
        "profiles": lambda: figures.profiles(one, title),
        "heatmaps": lambda: figures.heatmaps(one, title),
        "curves": lambda: figures.curves(its_steps, 0.1, title),
        "headline": lambda: figures.headline(one, its_steps, 0.1, title),
    }
    return make[kind]()


KINDS = ("profiles", "heatmaps", "curves", "headline")


def labels(sheet: Sheet, panel: int) -> list[str]:
    return [tick.get_text() for tick in sheet.panels[panel].get_yticklabels()]


def rails(sheet: Sheet, panel: int) -> dict[str, int]:
    """Marks on each rail of a panel: name → how many."""
    axes = sheet.panels[panel]
    marks = [line for line in axes.get_lines() if line.get_linestyle() == "None"]
    names = dict(zip(axes.get_yticks(), labels(sheet, panel), strict=True))
    return {names[line.get_ydata()[0]]: len(line.get_xdata()) for line in marks}


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter() if element.text]


def test_logarithms_stand_on_a_linear_axis_with_ticks_that_are_right_at_1e_minus_30() -> None:
    sheet = figures.profiles(layer_rows(depth=40, decay=-0.75))
    axes = sheet.panels[0]
    assert axes.get_yscale() == "linear"
    drawn = axes.get_lines()[0].get_ydata()
    assert drawn[0] == pytest.approx(-1.5 - 0.75 * 40)  # layer 1, 3e-32
    ticks = dict(zip(labels(sheet, 0), axes.get_yticks(), strict=True))
    assert ticks["10⁻³⁰"] == pytest.approx(-30)
    assert 4 <= len(ticks) <= 8


def test_zero_nan_and_infinity_are_marks_on_rails_of_their_own() -> None:
    layers = layer_rows(steps=[0, 1])
    first = layers["step"] == 0
    layers.loc[first & (layers["layer"] <= 3), "delta_rms"] = 0.0
    layers.loc[first & (layers["layer"] == 5), "delta_rms"] = np.nan
    layers.loc[first & (layers["layer"] >= 20), "delta_rms"] = np.inf
    sheet = figures.profiles(layers)
    assert rails(sheet, 0) == {"0": 3, "NaN": 1, "∞": 2}
    assert {"0", "NaN", "∞"} <= set(labels(sheet, 0))
    assert rails(sheet, 1) == {}


def test_a_zero_is_an_ordinary_value_on_a_linear_axis() -> None:
    layers = layer_rows()
    layers.loc[layers["layer"] == 3, "act_mean"] = 0.0
    assert rails(figures.profiles(layers), 2) == {}


def test_a_flat_line_is_not_blown_up_into_noise() -> None:
    low, high = figures.profiles(layer_rows()).panels[2].get_ylim()  # act_mean is 0.5 ± 0.001
    assert high - low >= 0.1


def test_huge_values_of_both_signs_are_drawn_on_a_signed_logarithm() -> None:
    layers = layer_rows(steps=[0])
    layers["act_mean"] = np.where(layers["layer"] % 2, 1.0, -1.0) * 10.0 ** layers["layer"]
    sheet = figures.profiles(layers)
    assert {"−10¹⁶", "−10⁸", "0", "10⁸", "10¹⁶"} <= set(labels(sheet, 2))
    assert rails(sheet, 2) == {}


def test_a_mean_that_falls_by_decades_is_drawn_on_a_logarithm() -> None:
    layers = layer_rows(steps=[0])
    layers["act_mean"] = 10.0 ** -layers["layer"]
    assert "10⁻¹²" in labels(figures.profiles(layers), 2)


def test_the_steps_chosen_are_the_first_a_middle_and_the_last() -> None:
    assert figures.chosen_steps(layer_rows()) == [0, 300, 600]
    assert figures.chosen_steps(layer_rows(steps=[0])) == [0]
    assert figures.chosen_steps(layer_rows(steps=[0, 7])) == [0, 7]


def test_a_run_that_diverged_shows_its_last_finite_record_too() -> None:
    layers = layer_rows(steps=[0, 5, 10, 20, 40])
    layers.loc[layers["step"] == 40, DRAWN] = np.nan
    assert figures.chosen_steps(layers) == [0, 20, 40]


@pytest.mark.parametrize("deepest", range(1, 130))
def test_layers_are_labelled_from_the_first_to_the_last_without_crowding(deepest: int) -> None:
    ticks = layer_ticks(deepest)
    assert ticks[0] == 1
    assert ticks[-1] == deepest
    assert ticks == sorted(set(ticks))
    assert len(ticks) <= 10


def test_the_input_is_on_the_left_and_the_output_layer_is_named() -> None:
    axes = figures.profiles(layer_rows(depth=20)).panels[0]
    names = [tick.get_text() for tick in axes.get_xticklabels()]
    assert (names[0], names[-1]) == ("1", "out")
    assert not axes.xaxis_inverted()


@pytest.mark.parametrize(("depth", "steps"), [(0, [0]), (1, [0, 1]), (2, [0, 1, 2]), (100, [0])])
def test_a_run_of_any_depth_and_length_is_drawn(depth: int, steps: list[int]) -> None:
    layers, rows = layer_rows(depth=depth, steps=steps), step_rows(steps=steps)
    for sheet in (figures.profiles(layers), figures.heatmaps(layers), figures.curves(rows)):
        assert figures.svg(sheet)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, -np.inf, 1.0, 1e300, 5e-324])
def test_a_run_with_one_value_everywhere_is_drawn(value: float) -> None:
    layers = layer_rows(steps=[0, 1, 2])
    layers[DRAWN] = value
    rows = step_rows(steps=[0, 1, 2])
    rows[["train_loss", "val_loss"]] = value
    for sheet in (figures.profiles(layers), figures.heatmaps(layers), figures.curves(rows)):
        assert figures.svg(sheet)


@pytest.mark.parametrize("kind", KINDS)
def test_every_axis_says_what_it_shows_and_in_which_unit(kind: str) -> None:
    for axes in draw(kind).panels:
        assert axes.get_title(loc="left")
        assert "[" in axes.get_xlabel()
        assert "[" in axes.get_ylabel()


def test_a_heat_map_is_ticked_with_the_steps_that_were_recorded() -> None:
    axes = figures.heatmaps(layer_rows()).panels[0]
    steps = [int(tick.get_text()) for tick in axes.get_xticklabels()]
    places = axes.get_xticks()
    assert steps == [STEPS[int(place)] for place in places]
    assert (steps[0], steps[-1]) == (0, 600)


def test_a_heat_map_hatches_what_is_not_finite_instead_of_leaving_gaps() -> None:
    layers = layer_rows(steps=[0, 1, 2])
    layers.loc[layers["step"] == 1, DRAWN] = np.inf
    layers.loc[layers["step"] == 2, DRAWN] = np.nan
    axes = figures.heatmaps(layers).panels[0]
    hatched = {str(c.get_gid()): c.get_hatch() for c in axes.collections}
    assert set(hatched) == {"cells NaN", "cells ∞"}
    assert len(set(hatched.values())) == 2
    assert all(hatched.values())
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["NaN", "∞"]


def test_a_heat_map_of_thousands_of_records_keeps_the_first_and_the_last() -> None:
    layers = layer_rows(depth=2, steps=list(range(1000)))
    axes = figures.heatmaps(layers).panels[0]
    shown = [tick.get_text() for tick in axes.get_xticklabels()]
    assert (shown[0], shown[-1]) == ("0", "999")
    assert axes.get_images()[0].get_array().shape[1] <= 400


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=8)))
def test_rectangles_cover_a_mask_exactly(mask: np.ndarray) -> None:
    covered = np.zeros(mask.shape, dtype=int)
    for left, right, low, high in rectangles(mask):
        covered[int(low - 0.5) : int(high - 0.5), int(left + 0.5) : int(right + 0.5)] += 1
    assert (covered == mask).all()


def test_curves_leave_out_what_was_not_evaluated_and_mark_what_diverged() -> None:
    steps = step_rows()
    steps.loc[steps.index[-1], ["train_loss", "val_loss"]] = [np.nan, np.inf]
    axes = figures.curves(steps).panels[0]
    train, validation = (line for line in axes.get_lines() if len(line.get_xdata()) > 2)
    assert len(train.get_xdata()) == len(STEPS)
    assert list(validation.get_xdata()) == [step for step in STEPS if step % 50 == 0]
    assert rails(figures.curves(steps), 0) == {"NaN": 1, "∞": 1}


def test_a_regression_has_a_loss_and_no_accuracy() -> None:
    steps = step_rows().assign(train_accuracy=np.nan, val_accuracy=np.nan)
    assert [axes.get_title(loc="left") for axes in figures.curves(steps).panels] == ["Loss"]


def test_accuracy_is_drawn_from_0_to_100_percent_with_chance_named() -> None:
    sheet = figures.curves(step_rows(), chance=0.1)
    assert labels(sheet, 1) == ["0", "20", "40", "60", "80", "100"]
    assert "chance" in [text.get_text() for text in sheet.panels[1].texts]
    assert "chance" not in [t.get_text() for t in figures.curves(step_rows()).panels[1].texts]
    assert ACCURACY.axis.endswith("[%]")


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_figure_gives_the_same_bytes(kind: str) -> None:
    one, other = draw(kind), draw(kind)
    first = figures.svg(one)
    assert figures.png(one) == figures.png(other)
    assert first == figures.svg(one) == figures.svg(other)


@pytest.mark.parametrize("kind", KINDS)
def test_a_dollar_and_a_tag_in_a_name_come_out_as_they_are(kind: str) -> None:
    svg = figures.svg(draw(kind, HOSTILE))
    assert HOSTILE in texts(svg)
    assert "<script" not in svg


def test_what_cannot_be_printed_is_shown_escaped() -> None:
    assert figures.plain("\x1b[31mred\u202e\ud800\x00") == r"\x1b[31mred\u202e\ud800\x00"
    svg = figures.svg(figures.profiles(layer_rows(), "\x1b[31m\x00"))
    assert r"\x1b[31m\x00" in texts(svg)


def test_letters_that_the_font_lacks_raise_no_warning() -> None:
    sheet = figures.profiles(layer_rows(), "深い 🧠")
    assert "深い 🧠" in texts(figures.svg(sheet))
    assert figures.png(sheet)


def test_the_users_own_matplotlib_settings_change_nothing() -> None:
    plain = figures.svg(figures.profiles(layer_rows()))
    with mpl.rc_context({"text.usetex": True, "font.size": 30, "axes.grid": True}):
        assert figures.svg(figures.profiles(layer_rows())) == plain


def test_a_png_is_large_enough_for_a_slide() -> None:
    image = Image.open(io.BytesIO(figures.png(figures.profiles(layer_rows()))))
    assert image.width >= 1000


def test_the_lines_of_one_run_are_named_for_the_page_and_the_middle_one_moves() -> None:
    sheet = figures.profiles(layer_rows())
    for live in sheet.live:
        assert live is not None
        assert list(live.strands.values()) == ["step 0 (before training)", "step 300", "step 600"]
        assert live.moving is not None
        assert live.strands[live.moving] == "step 300"
    gids = {line.get_gid() for line in sheet.panels[0].get_lines()}
    assert {f"arm-{number}" for number in sheet.live[0].strands} <= gids  # type: ignore[union-attr]


@pytest.mark.parametrize("steps", [[0], [0, 7]])
def test_where_there_is_no_middle_record_nothing_moves(steps: list[int]) -> None:
    live = figures.profiles(layer_rows(steps=steps)).live[0]
    assert live is not None
    assert (live.moves, live.moving, len(live.strands)) == (False, None, len(steps))


def test_a_record_that_is_not_drawn_has_its_place_on_the_axis() -> None:
    layers = layer_rows(depth=3, steps=[0, 10, 20, 30, 40])
    layers.loc[layers["step"] == 10, "delta_rms"] *= 1e-9
    layers.loc[(layers["step"] == 30) & (layers["layer"] == 1), "delta_rms"] = np.nan
    live = figures.profiles(layers).live[0]
    assert live is not None
    assert live.scale.low < -11
    assert "NaN" in live.scale.rails


def test_a_heat_map_holds_its_cells_for_the_page() -> None:
    layers = layer_rows(depth=2, steps=[0, 5, 9])
    layers.loc[(layers["step"] == 5) & (layers["layer"] == 1), "delta_rms"] = np.inf
    layers = layers[(layers["step"] != 9) | (layers["layer"] != 2)]
    sheet = figures.heatmaps(layers)
    cells = sheet.cells[0]
    assert (cells.column, cells.steps, cells.has_output) == ("delta_rms", (0, 5, 9), True)
    assert cells.values.shape == (3, 3)
    assert cells.values[0, 1] == np.inf
    assert not cells.present[1, 2]
    assert [sheet.cells[place].has_output for place in range(4)] == [True, True, False, False]

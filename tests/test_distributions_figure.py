"""The figure of distributions: two peaks are told from one, and all that is drawn was recorded."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, special, stats

from arm_figures import arm
from reporting import config_of, layer_values, step_values
from vgrad import figures
from vgrad.arms import arms as arms_of
from vgrad.figures.distributions import density
from vgrad.figures.peaks import LEAST, dip, has_two
from vgrad.report.distributed import distributed
from vgrad.report.run import Run
from vgrad.store import QUANTILE_COLUMNS, QUANTILES, RunWriter, load, read_runs

SHARES = np.linspace(0, 1, QUANTILES)
NORMAL = np.random.default_rng(0).standard_normal(40_000)


def quantiles(values):
    return np.quantile(values, SHARES)


ONE_PEAK = {
    "normal": NORMAL,
    "uniform": np.linspace(-1, 1, 10_001),
    "half-normal": np.abs(NORMAL),
    "exponential": stats.expon.ppf(np.linspace(0, 0.999, 9_999)),
    "t with heavy tails": stats.t(2).ppf(np.linspace(0.001, 0.999, 9_999)),
    "relu: a spike at 0": np.maximum(NORMAL, 0),
    "relu, mostly dead": np.maximum(NORMAL - 1, 0),
    "leaky_relu": np.where(NORMAL > 0, NORMAL, 0.01 * NORMAL),
    "elu": np.where(NORMAL > 0, NORMAL, np.expm1(NORMAL)),
    "sigmoid about 0.5": special.expit(0.1 * NORMAL),
    "tanh of small z": np.tanh(0.5 * NORMAL),
    "all the same": np.full(100, 0.3),
}
TWO_PEAKS = {
    "two normals": NORMAL + np.where(np.arange(40_000) % 2, 3, -3),
    "one of a fifth": 0.3 * NORMAL + np.where(np.arange(40_000) % 5, 4, -4),
    "tanh at its ends": np.tanh(5 * NORMAL),
    "sigmoid at its ends": special.expit(8 * NORMAL),
    "a spike and a hill": np.where(np.arange(40_000) % 2, 0, 3 + 0.3 * NORMAL),
    "0 and 1": np.repeat([0.0, 1.0], 100),
}


@pytest.mark.parametrize("name", ONE_PEAK)
def test_a_single_peak_is_not_called_two(name):
    assert dip(quantiles(ONE_PEAK[name])[None])[0] < 0.3 * LEAST
    assert not has_two(quantiles(ONE_PEAK[name])[None])[0]


@pytest.mark.parametrize("name", TWO_PEAKS)
def test_two_peaks_are_found(name):
    assert has_two(quantiles(TWO_PEAKS[name])[None])[0]


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_the_dip_of_two_spikes_is_half_the_smaller_one(share):
    steps = np.where(share > SHARES, 0.0, 1.0)
    assert dip(steps[None])[0] == pytest.approx(min(share, 1 - share) / 2, abs=1 / 31)


def nearest(values):
    """The distance to the nearest unimodal distribution function, by linear programming.

    Unknown are its values at the places, two at the peak, where it may jump, and the distance.
    """
    count, best = len(values), np.inf
    shares = np.linspace(0, 1, count)
    for peak in range(count):
        places = np.insert(values, peak, values[peak])  # the peak twice: before and after its jump
        target = np.insert(shares, peak, shares[peak])
        rows, limits = [], []
        for k in range(count + 1):
            for sign in (1, -1):
                row = np.zeros(count + 2)
                row[k], row[-1] = sign, -1
                rows.append(row)
                limits.append(sign * target[k])
        for k in range(count):
            row = np.zeros(count + 2)
            row[k], row[k + 1] = 1, -1
            rows.append(row)
            limits.append(0)
        for k in (*range(1, peak), *range(peak + 2, count)):
            before, after = places[k] - places[k - 1], places[k + 1] - places[k]
            row = np.zeros(count + 2)
            row[k - 1], row[k], row[k + 1] = -1 / before, 1 / before + 1 / after, -1 / after
            rows.append(row if k < peak else -row)
            limits.append(0)
        cost = np.zeros(count + 2)
        cost[-1] = 1
        found = optimize.linprog(cost, np.array(rows), limits, bounds=(None, None))
        best = min(best, found.fun)
    return best


@pytest.mark.parametrize(
    "name", ["normal", "uniform", "two normals", "one of a fifth", "tanh of small z"]
)
def test_the_dip_is_the_distance_that_linear_programming_finds(name):
    every = ONE_PEAK | TWO_PEAKS
    found = quantiles(every[name])[::2]
    assert dip(found[None])[0] == pytest.approx(nearest(found), abs=0.01)


def test_neither_scale_nor_place_nor_sign_matters():
    found = quantiles(TWO_PEAKS["one of a fifth"])
    same = np.array([found, 1e-9 * found, 1e9 * found + 5, -found[::-1]])
    np.testing.assert_allclose(dip(same), dip(same)[0], rtol=1e-5)


def test_what_is_not_finite_has_no_dip():
    values = np.array([np.full(QUANTILES, np.nan), np.append(SHARES[:-1], np.inf), SHARES])
    assert np.isnan(dip(values)).tolist() == [True, True, False]
    assert has_two(values).tolist() == [False, False, False]


def test_few_values_rarely_seem_to_have_two_peaks():
    draw = np.random.default_rng(1)
    for sample, most in ((draw.random((400, 64)), 0.06), (draw.standard_normal((400, 64)), 0.005)):
        assert has_two(np.quantile(sample, SHARES, axis=1).T).mean() <= most


def test_a_density_is_that_of_the_values():
    edges = np.linspace(-1.5, 1.5, 16)
    expected = np.diff(stats.norm.cdf(edges)) * 15
    np.testing.assert_allclose(density(quantiles(NORMAL), edges), expected, atol=0.06)
    for name, values in (ONE_PEAK | TWO_PEAKS).items():
        low, high = float(np.min(values)), float(np.max(values))
        edges = np.linspace(low - 1, high + 1, 121)
        assert density(quantiles(values), edges).mean() == pytest.approx(1), name


def frame_of(arms, shapes, steps=(0, 100), depth=4):
    """A record per arm, seed, step and layer; shapes: step → what the hidden layers hold."""
    rows = []
    for one in arms:
        for run_id in one.run_ids:
            for step in steps:
                for layer in range(1, depth + 2):
                    values = shapes[step](layer)
                    keys = {"run_id": run_id, "step": step, "layer": layer}
                    rows.append(keys | dict(zip(QUANTILE_COLUMNS, quantiles(values), strict=True)))
    return pd.DataFrame(rows)


def one_peak(layer):
    return layer * NORMAL[:2_000]


def two_peaks(layer):
    return TWO_PEAKS["two normals"][:2_000] if layer > 2 else NORMAL[:2_000]


def test_the_caption_names_the_layers_whose_mean_hides_two_peaks():
    arms = [arm(0, activation="tanh"), arm(1)]
    frame = frame_of(arms[:1], {0: one_peak, 100: two_peaks})
    sheet = figures.distributions(frame, arms)
    assert (
        sheet.caption == f"A mean hides two peaks at the end in layers 3 to 4 of {arms[0].label}."
    )
    assert len(sheet.panels) == 2
    assert [t.get_text() for t in sheet.panels[1].texts].count("two peaks") == 2
    assert not sheet.panels[0].texts


def test_the_caption_of_single_peaks_says_so():
    arms = [arm(0, seeds=1)]
    sheet = figures.distributions(frame_of(arms, {0: one_peak, 100: one_peak}), arms)
    assert sheet.caption.startswith("No layer of these arms has two clear peaks")


def test_the_numbers_behind_are_the_quantiles():
    arms = [arm(0, seeds=1)]
    frame = frame_of(arms, {0: one_peak, 100: two_peaks})
    table = figures.distributions(frame, arms).table
    assert {"panel", "label", "x", "value", "along"} <= {*table}
    rows = table[(table.label == "layer 3") & table.panel.str.endswith("at the end")]
    np.testing.assert_allclose(rows.value, quantiles(two_peaks(3)))
    np.testing.assert_allclose(rows.x, SHARES)


def test_deep_nets_have_at_most_eight_strips_and_the_caption_speaks_of_all_layers():
    arms = [arm(0, seeds=1, depth=40)]
    frame = frame_of(arms, {0: one_peak, 100: lambda layer: TWO_PEAKS["0 and 1"]}, depth=40)
    sheet = figures.distributions(frame, arms)
    labels = [[tick.get_text() for tick in axes.get_yticklabels()] for axes in sheet.panels]
    assert [len(names) for names in labels] == [8, 8]
    assert (labels[0][0], labels[0][-1]) == ("1", "40")
    assert "in layers 1 to 40 of" in sheet.caption
    assert "At most 8 layers" in sheet.note


def test_layers_of_unlike_size_have_an_axis_each_and_say_how_far_it_goes():
    arms = [arm(0, seeds=1)]
    shapes = {0: lambda layer: 10.0 ** (-2 * layer) * NORMAL[:500], 100: one_peak}
    sheet = figures.distributions(frame_of(arms, shapes), arms)
    assert all("each layer from its least" in axes.get_xlabel() for axes in sheet.panels)
    texts = {t.get_text() for t in sheet.panels[0].texts}
    assert any("10⁻⁸" in text for text in texts)
    assert all(t.get_position()[0] == 1.0 for t in sheet.panels[0].texts if " to " in t.get_text())
    assert sum(" to " in text for text in texts) == len(texts)


@pytest.mark.parametrize("depth", [0, 1])
def test_a_net_with_hardly_a_layer_is_drawn(depth):
    arms = [arm(0, seeds=1, depth=depth)]
    frame = frame_of(arms, {0: one_peak, 100: one_peak}, depth=depth)
    sheet = figures.distributions(frame, arms)
    assert [tick.get_text() for tick in sheet.panels[0].get_yticklabels()] == ["1"]
    assert figures.svg(sheet)


def test_a_run_with_one_record_has_one_panel():
    arms = [arm(0, seeds=1)]
    sheet = figures.distributions(frame_of(arms, {0: one_peak}, steps=(0,)), arms)
    assert [axes.get_title(loc="left") for axes in sheet.panels] == [
        f"{arms[0].label}, before training"
    ]


def test_layers_that_are_not_finite_are_left_out_and_nothing_at_all_is_said_so():
    arms = [arm(0, seeds=2)]
    frame = frame_of(arms, {0: one_peak, 100: one_peak})
    frame.loc[(frame.step == 100) & (frame.layer > 1), QUANTILE_COLUMNS] = np.nan
    sheet = figures.distributions(frame, arms)
    assert [tick.get_text() for tick in sheet.panels[1].get_yticklabels()] == ["1"]
    frame.loc[:, list(QUANTILE_COLUMNS)] = np.nan
    nothing = figures.distributions(frame, arms)
    assert nothing.caption == "No distribution of finite activations was recorded."
    assert figures.svg(nothing)
    assert "No distribution" in figures.distributions(frame[:0], arms).caption


def test_layers_that_hold_one_value_are_drawn():
    arms = [arm(0, seeds=1)]
    for value in (0.0, -3.0, 1e30):
        frame = frame_of(arms, {0: lambda layer, v=value: np.full(9, v), 100: one_peak})
        assert figures.svg(figures.distributions(frame, arms))


def test_the_same_figure_gives_the_same_bytes():
    arms = [arm(0), arm(1, activation="tanh")]
    frame = frame_of(arms, {0: one_peak, 100: two_peaks})
    one, two = (figures.svg(figures.distributions(frame, arms)) for _ in range(2))
    assert one == two


def test_of_all_arms_the_one_with_the_most_two_peaked_layers_is_found():
    arms = [arm(number, seeds=2, depth=6) for number in range(3)]
    half = lambda layer: TWO_PEAKS["0 and 1"] if layer > 3 else NORMAL[:500]  # noqa: E731
    parts = [
        frame_of([one], {0: shape, 100: shape}, depth=6)
        for one, shape in zip(arms, (one_peak, half, two_peaks), strict=True)
    ]
    frame = pd.concat(parts)
    assert figures.most_peaked(frame, arms) is arms[2]
    assert figures.most_peaked(pd.concat(parts[:2]), arms) is arms[1]
    assert figures.most_peaked(parts[0], arms) is None
    assert figures.most_peaked(pd.DataFrame(), arms) is None


def recorded(folder, activation, seed, values):
    """A run folder whose hidden layers hold some values; of the arm that its activation names."""
    config = config_of("sweep", activation, "he_normal", 3) | {"seed": seed}
    rows = np.tile(quantiles(values), (4, 1))
    with RunWriter(folder, f"{activation}{seed}", config, {}) as writer:
        for step in (0, 100):
            writer.record(step, step_values(step, 0.9), layer_values(3, -0.01, step), None, rows)
        writer.finish("completed", {"verdict": "healthy", "grad_decay": -0.01}, {})


def test_a_report_shows_the_arms_with_maps_and_the_one_with_two_peaks(tmp_path):
    for seed in range(2):
        recorded(tmp_path / "runs" / f"relu-{seed}", "relu", seed, ONE_PEAK["half-normal"])
        recorded(tmp_path / "runs" / f"tanh-{seed}", "tanh", seed, TWO_PEAKS["tanh at its ends"])
    damaged = tmp_path / "runs" / "relu-1" / "distributions.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    frames = load(tmp_path / "runs")
    files = read_runs(tmp_path / "runs")[0]
    runs = [Run(file, frames.layers, frames.steps, {}, ()) for file in files]
    every = arms_of(frames.runs)
    told = distributed(runs, every, every[:1])
    assert [one.settings["activation"] for one in told.arms] == ["relu", "tanh"]
    assert set(told.quantiles["run_id"]) == {"relu0", "tanh0", "tanh1"}
    assert [str(damaged) in line for line in told.problems] == [True]
    sheet = figures.distributions(told.quantiles, told.arms)
    assert "layers 1 to 3 of tanh" in sheet.caption

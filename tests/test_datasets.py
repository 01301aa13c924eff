"""The data sets: what each promises, over all of the registry."""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys
from inspect import signature
from pathlib import Path

import numpy as np
import pytest

from vgrad.config import Choice, RunConfig
from vgrad.errors import ConfigError, DataError, UnknownNameError
from vgrad.parts.curves import sine, single, surface
from vgrad.parts.datasets import DATASETS, load
from vgrad.parts.image_set import FILES
from vgrad.parts.images import digits
from vgrad.parts.made import gaussian, parity, white
from vgrad.parts.plane import checkerboard, circles, moons, spirals

SUBSET = Path(__file__).parents[2] / "shared" / "data" / "mnist-subset"
IMAGES = ("digits", "mnist", "fashion_mnist")
MADE = [name for name in DATASETS.keys() - {"csv"} if "seed" in DATASETS[name].settings]
MADE.sort()
OTHERS = {"activation": "relu", "init": "zeros", "loss": "mse", "optimizer": "sgd", "model": "mlp"}
ISSUE = (
    "gaussian spirals moons circles checkerboard parity sine surface single white digits mnist "
    "fashion_mnist csv"
)


@pytest.fixture
def root(tmp_path):
    """A folder for `data=mnist`: real images where they are at hand, else 20 of each part."""
    if SUBSET.is_dir():
        return str(SUBSET)
    pixels = np.random.default_rng(0).bytes(20 * 784)
    for images, labels in FILES.values():
        (tmp_path / images).write_bytes(
            gzip.compress(struct.pack(">4I", 2051, 20, 28, 28) + pixels)
        )
        (tmp_path / labels).write_bytes(gzip.compress(struct.pack(">2I", 2049, 20) + bytes(20)))
    return str(tmp_path)


@pytest.fixture
def own(tmp_path):
    """A table for `data=csv`."""
    path = tmp_path / "own.csv"
    path.write_text("a,b,kind\n" + "".join(f"{i},{i * i % 7},{i % 2}\n" for i in range(40)))
    return {"path": str(path), "target": "kind"}


@pytest.fixture
def dataset(root, own):
    needed = {"mnist": {"root": root}, "fashion_mnist": {"root": root}, "csv": own}

    def get(name, **choices):
        return load(name, needed.get(name, {}) | choices)

    return get


# Every data set


def test_the_usual_tasks_are_there():
    assert set(ISSUE.split()) <= DATASETS.keys()


@pytest.mark.parametrize("name", DATASETS)
def test_a_data_set_has_the_shapes_and_types_that_it_says(name, dataset):
    data = dataset(name)
    for x, y in ((data.train_x, data.train_y), (data.test_x, data.test_y)):
        assert x.dtype == np.float32
        assert x.shape == (len(y), data.input_dim)
        assert np.isfinite(x).all()
        if data.task == "regression":
            assert data.classes is None
            assert y.dtype == np.float32
            assert y.shape == (len(x), data.output_dim)
        else:
            assert y.dtype == np.int64
            assert y.shape == (len(x),)
            assert y.min() >= 0
            assert y.max() < data.classes == data.output_dim


@pytest.mark.parametrize("name", DATASETS)
def test_the_registry_tells_the_task_and_ranges_that_hold_the_defaults(name, dataset):
    entry = DATASETS[name]
    assert entry.task in (dataset(name).task, None)
    assert entry.ranges.keys() <= entry.settings.keys()
    for setting, (low, high) in entry.ranges.items():
        default = entry.settings[setting]
        assert default is None or low <= default <= high


@pytest.mark.parametrize("name", DATASETS)
def test_every_number_that_can_be_set_has_a_range(name):
    entry = DATASETS[name]
    numbers = {
        p.name for p in signature(entry.function).parameters.values() if p.annotation[:3] != "str"
    }
    assert numbers == entry.ranges.keys()


@pytest.mark.parametrize("name", DATASETS)
def test_a_data_set_is_loaded_once_and_cannot_be_written_to(name, dataset):
    sizes = {} if name == "single" else {"train_size": 11}
    data = dataset(name, **sizes)
    assert dataset(name, **sizes) is data
    for array in (data.train_x, data.train_y, data.test_x, data.test_y):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize("name", [*MADE, *IMAGES])
def test_a_smaller_size_takes_the_first_examples(name, dataset):
    choices = {"scale": "unit"} if "scale" in DATASETS[name].settings else {}
    small = dataset(name, train_size=7, test_size=5, **choices)
    large = dataset(name, **choices)
    assert (len(small.train_x), len(small.test_x)) == (7, 5)
    np.testing.assert_array_equal(small.train_x, large.train_x[:7])
    np.testing.assert_array_equal(small.train_y, large.train_y[:7])
    np.testing.assert_array_equal(small.test_x, large.test_x[:5])
    np.testing.assert_array_equal(small.test_y, large.test_y[:5])


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'digits'"):
        load("digit", {})


def test_neither_the_names_nor_the_digits_need_a_slow_import():
    program = """
import sys
from vgrad.parts.datasets import load
slow = ("numpy.linalg", "sklearn", "torch", "pooch.core", "requests.api", "rich", "pandas")
print(*[m for m in slow if m in sys.modules])
load("digits", {})
print(*[m for m in ("sklearn", "torch", "pooch.core", "pandas") if m in sys.modules])
"""
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (out.stdout, out.stderr) == ("\n\n", "")


# Images


def test_the_digits_are_those_of_scikit_learn_and_every_fifth_is_a_test_image():
    from sklearn.datasets import load_digits

    theirs, ours = load_digits(), digits(scale="unit")
    held_out = np.arange(1797) % 5 == 4
    assert (len(ours.train_x), len(ours.test_x)) == (1438, 359)
    np.testing.assert_array_equal(ours.train_x, theirs.data[~held_out] / 16)
    np.testing.assert_array_equal(ours.train_y, theirs.target[~held_out])
    np.testing.assert_array_equal(ours.test_x, theirs.data[held_out] / 16)
    np.testing.assert_array_equal(ours.test_y, theirs.target[held_out])


@pytest.mark.parametrize("name", IMAGES)
def test_the_unit_scale_is_from_0_to_1(name, dataset):
    x = dataset(name, scale="unit").train_x
    assert x.min() == 0
    assert x.max() == 1


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("size", [13, None])
def test_the_standard_scale_is_that_of_the_training_pixels_for_both_parts(name, size, dataset):
    unit = dataset(name, scale="unit", train_size=size)
    data = dataset(name, scale="standard", train_size=size)
    np.testing.assert_allclose(data.train_x.mean(0, dtype=float), 0, atol=1e-6)
    assert data.train_x.var(dtype=float) == pytest.approx(1, abs=1e-6)
    pixels = unit.train_x.astype(float)
    deviations = pixels - pixels.mean(0)
    expected = (unit.test_x - pixels.mean(0)) / deviations.std()
    np.testing.assert_allclose(data.test_x, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", IMAGES)
def test_an_unknown_scale_is_answered_with_the_nearest(name):
    others = {kind: Choice(name) for kind, name in OTHERS.items()}
    with pytest.raises(ConfigError, match=r"'standart'. Did you mean 'standard'.* Known: standard"):
        RunConfig(data=Choice(name, {"scale": "standart"}), **others)


@pytest.mark.parametrize(("setting", "count"), [("train_size", 1438), ("test_size", 359)])
@pytest.mark.parametrize("surplus", [1, 10_000_000])
def test_more_digits_than_there_are_is_refused_with_how_many_there_are(setting, count, surplus):
    size = count + surplus
    with pytest.raises(DataError, match=rf"data.{setting}={size}, .* 1 to {count}\."):
        digits(**{setting: size})


@pytest.mark.parametrize("size", [0, -3])
def test_fewer_than_one_example_is_refused(size):
    with pytest.raises(DataError, match=rf"data.train_size={size}, .* 1 to 1438\."):
        digits(train_size=size)


# Made data


@pytest.mark.parametrize("name", MADE)
def test_the_same_seed_makes_the_same_bytes_and_another_makes_others(name):
    make = DATASETS[name].function
    one, again, other = make(seed=3), make(seed=3), make(seed=4)
    for field in ("train_x", "train_y", "test_x", "test_y"):
        assert getattr(one, field).tobytes() == getattr(again, field).tobytes()
    assert not np.array_equal(one.train_x, other.train_x)


@pytest.mark.parametrize("name", MADE)
def test_the_global_generator_is_neither_used_nor_moved(name):
    before = np.random.get_state()[1].copy()
    DATASETS[name].function(seed=5)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize("name", [name for name in MADE if name != "parity"])
def test_training_and_test_examples_are_different_draws(name):
    data = DATASETS[name].function()
    train, test = ({row.tobytes() for row in x} for x in (data.train_x, data.test_x))
    assert not train & test


@pytest.mark.parametrize("name", MADE)
def test_sizes_that_no_memory_holds_are_refused(name):
    with pytest.raises(ConfigError, match=r"examples of .* values are too many"):
        DATASETS[name].function(train_size=10**9)


@pytest.mark.parametrize("entry", [white, gaussian])
def test_inputs_are_independent_with_mean_0_and_variance_1(entry):
    x = entry(dim=20, train_size=50_000).train_x.astype(float)
    assert x.mean() == pytest.approx(0, abs=4e-3)
    np.testing.assert_allclose(np.cov(x.T), np.eye(20), atol=0.03)
    assert (x**4).mean() == pytest.approx(3, abs=0.05)


@pytest.mark.parametrize("entry", [white, gaussian])
@pytest.mark.parametrize("classes", [2, 10])
def test_classes_are_nearly_balanced(entry, classes):
    shares = np.bincount(entry(classes=classes, train_size=20_000).train_y) / 20_000
    assert len(shares) == classes
    np.testing.assert_allclose(shares, 1 / classes, rtol={white: 0.1, gaussian: 0.5}[entry])


def share_of_a_linear_fit(data):
    """The accuracy on the test examples of least squares on the training examples."""
    weights = np.linalg.lstsq(data.train_x, np.eye(data.classes)[data.train_y])[0]
    return np.mean((data.test_x @ weights).argmax(1) == data.test_y)


def test_the_labels_of_white_cannot_be_learnt_and_those_of_gaussian_can():
    assert share_of_a_linear_fit(white()) < 0.17
    assert share_of_a_linear_fit(gaussian()) > 0.5


def test_gaussian_has_the_inputs_of_white_for_the_same_seed():
    np.testing.assert_array_equal(gaussian(seed=2).train_x, white(seed=2).train_x)


def test_noise_replaces_its_share_of_the_teachers_labels_by_random_ones():
    clean, noisy, random = (gaussian(train_size=20_000, noise=share) for share in (0, 0.25, 1))
    changed = np.mean(clean.train_y != noisy.train_y)
    assert changed == pytest.approx(0.25 * 0.9, abs=0.01)
    np.testing.assert_array_equal(random.train_y, white(train_size=20_000).train_y)


@pytest.mark.parametrize(("classes", "turns"), [(2, 1.0), (3, 2.5)])
def test_a_point_of_a_spiral_without_noise_tells_its_arm(classes, turns):
    data = spirals(classes=classes, turns=turns, noise=0)
    radius = np.hypot(*data.train_x.T.astype(float))
    angle = np.arctan2(data.train_x[:, 1], data.train_x[:, 0])
    arm = (angle / (2 * np.pi) - turns * radius / np.sqrt(6)) * classes % classes
    np.testing.assert_array_equal(np.rint(arm) % classes, data.train_y)
    assert np.mean(data.train_x**2) == pytest.approx(1, abs=0.05)
    assert np.ptp(np.bincount(data.train_y)) <= 1


def test_noise_moves_the_points_of_a_spiral_by_its_standard_deviation():
    moved = spirals(noise=0.3).train_x - spirals(noise=0).train_x
    assert moved.std() == pytest.approx(0.3, rel=0.05)


@pytest.mark.parametrize("periods", [1.0, 3.0])
def test_sine_is_a_sine_with_noise_on_inputs_of_variance_1(periods):
    data = sine(periods=periods, noise=0.2, train_size=20_000)
    x = data.train_x.astype(float)
    assert np.abs(x).max() <= np.sqrt(3) + 1e-6
    assert x.mean() == pytest.approx(0, abs=0.03)
    assert x.var() == pytest.approx(1, abs=0.02)
    residual = data.train_y - np.sin(np.pi * periods * x / np.sqrt(3))
    assert residual.mean() == pytest.approx(0, abs=0.01)
    assert residual.std() == pytest.approx(0.2, rel=0.03)


@pytest.mark.parametrize("entry", [moons, circles])
def test_the_figures_without_noise_are_those_of_scikit_learn_standardised(entry):
    from sklearn import datasets

    theirs = {
        moons: lambda: datasets.make_moons(8000, shuffle=False),
        circles: lambda: datasets.make_circles(8000, shuffle=False, factor=0.5),
    }
    points, labels = theirs[entry]()
    points = (points - points.mean(0)) / points.std(0)
    ours = entry(noise=0, train_size=1000)
    for label in (0, 1):
        mine, curve = ours.train_x[ours.train_y == label], points[labels == label]
        apart = np.hypot(*(mine[:, None] - curve).T)
        assert apart.min(0).max() < 2e-3  # each of ours lies on their curve
        assert apart.min(1).max() < 0.1  # and ours are all over it


def test_the_inner_circle_has_the_radius_of_the_factor():
    data = circles(factor=0.25, noise=0)
    outer, inner = (np.hypot(*data.train_x[data.train_y == label].T) for label in (0, 1))
    np.testing.assert_allclose(outer, 2 / np.sqrt(1 + 0.25**2), rtol=1e-6)
    np.testing.assert_allclose(inner / outer, 0.25, rtol=1e-6)


@pytest.mark.parametrize(
    ("entry", "variance"), [(moons, (0.75, 9 / 16 - 1 / np.pi)), (circles, (5 / 16, 5 / 16))]
)
def test_noise_moves_the_points_by_its_standard_deviation_before_they_are_scaled(entry, variance):
    moved = entry(noise=0.3, train_size=20_000).train_x - entry(noise=0, train_size=20_000).train_x
    np.testing.assert_allclose(moved.std(0), 0.3 / np.sqrt(variance), rtol=0.03)


@pytest.mark.parametrize("entry", [moons, circles, checkerboard, parity, surface])
def test_inputs_have_mean_0_and_variance_1_without_noise(entry):
    noise = {"noise": 0.0} if entry in (moons, circles) else {}
    x = entry(train_size=50_000, **noise).train_x.astype(float)
    np.testing.assert_allclose(x.mean(0), 0, atol=0.02)
    np.testing.assert_allclose(x.var(0), 1, atol=0.02)


@pytest.mark.parametrize("entry", [moons, circles, checkerboard, parity])
def test_the_two_classes_are_as_large(entry):
    assert np.mean(entry(train_size=20_000).train_y) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("cells", [2, 3, 8])
def test_neighbours_on_the_checkerboard_have_other_labels(cells):
    data = checkerboard(cells=cells)
    place = (data.train_x.astype(float) / np.sqrt(3) + 1) / 2 * cells
    inside = (np.abs(place - np.rint(place)) > 1e-5).all(1)  # not on a line, by rounding
    black = np.add(*np.floor(place).T) % 2 == 1
    np.testing.assert_array_equal(data.train_y[inside], black[inside])
    assert inside.mean() > 0.99


@pytest.mark.parametrize("bits", [1, 3, 40])
def test_the_label_of_parity_turns_with_every_bit(bits):
    data = parity(bits=bits)
    assert data.train_x.shape == (2048, bits)
    assert set(np.unique(data.train_x)) == {-1, 1}
    np.testing.assert_array_equal(np.prod(-data.train_x, axis=1), (-1.0) ** data.train_y)
    assert len(np.unique(data.train_x, axis=0)) == min(2**bits, 2048)


FRANKE = [  # height, a, b, c, d: height · exp(−a (9u − b)² − c (9v − d)²)
    (0.75, 1 / 4, 2, 1 / 4, 2),
    (0.5, 1 / 4, 7, 1 / 4, 3),
    (-0.2, 1, 4, 1, 7),
]


def test_the_surface_is_that_of_franke_and_positive_everywhere():
    data = surface(train_size=100_000)
    u, v = (data.train_x.astype(float).T / np.sqrt(3) + 1) / 2
    expected = 0.75 * np.exp(-((9 * u + 1) ** 2) / 49) * np.exp(-(9 * v + 1) / 10)
    for height, a, b, c, d in FRANKE:
        expected += height * np.exp(-a * (9 * u - b) ** 2) * np.exp(-c * (9 * v - d) ** 2)
    np.testing.assert_allclose(data.train_y[:, 0], expected, atol=2e-6)
    assert 0 < data.train_y.min() < 0.01
    assert data.train_y.max() == pytest.approx(1.22, abs=0.01)


def test_noise_is_added_to_the_surface():
    noisy = surface(noise=0.2, train_size=20_000).train_y - surface(train_size=20_000).train_y
    assert noisy.mean() == pytest.approx(0, abs=0.01)
    assert noisy.std() == pytest.approx(0.2, rel=0.03)


def test_single_is_one_example_from_1_to_0_and_its_own_test():
    data = single()
    for x, y in ((data.train_x, data.train_y), (data.test_x, data.test_y)):
        assert (x.tolist(), y.tolist()) == ([[1.0]], [[0.0]])
    assert (DATASETS["single"].batch_size, data.output_dim) == (1, 1)

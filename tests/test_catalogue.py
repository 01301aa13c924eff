"""The catalogue: tables at any width, and the picture of all activations."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.cells import cell_len
from rich.console import Console

from commands import assert_refused
from vgrad import catalogue, portrait
from vgrad.config import REGISTRIES
from vgrad.figures.activations import REACH, activations
from vgrad.parts.activations import ACTIVATIONS, kinks
from vgrad.phrases import typed as as_typed
from vgrad.registry import Registry, Setting

BEGINS = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


@pytest.fixture
def shapes():
    """A registry with common settings and choices."""
    registry = Registry(
        "shape",
        "shapes",
        common={
            "scale": Setting(1.0, "how large"),
            "unit": Setting("metre", "what it is measured in", choices=("metre", "inch")),
        },
    )

    @registry.entry(source="Euclid, Elements I", choices={"side": ("auto",)})
    def square(*, side: float | str = 2.0, filled: bool = True):
        """Area = side²."""

    @registry.entry(source="Archimedes, Measurement of a circle")
    def circle(*, scale: float = 3.0):
        """Area = πr²."""

    return registry


def shown(registry: Registry, width: int) -> str:
    console = Console(width=width, highlight=False)
    with console.capture() as captured:
        console.print(catalogue.table(registry, width))
    return captured.get()


@pytest.mark.parametrize("width", [40, 80, 139, 140, 200])
@pytest.mark.parametrize("kind", REGISTRIES)
def test_a_table_fits_and_shows_all_that_there_is(kind, width):
    text = shown(REGISTRIES[kind], width)
    assert max(map(cell_len, text.splitlines())) <= width
    for entry in REGISTRIES[kind].values():
        assert f" {entry.name} " in text
        for setting, default in entry.settings.items():
            words = f"{kind}.{setting}={as_typed(default)}"
            assert words in "".join(text.split()) or width > 80


def test_what_stands_side_by_side_is_not_cut(shapes):
    wide, narrow = shown(shapes, 200), shown(shapes, 60)
    assert "Area = side²." in next(line for line in wide.splitlines() if "square" in line)
    for text in (wide, narrow):
        assert "Euclid, Elements I" in text
        assert "shape.filled=true" in text


def test_settings_that_all_entries_share_are_said_once(shapes):
    for width in (60, 200):
        text = shown(shapes, width)
        assert text.count("shape.unit=metre  (metre, inch)") == 1
        assert text.index("every shape also has:") < text.index("shape.unit")
        assert text.index("shape.unit") > text.index("Archimedes")


def test_a_default_that_differs_from_the_shared_one_is_told_of_its_entry(shapes):
    text = shown(shapes, 60)
    assert text.count("shape.scale=3") == 1
    assert text.index("shape.scale=3") < text.index("every shape") < text.index("shape.scale=1")


def test_a_setting_tells_what_it_may_be(shapes):
    assert "shape.side=2  (a number, auto)" in shown(shapes, 60)


def test_the_document_has_the_shared_settings_with_each_entry(shapes):
    (square, circle) = catalogue.document([shapes])["shapes"]
    assert list(square) == ["name", "formula", "settings", "source"]
    assert square["settings"] == {"scale": 1.0, "unit": "metre", "side": 2.0, "filled": True}
    assert circle["settings"] == {"scale": 3.0, "unit": "metre"}


@pytest.mark.parametrize("name", ["all.png", "all.svg", "all.pdf", "ALL.PNG", "naïve & far.svg"])
def test_the_picture_is_written_in_the_format_that_its_name_says(name, typed):
    ended = typed("list", "activations", "--plot", name)
    assert (ended.status, ended.out, ended.err) == (0, f"{name}\n", "")
    assert Path(name).read_bytes().startswith(BEGINS[Path(name).suffix.lower()])
    assert [path.name for path in Path().iterdir()] == [name]


def test_the_picture_names_every_activation_and_its_init(typed):
    typed("list", "activation", "--plot", "all.svg")
    text = Path("all.svg").read_text()
    for entry in ACTIVATIONS.values():
        assert f">{entry.name}</text>" in text
        assert f">init {entry.matched}" in text


def test_beside_a_picture_the_document_is_all_that_is_printed(typed):
    ended = typed("list", "activations", "--plot", "all.png", "--json")
    assert list(json.loads(ended.out)) == ["activations"]
    assert Path("all.png").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["activations", "--plot", "all.jpg"], "ends in .png, .svg or .pdf, not 'all.jpg'"),
        (["activations", "--plot", "all"], "ends in .png, .svg or .pdf, not 'all'"),
        (["activations", "--plot", "far/all.png"], "there is no folder 'far'"),
        (["activations", "--plot", "folder.png"], "folder.png cannot be written: Is a directory"),
        (["inits", "--plot", "all.png"], "`vgrad list activations --plot FILE`"),
        (["--plot", "all.png"], "`vgrad list activations --plot FILE`"),
        (["activatoins", "--plot", "all.png"], "Did you mean 'activations'?"),
        (["activations", "--plot"], "expected one argument"),
        (["activations", "--plto", "all.png"], "Did you mean '--plot'?"),
    ],
)
def test_a_picture_that_cannot_be_made_is_refused_and_leaves_nothing(words, says, typed):
    Path("folder.png").mkdir()
    assert_refused(typed("list", *words), says)
    assert [path.name for path in Path().iterdir()] == ["folder.png"]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_curve_and_its_slope_belong_together_and_break_at_the_kinks(name):
    entry = ACTIVATIONS[name]
    drawn = portrait.portrait(entry)
    assert {kink for kink in kinks(entry, entry.settings) if abs(kink) < REACH} <= {*drawn.kinks}
    assert np.isnan(drawn.z).sum() == len(drawn.kinks)
    assert drawn.values.shape == drawn.slopes.shape == (len(drawn.z), entry.copies)
    assert drawn.z[[0, -1]] == pytest.approx([-REACH, REACH])
    change = np.diff(drawn.values, axis=0) / np.diff(drawn.z)[:, None]
    middle = (drawn.slopes[1:] + drawn.slopes[:-1]) / 2
    whole = np.isfinite(np.diff(drawn.z))
    np.testing.assert_allclose(change[whole], middle[whole], atol=5e-3)


def test_a_slope_that_jumps_is_drawn_without_a_line_between():
    relu = portrait.portrait(ACTIVATIONS["relu"])
    assert set(relu.slopes[np.isfinite(relu.slopes)]) == {0.0, 1.0}
    (gap,) = np.flatnonzero(np.isnan(relu.z))
    assert relu.slopes[[gap - 1, gap + 1], 0].tolist() == [0.0, 1.0]
    assert np.isnan(relu.slopes[gap]).all()


def test_units_that_act_on_each_other_are_shown_among_others_that_rest():
    softmax = portrait.portrait(ACTIVATIONS["softmax"])
    rise = np.exp(softmax.z)
    np.testing.assert_allclose(softmax.values[:, 0], rise / (rise + portrait.NEIGHBOURS))
    maxout = portrait.portrait(ACTIVATIONS["maxout"])
    np.testing.assert_allclose(maxout.values[:, 0], np.maximum(maxout.z, 0.0))


@pytest.mark.parametrize("count", [1, 4, 7, len(ACTIVATIONS)])
def test_no_text_of_the_picture_covers_another_or_leaves_it(count):
    portraits = [portrait.portrait(entry) for entry in [*ACTIVATIONS.values()][-count:]]
    figure = activations(portraits)
    figure.draw_without_rendering()
    texts = [text for axes in figure.axes for text in axes.texts] + figure.legends[0].texts
    boxes = [text.get_window_extent() for text in texts]
    assert len(boxes) >= 2 * count + 2
    for box in boxes:
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)


def test_an_activation_out_of_the_usual_range_gets_one_of_its_own():
    relu = portrait.portrait(ACTIVATIONS["relu"])
    large = portrait.Portrait("large", "", relu.z, 50 * relu.values, 50 * relu.slopes, (0.0,))
    usual, own = activations([relu, large]).axes
    assert usual.get_ylim()[1] < 4 < 200 < own.get_ylim()[1]


def test_the_small_picture_is_small_and_says_what_it_shows(tmp_path):
    portrait.write_small(tmp_path / "small.png", 100)
    assert (tmp_path / "small.png").stat().st_size < 200_000
    with Image.open(tmp_path / "small.png") as image:
        assert image.info["Description"].split() == list(ACTIVATIONS)

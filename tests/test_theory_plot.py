"""`vgrad theory --plot`: the length map and the phase diagram as a file."""

from __future__ import annotations

import json
from functools import cache
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest

from vgrad import compose, figures
from vgrad.config import RunConfig
from vgrad.figures.file import save
from vgrad.theory import predict
from vgrad.theory.pictured import Pictured, pictured

TANH = ("theory", "activation=tanh", "init=lecun_normal", "init.gain=1.3", "data=white", "depth=5")

WILD = ("init=lecun_normal", "init.gain=3", "init.bias_std=1")


def config_of(*words: str) -> RunConfig:
    """The config that some overrides make."""
    return compose.config_of(compose.Request(["data=white", *words]))


@cache
def drawn(*words: str) -> Pictured:
    """The arrays of a config; by default of a tanh network in the chaotic phase."""
    config = config_of(*(words or TANH[1:4]), "depth=5")
    return pictured(config, predict(config))


@pytest.mark.parametrize(
    ("suffix", "head"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("PDF", b"%PDF")]
)
def test_the_suffix_says_what_is_written(suffix, head, tmp_path):
    save(figures.mean_field(drawn()), tmp_path / f"sheet.{suffix}")
    (path,) = tmp_path.iterdir()
    assert path.name == f"sheet.{suffix}"
    assert path.read_bytes().startswith(head)


def test_the_picture_comes_beside_the_words(typed, tmp_path):
    ended = typed(*TANH, "--plot", "sheet.png")
    assert ended.status == 0
    assert ended.out.endswith("\nsheet.png\n")
    assert "trainable to about depth" in ended.out
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]


def test_the_picture_and_the_document_come_together(typed, tmp_path):
    ended = typed(*TANH, "--plot", "naïve & far.svg", "--json")
    assert json.loads(ended.out)["fixed_point"]["chi1"] > 1.0
    root = ElementTree.parse(tmp_path / "naïve & far.svg").getroot()
    words = " ".join(text for node in root.iter() if (text := (node.text or "").strip()))
    for part in ("Length map", "Phase diagram", "chaotic", "ordered", "critical σ_w", "σ_w = 1.3"):
        assert part in words


def test_the_same_config_gives_the_same_bytes():
    one, other = (figures.svg(figures.mean_field(drawn())) for _ in range(2))
    assert one == other


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sheet.gif", "ends in .png, .svg or .pdf, not 'sheet.gif'"),
        ("sheet", "ends in .png, .svg or .pdf, not 'sheet'"),
        ("far/sheet.png", "there is no folder 'far'"),
        ("folder.png", "folder.png cannot be written: Is a directory"),
    ],
)
def test_a_picture_that_cannot_be_written_is_refused_and_leaves_nothing(name, words, typed):
    Path("folder.png").mkdir()
    ended = typed(*TANH, "--plot", name)
    assert ended.status == 2
    assert words in ended.err
    assert [path.name for path in Path().iterdir()] == ["folder.png"]


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("activation=maxout", "several pre-activations"),
        ("model.norm=batch", "the size of the weights does not matter"),
        ("model.residual=identity", "shortcuts"),
        ("model.dropout=0.1", "dropout"),
        ("init=zeros", "all units of a layer alike"),
    ],
)
def test_what_has_no_length_map_is_refused_and_nothing_is_written(setting, reason, typed, tmp_path):
    ended = typed("theory", "data=white", setting, "--plot", "sheet.png")
    assert ended.status == 2
    assert "There is no length map to be drawn" in ended.err
    assert reason in ended.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "settings"),
    [("tanh", WILD), ("relu", ()), ("sigmoid", ()), ("gelu", WILD), ("sine", ())],
)
def test_the_config_and_the_critical_line_are_inside_the_axes(name, settings):
    config = config_of(f"activation={name}", *settings)
    prediction = predict(config)
    its = pictured(config, prediction)
    plane = its.diagram
    assert its.sigma_w < plane.sigma_w[-1]
    assert its.sigma_b < plane.sigma_b[-1]
    if its.critical is not None:
        assert its.critical < plane.sigma_w[-1]
    near = abs(plane.sigma_w - its.sigma_w).argmin()
    if its.sigma_b > 0.0:  # the plane has this config's own fixed point beside it
        row = abs(plane.sigma_b - its.sigma_b).argmin()
        assert prediction.fixed_point is not None
        assert plane.chi1[row, near] == pytest.approx(prediction.fixed_point.chi1, rel=0.1)


def test_where_lengths_grow_without_end_the_picture_says_so(typed, tmp_path):
    typed("theory", "activation=relu", "init=lecun_normal", "init.gain=2", "data=white",
          "--plot", "sheet.svg")  # fmt: skip
    text = Path(tmp_path / "sheet.svg").read_text()
    assert "grow without end" in text
    assert "q → ∞" in text


def test_weights_beyond_what_the_plane_covers_are_refused(typed, tmp_path):
    ended = typed("theory", "init=lecun_normal", "init.gain=1e6", "--plot", "sheet.png")
    assert ended.status == 2
    assert "σ_w = 1e6 and σ_b = 0 may be at most 1000" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_no_name_of_a_phase_lies_on_another():
    config = config_of("activation=selu")
    figure = figures.mean_field(pictured(config, predict(config)))
    figure.draw_without_rendering()
    boxes = [
        text.get_window_extent()
        for axes in figure.axes
        for text in axes.texts
        if text.get_text().startswith(("ordered", "chaotic", "q →"))
    ]
    assert len(boxes) == 3
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


@pytest.mark.parametrize(("name", "there"), [("tanh", True), ("softplus", False)])
def test_the_legend_names_a_critical_line_only_where_there_is_one(name, there):
    sheet = figures.mean_field(drawn(f"activation={name}"))
    named = [text.get_text() for text in sheet.legends[0].get_texts()]
    assert any("critical line" in words for words in named) == there


def test_lengths_that_neither_grow_nor_shrink_are_said_to_stay():
    sheet = figures.mean_field(drawn("activation=relu", "init=he_normal"))
    assert "lengths stay at q = 2" in sheet.caption

"""Colours and line styles: fixed by name, told apart, and seen on white as on dark."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from arm_figures import arm, grid
from vgrad import figures
from vgrad.figures import Facets, palette
from vgrad.parts.activations import ACTIVATIONS
from vgrad.parts.inits import INITS

LINES = [*palette.ACTIVATION_COLOURS.values(), *palette.SPARE_COLOURS, *palette.RAMP]


def contrast(colour: str, paper: str) -> float:
    """The ratio of luminances that WCAG 2.2 defines."""

    def luminance(name: str) -> float:
        rgb = np.array(to_rgb(name))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    light, dark = sorted([luminance(colour), luminance(paper)], reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("colour", LINES)
def test_each_line_can_be_seen_on_white_and_on_dark(colour: str) -> None:
    assert contrast(colour, palette.PAPER) >= 3
    assert contrast(palette.DARK[colour], palette.DARK[palette.PAPER]) >= 3


@pytest.mark.parametrize("verdict", palette.FATES)
def test_the_word_of_a_fate_can_be_read_on_its_tint(verdict: str) -> None:
    tint = palette.FATES[verdict]
    assert contrast(palette.INK, tint) >= 7
    assert contrast(palette.DARK[palette.INK], palette.DARK[tint]) >= 7


def test_every_registered_activation_has_a_colour_of_its_own() -> None:
    assert set(ACTIVATIONS) <= set(palette.ACTIVATION_COLOURS)
    assert len(set(palette.ACTIVATION_COLOURS.values())) == len(palette.ACTIVATION_COLOURS)


def test_every_registered_init_has_a_line_style_of_its_own() -> None:
    assert set(INITS) <= set(palette.INIT_DASHES)
    dashes = [str(dash) for dash in palette.INIT_DASHES.values()]
    assert len(set(dashes)) == len(dashes)


def test_an_activation_has_its_colour_and_an_init_its_line_whatever_else_is_drawn() -> None:
    many = grid(activation=["tanh", "relu", "own"], init=["he_normal", "xavier_normal", "mine"])
    few = [many[4], many[0]]
    facets = Facets(hue="activation")
    first, second = figures.looks(many, facets), figures.looks(few, facets)
    assert [second.of[a.number] for a in few] == [first.of[a.number] for a in few]
    assert first.of[4].colour == palette.ACTIVATION_COLOURS["relu"]
    assert first.of[4].dash == palette.INIT_DASHES["xavier_normal"]


def test_numbers_have_a_ramp_of_colours_in_their_order() -> None:
    arms = grid(optimizer__lr=[10.0, 0.1, 1.0])
    look = figures.looks(arms, Facets(hue="optimizer.lr"))
    shades = [palette.RAMP.index(look.of[number].colour) for number in (1, 2, 0)]
    assert shades == sorted(shades)
    assert [key.label for key in look.keys] == ["lr=0.1", "lr=1", "lr=10"]


def test_a_third_setting_has_markers() -> None:
    arms = grid(activation=["tanh", "relu"], width=[16, 32])
    look = figures.looks(arms, Facets(hue="activation"))
    assert look.of[0].marker == look.of[2].marker != look.of[1].marker
    assert look.told == {"activation", "width"}


def test_the_legend_has_what_is_drawn_and_no_more() -> None:
    arms = grid(activation=["tanh", "relu"], init=["he_normal", "xavier_normal"])
    look = figures.looks(arms, Facets(hue="activation"))
    assert {key.label for key in look.legend(arms[:1])} == {"tanh", "he_normal"}


def test_a_single_arm_has_the_colour_of_its_activation() -> None:
    look = figures.looks([arm(3, activation="selu")], Facets())
    assert look.of[3].colour == palette.ACTIVATION_COLOURS["selu"]
    assert not look.keys

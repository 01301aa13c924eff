"""Figures of recorded runs: data frames in, matplotlib figures out, one function each."""

from vgrad.figures.curves import compared_curves, compared_headline, curves, has_accuracy, headline
from vgrad.figures.heatmaps import heatmaps
from vgrad.figures.looks import Look, looks
from vgrad.figures.profiles import chosen_steps, compared_profiles, profiles
from vgrad.figures.quantities import BY_LAYER
from vgrad.figures.style import Key, Sheet, plain, png, svg

__all__ = [
    "BY_LAYER",
    "Key",
    "Look",
    "Sheet",
    "chosen_steps",
    "compared_curves",
    "compared_headline",
    "compared_profiles",
    "curves",
    "has_accuracy",
    "headline",
    "heatmaps",
    "looks",
    "plain",
    "png",
    "profiles",
    "svg",
]

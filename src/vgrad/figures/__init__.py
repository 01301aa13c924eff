"""Figures of recorded runs: data frames in, matplotlib figures out, one function each."""

from vgrad.figures.arm_headline import headline_by_arm
from vgrad.figures.arm_profiles import profiles_by_arm
from vgrad.figures.curves import curves, has_accuracy, headline
from vgrad.figures.depth import depth_curves
from vgrad.figures.distributions import distributions, most_peaked
from vgrad.figures.facets import Facets, choose
from vgrad.figures.fates import fates
from vgrad.figures.gradient_loss import losses_of_gradient
from vgrad.figures.heatmaps import heat, heatmaps
from vgrad.figures.inner import inner_state, update_ratios
from vgrad.figures.learning import learning
from vgrad.figures.live import Live
from vgrad.figures.looks import Look, Looks, looks
from vgrad.figures.phase import mean_field
from vgrad.figures.predicted import predicted, predicted_of_run
from vgrad.figures.profiles import chosen_steps, profiles
from vgrad.figures.quantities import BY_LAYER
from vgrad.figures.style import Key, Sheet, plain, png, svg
from vgrad.figures.trainability import scale_key, trainability

__all__ = [
    "BY_LAYER",
    "Facets",
    "Key",
    "Live",
    "Look",
    "Looks",
    "Sheet",
    "choose",
    "chosen_steps",
    "curves",
    "depth_curves",
    "distributions",
    "fates",
    "has_accuracy",
    "headline",
    "headline_by_arm",
    "heat",
    "heatmaps",
    "inner_state",
    "learning",
    "looks",
    "losses_of_gradient",
    "mean_field",
    "most_peaked",
    "plain",
    "png",
    "predicted",
    "predicted_of_run",
    "profiles",
    "profiles_by_arm",
    "scale_key",
    "svg",
    "trainability",
    "update_ratios",
]

"""A config into what `vgrad theory --plot` draws: its length map, and where it stands in the plane.

The axes are chosen so that the config and the critical line are inside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vgrad.config import RunConfig
from vgrad.draw import drawn_init
from vgrad.errors import ConfigError
from vgrad.meanfield.length_map import LengthMap, length_map
from vgrad.meanfield.phase import Diagram, Moments, critical_line, diagram
from vgrad.meanfield.phi import Phi
from vgrad.meanfield.scale import Scale
from vgrad.parts.models import Architecture
from vgrad.phrases import number
from vgrad.theory.inputs import inputs_of
from vgrad.theory.prediction import Prediction
from vgrad.threads import at_most

POINTS = 160  # of each axis of the plane
LEAST_W, LEAST_B = 1.5, 0.5  # how far the axes go at least
ROOM = 1.4  # beyond what is to be inside
FARTHEST = 16.0  # σ_w: a critical line beyond it is left outside
LARGEST = 1000  # σ_w and σ_b: lengths beyond it leave the table of the plane


@dataclass(frozen=True)
class Pictured:
    """What is drawn of one config, as plain numbers.

    Attributes:
        length_map: q of one layer → q of the next.
        diagram: the plane of σ_w and σ_b.
        sigma_w, sigma_b: where the config stands.
        critical: σ_w of the critical point at this σ_b, or None.
        why: where that lies, or why there is none.
        chi1: χ₁ at this config's q*.
    """

    length_map: LengthMap
    diagram: Diagram
    sigma_w: float
    sigma_b: float
    critical: float | None
    why: str
    chi1: float


@at_most(1)
def pictured(config: RunConfig, prediction: Prediction) -> Pictured:
    """The arrays of a config's pictures.

    Args:
        config: the config.
        prediction: what the theory says of it.

    Raises:
        ConfigError: nothing is predicted of it, or it has no length map of its own.
    """
    point, sigma_w = prediction.fixed_point, prediction.sigma_w
    reason = prediction.not_predicted
    if reason is None:
        reason = _no_map(config, prediction)
    if reason is not None or point is None or not sigma_w:
        raise ConfigError(f"There is no length map to be drawn: {reason}.")
    sigma_b = prediction.critical.sigma_b
    if max(sigma_w, sigma_b) > LARGEST:
        raise ConfigError(
            f"There is no picture of it: σ_w = {number(sigma_w, 4)} and σ_b = {number(sigma_b, 4)} "
            f"may be at most {LARGEST}."
        )
    init = drawn_init(config)
    mean = min(abs(float(init.settings["bias"])), sigma_b)  # none without biases
    mean = mean if init.settings["bias"] >= 0.0 else -mean
    scale = Scale(sigma_w**2, max(0.0, sigma_b**2 - mean**2), mean)
    phi, square = Phi.of(config.activation), inputs_of(config).square
    try:
        way = length_map(phi, scale, square, config.depth, point.q)
        plane = _plane(phi.about(mean), sigma_w, sigma_b, square, prediction)
    except ArithmeticError:
        name = config.activation.name
        raise ConfigError(
            f"There is no picture of it: activation={name} oscillates too fast."
        ) from None
    edge = prediction.critical
    return Pictured(way, plane, sigma_w, sigma_b, edge.sigma_w, edge.why, point.chi1)


def _no_map(config: RunConfig, prediction: Prediction) -> str | None:
    """Why lengths do not follow one map of σ_w and σ_b; None where they do."""
    plan = Architecture.of(config.model.name, config.model.settings)
    noisy = plan.dropout or plan.alpha_dropout
    if plan.norm != "none" or plan.shortcut.kind != "none" or noisy:
        return prediction.critical.why
    return None if prediction.sigma_w else "its weights are all 0"


def _plane(
    phi: Phi, sigma_w: float, sigma_b: float, square: float, prediction: Prediction
) -> Diagram:
    """The plane with this config and the critical line inside."""
    high_b = max(LEAST_B, ROOM * sigma_b)
    inside = [sigma_w, LEAST_W / ROOM]
    known = (prediction.critical.sigma_w, prediction.gain.critical_at_origin)
    inside += [value for value in known if value is not None and value <= FARTHEST]
    line = critical_line(Moments.of(phi, FARTHEST, high_b**2), phi.mean)
    seen = [s.sigma_w[(s.sigma_b <= high_b) & (s.sigma_w <= FARTHEST)] for s in line]
    inside += [float(part.min()) for part in seen if len(part)]
    high_w, low_b = ROOM * max(inside), abs(phi.mean)
    half = 0.5 / POINTS
    shares = np.linspace(half, 1.0 - half, POINTS)
    return diagram(phi, high_w * shares, low_b + (high_b - low_b) * shares, square)

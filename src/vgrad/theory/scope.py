"""What the theory does not speak of, each with the reason."""

from __future__ import annotations

from vgrad.config import RunConfig
from vgrad.draw import drawn_init
from vgrad.parts.activations import ACTIVATIONS
from vgrad.parts.models import Architecture
from vgrad.theory.weights import ALIKE, INDEPENDENT, NOT_RANDOM

COPIES = ("crelu",)  # each z gives several h, of its own alone


def not_predicted(config: RunConfig) -> str | None:
    """Why a config has no prediction; None where it has one."""
    return (
        of_activation(config.activation.name)
        or _of_init(drawn_init(config).name)
        or _of_model(config)
    )


def of_activation(name: str) -> str | None:
    """Why there is no mean-field map of an activation."""
    entry = ACTIVATIONS[name]
    if not entry.elementwise and name not in COPIES:
        return f"activation={name} is a function of several pre-activations, not of one alone"
    return None


def spread_known(config: RunConfig) -> bool:
    """Whether it is known how far single networks scatter about the prediction.

    Weights must be drawn each for itself, or all of them orthogonal; and nothing may stand between
    the layers but an activation of one z.
    """
    plan, entry = _plan(config), ACTIVATIONS[config.activation.name]
    plain = plan.norm == "none" and plan.shortcut.kind == "none" and not plan.dropout
    single = bool(entry.elementwise) and not entry.noisy and not plan.alpha_dropout
    return plain and single and drawn_init(config).name in ("orthogonal", *INDEPENDENT)


def _of_init(name: str) -> str | None:
    if name in ALIKE:
        return f"init={name} makes all units of a layer alike: nothing averages out over them"
    if name in NOT_RANDOM:
        return f"init={name} draws no random weights"
    return None


def _of_model(config: RunConfig) -> str | None:
    plan = _plan(config)
    if plan.shortcut.kind == "highway":
        return "model=highway has gates that depend on what they let through"
    if plan.shortcut.kind == "rezero":
        return "model.residual=rezero starts with its branches switched off: they have no error"
    if plan.norm == "batch" and plan.norm_at == "after":
        return "model.norm=batch after the activation scales each unit by its own variance"
    if plan.aux_heads:
        return "model.aux_heads adds error signals halfway, of a size that the data decide"
    if plan.bottleneck:
        return "model.bottleneck makes each weight a product of two"
    return None


def _plan(config: RunConfig) -> Architecture:
    return Architecture.of(config.model.name, config.model.settings)

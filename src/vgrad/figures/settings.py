"""The settings that set arms apart: their values in order, and how they are said."""

from __future__ import annotations

from collections.abc import Sequence

from vgrad.arms import Arm, differing
from vgrad.phrases import is_number, typed

OF_TRAINING = ("optimizer", "schedule", "steps", "epochs", "eval", "probe", "clip", "noise")
NAMED_BY_VALUE = ("activation", "init", "loss", "data", "optimizer", "model")


def levels(arms: Sequence[Arm], key: str) -> list[str]:
    """The values of a setting, as typed: numbers by size, others in the order of the runs."""
    values = {shown(arm, key): arm.settings.get(key) for arm in arms}
    if all(is_number(value) for value in values.values()):
        return sorted(values, key=lambda name: float(values[name] or 0))
    return list(values)


def shown(arm: Arm, key: str | None) -> str:
    """The value of a setting, as typed."""
    return typed(arm.settings.get(key) if key else None)


def said(key: str | None, value: str) -> str:
    """A setting in a legend or a title: `relu`, but `depth=40`, and `lr=0.1` for `optimizer.lr`."""
    return value if key in NAMED_BY_VALUE else f"{str(key).rpartition('.')[2]}={value}"


def before_training(arms: Sequence[Arm]) -> list[Arm]:
    """One arm of those that are alike before training: an optimizer has done nothing yet."""
    keys = [key for key in differing(arms) if key.partition(".")[0] not in OF_TRAINING]
    alike: dict[tuple[str, ...], Arm] = {}
    for arm in arms:
        alike.setdefault(tuple(shown(arm, key) for key in keys), arm)
    return list(alike.values())

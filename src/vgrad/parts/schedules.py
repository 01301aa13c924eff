"""Schedules: how the learning rate changes in the course of a run, as a factor of `optimizer.lr`.

An entry takes t, how many updates were made since the rate was at its peak, and `total`, the t of
the run's last update; it returns the factor. `warmup` updates of linear rise can precede any.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from vgrad.registry import Registry, Setting

SCHEDULES = Registry("schedule", "schedules")


@SCHEDULES.entry(source="Bottou, Curtis & Nocedal 2018, arXiv:1606.04838, section 4")
def constant(t: int, total: int) -> float:
    """lr(t) = lr."""
    return 1.0


@SCHEDULES.entry(source="He et al. 2016, arXiv:1512.03385, section 4.2 (fixed steps)")
def step(t: int, total: int, *, decay_every: int = 0, decay_factor: float = 0.1) -> float:
    """lr(t) = lr · decay_factor^⌊t / decay_every⌋.

    With `decay_every` 0 it falls twice, after each third of the updates; in the paper after a half
    and after three quarters.
    """
    return decay_factor ** (t // (decay_every or math.ceil((total + 1) / 3)))


@SCHEDULES.entry(source="Loshchilov & Hutter 2017, arXiv:1608.03983, equation 5")
def cosine(t: int, total: int) -> float:
    """lr(t) = lr · (1 + cos(π t / T)) / 2, which is 0 at the last update."""
    return (1.0 + math.cos(math.pi * t / total)) / 2.0 if total else 1.0


# What every optimizer takes from here: the name of a schedule, and what the schedules are set with.
SETTINGS: Mapping[str, Setting] = {
    "schedule": Setting(
        "constant",
        "of the learning rate: constant, in steps (He et al. 2016, arXiv:1512.03385), or a cosine "
        "down to 0 (Loshchilov & Hutter 2017, arXiv:1608.03983)",
        choices=tuple(SCHEDULES),
    ),
    "warmup": Setting(
        0, "updates of linear rise before it (Goyal et al. 2017, arXiv:1706.02677)", (0, 10**12)
    ),
    "decay_every": Setting(
        SCHEDULES["step"].settings["decay_every"],
        "updates between two steps of the schedule; 0 is a third of the run",
        (0, 10**12),
    ),
    "decay_factor": Setting(
        SCHEDULES["step"].settings["decay_factor"], "of one step of the schedule", (0.0, 1.0)
    ),
}


def factor(update: int, updates: int, settings: Mapping[str, Any]) -> float:
    """What the learning rate is multiplied by in one update of a run.

    For the first `warmup` updates it is `update` / `warmup` (Goyal et al. 2017, arXiv:1706.02677).
    It is 1 in the update that ends them, or in the first of all, and from there on the schedule's.

    Args:
        update: its number, from 1; beyond the last the factor stays as it was there.
        updates: how many the run makes in all.
        settings: at least those of `SETTINGS`.
    """
    peak = max(1, settings["warmup"])
    if update < peak:
        return float(update / peak)
    entry = SCHEDULES[settings["schedule"]]
    total = max(0, updates - peak)
    own = {name: settings[name] for name in entry.settings}
    return float(entry.function(min(update - peak, total), total, **own))


def is_constant(settings: Mapping[str, Any]) -> bool:
    """Whether the factor is 1 throughout."""
    return bool(settings["schedule"] == "constant" and settings["warmup"] <= 1)

"""Learning-rate schedules against those of torch, and at their ends."""

from __future__ import annotations

import pytest
import torch
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LinearLR,
    SequentialLR,
    StepLR,
)

from vgrad.parts.optimizers import OPTIMIZERS
from vgrad.parts.schedules import SCHEDULES, SETTINGS, factor, is_constant

every_schedule = pytest.mark.parametrize("name", SCHEDULES)

DEFAULTS = {name: setting.default for name, setting in SETTINGS.items()}


def factors(updates, **settings):
    """The factor of every update of a run."""
    return [factor(u, updates, {**DEFAULTS, **settings}) for u in range(1, updates + 1)]


def optimizer():
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)


def rates(descent, scheduler, updates):
    """The rate with which torch makes each update."""
    used = []
    for _ in range(updates):
        used.append(descent.param_groups[0]["lr"])
        descent.step()
        scheduler.step()
    return used


def test_step_is_torchs():
    descent = optimizer()
    theirs = rates(descent, StepLR(descent, 7, gamma=0.3), 40)
    assert factors(40, schedule="step", decay_every=7, decay_factor=0.3) == pytest.approx(theirs)


@pytest.mark.parametrize("updates", [2, 3, 40])
def test_cosine_is_torchs_with_its_end_at_the_last_update(updates):
    descent = optimizer()
    theirs = rates(descent, CosineAnnealingLR(descent, updates - 1), updates)
    assert factors(updates, schedule="cosine") == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("warmup", [2, 5, 40])
def test_a_warm_up_is_torchs_linear_rise(warmup):
    descent = optimizer()
    theirs = rates(descent, LinearLR(descent, 1 / warmup, total_iters=warmup - 1), 40)
    assert factors(40, warmup=warmup) == pytest.approx(theirs)


FOLLOWING = {
    "constant": lambda descent: ConstantLR(descent, factor=1.0),
    "step": lambda descent: StepLR(descent, 8, gamma=0.5),
    "cosine": lambda descent: CosineAnnealingLR(descent, 30),
}


@every_schedule
def test_after_its_warm_up_every_schedule_goes_on_as_torchs(name):
    descent = optimizer()
    rise = LinearLR(descent, 1 / 10, total_iters=9)
    both = SequentialLR(descent, [rise, FOLLOWING[name](descent)], milestones=[9])
    theirs = rates(descent, both, 40)
    ours = factors(40, schedule=name, warmup=10, decay_every=8, decay_factor=0.5)
    assert ours == pytest.approx(theirs, abs=1e-12)


def test_cosine_ends_at_zero_and_is_half_way_in_the_middle():
    ours = factors(601, schedule="cosine")
    assert (ours[0], ours[300], ours[-1]) == pytest.approx((1.0, 0.5, 0.0), abs=1e-12)


@pytest.mark.parametrize(("updates", "falls"), [(600, [200, 400]), (10, [4, 8]), (3, [1, 2])])
def test_step_falls_after_each_third_of_the_run_if_not_told_when(updates, falls):
    ours = factors(updates, schedule="step")
    assert [i for i in range(1, updates) if ours[i] < ours[i - 1]] == falls
    assert ours[-1] == pytest.approx(0.01)


@every_schedule
@pytest.mark.parametrize("warmup", [0, 1, 3, 1000])
@pytest.mark.parametrize("updates", [1, 2, 7])
def test_a_factor_lies_between_0_and_1_in_runs_of_any_length(name, warmup, updates):
    ours = factors(updates, schedule=name, warmup=warmup)
    assert all(0.0 <= value <= 1.0 for value in ours)
    assert ours[0] == (1.0 if warmup <= 1 else 1 / warmup)


@every_schedule
def test_beyond_the_last_update_the_factor_stays(name):
    settings = {**DEFAULTS, "schedule": name}
    assert factor(12, 10, settings) == factor(10, 10, settings)
    assert factor(1, 0, settings) == 1.0


@every_schedule
@pytest.mark.parametrize("warmup", [0, 1, 5])
def test_what_is_said_to_be_constant_is(name, warmup):
    settings = {"schedule": name, "warmup": warmup}
    assert is_constant({**DEFAULTS, **settings}) == (set(factors(20, **settings)) == {1.0})


def test_every_optimizer_has_a_choice_of_all_schedules_and_their_settings():
    for entry in OPTIMIZERS.values():
        assert entry.choices["schedule"] == tuple(SCHEDULES)
        assert SETTINGS.keys() <= entry.settings.keys()
        assert not SETTINGS.keys() & entry.own(entry.settings).keys()

"""Going on: from a saved state, without runs that have diverged, and after going back."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import networks
from vgrad import train, training
from vgrad.parts.optimizers import OPTIMIZERS
from vgrad.train import Course, Saved
from vgrad.training import Training

STEPS = 70
PLAIN = {"depth": 4, "steps": STEPS, "activation": "relu", "loss": "mse", "init": "he_normal"}
# What a run may keep from step to step, a stack of three runs each.
KEPT = {
    "plain": [{}, {}, {}],
    "optimizers": [{"optimizer": "adam"}, {"optimizer__momentum": 0.9}, {"optimizer": "rprop"}],
    "batch norm": [{"model__norm": "batch"}] * 3,
    "dropout": [{"model__dropout": 0.2}] * 3,
    "noise": [{"optimizer__noise": 0.01}, {}, {"optimizer__noise": 0.1}],
    "clipping": [{"optimizer__clip_norm": 0.1}, {"optimizer__clip_value": 0.01}, {}],
    "learned slopes": [{"activation": "prelu"}, {}, {"activation": "prelu"}],
    "random slopes": [{"activation": "rrelu"}, {}, {"activation": "relu"}],
    "schedule": [{"optimizer__schedule": "cosine"}, {"optimizer__warmup": 20}, {}],
}


class Keeper(networks.Seen):
    """Asks for the state at some steps, and keeps it."""

    def __init__(self, *steps: int) -> None:
        super().__init__()
        self.wanted, self.saved = steps, []

    def wants_state(self, step: int) -> bool:
        return step in self.wanted

    def save(self, saved: Saved) -> None:
        self.saved.append(saved)


def stack_of(*runs, **more):
    return [networks.config(seed=s, **{**PLAIN, **run, **more}) for s, run in enumerate(runs)]


def records_of(seen, run=None, since=0):
    """What was recorded, as bytes and texts that are equal only where every bit is."""
    return [
        (r.run, r.step, repr(r.steps), r.layers is not None and r.layers.tobytes())
        for r in seen.records
        if r.step >= since and run in (None, r.run)
    ]


def carried_out(configs, seen, start=None):
    train.train(configs, networks.classification(), seen, start)
    return seen


@pytest.mark.parametrize("kept", KEPT)
def test_runs_that_go_on_from_a_saved_state_record_the_same_bits(kept):
    configs = stack_of(*KEPT[kept])
    whole = carried_out(configs, Keeper(1, 33, 69))
    assert [saved.step for saved in whole.saved] == [1, 33, 69]
    for saved in whole.saved:
        again = carried_out(configs, networks.Seen(), saved)
        assert records_of(again) == records_of(whole, since=saved.step)
        assert again.outcomes == whole.outcomes


@pytest.mark.parametrize("kept", KEPT)
def test_saving_a_state_changes_nothing(kept):
    configs = stack_of(*KEPT[kept])
    assert records_of(carried_out(configs, Keeper(*range(STEPS)))) == records_of(
        carried_out(configs, networks.Seen())
    )


def test_a_stopped_stack_saves_where_it_stopped_and_goes_on_from_there():
    configs = stack_of({}, {"optimizer": "adam"})
    asked = iter([False] * 41 + [True])
    stopped = Keeper()
    stopped.should_stop = lambda: next(asked)
    carried_out(configs, stopped)
    (saved,) = stopped.saved
    assert stopped.outcomes[0].status == "interrupted"
    again = carried_out(configs, networks.Seen(), saved)
    whole = carried_out(configs, networks.Seen())
    before = [r for r in records_of(stopped) if r[1] < saved.step]
    assert before + records_of(again) == records_of(whole)


# Runs that diverge sooner or later, at steps that are recorded or not.
BLOWN = [{"optimizer__lr": lr} for lr in (3.0, 1.0, 0.6, 0.4, 0.25)]


@pytest.mark.parametrize("every", [None, 0, 7])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
def test_a_run_diverges_at_the_step_at_which_it_would_were_each_step_checked(
    monkeypatch, optimizer, every
):
    scale = {"sgd": 1.0, "adam": 1e29, "rmsprop": 1e28}[optimizer]
    runs = [
        {"optimizer": optimizer, "optimizer__lr": run["optimizer__lr"] * scale} for run in BLOWN
    ]
    configs = stack_of(*runs, {}, probe_every=every, width=16)
    seen = carried_out(configs, networks.Seen())
    monkeypatch.setattr(train, "GUARD", 1)
    checked = carried_out(configs, networks.Seen())
    assert seen.outcomes == checked.outcomes
    assert {o.status for o in seen.outcomes.values()} == {"diverged", "completed"}
    for run in range(len(configs)):
        ours, theirs = (
            [(r.step, r.steps["train_loss"]) for r in s.records if r.run == run]
            for s in (seen, checked)
        )
        assert [step for step, _ in ours] == [step for step, _ in theirs]
        np.testing.assert_allclose(*np.array([[x for _, x in s] for s in (ours, theirs)]), 1e-3)


def test_a_run_that_diverged_is_out_of_the_stack():
    configs = stack_of({}, {"optimizer__lr": 1e6}, {})
    seen = Keeper(STEPS - 1)
    course = Course(configs, networks.classification(), seen)
    course.run()
    assert seen.outcomes[1].status == "diverged"
    assert course.training.stack.layout.runs == 2
    assert seen.saved[0].runs == (0, 2)
    again = carried_out(configs, networks.Seen(), seen.saved[0])
    assert records_of(again) == records_of(seen, since=STEPS - 1)


def test_records_are_given_once_and_in_order_whatever_diverges():
    seen = carried_out(stack_of(*BLOWN, {}, probe_every=3), networks.Seen())
    for run in range(len(BLOWN) + 1):
        steps = [r.step for r in seen.records if r.run == run]
        assert steps == sorted(set(steps))


@pytest.mark.parametrize("optimizer", [name for name in OPTIMIZERS if OPTIMIZERS[name].tells])
@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
@torch.no_grad()
def test_a_gradient_that_is_not_finite_leaves_a_trace_where_the_entry_says_so(optimizer, value):
    trained = Training([networks.config(optimizer=optimizer)], networks.classification())
    for step in range(3):
        trained.load_batch()
        trained.go_through(keep=False)
        assert trained.passes()
        trained.update(step)
        assert not trained.has_strayed()
    trained.stack.gradients.flat[7] = value
    assert not trained.passes()
    trained.update(3)
    assert trained.has_strayed()


def test_what_is_not_finite_but_harmless_does_not_lead_back_for_ever(monkeypatch):
    configs = stack_of({})
    steps = networks.Seen()
    course = Course(configs, networks.classification(), steps)
    monkeypatch.setattr(type(course.training), "has_strayed", lambda self: True)
    course.run()
    assert steps.outcomes[0].status == "completed"
    assert len(steps.steps) < 2 * STEPS


@pytest.mark.parametrize("kept", ["plain", "optimizers", "dropout", "learned slopes", "schedule"])
@pytest.mark.parametrize("depth", [0, 1, 4])
def test_updating_on_the_way_back_gives_the_same_bits(monkeypatch, kept, depth):
    configs = stack_of(*KEPT[kept], depth=depth)
    streamed = []
    for size in (0, math.inf):
        monkeypatch.setattr(training, "STREAMED", size)
        course = Course(configs, networks.classification(), seen := networks.Seen())
        course.run()
        streamed.append((course.training.advances_in_one, records_of(seen)))
    (first, ours), (second, theirs) = streamed
    assert first == (kept != "learned slopes" or depth == 0)
    assert not second
    assert ours == theirs

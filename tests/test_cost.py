"""What training costs: more of anything costs more, and the estimate itself costs nothing."""

from __future__ import annotations

import pytest
import torch

import networks
from vgrad import cost

# For each key values that cost more and more.
DEARER = {
    "depth": (0, 1, 5, 50),
    "width": (1, 8, 64, 512),
    "steps": (0, 1, 10, 1000, 100_000),
    "batch_size": (1, 16, 256),
    "model__aux_heads": (0, 1, 2),
    "activation": ("relu", "maxout"),
    "activation ": ("tanh", "crelu"),
}
# Steps between two records or evaluations: fewer of them cost less, none at all least.
RARER = {"probe_every": (1, 7, 100, 0), "eval_every": (1, 7, 100, 0)}


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """One as fast as that on which the constants were measured, and a small data set."""
    monkeypatch.setattr(cost, "slowness", lambda: 1.0)
    monkeypatch.setattr(cost, "load", lambda name, settings: networks.classification())


def seconds(runs: int = 4, **keys) -> float:
    return cost.seconds(networks.config(**{key.strip(): v for key, v in keys.items()}), runs)


@pytest.mark.parametrize("key", DEARER)
def test_more_costs_more(key):
    costs = [seconds(**{key: value, "eval_every": 0}) for value in DEARER[key]]
    assert costs == sorted(costs)
    assert len(set(costs)) == len(costs)


@pytest.mark.parametrize("key", RARER)
def test_records_and_evaluations_cost_something(key):
    costs = [seconds(steps=500, **{key: value}) for value in RARER[key]]
    assert costs == sorted(costs, reverse=True)
    assert len(set(costs)) == len(costs)


def test_an_evaluation_costs_the_same_whatever_the_batches_of_training_are():
    extra = [
        seconds(batch_size=batch, steps=10, eval_every=1)
        - seconds(batch_size=batch, steps=10, eval_every=0)
        for batch in (1, 16)
    ]
    assert extra[0] == pytest.approx(extra[1], rel=0.5)


def test_more_runs_cost_more_but_less_each_than_one_alone():
    costs = [seconds(runs) for runs in (1, 2, 8, 64)]
    assert costs == sorted(costs)
    each = [seconds(runs) / runs for runs in (1, 2, 8, 64)]
    assert each == sorted(each, reverse=True)


def test_twice_the_steps_cost_about_twice():
    assert seconds(steps=200_000) / seconds(steps=100_000) == pytest.approx(2, rel=0.05)


def test_a_slower_machine_takes_longer_but_calls_are_not_all_that_takes_time(monkeypatch):
    before = seconds(width=512)
    monkeypatch.setattr(cost, "slowness", lambda: 3.0)
    assert before < seconds(width=512) < 3 * before


def test_how_slow_this_machine_is_is_found_once_and_the_threads_stay_as_they_were(monkeypatch):
    monkeypatch.undo()
    cost.slowness.cache_clear()
    times = []
    before, time = torch.get_num_threads(), cost._time

    def taken(*tensors):
        times.append(torch.get_num_threads())
        return time(*tensors)

    monkeypatch.setattr(cost, "_time", taken)
    assert cost.slowness() == cost.slowness() > 0
    assert set(times) == {1}
    assert len(times) == 20
    assert torch.get_num_threads() == before

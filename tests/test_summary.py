"""The numbers of a run: the slope and the reach of its gradient, its results, its verdict."""

from __future__ import annotations

import math

import numpy as np
import pytest

from profiles import INF, NAN, STUCK, fading, profile, rows
from vgrad.diagnose import grad_decay, reach, summarise


@pytest.mark.parametrize(("keep", "sign"), [(0.24, -1), (2.1, 1)])
def test_grad_decay_is_the_decades_that_a_layer_costs_or_adds(keep, sign):
    assert grad_decay(profile(fading(keep, 20)), 20) == pytest.approx(math.log10(keep))
    assert math.copysign(1, grad_decay(profile(fading(keep, 20)), 20)) == sign


def test_grad_decay_is_the_least_squares_line():
    deltas = [1e-3, 1e-1, 3e-2, 0.5, 0.2]
    slope = np.polyfit(range(5), np.log10(deltas), 1)[0]
    assert grad_decay(profile([*deltas, 9.0]), 5) == pytest.approx(-slope)


def test_grad_decay_leaves_out_what_has_no_logarithm():
    deltas = [0.0, NAN, None, INF, *fading(0.1, 3)]
    assert grad_decay(profile(deltas), 7) == pytest.approx(-1)


@pytest.mark.parametrize(
    "deltas", [[0.1], [1.0, 0.1], [0.0, 1.0, 0.1], [NAN, NAN, 0.1], [None] * 4]
)
def test_grad_decay_needs_two_layers_that_have_one(deltas):
    assert grad_decay(profile(deltas), len(deltas) - 1) is None


@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        ([0.1, 0.2, 0.5], 0.5),
        ([0.0, 0.2, 0.5], 0.0),
        ([0.0, 0.0, 0.5], 0.0),
        ([0.0, 0.0, 0.0], None),
        ([INF, 0.2, 0.5], INF),
        ([INF, INF, 0.5], INF),
        ([NAN, 0.2, 0.5], None),
        ([None, 0.2, 0.5], None),
        ([0.5], None),
    ],
)
def test_reach_compares_the_first_hidden_layer_with_the_last(deltas, expected):
    assert reach(profile(deltas), len(deltas) - 1) == expected


def test_summary_takes_the_last_value_that_is_there_and_the_best():
    steps = [
        {"step": 0, "train_loss": 2.4, "val_accuracy": 0.1, "val_loss": 2.3},
        {"step": 5, "train_loss": 1.0, "val_accuracy": 0.8, "val_loss": 1.1},
        {"step": 9, "train_loss": 0.5, "val_accuracy": NAN, "val_loss": None},
        {"step": 9, "train_loss": 0.4, "val_accuracy": 0.7},
    ]
    summary = summarise(None, None, steps, 3, "completed")
    assert summary["final_train_loss"] == 0.4
    assert summary["final_train_accuracy"] is None
    assert summary["final_val_loss"] == 1.1
    assert summary["final_val_accuracy"] == 0.7
    assert summary["best_val_accuracy"] == 0.8
    assert summary["last_step"] == 9
    assert summary["last_evaluated_step"] == 9


def test_summary_of_nothing_says_so():
    summary = summarise(None, None, [], 3, "failed")
    assert summary["best_val_accuracy"] is None
    assert summary["last_evaluated_step"] is None
    assert summary["grad_decay"] is None
    assert summary["verdict"] == "unsure"


def test_summary_names_the_first_bad_step_and_layer():
    steps = [*rows(), {"step": 7, "train_loss": NAN}, {"step": 8, "train_loss": NAN}]
    forwards = profile([1.0, NAN, NAN, NAN], preact_ms=[1.0, 2.0, INF, NAN])
    summary = summarise(profile([1.0] * 4), forwards, steps, 3, "diverged")
    assert (summary["first_bad_step"], summary["first_bad_layer"]) == (7, 3)
    backwards = profile([NAN, INF, 1.0, 1.0])
    assert summarise(None, backwards, steps, 3, "diverged")["first_bad_layer"] == 2


@pytest.mark.parametrize(
    ("start", "end", "fell", "verdict"),
    [
        (1e-4, 1.0, True, "vanishing"),
        (1.0, 1e-4, True, "vanishing"),
        (1e4, 1.0, True, "exploding"),
        (0.02, 1e-2, False, "healthy"),
        (50.0, 1.0, True, "healthy"),
        (3e-3, 3e-3, False, "vanishing"),
        (3e-3, 3e-3, True, "unsure"),
        (3e2, 3e2, False, "exploding"),
        (0.0, 0.0, True, "vanishing"),
        (INF, INF, True, "exploding"),
        (NAN, NAN, True, "unsure"),
    ],
)
def test_verdict_goes_by_the_decades_across_the_network(start, end, fell, verdict):
    first, last = profile([start, 1.0, 1.0]), profile([end, 1.0, 1.0])
    steps = rows() if fell else rows(**STUCK)
    assert summarise(first, last, steps, 2, "completed")["verdict"] == verdict


def test_a_run_that_diverged_is_called_so_whatever_its_gradient():
    summary = summarise(profile(fading(0.1, 9)), None, rows(), 9, "diverged")
    assert summary["verdict"] == "diverged"


def test_no_verdict_without_a_record_even_of_a_net_without_layers():
    assert summarise(None, None, rows(), 0, "completed")["verdict"] == "unsure"
    assert summarise(profile([0.1]), None, rows(), 0, "completed")["verdict"] == "healthy"

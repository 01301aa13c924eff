"""Which loss goes with which data: what a loss states, and what is refused before training."""

from __future__ import annotations

import math

import numpy as np
import pytest

import networks
from vgrad import check
from vgrad.errors import ConfigError
from vgrad.parts.datasets import Dataset
from vgrad.parts.losses import LOSSES

FITS = {
    "cross_entropy": {"classification"},
    "nll": {"classification"},
    "kl_div": {"classification"},
    "bce": {"classification", "regression"},
    "mse": {"classification", "regression"},
    "mse_sigmoid": {"classification", "regression"},
    "mse_softmax": {"classification"},
    "hinge": {"classification"},
    "mae": {"classification", "regression"},
    "huber": {"classification", "regression"},
    "mape": {"regression"},
    "msle": {"regression"},
}
ANY_TARGETS = ["mse", "mae", "huber"]


def test_each_loss_fits_the_tasks_that_it_is_defined_for():
    assert {name: set(entry.tasks) for name, entry in LOSSES.items()} == FITS


@pytest.mark.parametrize(
    ("names", "inside", "outside"),
    [
        (("bce", "mse_sigmoid"), [0.0, 0.5, 1.0], [-1e-6, 1.0 + 1e-6, math.nan]),
        (("mape",), [1e-30, 1e6], [0.0, -1e-6, math.nan]),
        (("msle",), [0.0, 1e6], [-1e-6, -2.0, math.nan]),
    ],
)
def test_a_loss_knows_which_targets_it_is_defined_for(names, inside, outside):
    for domain in (LOSSES[name].domain for name in names):
        assert domain.holds(np.array(inside))
        assert not any(domain.holds(np.array([*inside, value])) for value in outside)


def test_the_other_losses_are_defined_for_all_targets():
    named = {name for name, entry in LOSSES.items() if entry.domain is not None}
    assert named == {"bce", "mse_sigmoid", "mape", "msle"}


def regression(*targets):
    """Data with these targets, the last of which is in the test set."""
    y = np.array(targets, np.float32)[:, None]
    return Dataset(y[:-1], y[:-1], y[-1:], y[-1:], None, "regression")


def refusal(loss, data):
    """What is said of a loss on such data, None if it fits."""
    try:
        check._check_loss(networks.config(data="sine", loss=loss), data)
    except ConfigError as error:
        return str(error)
    return None


def named(losses):
    return ", ".join(f"loss={name}" for name in LOSSES if name in losses)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_that_is_not_for_the_task_is_refused_with_those_that_fit_the_data(loss):
    config = networks.config(data="sine", loss=loss)
    if loss in ANY_TARGETS:
        assert check.check(config).loss.name == loss
        return
    start = f"^loss={loss} does not fit data=sine"
    if "regression" not in LOSSES[loss].tasks:
        start += ", a regression task"
    with pytest.raises(ConfigError, match=f"{start}.* What fits: {named(ANY_TARGETS)}.$"):
        check.check(config)


@pytest.mark.parametrize(
    ("targets", "more"),
    [
        ((0.0, 0.5, 1.0), ["bce", "mse_sigmoid", "msle"]),
        ((0.1, 0.5, 1.0), ["bce", "mse_sigmoid", "msle", "mape"]),
        ((0.1, 0.5, 1.5), ["msle", "mape"]),
        ((1.5, 0.0, 0.5), ["msle"]),
        ((1.0, 0.5, -0.5), []),
    ],
)
def test_the_targets_decide_which_losses_fit_a_regression(targets, more):
    fitting = {loss for loss in LOSSES if refusal(loss, regression(*targets)) is None}
    assert fitting == {*ANY_TARGETS, *more}


def test_every_loss_for_classification_fits_its_one_hot_targets():
    data = networks.classification()
    fitting = {loss for loss in LOSSES if refusal(loss, data) is None}
    assert fitting == LOSSES.keys() - {"mape", "msle"}


@pytest.mark.parametrize(
    ("loss", "targets", "expected"),
    [
        (
            "bce",
            (-1.2, 0.5, 3.0),
            "loss=bce does not fit data=sine: it needs targets from 0 to 1, and these reach from "
            "-1.2 to 3.0. What fits: loss=mse, loss=mae, loss=huber.",
        ),
        (
            "mape",
            (0.5, 2.0, 0.0),
            "loss=mape does not fit data=sine: it needs targets above 0, and these reach from "
            "0.0 to 2.0. What fits: loss=mse, loss=mae, loss=huber, loss=msle.",
        ),
        (
            "msle",
            (0.5, 1.0, -1e-6),
            "loss=msle does not fit data=sine: it needs targets of at least 0, and these reach "
            "from -1e-06 to 1.0. What fits: loss=mse, loss=mae, loss=huber.",
        ),
        (
            "hinge",
            (0.5, 1.0, 2.0),
            "loss=hinge does not fit data=sine, a regression task. "
            "What fits: loss=mse, loss=mae, loss=huber, loss=mape, loss=msle.",
        ),
    ],
)
def test_a_loss_that_does_not_fit_is_refused_with_what_is_wrong(loss, targets, expected):
    assert refusal(loss, regression(*targets)) == expected


def test_a_loss_for_regression_is_refused_for_classes():
    with pytest.raises(ConfigError, match=r"^loss=mape does not fit data=white, a cl"):
        check.check(networks.config(data="white", loss="mape"))

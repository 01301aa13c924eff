"""Losses: values against torch's own, gradients against autograd, and the far ends of the range."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

import networks
from vgrad.parts.losses import LOSSES
from vgrad.stack import Stack

RUNS, BATCH, CLASSES = 3, 5, 4
TASKS = {"classification", "regression"}
FITTING = [(name, task) for name in LOSSES for task in LOSSES[name].tasks]
every_loss = pytest.mark.parametrize("name", LOSSES)
every_fit = pytest.mark.parametrize(("name", "task"), FITTING)


def drawn(task="classification", dtype=torch.float64, scale=3.0):
    """Outputs, targets [R, B, C] and, for classification, the class numbers [R, B]."""
    draw = torch.Generator().manual_seed(1)
    outputs = scale * torch.randn(RUNS, BATCH, CLASSES, dtype=dtype, generator=draw)
    if task == "regression":
        return outputs, torch.randn(outputs.shape, dtype=dtype, generator=draw), None
    classes = torch.randint(CLASSES, (RUNS, BATCH), generator=draw)
    return outputs, functional.one_hot(classes, CLASSES).to(dtype), classes


def gradient_of(name, outputs, targets):
    """∂ℓ/∂z of each example by autograd."""
    leaf = outputs.clone().requires_grad_()
    return torch.autograd.grad(LOSSES[name].function(leaf, targets).sum(), leaf)[0]


def closed_form(name, outputs, targets):
    """∂ℓ/∂z by the entry's own gradient, into a tensor that holds rubbish before."""
    out = torch.full_like(outputs, math.nan)
    LOSSES[name].gradient(outputs, targets, out)
    return out


def assert_near(ours, theirs, tolerance):
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


with_gradient = pytest.mark.parametrize(
    ("name", "task"), [(n, t) for n, t in FITTING if LOSSES[n].gradient is not None]
)


@every_loss
def test_every_loss_fits_a_known_task(name):
    assert LOSSES[name].tasks
    assert set(LOSSES[name].tasks) <= TASKS


@every_fit
def test_a_loss_is_one_finite_number_for_each_example(name, task):
    outputs, targets, _ = drawn(task)
    losses = LOSSES[name].function(outputs, targets)
    assert losses.shape == (RUNS, BATCH)
    assert losses.isfinite().all()


@every_fit
def test_the_loss_of_an_example_does_not_depend_on_the_other_examples(name, task):
    outputs, targets, _ = drawn(task)
    function = LOSSES[name].function
    alone = [function(outputs[:, b : b + 1], targets[:, b : b + 1]) for b in range(BATCH)]
    assert_near(torch.cat(alone, 1), function(outputs, targets), 1e-14)


@every_loss
def test_the_right_class_by_a_wide_margin_costs_less_than_the_wrong_one(name):
    _, targets, _ = drawn()
    right, wrong = 2.0 * targets - 0.5, 2.0 * targets.roll(1, -1) - 0.5
    function = LOSSES[name].function
    assert (function(right, targets) < function(wrong, targets)).all()


@with_gradient
def test_the_gradient_in_closed_form_equals_autograd(name, task):
    outputs, targets, _ = drawn(task)
    assert_near(closed_form(name, outputs, targets), gradient_of(name, outputs, targets), 1e-12)


@with_gradient
def test_the_gradient_in_closed_form_changes_neither_outputs_nor_targets(name, task):
    outputs, targets, _ = drawn(task)
    closed_form(name, outputs, targets)
    again_outputs, again_targets, _ = drawn(task)
    assert torch.equal(outputs, again_outputs)
    assert torch.equal(targets, again_targets)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@every_loss
def test_extreme_outputs_have_a_finite_loss_and_gradient(name, dtype):
    """With outputs of ±10⁴ the loss is at most 10⁸, and so are its slopes."""
    _, targets, _ = drawn(dtype=dtype)
    for sign in (1.0, -1.0):
        outputs = sign * 1e4 * (2.0 * targets - 1.0)
        assert LOSSES[name].function(outputs, targets).isfinite().all()
        assert gradient_of(name, outputs, targets).isfinite().all()
        if LOSSES[name].gradient is not None:
            ours = closed_form(name, outputs, targets)
            assert_near(ours, gradient_of(name, outputs, targets), 1e-6)


def test_extreme_outputs_have_the_true_loss():
    one_hot = torch.tensor([[[1.0, 0.0, 0.0, 0.0]]])
    right, wrong = 1e4 * (2.0 * one_hot - 1.0), -1e4 * (2.0 * one_hot - 1.0)
    cross_entropy, bce = LOSSES["cross_entropy"].function, LOSSES["bce"].function
    assert cross_entropy(right, one_hot).item() == 0.0
    assert cross_entropy(wrong, one_hot).item() == pytest.approx(2e4 + math.log(3.0))
    assert bce(right, one_hot).item() == 0.0
    assert bce(wrong, one_hot).item() == pytest.approx(1e4)


def test_equal_outputs_cost_the_logarithm_of_the_number_of_classes():
    _, targets, _ = drawn()
    losses = LOSSES["cross_entropy"].function(torch.zeros_like(targets), targets)
    assert_near(losses, torch.full_like(losses, math.log(CLASSES)), 1e-14)


def test_cross_entropy_equals_that_of_torch_for_classes_and_for_one_hot_targets():
    outputs, targets, classes = drawn()
    ours = LOSSES["cross_entropy"].function(outputs, targets).flatten()
    flat = outputs.flatten(0, 1)
    by_class = functional.cross_entropy(flat, classes.flatten(), reduction="none")
    by_one_hot = functional.cross_entropy(flat, targets.flatten(0, 1), reduction="none")
    assert_near(ours, by_class, 1e-12)
    assert_near(ours, by_one_hot, 1e-12)


@pytest.mark.parametrize("task", LOSSES["mse"].tasks)
def test_the_mean_of_mse_over_examples_equals_that_of_torch(task):
    outputs, targets, _ = drawn(task)
    ours = LOSSES["mse"].function(outputs, targets).mean()
    assert_near(ours, functional.mse_loss(outputs, targets), 1e-12)


def test_the_mean_of_bce_over_examples_equals_that_of_torch():
    outputs, targets, _ = drawn()
    ours = LOSSES["bce"].function(outputs, targets).mean()
    assert_near(ours, functional.binary_cross_entropy_with_logits(outputs, targets), 1e-12)
    assert_near(ours, functional.binary_cross_entropy(torch.sigmoid(outputs), targets), 1e-12)


def test_one_decorated_function_without_a_gradient_is_enough(monkeypatch):
    monkeypatch.setattr(LOSSES, "_entries", dict(LOSSES._entries))

    @LOSSES.entry(source="here")
    def quartic(outputs, targets, *, scale: float = 1.0):
        """ℓ = scale · Σ (z − t)⁴."""
        return scale * (outputs - targets).pow(4).sum(-1)

    data = networks.classification()
    config = networks.config(loss="quartic", loss__scale=0.5, dtype="float64")
    stack = Stack([config], data.input_dim, data.output_dim)
    networks.fill(stack, data)
    stack.forward(keep=False)
    with torch.no_grad():
        stack.output_error()
    assert_near(stack.output_deltas, 2.0 * (stack.outputs - stack.targets).pow(3), 1e-12)

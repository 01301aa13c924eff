"""Losses: values against torch's own, gradients against autograd, and the far ends of the range."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import distributions
from torch.nn import functional

import networks
from vgrad.parts.losses import LOSSES
from vgrad.stack import Stack

RUNS, BATCH, CLASSES = 3, 5, 4
OTHER = {"label_smoothing": 0.3, "margin": 2.5, "delta": 0.4}
"""Settings that are not the defaults."""


def variants(name):
    """The settings to test an entry with: its defaults, and others where it has any."""
    defaults = LOSSES[name].own(LOSSES[name].settings)
    other = {setting: OTHER.get(setting, default) for setting, default in defaults.items()}
    return [defaults] if other == defaults else [defaults, other]


CASES = [(name, task, s) for name in LOSSES for task in LOSSES[name].tasks for s in variants(name)]
IDS = [f"{name}-{task}-{'-'.join(map(str, s.values()))}" for name, task, s in CASES]
every_loss = pytest.mark.parametrize("name", LOSSES)
every_case = pytest.mark.parametrize(("name", "task", "settings"), CASES, ids=IDS)
every_dtype = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)


def drawn(name, task="classification", dtype=torch.float64):
    """Outputs and targets that the loss is defined for, [R, B, C]."""
    draw = torch.Generator().manual_seed(1)
    outputs = 3.0 * torch.randn(RUNS, BATCH, CLASSES, dtype=dtype, generator=draw)
    if task == "classification":
        classes = torch.randint(CLASSES, (RUNS, BATCH), generator=draw)
        return outputs, functional.one_hot(classes, CLASSES).to(dtype)
    if LOSSES[name].domain is None:
        return outputs, torch.randn(outputs.shape, dtype=dtype, generator=draw)
    targets = 0.9 * torch.rand(outputs.shape, dtype=dtype, generator=draw) + 0.1
    for edge in (0.0, 1.0):
        if LOSSES[name].domain.holds(np.array([edge])):
            targets[0, int(edge)] = edge
    return outputs, targets


def gradient_of(name, outputs, targets, settings):
    """∂ℓ/∂z of each example by autograd."""
    leaf = outputs.clone().requires_grad_()
    return torch.autograd.grad(LOSSES[name].function(leaf, targets, **settings).sum(), leaf)[0]


def closed_form(name, outputs, targets, settings):
    """∂ℓ/∂z by the entry's own gradient, into a tensor that holds rubbish before."""
    out = torch.full_like(outputs, math.nan)
    LOSSES[name].gradient(outputs, targets, out, **settings)
    return out


def assert_near(ours, theirs, tolerance):
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance, check_dtype=False)


def of_class(t):
    return t.argmax(-1)


def softened(t, label_smoothing, level=1.0 / CLASSES):
    return t - label_smoothing * (t - level)


def as_shares(z):
    return z.exp() / z.exp().sum(-1, keepdim=True)


EXAMPLE_BY_EXAMPLE = {
    "cross_entropy": lambda z, t, label_smoothing: functional.cross_entropy(
        z, of_class(t), label_smoothing=label_smoothing, reduction="none"
    ),
    "nll": lambda z, t: functional.nll_loss(
        functional.log_softmax(z, -1), of_class(t), reduction="none"
    ),
    "kl_div": lambda z, t, label_smoothing: distributions.kl_divergence(
        distributions.Categorical(probs=softened(t, label_smoothing)),
        distributions.Categorical(logits=z),
    ),
    "bce": lambda z, t, label_smoothing: functional.binary_cross_entropy(
        1.0 / (1.0 + (-z).exp()), softened(t, label_smoothing, 0.5), reduction="none"
    ).mean(-1),
    "mse": lambda z, t: functional.mse_loss(z, t, reduction="none").mean(-1),
    "mse_sigmoid": lambda z, t, label_smoothing: functional.mse_loss(
        1.0 / (1.0 + (-z).exp()), softened(t, label_smoothing, 0.5), reduction="none"
    ).mean(-1),
    "mse_softmax": lambda z, t, label_smoothing: functional.mse_loss(
        as_shares(z), softened(t, label_smoothing), reduction="none"
    ).mean(-1),
    "hinge": lambda z, t, margin: functional.multi_margin_loss(
        z, of_class(t), margin=margin, reduction="none"
    ),
    "mae": lambda z, t: functional.l1_loss(z, t, reduction="none").mean(-1),
    "huber": lambda z, t, delta: (
        delta * functional.smooth_l1_loss(z, t, beta=delta, reduction="none").mean(-1)
    ),
    "mape": lambda z, t: (z / t - 1.0).abs().mean(-1),
    "msle": lambda z, t: ((2.0 + z.exp().log1p() - 1.0) / (1.0 + t)).log().pow(2).mean(-1),
}
"""ℓ of each example, [N], from outputs and targets [N, C]: torch's own, else the formula."""

MEAN_OF_TORCH = {
    "cross_entropy": lambda z, t: functional.cross_entropy(z, t),
    "nll": lambda z, t: functional.nll_loss(functional.log_softmax(z, -1), of_class(t)),
    "kl_div": lambda z, t: functional.kl_div(
        functional.log_softmax(z, -1), t, reduction="batchmean"
    ),
    "bce": functional.binary_cross_entropy_with_logits,
    "mse": functional.mse_loss,
    "hinge": lambda z, t: functional.multi_margin_loss(z, of_class(t)),
    "mae": functional.l1_loss,
    "huber": functional.huber_loss,
}


@every_loss
def test_penalties_on_the_weights_are_settings_of_every_loss_that_its_function_does_not_take(name):
    entry = LOSSES[name]
    for penalty in ("l1", "l2"):
        assert entry.settings[penalty] == 0.0
        assert entry.ranges[penalty] == (0.0, math.inf)
        assert penalty not in entry.own(entry.settings)


@every_case
def test_a_loss_is_one_finite_number_for_each_example(name, task, settings):
    losses = LOSSES[name].function(*drawn(name, task), **settings)
    assert losses.shape == (RUNS, BATCH)
    assert losses.isfinite().all()
    assert (losses >= 0.0).all()


@every_case
def test_the_loss_of_an_example_does_not_depend_on_the_other_examples(name, task, settings):
    outputs, targets = drawn(name, task)
    function = LOSSES[name].function
    alone = [
        function(outputs[:, b : b + 1], targets[:, b : b + 1], **settings) for b in range(BATCH)
    ]
    assert_near(torch.cat(alone, 1), function(outputs, targets, **settings), 1e-14)


@every_case
def test_the_loss_of_each_example_equals_that_of_torch_or_its_formula(name, task, settings):
    outputs, targets = drawn(name, task)
    ours = LOSSES[name].function(outputs, targets, **settings).flatten()
    theirs = EXAMPLE_BY_EXAMPLE[name](outputs.flatten(0, 1), targets.flatten(0, 1), **settings)
    assert_near(ours, theirs, 1e-12)


@pytest.mark.parametrize(
    ("name", "task"),
    [(name, task) for name in MEAN_OF_TORCH for task in sorted(LOSSES[name].tasks)],
)
def test_the_mean_over_examples_equals_what_torch_minimises(name, task):
    outputs, targets = drawn(name, task)
    ours = LOSSES[name].function(outputs, targets).mean()
    assert_near(ours, MEAN_OF_TORCH[name](outputs.flatten(0, 1), targets.flatten(0, 1)), 1e-12)


@pytest.mark.parametrize(
    "name", [name for name in LOSSES if "classification" in LOSSES[name].tasks]
)
def test_the_right_class_by_a_wide_margin_costs_less_than_the_wrong_one(name):
    _, targets = drawn(name)
    right, wrong = 2.0 * targets - 0.5, 2.0 * targets.roll(1, -1) - 0.5
    function = LOSSES[name].function
    assert (function(right, targets) < function(wrong, targets)).all()


@pytest.mark.parametrize("name", [name for name in LOSSES if "softmax" in LOSSES[name].output])
def test_a_constant_added_to_all_outputs_of_a_softmax_changes_nothing(name):
    outputs, targets = drawn(name)
    function = LOSSES[name].function
    assert_near(function(outputs + 7.0, targets), function(outputs, targets), 1e-12)


def test_the_output_function_of_each_loss_is_named():
    assert {name: entry.output for name, entry in LOSSES.items()} == {
        **dict.fromkeys(("mse", "mae", "huber", "mape", "hinge"), "linear"),
        **dict.fromkeys(("bce", "mse_sigmoid"), "sigmoid"),
        **dict.fromkeys(("cross_entropy", "kl_div", "mse_softmax"), "softmax"),
        "nll": "log_softmax",
        "msle": "softplus",
    }


@every_case
def test_the_gradient_in_closed_form_equals_autograd(name, task, settings):
    outputs, targets = drawn(name, task)
    exact = gradient_of(name, outputs, targets, settings)
    assert_near(closed_form(name, outputs, targets, settings), exact, 1e-12)
    single = closed_form(name, outputs.float(), targets.float(), settings)
    assert_near(single, exact, 1e-5)


@every_case
def test_where_a_loss_has_a_corner_its_gradient_is_that_of_autograd(name, task, settings):
    """The corners of mae and mape are at z = t, of huber at |z − t| = δ, of hinge at the margin."""
    _, targets = drawn(name, task)
    for shift in (0.0, 1.0, -1.0, *settings.values()):
        outputs = targets + shift
        ours = closed_form(name, outputs, targets, settings)
        assert_near(ours, gradient_of(name, outputs, targets, settings), 1e-12)
        outputs = shift * targets
        ours = closed_form(name, outputs, targets, settings)
        assert_near(ours, gradient_of(name, outputs, targets, settings), 1e-12)


@every_case
def test_the_gradient_in_closed_form_changes_neither_outputs_nor_targets(name, task, settings):
    outputs, targets = drawn(name, task)
    closed_form(name, outputs, targets, settings)
    again_outputs, again_targets = drawn(name, task)
    assert torch.equal(outputs, again_outputs)
    assert torch.equal(targets, again_targets)


@every_case
def test_an_output_that_is_not_a_number_is_not_hidden(name, task, settings):
    outputs, targets = drawn(name, task)
    outputs[0, 0, 0] = math.nan
    assert LOSSES[name].function(outputs, targets, **settings)[0, 0].isnan()
    assert closed_form(name, outputs, targets, settings)[0, 0].isnan().any()


@every_dtype
@every_case
def test_extreme_outputs_have_a_finite_loss_and_gradient(name, task, settings, dtype):
    """With outputs of 0 and ±10⁴ the loss is at most 10⁹, and so are its slopes."""
    _, targets = drawn(name, task, dtype)
    signs = torch.tensor([1.0, -1.0, 0.0, 1.0], dtype=dtype).expand_as(targets)
    for direction in (2.0 * targets - 1.0, 1.0 - 2.0 * targets, signs, -signs, 0.0 * signs):
        outputs = 1e4 * direction.sign()
        losses = LOSSES[name].function(outputs, targets, **settings)
        assert losses.isfinite().all()
        assert (losses <= 1e9).all()
        exact = gradient_of(name, outputs.double(), targets.double(), settings)
        assert exact.isfinite().all()
        assert gradient_of(name, outputs, targets, settings).isfinite().all()
        assert_near(closed_form(name, outputs, targets, settings), exact, 1e-5)


def test_extreme_outputs_have_the_true_loss():
    one_hot = torch.tensor([[[1.0, 0.0, 0.0, 0.0]]])
    right, wrong = 1e4 * (2.0 * one_hot - 1.0), -1e4 * (2.0 * one_hot - 1.0)
    for name, costs in {
        "cross_entropy": 2e4 + math.log(3.0),
        "nll": 2e4 + math.log(3.0),
        "kl_div": 2e4 + math.log(3.0),
        "bce": 1e4,
        "mse_sigmoid": 1.0,
        "mse_softmax": (1.0 + 3 / 9) / 4,
        "hinge": 3 * (2e4 + 1.0) / 4,
    }.items():
        function = LOSSES[name].function
        assert function(right, one_hot).item() == 0.0
        assert function(wrong, one_hot).item() == pytest.approx(costs)


@pytest.mark.parametrize("name", ["cross_entropy", "nll", "kl_div"])
def test_equal_outputs_cost_the_logarithm_of_the_number_of_classes(name):
    _, targets = drawn(name)
    losses = LOSSES[name].function(torch.zeros_like(targets), targets)
    assert_near(losses, torch.full_like(losses, math.log(CLASSES)), 1e-14)


def test_cross_entropy_is_the_divergence_and_the_entropy_of_the_smoothed_target():
    outputs, targets = drawn("kl_div")
    cross, divergence = (
        LOSSES[name].function(outputs, targets, label_smoothing=0.3)
        for name in ("cross_entropy", "kl_div")
    )
    right, wrong = 0.7 + 0.3 / CLASSES, 0.3 / CLASSES
    entropy = -right * math.log(right) - (CLASSES - 1) * wrong * math.log(wrong)
    assert_near(cross - divergence, torch.full_like(cross, entropy), 1e-12)


@pytest.mark.parametrize(
    ("name", "settled"),
    [
        ("cross_entropy", "softmax"),
        ("kl_div", "softmax"),
        ("mse_softmax", "softmax"),
        ("bce", "sigmoid"),
        ("mse_sigmoid", "sigmoid"),
    ],
)
def test_a_smoothed_target_is_reached_by_finite_outputs(name, settled):
    _, targets = drawn(name)
    level = 1.0 / CLASSES if settled == "softmax" else 0.5
    q = softened(targets, 0.2, level)
    outputs = q.log() if settled == "softmax" else torch.logit(q)
    ours = closed_form(name, outputs, targets, {"label_smoothing": 0.2})
    assert_near(ours, torch.zeros_like(ours), 1e-15)


def test_a_margin_that_is_kept_costs_nothing_and_teaches_nothing():
    _, targets = drawn("hinge")
    assert not LOSSES["hinge"].function(1.5 * targets, targets, margin=1.5).any()
    assert not closed_form("hinge", 1.5 * targets, targets, {"margin": 1.5}).any()
    assert LOSSES["hinge"].function(1.4 * targets, targets, margin=1.5).all()


@pytest.mark.parametrize("z", [5.0, 10.0, 20.0, 40.0, 80.0])
def test_an_output_that_is_saturated_and_wrong_learns_by_bce_and_hardly_by_mse(z):
    """The slope 2(σ(z) − 0)σ′(z) is about 2e⁻ᶻ, which float32 holds as far as z = 87."""
    outputs, targets = torch.tensor([[[z]]]), torch.tensor([[[0.0]]])
    slow = closed_form("mse_sigmoid", outputs, targets, {"label_smoothing": 0.0}).item()
    quick = closed_form("bce", outputs, targets, {"label_smoothing": 0.0}).item()
    assert slow == pytest.approx(2.0 * math.exp(-z) / (1.0 + math.exp(-z)) ** 3, rel=1e-5)
    assert quick == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("gap", [5.0, 10.0, 20.0, 40.0])
def test_the_gradient_of_mse_on_a_saturated_softmax_keeps_its_digits(gap):
    outputs = torch.tensor([[[gap, 0.0, 1.0, -1.0]]])
    targets = torch.tensor([[[0.0, 1.0, 0.0, 0.0]]])
    single = closed_form("mse_softmax", outputs, targets, {"label_smoothing": 0.0})
    p = torch.softmax(outputs[0, 0].double(), -1)
    pairs = [
        sum(p[i] * p[k] * ((p - targets[0, 0])[i] - (p - targets[0, 0])[k]) for k in range(4))
        for i in range(4)
    ]
    exact = torch.stack(pairs) * 2.0 / CLASSES
    torch.testing.assert_close(single[0, 0].double(), exact, rtol=1e-5, atol=0.0)


@pytest.mark.parametrize(
    ("name", "lr", "start", "first", "last"),
    [
        ("mse_sigmoid", 0.075, (2.0, 2.0), 0.982, 0.203),
        ("mse_sigmoid", 0.075, (0.6, 0.9), 0.818, 0.094),
        ("bce", 0.15, (2.0, 2.0), 0.982, 0.012),
        ("bce", 0.15, (0.6, 0.9), 0.818, 0.012),
    ],
)
def test_one_neuron_learns_as_in_nielsens_book(name, lr, start, first, last):
    """Nielsen, Neural Networks and Deep Learning, chapter 3: input 1, target 0, 300 updates."""
    weight, bias = start
    one, zero = torch.ones(1, 1, 1, dtype=torch.float64), torch.zeros(1, 1, 1, dtype=torch.float64)
    outputs = []
    for _ in range(301):
        outputs.append(1.0 / (1.0 + math.exp(-weight - bias)))
        z = (weight + bias) * one
        slope = closed_form(name, z, zero, {"label_smoothing": 0.0}).item()
        weight, bias = weight - lr * slope, bias - lr * slope
    assert outputs[0] == pytest.approx(first, abs=5e-4)
    assert outputs[300] == pytest.approx(last, abs=5e-4)


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

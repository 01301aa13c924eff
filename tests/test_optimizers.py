"""Optimizers: fifty steps against torch's own, with one setting for all runs and one per run."""

from __future__ import annotations

import pytest
import torch

from vgrad.parts.optimizers import OPTIMIZERS

RUNS, SHAPE, STEPS = 3, (4, 5), 50
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-6}
every_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)
every_dtype = pytest.mark.parametrize("dtype", TOLERANCE, ids=str)


def start(dtype=torch.float64):
    """Parameters of R runs, [R, 4, 5]."""
    return torch.randn(RUNS, *SHAPE, dtype=dtype, generator=torch.Generator().manual_seed(0))


def noise(dtype=torch.float64):
    """What is added to the gradients of each step, [STEPS, R, 4, 5]."""
    draw = torch.Generator().manual_seed(1)
    return torch.randn(STEPS, RUNS, *SHAPE, dtype=dtype, generator=draw)


def gradient(param, extra):
    """That of a noisy bowl with its lowest point at 1, so that a wrong step is carried on."""
    return param - 1.0 + 0.3 * extra


def zero_state(name, param):
    """What the optimizer remembers, at the start."""
    return {key: torch.zeros_like(param) for key in OPTIMIZERS[name].state}


def optimise(name, dtype=torch.float64, **settings):
    """The parameters [R, 4, 5] after each of fifty steps."""
    param, history = start(dtype), []
    state = zero_state(name, param)
    for step, extra in enumerate(noise(dtype), start=1):
        OPTIMIZERS[name].function(param, gradient(param, extra), state, step, **settings)
        history.append(param.clone())
    return torch.stack(history)


def optimise_by_torch(make, dtype=torch.float64, run=slice(None)):
    """Likewise with an optimizer of torch, made from a list of parameters."""
    param, history = start(dtype)[run].clone().requires_grad_(), []
    optimizer = make([param])
    for extra in noise(dtype)[:, run]:
        param.grad = gradient(param.detach(), extra)
        optimizer.step()
        history.append(param.detach().clone())
    return torch.stack(history)


def in_words_of_torch(name, settings):
    """Our settings as torch's optimizer of the same name takes them."""
    settings = dict(settings)
    if name == "sgd":
        return lambda params: torch.optim.SGD(params, **settings)
    betas = (settings.pop("beta1", 0.9), settings.pop("beta2", 0.999))
    return lambda params: torch.optim.Adam(params, betas=betas, **settings)


def per_run(values, dtype):
    """A setting that differs between runs, [R, 1, 1]."""
    return torch.tensor(values, dtype=dtype)[:, None, None]


def varied(name):
    """Each number among the settings in R versions that its range allows."""
    entry = OPTIMIZERS[name]
    for setting, default in entry.settings.items():
        if isinstance(default, float):
            low, high = entry.ranges[setting]
            yield setting, [min(max(v, low), high) for v in (default, default / 2, 0.05)]


def assert_near(ours, theirs, tolerance):
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


ALIKE = [
    ("sgd", {"lr": 0.02}),
    ("sgd", {"lr": 0.1, "weight_decay": 0.3}),
    ("sgd", {"lr": 0.05, "momentum": 0.9}),
    ("sgd", {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}),
    ("sgd", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    ("sgd", {"lr": 0.05, "momentum": 0.5, "nesterov": True, "weight_decay": 0.1}),
    ("adam", {"lr": 0.001}),
    ("adam", {"lr": 0.1, "weight_decay": 0.3}),
    ("adam", {"lr": 0.01, "beta1": 0.5, "beta2": 0.9, "eps": 1e-3}),
    ("adam", {"lr": 0.01, "beta1": 0.0}),
    ("adam", {"lr": 0.01, "beta2": 0.5}),
]

BY_RUN = [
    ("sgd", {}, {"lr": [0.0, 0.02, 0.5]}),
    ("sgd", {}, {"lr": [0.1, 0.2, 0.3], "weight_decay": [0.0, 0.1, 1.0]}),
    ("sgd", {"lr": 0.05}, {"momentum": [0.0, 0.5, 0.9]}),
    ("sgd", {"lr": 0.05, "nesterov": True}, {"momentum": [0.2, 0.5, 0.9]}),
    (
        "sgd",
        {},
        {"lr": [0.1, 0.05, 0.02], "momentum": [0.0, 0.5, 0.9], "weight_decay": [0.1, 0.0, 0.3]},
    ),
    ("adam", {}, {"lr": [0.0, 0.001, 0.1]}),
    ("adam", {"lr": 0.01}, {"beta1": [0.0, 0.5, 0.9], "beta2": [0.9, 0.99, 0.999]}),
    ("adam", {"lr": 0.01}, {"eps": [1e-8, 1e-4, 1.0], "weight_decay": [0.0, 0.1, 1.0]}),
]


@every_dtype
@pytest.mark.parametrize(("name", "settings"), ALIKE, ids=str)
def test_each_of_fifty_steps_equals_that_of_torch(name, settings, dtype):
    theirs = optimise_by_torch(in_words_of_torch(name, settings), dtype)
    assert_near(optimise(name, dtype, **settings), theirs, TOLERANCE[dtype])


@every_dtype
@pytest.mark.parametrize(("name", "shared", "by_run"), BY_RUN, ids=str)
def test_a_run_with_settings_of_its_own_moves_as_with_torch_alone(name, shared, by_run, dtype):
    tensors = {setting: per_run(values, dtype) for setting, values in by_run.items()}
    together = optimise(name, dtype, **shared, **tensors)
    for run in range(RUNS):
        settings = shared | {setting: values[run] for setting, values in by_run.items()}
        alone = optimise_by_torch(in_words_of_torch(name, settings), dtype, run)
        assert_near(together[:, run], alone, TOLERANCE[dtype])


def test_the_defaults_of_adam_are_those_of_torch():
    theirs = torch.optim.Adam([start().requires_grad_()]).defaults
    ours = OPTIMIZERS["adam"].settings
    assert (ours["beta1"], ours["beta2"]) == theirs["betas"]
    assert all(ours[key] == theirs[key] for key in ("lr", "eps", "weight_decay"))


def test_nesterov_without_momentum_is_plain_descent():
    assert torch.equal(optimise("sgd", nesterov=True), optimise("sgd"))


def test_the_first_step_of_adam_has_the_size_of_lr_whatever_the_gradient():
    param = start()
    before = param.clone()
    grad = before * 10.0 ** torch.arange(-2, 3).double()
    OPTIMIZERS["adam"].function(param, grad, zero_state("adam", param), 1, lr=0.1, eps=0.0)
    assert_near(param, before - 0.1 * grad.sign(), 1e-12)


@pytest.mark.parametrize(
    ("name", "setting", "values"),
    [(name, setting, values) for name in OPTIMIZERS for setting, values in varied(name)],
    ids=str,
)
def test_a_setting_may_differ_between_runs_in_every_optimizer(name, setting, values):
    together = optimise(name, **{setting: per_run(values, torch.float64)})
    for run, value in enumerate(values):
        assert_near(together[:, run], optimise(name, **{setting: value})[:, run], 1e-12)


@every_optimizer
def test_every_optimizer_works_in_place_and_leaves_the_gradient_as_it_was(name):
    for settings in ({}, {"weight_decay": 0.1}):
        param = start()
        grad = gradient(param, noise()[0])
        state, kept, place = zero_state(name, param), grad.clone(), param.data_ptr()
        OPTIMIZERS[name].function(param, grad, state, 1, **settings)
        assert param.data_ptr() == place
        assert not torch.equal(param, start())
        assert torch.equal(grad, kept)


@every_optimizer
def test_a_learning_rate_of_zero_changes_nothing(name):
    assert torch.equal(optimise(name, lr=0.0)[-1], start())


@every_optimizer
def test_every_optimizer_comes_nearer_to_the_bottom_of_the_bowl(name):
    param = start()
    state = zero_state(name, param)
    for step in range(1, STEPS + 1):
        OPTIMIZERS[name].function(param, param - 1.0, state, step)
    assert (param - 1.0).norm() < (start() - 1.0).norm()


@every_optimizer
def test_runs_do_not_touch_each_other(name):
    """A run whose gradients are no longer numbers leaves its neighbours as they would be."""
    param = start()
    state = zero_state(name, param)
    for step, extra in enumerate(noise(), start=1):
        grad = gradient(param, extra)
        grad[0] = torch.nan
        OPTIMIZERS[name].function(param, grad, state, step)
    assert torch.equal(param[1:], optimise(name)[-1, 1:])

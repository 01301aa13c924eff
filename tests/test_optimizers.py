"""Optimizers: fifty steps against torch's own, with one setting for all runs and one per run."""

from __future__ import annotations

import pytest
import torch
from torch.overrides import TorchFunctionMode

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
    given = {**OPTIMIZERS[name].own(OPTIMIZERS[name].settings), **settings}

    def pair(first, second):
        return given.pop(first), given.pop(second)

    if name in ("sgd", "momentum", "nesterov"):
        return lambda params: torch.optim.SGD(params, nesterov=name == "nesterov", **given)
    if name == "rprop":
        given["etas"] = pair("eta_minus", "eta_plus")
        given["step_sizes"] = pair("min_step", "max_step")
        return lambda params: torch.optim.Rprop(params, **given)
    if name == "rmsprop":
        return lambda params: torch.optim.RMSprop(params, **given)
    if name == "adagrad":
        given["initial_accumulator_value"] = given.pop("initial")
        return lambda params: torch.optim.Adagrad(params, **given)
    given["betas"] = pair("beta1", "beta2")
    make = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]
    return lambda params: make(params, **given)


def per_run(values):
    """A setting that differs between runs, [R, 1, 1]."""
    return torch.tensor(values, dtype=torch.float64)[:, None, None]


def varied(name):
    """Each number among the settings in R versions that its range allows."""
    entry = OPTIMIZERS[name]
    for setting, default in entry.own(entry.settings).items():
        if isinstance(default, float):
            low, high = entry.ranges[setting]
            yield setting, [min(max(v, low), high) for v in (default, default / 2, 0.05)]


def assert_near(ours, theirs, tolerance):
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


ALIKE = [
    *((name, {}) for name in OPTIMIZERS),
    ("sgd", {"lr": 0.1, "weight_decay": 0.3}),
    ("sgd", {"lr": 0.05, "momentum": 0.9}),
    ("sgd", {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}),
    ("momentum", {"lr": 0.05, "momentum": 0.5, "weight_decay": 0.1}),
    ("nesterov", {"lr": 0.05, "momentum": 0.5, "weight_decay": 0.1}),
    ("rprop", {"lr": 0.3}),
    ("rprop", {"eta_minus": 0.3, "eta_plus": 1.5, "min_step": 1e-2, "max_step": 0.1}),
    ("rmsprop", {"lr": 0.1, "weight_decay": 0.3}),
    ("rmsprop", {"lr": 0.01, "alpha": 0.5, "eps": 1e-3, "momentum": 0.9}),
    ("rmsprop", {"lr": 0.01, "centered": True}),
    ("rmsprop", {"alpha": 0.9, "centered": True, "momentum": 0.5, "weight_decay": 0.1}),
    ("adagrad", {"lr": 0.5, "weight_decay": 0.3}),
    ("adagrad", {"lr": 0.1, "lr_decay": 0.1, "initial": 0.5, "eps": 1e-3}),
    ("adam", {"lr": 0.1, "weight_decay": 0.3}),
    ("adam", {"lr": 0.01, "beta1": 0.5, "beta2": 0.9, "eps": 1e-3}),
    ("adam", {"lr": 0.01, "beta1": 0.0}),
    ("adam", {"lr": 0.01, "beta2": 0.5}),
    ("adamw", {"lr": 0.1, "weight_decay": 0.3}),
    ("adamw", {"lr": 0.01, "beta1": 0.5, "beta2": 0.9, "eps": 1e-3, "weight_decay": 0.0}),
]

BY_RUN = [
    ("sgd", {}, {"lr": [0.0, 0.02, 0.5]}),
    ("sgd", {}, {"lr": [0.1, 0.2, 0.3], "weight_decay": [0.0, 0.1, 1.0]}),
    ("sgd", {"lr": 0.05}, {"momentum": [0.0, 0.5, 0.9]}),
    (
        "momentum",
        {},
        {"lr": [0.1, 0.05, 0.02], "momentum": [0.0, 0.5, 0.9], "weight_decay": [0.1, 0.0, 0.3]},
    ),
    ("nesterov", {"lr": 0.05}, {"momentum": [0.2, 0.5, 0.9]}),
    ("rprop", {}, {"lr": [1e-3, 0.1, 1.0], "eta_minus": [0.5, 0.3, 0.9]}),
    ("rprop", {}, {"eta_plus": [1.2, 1.1, 2.0], "min_step": [0, 1e-3, 1e-2]}),
    ("rprop", {}, {"max_step": [50.0, 0.1, 0.02]}),
    ("rmsprop", {}, {"lr": [0.0, 0.001, 0.1], "eps": [1e-8, 1e-4, 1.0]}),
    ("rmsprop", {"centered": True}, {"alpha": [0.99, 0.9, 0.5], "momentum": [0.0, 0.5, 0.9]}),
    ("adagrad", {}, {"lr": [0.0, 0.01, 0.5], "lr_decay": [0.0, 0.1, 1.0]}),
    ("adagrad", {}, {"initial": [0.0, 0.1, 1.0], "weight_decay": [0.0, 0.1, 1.0]}),
    ("adam", {}, {"lr": [0.0, 0.001, 0.1]}),
    ("adam", {"lr": 0.01}, {"beta1": [0.0, 0.5, 0.9], "beta2": [0.9, 0.99, 0.999]}),
    ("adam", {"lr": 0.01}, {"beta2": [0.999, 0.9999, 0.99999]}),
    ("adam", {"lr": 0.01}, {"eps": [1e-8, 1e-4, 1.0], "weight_decay": [0.0, 0.1, 1.0]}),
    ("adamw", {}, {"lr": [0.0, 0.001, 0.1], "weight_decay": [0.0, 0.1, 1.0]}),
]


@every_dtype
@pytest.mark.parametrize(("name", "settings"), ALIKE, ids=str)
def test_each_of_fifty_steps_equals_that_of_torch(name, settings, dtype):
    theirs = optimise_by_torch(in_words_of_torch(name, settings), dtype)
    assert_near(optimise(name, dtype, **settings), theirs, TOLERANCE[dtype])


@every_dtype
@pytest.mark.parametrize(("name", "shared", "by_run"), BY_RUN, ids=str)
def test_a_run_with_settings_of_its_own_moves_as_with_torch_alone(name, shared, by_run, dtype):
    tensors = {setting: per_run(values) for setting, values in by_run.items()}
    together = optimise(name, dtype, **shared, **tensors)
    for run in range(RUNS):
        settings = shared | {setting: values[run] for setting, values in by_run.items()}
        alone = optimise_by_torch(in_words_of_torch(name, settings), dtype, run)
        assert_near(together[:, run], alone, TOLERANCE[dtype])


# The defaults that are not those of torch's optimizer.
OWN_DEFAULTS = {
    "sgd": {"lr"},
    "momentum": {"lr", "momentum"},
    "nesterov": {"lr", "momentum", "nesterov"},
    "rmsprop": {"lr"},
}


@every_optimizer
def test_the_defaults_are_those_of_torch_but_for_some_learning_rates(name):
    params = [start().requires_grad_()]
    ours = in_words_of_torch(name, {})(params)
    theirs = type(ours)(params)
    differ = {key for key in theirs.defaults if ours.defaults[key] != theirs.defaults[key]}
    assert differ == OWN_DEFAULTS.get(name, set())


@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov"])
def test_without_momentum_there_is_only_plain_descent(name):
    assert torch.equal(optimise(name, momentum=0.0), optimise("sgd"))


def test_plain_descent_is_one_call_on_the_parameters():
    """That it is no more keeps a step of one small network short."""
    calls = []

    class Recorded(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            calls.append(function)
            return function(*args, **(kwargs or {}))

    param = start()
    grad, state = gradient(param, noise()[0]), zero_state("sgd", param)
    with Recorded():
        OPTIMIZERS["sgd"].function(param, grad, state, 1, lr=0.1)
    assert calls == [torch.Tensor.add_]


@pytest.mark.parametrize("size", [1e-40, 1e-25, 1e25])
def test_rprop_moves_alike_whatever_the_size_of_the_gradient(size):
    moved = []
    for factor in (1.0, size):
        param = start(torch.float32)
        state = zero_state("rprop", param)
        for step, extra in enumerate(noise(torch.float32), start=1):
            OPTIMIZERS["rprop"].function(param, extra * factor, state, step)
        moved.append(param)
    assert torch.equal(*moved)


def test_centred_rmsprop_stays_finite_on_gradients_that_never_change():
    grad = noise(torch.float32)
    param = torch.zeros_like(grad)
    state = zero_state("rmsprop", param)
    for step in range(1, 200):
        OPTIMIZERS["rmsprop"].function(param, grad, state, step, centered=True, alpha=0.5)
    assert param.isfinite().all()


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
    together = optimise(name, **{setting: per_run(values)})
    for run, value in enumerate(values):
        assert_near(together[:, run], optimise(name, **{setting: value})[:, run], 1e-12)


@every_optimizer
def test_every_optimizer_works_in_place_and_leaves_the_gradient_as_it_was(name):
    decay = {"weight_decay": 0.1} if "weight_decay" in OPTIMIZERS[name].settings else {}
    for settings in ({}, decay):
        param = start()
        grad = gradient(param, noise()[0])
        state, kept, place = zero_state(name, param), grad.clone(), param.data_ptr()
        OPTIMIZERS[name].function(param, grad, state, 1, **settings)
        assert param.data_ptr() == place
        assert not torch.equal(param, start())
        assert torch.equal(grad, kept)


@pytest.mark.parametrize("name", [n for n, e in OPTIMIZERS.items() if e.ranges["lr"][0] == 0.0])
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

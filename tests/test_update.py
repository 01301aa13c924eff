"""The optimizers of a stack against those of torch, a run at a time."""

from __future__ import annotations

from functools import partial

import pytest
import torch

import networks
from vgrad.parts.optimizers import OPTIMIZERS
from vgrad.stack import Stack
from vgrad.update import Update

SGD, ADAM = torch.optim.SGD, torch.optim.Adam
# What is typed, and torch's own.
TWINS = {
    "sgd": ({"lr": 0.02}, partial(SGD, lr=0.02)),
    "another lr": ({"lr": 0.3}, partial(SGD, lr=0.3)),
    "no lr": ({"lr": 0.0}, partial(SGD, lr=0.0)),
    "momentum": ({"lr": 0.1, "momentum": 0.9}, partial(SGD, lr=0.1, momentum=0.9)),
    "nesterov": (
        {"lr": 0.1, "momentum": 0.5, "nesterov": True},
        partial(SGD, lr=0.1, momentum=0.5, nesterov=True),
    ),
    "decay": (
        {"lr": 0.1, "momentum": 0.8, "weight_decay": 0.05},
        partial(SGD, lr=0.1, momentum=0.8, weight_decay=0.05),
    ),
    "adam": ({"optimizer": "adam", "lr": 0.01}, partial(ADAM, lr=0.01)),
    "adam, other betas": (
        {"optimizer": "adam", "lr": 0.002, "beta1": 0.5, "beta2": 0.9},
        partial(ADAM, lr=0.002, betas=(0.5, 0.9)),
    ),
    "adam, decay and eps": (
        {"optimizer": "adam", "lr": 0.05, "eps": 1e-3, "weight_decay": 0.1},
        partial(ADAM, lr=0.05, eps=1e-3, weight_decay=0.1),
    ),
}
STEPS = 50


def config(keys, **more):
    settings = {f"optimizer__{name}": value for name, value in keys.items() if name != "optimizer"}
    return networks.config(optimizer=keys.get("optimizer", "sgd"), **settings, **more)


def assert_updates_are_torchs(names, dtype="float64", **more):
    """Fifty updates of a stack on made-up gradients, and of torch's optimizer for each run."""
    configs = [config(TWINS[name][0], seed=s, dtype=dtype, **more) for s, name in enumerate(names)]
    stack = Stack(configs, 6, 4)
    update = Update(stack)
    twins = [
        [layer[run].clone().requires_grad_() for layer in layers_of(stack.parameters)]
        for run in range(len(names))
    ]
    optimizers = [TWINS[name][1](twin) for name, twin in zip(names, twins, strict=True)]
    draw = torch.Generator().manual_seed(0)
    for step in range(1, STEPS + 1):
        stack.gradients.flat.normal_(generator=draw)
        for run, twin in enumerate(twins):
            for theirs, gradient in zip(twin, layers_of(stack.gradients), strict=True):
                theirs.grad = gradient[run].clone()
            optimizers[run].step()
        update(step)
    for run, twin in enumerate(twins):
        for ours, theirs in zip(layers_of(stack.parameters), twin, strict=True):
            torch.testing.assert_close(ours[run], theirs.detach(), rtol=1e-6, atol=1e-6)


def layers_of(parameters):
    return [*parameters.weights, *parameters.biases]


def test_every_optimizer_has_a_twin_here():
    assert {keys.get("optimizer", "sgd") for keys, _ in TWINS.values()} == set(OPTIMIZERS)


@pytest.mark.parametrize("name", TWINS)
def test_a_run_alone_is_updated_as_torch_would(name):
    assert_updates_are_torchs([name])


@pytest.mark.parametrize("name", TWINS)
def test_runs_that_share_an_optimizer_are_updated_as_torch_would(name):
    assert_updates_are_torchs([name] * 3)


def test_runs_with_all_optimizers_mixed_are_updated_as_torch_would():
    assert_updates_are_torchs([*TWINS, "adam", "sgd", "adam"])


def test_settings_that_are_off_in_some_runs_only_are_off_there():
    assert_updates_are_torchs(["momentum", "sgd", "decay", "no lr"])
    assert_updates_are_torchs(["adam, decay and eps", "adam", "adam, other betas"])


@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.parametrize("bias", [True, False])
def test_networks_without_hidden_layers_or_biases_are_updated_too(depth, bias):
    assert_updates_are_torchs(["adam", "momentum"], depth=depth, model__bias=bias)


def test_a_mixed_stack_in_single_precision_stays_as_near_as_that_allows():
    assert_updates_are_torchs(["sgd", "another lr", "nesterov"], dtype="float32", depth=1)


def test_a_gradient_that_is_not_finite_stays_with_its_run():
    names = ["adam", "momentum", "sgd"]
    stack = Stack([config(TWINS[name][0]) for name in names], 6, 4)
    update = Update(stack)
    for step in (1, 2):
        for block in stack.gradients.blocks:
            block[:, 1] = torch.nan
        update(step)
    for layer in layers_of(stack.parameters):
        assert layer[[0, 2]].isfinite().all()
        assert layer[1].isnan().all()

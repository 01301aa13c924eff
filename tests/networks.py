"""Stacks for tests: configs and data made in a line, and their twins as plain torch models."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from vgrad.config import Choice, RunConfig
from vgrad.parts.activations import ACTIVATIONS
from vgrad.parts.datasets import Dataset
from vgrad.stack import Stack

GROUPS = {
    "activation": "tanh",
    "init": "lecun_normal",
    "loss": "cross_entropy",
    "data": "white",
    "optimizer": "sgd",
    "model": "mlp",
}


def config(**keys: Any) -> RunConfig:
    """A resolved config; settings are written `optimizer__lr=0.1`."""
    plain = {"depth": 3, "width": 8, "batch_size": 16, "steps": 5, "device": "cpu"}
    settings: dict[str, dict[str, Any]] = {kind: {} for kind in GROUPS}
    names = dict(GROUPS)
    for key, value in keys.items():
        kind, _, setting = key.partition("__")
        if setting:
            settings[kind][setting] = value
        elif kind in GROUPS:
            names[kind] = value
        else:
            plain[key] = value
    choices = {kind: Choice(name, settings[kind]) for kind, name in names.items()}
    return RunConfig(**choices, **plain)


def classification(examples: int = 64, dim: int = 6, classes: int = 4) -> Dataset:
    """Gaussian inputs with random labels; the test set is the first half of the training set."""
    draw = np.random.default_rng(0)
    x = draw.standard_normal((examples, dim)).astype(np.float32)
    y = draw.integers(0, classes, examples)
    return Dataset(x, y, x[: examples // 2], y[: examples // 2], classes, "classification")


class Phi(nn.Module):
    """An activation entry as a module."""

    def __init__(self, choice: Choice) -> None:
        super().__init__()
        self._choice = choice

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """φ(z) by the entry's own formula, for autograd."""
        return ACTIVATIONS[self._choice.name].function(z, **self._choice.settings)


def sequential(stack: Stack, run: int) -> nn.Sequential:
    """One run of a stack as a plain torch model with the same weights."""
    modules: list[nn.Module] = []
    for index, weight in enumerate(stack.parameters.weights):
        fan_in, fan_out = weight.shape[1:]
        linear = nn.Linear(fan_in, fan_out, bias=stack.layout.bias, dtype=stack.dtype)
        with torch.no_grad():
            linear.weight.copy_(weight[run].T)
            if stack.layout.bias:
                linear.bias.copy_(stack.parameters.biases[index][run, 0])
        modules += [linear, Phi(stack.configs[run].activation)]
    return nn.Sequential(*modules[:-1])


def fill(stack: Stack, data: Dataset) -> None:
    """Give every run of a stack the first batch of the data."""
    batch = stack.inputs.shape[1]
    stack.inputs.copy_(torch.tensor(data.train_x[:batch]))
    one_hot = np.eye(data.output_dim)[data.train_y[:batch]]
    stack.targets.copy_(torch.tensor(one_hot))

"""Stacks for tests: configs and data made in a line, and their twins as plain torch models."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from vgrad.config import Choice, RunConfig
from vgrad.nonlinearity import Nonlinearity
from vgrad.parts.activations import ACTIVATIONS
from vgrad.parts.datasets import Dataset
from vgrad.parts.inits import INITS
from vgrad.parts.losses import LOSSES
from vgrad.stack import Stack
from vgrad.theory.scope import of_activation
from vgrad.train import Outcome, Record, Watcher

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


def inits_for(activation: str) -> list[str]:
    """The inits that an activation can be drawn from: of some no critical point is known."""
    known = of_activation(activation) is None
    return [name for name in INITS if known or name != "critical"]


def classification(examples: int = 64, dim: int = 6, classes: int = 4) -> Dataset:
    """Gaussian inputs with random labels; the test set is the first half of the training set."""
    draw = np.random.default_rng(0)
    x = draw.standard_normal((examples, dim)).astype(np.float32)
    y = draw.integers(0, classes, examples)
    return Dataset(x, y, x[: examples // 2], y[: examples // 2], classes, "classification")


class Twin(nn.Module):
    """One run of a stack as a plain torch model with the same parameters, for autograd.

    It is written with torch's own layers, and shares nothing with the engine but the entries'
    formulas. In training it uses the stack's own noise, and batch statistics.

    Attributes:
        linears: of layers 1 … L + 1; factors: their inner factors; gates, heads: likewise.
        gain, shift, scale, learned: γ, β, the branches' α, the activations' parameters.
        zs, hs: z and h of every layer of the last call; the output layer has no h.
        head_outputs: of the auxiliary heads.
    """

    def __init__(self, stack: Stack, run: int) -> None:
        super().__init__()
        self.stack, self._run = stack, run
        self._choice = stack.configs[run].activation
        named = stack.parameters.named
        self._plan = stack.layout.architecture
        biases = stack.parameters.biases or [None] * len(stack.parameters.weights)
        pairs = zip(stack.parameters.weights, biases, strict=True)
        self.linears = nn.ModuleList(self._linear(w, b) for w, b in pairs)
        self.factors = nn.ModuleList(self._linear(f, None) for f in stack.parameters.factors)
        gates = zip(named["gate"], named["gate_bias"], strict=True)
        self.gates = nn.ModuleList(self._linear(w, b) for w, b in gates)
        head_biases = named["head_bias"] if self._plan.bias else [None] * len(named["head"])
        self.heads = nn.ModuleList(
            self._linear(w, b) for w, b in zip(named["head"], head_biases, strict=True)
        )
        self.gain, self.shift, self.scale, self.learned = (
            nn.ParameterList(block[run].clone() for block in named[name])
            for name in ("norm_gain", "norm_shift", "branch_scale", "activation")
        )

    def _linear(self, weight: torch.Tensor, bias: torch.Tensor | None) -> nn.Linear:
        fan_in, fan_out = weight.shape[1:]
        linear = nn.Linear(fan_in, fan_out, bias=bias is not None, dtype=weight.dtype)
        with torch.no_grad():
            linear.weight.copy_(weight[self._run].T)
            if bias is not None:
                linear.bias.copy_(bias[self._run, 0])
        return linear

    def phi(self, layer: int, z: torch.Tensor) -> torch.Tensor:
        """The activation of a layer, by the entry's own formula."""
        entry, settings = ACTIVATIONS[self._choice.name], dict(self._choice.settings)
        if entry.trainable and settings.get("trained", True):
            count = z.shape[-1] if settings.get("per_unit") else 1
            settings[entry.trainable] = self.learned[layer][..., :count]
        if entry.noisy and self.training:
            return entry.function(z, self.stack.noise.uniform[layer, self._run], **settings)
        return entry.function(z, **settings)

    def _affine(self, layer: int, x: torch.Tensor) -> torch.Tensor:
        return self.linears[layer](self.factors[layer](x) if self.factors else x)

    def _norm(self, layer: int, at: str, x: torch.Tensor) -> torch.Tensor:
        if self._plan.norm == "none" or self._plan.norm_at != at:
            return x
        gain, size = self.gain[layer][0], x.shape[-1:]
        if self._plan.norm == "rms":
            return functional.rms_norm(x, size, gain, eps=1e-5)
        shift = self.shift[layer][0]
        if self._plan.norm == "layer":
            return functional.layer_norm(x, size, gain, shift)
        mean, variance = torch.zeros(size, dtype=x.dtype), torch.ones(size, dtype=x.dtype)
        return functional.batch_norm(x, mean, variance, gain, shift, training=self.training)

    def _dropout(self, layer: int, y: torch.Tensor) -> torch.Tensor:
        noise = self.stack.noise
        if noise.mask is None or not self.training:
            return y
        y = y * noise.mask[layer, self._run]
        return y if noise.shift is None else y + noise.shift[layer, self._run]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The outputs for inputs [N, D]."""
        self.zs, self.hs, self.head_outputs = [], [], []
        kind, depth = self._plan.shortcut.kind, self.stack.layout.depth
        branches, stream = self._plan.branches(depth), {}
        for layer in range(depth):
            stream[layer] = x
            self.zs.append(self._norm(layer, "before", self._affine(layer, x)))
            self.hs.append(self.phi(layer, self.zs[-1]))
            y = self._dropout(layer, self._norm(layer, "after", self.hs[-1]))
            if kind == "highway" and layer:
                t = torch.sigmoid(self.gates[layer - 1](x))
                y = t * y + (1 - t) * x
            for index, branch in enumerate(branches):
                if branch[-1] == layer:
                    scales = {"identity": 1.0, "scaled": 1 / math.sqrt(len(branches))}
                    scale = scales[kind] if kind in scales else self.scale[index][0, 0]
                    y = stream[branch[0]] + scale * y
            x = y
            at = self._plan.heads(depth)
            self.head_outputs += [self.heads[i](x) for i in range(len(at)) if at[i] == layer]
        self.zs.append(self._affine(depth, x))
        return self.zs[-1]

    def gradients(self, targets: torch.Tensor, scale: float = 1.0) -> None:
        """Leave the gradient of `scale` · Σ ℓ, summed over the examples, in every `grad`."""
        outputs = self(self.stack.inputs[self._run])
        for z in self.zs:
            z.retain_grad()
        config = self.stack.configs[self._run].loss
        entry = LOSSES[config.name]
        total = entry.function(outputs, targets, **entry.own(config.settings)).sum()
        for head in self.head_outputs:
            extra = entry.function(head, targets, **entry.own(config.settings)).sum()
            total = total + self._plan.aux_weight * extra
        weights = [m.weight for m in self.modules() if isinstance(m, nn.Linear)]
        l1, l2 = config.settings["l1"], config.settings["l2"]
        penalty = sum(l1 * w.abs().sum() + l2 * w.square().sum() for w in weights)
        (scale * (total + len(outputs) * penalty)).backward()


def fill(stack: Stack, data: Dataset) -> None:
    """Give every run of a stack the first batch of the data."""
    batch = stack.inputs.shape[1]
    stack.inputs.copy_(torch.tensor(data.train_x[:batch]))
    one_hot = np.eye(data.output_dim)[data.train_y[:batch]]
    stack.targets.copy_(torch.tensor(one_hot))
    stack.refresh()


def walked(
    *configs: RunConfig,
    data: Dataset | None = None,
    change: Callable[[Stack], object] = lambda stack: None,
) -> Stack:
    """A stack after one forward and backward pass."""
    data = data or classification()
    stack = Stack(configs, data.input_dim, data.output_dim)
    change(stack)
    fill(stack, data)
    stack.forward(keep=True)
    stack.output_error()
    stack.backward(kept=True)
    return stack


def steepest(name: str) -> float:
    """sup |φ′| of an activation at its defaults, as the engine has it."""
    return float(
        Nonlinearity.of(Choice(name, ACTIVATIONS[name].settings), slice(0, 1), 8).steepest()
    )


class Seen(Watcher):
    """Remembers what a training tells."""

    def __init__(self, should_stop: Callable[[], bool] = lambda: False) -> None:
        self.records: list[Record] = []
        self.outcomes: dict[int, Outcome] = {}
        self.steps: list[int] = []
        self.should_stop = should_stop

    def record(self, record: Record) -> None:
        self.records.append(record)

    def step(self, step: int) -> None:
        self.steps.append(step)

    def ended(self, outcomes: Mapping[int, Outcome]) -> None:
        assert self.outcomes.keys().isdisjoint(outcomes)
        self.outcomes |= outcomes

"""Train deep networks on digits and record their layers: Hydra, nn.Sequential and hooks.

This is the other side of `benchmarks.sweep`, written as a user would write it, without vgrad:

    python -m benchmarks.plain_sweep.script -m activation=relu,tanh 'seed=range(5)' record=full

A run leaves `layers.parquet` and `steps.parquet` in Hydra's folder for it. With `record=full` they
hold the numbers that vgrad records, at the same steps, which `check.py` compares.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import pandas as pd
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from benchmarks.plain_sweep.data import Batch, digits

ACTIVATIONS = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}
STEEPEST = {  # the largest slope of each
    nn.Sigmoid: 0.25,
    nn.Tanh: 1.0,
    nn.ReLU: 1.0,
    nn.LeakyReLU: 1.0,
    nn.ELU: 1.0,
    nn.SELU: 1.7580993408473766,
    nn.GELU: 1.1289042454,
    nn.SiLU: 1.0998393201,
}
INITS = {
    "xavier_normal": nn.init.xavier_normal_,
    "he_normal": partial(nn.init.kaiming_normal_, nonlinearity="relu"),
}
UNITS = (
    "preact_mean",
    "preact_var",
    "preact_ms",
    "act_mean",
    "act_var",
    "delta_rms",
    "correlation",
)
GATES = ("gate_ms", "saturated", "dead")
WEIGHTS = ("weight_grad_norm", "bias_grad_norm", "weight_norm", "sign_coherence", "weight_gain")
UPDATES = ("update_ratio", "lost_updates")
NAN = torch.tensor(math.nan)  # where there is nothing to measure


def cadence(steps: int, dense: int, count: int) -> set[int]:
    """Steps 0 … dense, then growing gaps up to the last: about `count` in all."""
    start = min(dense, steps)
    sparse = np.geomspace(start + 1, steps + 1, max(2, count - start)) - 1
    return {*range(start + 1), *(int(s) for s in sparse.round()), steps}


def network(activation: str, init: str, depth: int, width: int) -> nn.Sequential:
    """`depth` hidden layers and an output layer."""
    modules: list[nn.Module] = []
    fan_in = 64
    for _ in range(depth):
        modules += [nn.Linear(fan_in, width), ACTIVATIONS[activation]()]
        fan_in = width
    model = nn.Sequential(*modules, nn.Linear(fan_in, 10))
    for layer in linears(model):
        INITS[init](layer.weight)
        nn.init.zeros_(layer.bias)
    return model


def linears(model: nn.Sequential) -> list[nn.Linear]:
    return [module for module in model if isinstance(module, nn.Linear)]


def shuffled(data: Batch, batch_size: int) -> Iterator[Batch]:
    """Batches without end, reshuffled every epoch; what is left over is dropped."""
    x, y = data
    while True:
        order = torch.randperm(len(x))
        for start in range(0, len(x) - batch_size + 1, batch_size):
            batch = order[start : start + batch_size]
            yield x[batch], y[batch]


@contextmanager
def hooked(modules: Iterable[nn.Module], hook: Callable[..., None]) -> Iterator[None]:
    """Have the modules call a forward hook, as long as it takes."""
    handles = [module.register_forward_hook(hook) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class Light:
    """Records the gradient norm of every layer, and mean and variance of its activations."""

    columns = ("weight_grad_norm", "act_mean", "act_var")

    def __init__(self, model: nn.Sequential) -> None:
        self.layers = linears(model)
        self.activations = [module for module in model if not isinstance(module, nn.Linear)]
        self.records: dict[int, Tensor] = {}

    def watch(self) -> AbstractContextManager[None]:
        """For the pass that is recorded."""
        self.seen: list[tuple[Tensor, Tensor]] = []
        return hooked(self.activations, self.hook)

    def hook(self, module: nn.Module, inputs: Any, h: Tensor) -> None:
        """Measure what an activation gives out."""
        self.seen.append(torch.var_mean(h.detach(), correction=0))

    def before_update(self, step: int) -> None:
        """Make the record."""
        norms = [layer.weight.grad.norm() for layer in self.layers]
        means = [*(mean for _, mean in self.seen), NAN]
        variances = [*(variance for variance, _ in self.seen), NAN]
        self.records[step] = torch.stack([*norms, *means, *variances]).view(3, -1).T

    def after_update(self, step: int, *, updated: bool) -> None:
        """Leave the update unmeasured."""


class Full:
    """Records what vgrad records."""

    columns = (*UNITS, *GATES, *WEIGHTS, *UPDATES)

    def __init__(self, model: nn.Sequential) -> None:
        self.model = model
        self.layers = linears(model)
        self.records: dict[int, Tensor] = {}

    def watch(self) -> AbstractContextManager[None]:
        """For the pass that is recorded."""
        self.seen: list[Tensor] = []
        return hooked(self.model, self.hook)

    def hook(self, module: nn.Module, inputs: Any, output: Tensor) -> None:
        """Keep what a module gives out."""
        if isinstance(module, nn.Linear):
            output.retain_grad()  # backward then leaves ∂L/∂z there
        self.seen.append(output)

    @torch.no_grad()
    def before_update(self, step: int) -> None:
        """Measure all but the update."""
        self.rows = []
        for number, layer in enumerate(self.layers):
            z = self.seen[2 * number]
            if layer is self.layers[-1]:
                h, gates = z, [NAN] * len(GATES)
            else:
                h = self.seen[2 * number + 1]
                gates = gate_columns(self.model[2 * number + 1], z)
            weights = weight_columns(layer, first=step == 0)
            self.rows.append([*unit_columns(z, h), *gates, *weights])
        self.before = [layer.weight.clone() for layer in self.layers]

    @torch.no_grad()
    def after_update(self, step: int, *, updated: bool) -> None:
        """Measure the update, which completes the record."""
        for row, layer, before in zip(self.rows, self.layers, self.before, strict=True):
            row += update_columns(layer, before) if updated else [NAN, NAN]
        self.records[step] = torch.stack([torch.stack(row) for row in self.rows])


def unit_columns(z: Tensor, h: Tensor) -> list[Tensor]:
    """Columns as in UNITS."""
    preact_var, preact_mean = torch.var_mean(z, correction=0)
    act_var, act_mean = torch.var_mean(h, correction=0)
    delta = z.grad * len(z)  # of the loss of one example; the gradient is that of their mean
    unit = normalize(h, dim=1, eps=1e-30)
    n = (h != 0).any(1).sum()
    correlation = ((unit @ unit.T).sum() - n) / (n * (n - 1))
    return [
        preact_mean,
        preact_var,
        z.square().mean(),
        act_mean,
        act_var,
        delta.square().mean().sqrt(),
        correlation,
    ]


@torch.enable_grad()
def gate_columns(activation: nn.Module, z: Tensor) -> list[Tensor]:
    """Columns as in GATES."""
    z = z.detach().requires_grad_()
    (slope,) = torch.autograd.grad(activation(z).sum(), z)
    return [
        slope.square().mean(),
        (slope.abs() < 0.05 * STEEPEST[type(activation)]).float().mean(),
        (slope == 0).all(0).float().mean(),
    ]


def weight_columns(layer: nn.Linear, *, first: bool) -> list[Tensor]:
    """Columns as in WEIGHTS."""
    weight, gradient = layer.weight, layer.weight.grad
    balance = gradient.sign().sum(1).abs() / (gradient != 0).sum(1)  # 0 / 0 for a unit without any
    gain = (weight.shape[1] * weight.var(correction=0)).sqrt() if first else NAN
    return [gradient.norm(), layer.bias.grad.norm(), weight.norm(), balance.nanmean(), gain]


def update_columns(layer: nn.Linear, before: Tensor) -> list[Tensor]:
    """Columns as in UPDATES."""
    moved = layer.weight.grad != 0
    lost = (moved & (layer.weight == before)).sum() / moved.sum()
    return [(layer.weight - before).norm() / before.norm(), lost]


@torch.no_grad()
def step_columns(model: nn.Sequential, outputs: Tensor, y: Tensor) -> dict[str, float]:
    """What `record=full` has of the step as a whole."""
    norms = torch.stack([layer.weight.grad.norm() for layer in linears(model)])
    return {
        "train_accuracy": (outputs.argmax(1) == y).float().mean().item(),
        "grad_norm": norms.norm().item(),
    }


@torch.no_grad()
def evaluate(model: nn.Sequential, data: Batch) -> dict[str, float]:
    outputs = model(data[0])
    return {
        "val_loss": cross_entropy(outputs, data[1]).item(),
        "val_accuracy": (outputs.argmax(1) == data[1]).float().mean().item(),
    }


def train(
    model: nn.Sequential, batches: Iterator[Batch], test: Batch, config: DictConfig
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train; what was recorded by step and layer, and by step."""
    full, lr, last = config.record == "full", config.lr, config.steps
    recorder = Full(model) if full else Light(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    recorded, evaluated = cadence(last, 10, 50), cadence(last, 0, 20)
    steps: list[dict[str, float]] = []
    for step in range(last + 1):
        x, y = next(batches)
        with recorder.watch() if step in recorded else nullcontext():
            outputs = model(x)
            loss = cross_entropy(outputs, y)
        optimizer.zero_grad()
        loss.backward()
        if step in recorded:
            recorder.before_update(step)
        if step in recorded or step in evaluated:
            row = {"step": step, "train_loss": loss.item(), "lr": lr}
            row |= step_columns(model, outputs, y) if full else {}
            row |= evaluate(model, test) if step in evaluated else {}
            steps.append(row)
            if not math.isfinite(row["train_loss"]):
                break
        if step < last:
            optimizer.step()
        if step in recorded:
            recorder.after_update(step, updated=step < last)
    return table(recorder), pd.DataFrame(steps)


def table(recorder: Light | Full) -> pd.DataFrame:
    """All records as one table, a row per step and layer."""
    steps, layers = list(recorder.records), len(recorder.layers)
    values = torch.cat(list(recorder.records.values())).numpy()
    frame = pd.DataFrame(values, columns=recorder.columns)
    frame.insert(0, "step", np.repeat(steps, layers))
    frame.insert(1, "layer", np.tile(np.arange(1, layers + 1), len(steps)))
    return frame


@hydra.main(version_base="1.3", config_path=".", config_name="config")
def main(config: DictConfig) -> None:
    """Train one run."""
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    training, test = digits()
    model = network(config.activation, config.init, config.depth, config.width)
    layers, steps = train(model, shuffled(training, config.batch_size), test, config)
    folder = Path(HydraConfig.get().runtime.output_dir)
    layers.to_parquet(folder / "layers.parquet")
    steps.to_parquet(folder / "steps.parquet")


if __name__ == "__main__":
    main()

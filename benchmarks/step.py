"""What a training step costs, recorded or not, against a plain loop that records nothing.

The plain loop is what a person would write: `nn.Sequential`, `torch.optim.SGD`, shuffled batches
cut from a tensor. Both sides train the same network on the same data, with evaluation off, in
turn, round after round; the ratio is that of the medians over the rounds.

    python -m benchmarks.step [--rounds 7] [--threads 1 2] [--activation relu]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from vgrad.config import Choice, RunConfig
from vgrad.parts.datasets import Dataset
from vgrad.train import Watcher, train

MODULES = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "gelu": nn.GELU}
CADENCES = {"nothing recorded": 0, "default cadence": None, "every step, every column": 1}
LEARNING_RATE = 1e-4


@dataclass(frozen=True)
class Case:
    """A network, and the share of the plain loop's time that each cadence may take."""

    width: int
    batch: int
    depth: int
    allowed: dict[str, float]


CASES = (
    Case(100, 128, 20, dict(zip(CADENCES, (0.80, 0.90, 1.20), strict=True))),
    Case(64, 64, 40, {"nothing recorded": 0.50}),
)


def made_data(dim: int) -> Dataset:
    """2,048 Gaussian examples with random labels of 10 classes."""
    draw = np.random.default_rng(0)
    x = draw.standard_normal((2048, dim), dtype=np.float32)
    y = draw.integers(0, 10, len(x))
    return Dataset(x, y, x[:100], y[:100], 10, "classification")


def plain(case: Case, data: Dataset, activation: str, steps: int) -> None:
    """Train by hand."""
    dims = [data.input_dim] + [case.width] * case.depth
    modules: list[nn.Module] = []
    for fan_in, fan_out in pairwise(dims):
        linear = nn.Linear(fan_in, fan_out)
        nn.init.kaiming_normal_(linear.weight)
        modules += [linear, MODULES[activation]()]
    model = nn.Sequential(*modules, nn.Linear(case.width, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    criterion = nn.CrossEntropyLoss()
    x, y = torch.tensor(data.train_x), torch.tensor(data.train_y)
    step = 0
    while step < steps:
        order = torch.randperm(len(x))
        for start in range(0, len(x) - case.batch + 1, case.batch):
            batch = order[start : start + case.batch]
            loss = criterion(model(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            if step == steps:
                return


def network(
    case: Case, activation: str, steps: int, every: int | None = 0, seed: int = 0
) -> RunConfig:
    """The run that vgrad makes in the plain loop's place; by default nothing is recorded."""
    return RunConfig(
        activation=Choice(activation),
        init=Choice("he_normal"),
        loss=Choice("cross_entropy"),
        data=Choice("white"),
        optimizer=Choice("sgd", {"lr": LEARNING_RATE}),
        model=Choice("mlp"),
        depth=case.depth,
        width=case.width,
        batch_size=case.batch,
        steps=steps,
        device="cpu",
        probe_every=every,
        eval_every=0,
        seed=seed,
    )


def ours(case: Case, data: Dataset, activation: str, steps: int, every: int | None) -> None:
    """Train with vgrad's engine, records taken but not written."""
    train([network(case, activation, steps, every)], data, Watcher())


def seconds(call: Callable[[], None]) -> float:
    """How long a call takes."""
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def compare(case: Case, activation: str, steps: int, rounds: int) -> dict[str, list[float]]:
    """Seconds of every side, a number per round, the sides in turn; the first round warms up."""
    data = made_data(case.width)
    times: dict[str, list[float]] = {"plain loop": [], **{name: [] for name in CADENCES}}
    for _ in range(rounds + 1):
        times["plain loop"].append(seconds(lambda: plain(case, data, activation, steps)))
        for name, every in CADENCES.items():
            call = lambda every=every: ours(case, data, activation, steps, every)  # noqa: E731
            times[name].append(seconds(call))
    return {name: values[1:] for name, values in times.items()}


def main() -> None:
    """Print a table for each case and number of threads."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.step", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--activation", choices=MODULES, default="relu")
    args = parser.parse_args()
    for threads in args.threads:
        torch.set_num_threads(threads)
        for case in CASES:
            times = compare(case, args.activation, args.steps, args.rounds)
            reference = statistics.median(times["plain loop"])
            print(
                f"\ndepth {case.depth}, width {case.width}, batch {case.batch}, "
                f"{args.activation}, {threads} thread(s), {args.rounds} rounds"
            )
            for name, values in times.items():
                median = statistics.median(values)
                most = case.allowed.get(name)
                bound = "" if most is None else f"   (at most {most:.2f})"
                per_step = 1e6 * median / args.steps
                print(f"  {name:26}{per_step:8.0f} µs a step{median / reference:8.2f}{bound}")


if __name__ == "__main__":
    main()

"""Runs per second of a large sweep on one GPU, against the same runs one at a time.

1,024 runs of depth 40, width 128, batch 128, 200 steps are trained in the stacks that vgrad plans,
then some of them alone; nothing is recorded. The last line is how long the memory must take to be
read and written as often as the step's tensors are, at the rate of a large copy.

    python -m benchmarks.gpu [--device cuda] [--runs 1024] [--alone 4]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from vgrad.check import numbers_of
from vgrad.config import Choice, RunConfig
from vgrad.job import Job
from vgrad.parts.datasets import load
from vgrad.plan import Limits, make
from vgrad.train import Watcher, train

ACTIVATIONS = ("relu", "tanh", "sigmoid", "elu")
OF_PARAMETERS = 6  # times that a step reads or writes each: there, back, its gradient, the update
OF_UNITS = 10  # z and h there, g, δ and h back, h and δ for the gradient


def config(run: int, args: argparse.Namespace) -> RunConfig:
    return RunConfig(
        activation=Choice(ACTIVATIONS[run % len(ACTIVATIONS)]),
        init=Choice("he_normal"),
        loss=Choice("cross_entropy"),
        data=Choice("white", {"dim": args.width, "train_size": 2048}),
        optimizer=Choice("sgd", {"lr": 1e-4}),
        model=Choice("mlp"),
        depth=args.depth,
        width=args.width,
        batch_size=args.batch,
        steps=args.steps,
        seed=run,
        device=args.device,
        probe_every=0,
        eval_every=0,
    )


def wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def seconds(configs: list[RunConfig]) -> float:
    """How long it takes to train some runs as one stack."""
    data = load(configs[0].data.name, configs[0].data.settings)
    wait(configs[0].device)
    begun = time.perf_counter()
    train(configs, data, Watcher())
    wait(configs[0].device)
    return time.perf_counter() - begun


def bandwidth(device: str) -> float:
    """Bytes a second that a large copy reads and writes."""
    source = torch.ones(1 << (28 if device.startswith("cuda") else 24), device=device)
    into = torch.empty_like(source)
    into.copy_(source)
    wait(device)
    begun = time.perf_counter()
    for _ in range(10):
        into.copy_(source)
    wait(device)
    return 10 * 2 * 4 * source.numel() / (time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--alone", type=int, default=4, help="runs that are trained alone")
    for name, value in (("runs", 1024), ("depth", 40), ("width", 128), ("batch", 128)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--steps", type=int, default=200)
    args = parser.parse_args()
    configs = [config(run, args) for run in range(args.runs)]
    jobs = [Job(each, Path(str(run)), (), {}) for run, each in enumerate(configs)]
    plan = make(jobs, Limits(workers=1))
    warm = configs[: min(8, args.runs)]
    seconds(warm)
    stacked = sum(seconds([job.config for job in pack.jobs]) for pack in plan.packs)
    alone = sum(map(seconds, ([each] for each in configs[: args.alone]))) / args.alone
    data = load(configs[0].data.name, configs[0].data.settings)
    parameters, units = numbers_of(configs[0], data, args.batch)
    traffic = 4 * args.steps * args.runs * (OF_PARAMETERS * parameters + OF_UNITS * units)
    name = torch.cuda.get_device_name(args.device) if args.device != "cpu" else "CPU"
    print(f"{name}, torch {torch.__version__}; {args.runs} runs in {len(plan.packs)} stacks")
    print(f"  in stacks      {args.runs / stacked:8.1f} runs/s   {stacked:8.1f} s")
    print(f"  one at a time  {1 / alone:8.1f} runs/s   ratio {alone * args.runs / stacked:.1f}")
    print(f"  memory traffic {traffic / bandwidth(args.device):8.1f} s")


if __name__ == "__main__":
    main()

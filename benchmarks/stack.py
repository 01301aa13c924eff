"""What a run costs in a stack of 16, against a plain loop of one run with the same threads.

The sides take turns; the ratio is that of the medians over the rounds. Nothing is recorded.

    python -m benchmarks.stack [--rounds 5] [--threads 1 2] [--activation relu]
"""

from __future__ import annotations

import argparse
import statistics

import torch

from benchmarks.step import MODULES, Case, made_data, network, plain, seconds
from vgrad.parts.datasets import Dataset
from vgrad.train import Watcher, train

RUNS = 16
ALLOWED = "a run in a stack"
CASES = (
    Case(32, 64, 40, {ALLOWED: 0.20}),
    Case(64, 64, 40, {ALLOWED: 0.45}),
    Case(100, 128, 20, {ALLOWED: 0.80}),
)


def stacked(case: Case, data: Dataset, activation: str, steps: int, runs: int) -> None:
    """Train a stack of runs that differ in their seed, nothing recorded."""
    configs = [network(case, activation, steps, seed=seed) for seed in range(runs)]
    train(configs, data, Watcher())


def compare(case: Case, activation: str, steps: int, rounds: int) -> tuple[float, float]:
    """Median seconds of a plain run, and of a run of the stack; the first round warms up."""
    data = made_data(case.width)
    by_hand, ours = [], []
    for _ in range(rounds + 1):
        by_hand.append(seconds(lambda: plain(case, data, activation, steps)))
        ours.append(seconds(lambda: stacked(case, data, activation, steps, RUNS)) / RUNS)
    return statistics.median(by_hand[1:]), statistics.median(ours[1:])


def main() -> None:
    """Print a line for each number of threads and case."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stack", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--activation", choices=MODULES, default="relu")
    args = parser.parse_args()
    print(f"µs a step and run, {args.activation}, {args.rounds} rounds of {args.steps} steps")
    for threads in args.threads:
        torch.set_num_threads(threads)
        for case in CASES:
            by_hand, ours = compare(case, args.activation, args.steps, args.rounds)
            print(
                f"  {threads} thread(s), width {case.width:3}, batch {case.batch:3}, "
                f"depth {case.depth:2}:  plain loop{1e6 * by_hand / args.steps:7.0f}   "
                f"in a stack of {RUNS}{1e6 * ours / args.steps:7.0f}{ours / by_hand:7.2f}"
                f"   (at most {case.allowed[ALLOWED]:.2f})",
                flush=True,
            )


if __name__ == "__main__":
    main()

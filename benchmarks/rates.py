"""How many multiplications and additions a second the machine does in matrix products.

Each figure is the best of some rounds: the rate that the machine can do, not the one that others
left of it.

    python -m benchmarks.rates [--seconds 1]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

LARGE = 1536  # rows and columns of the large product
WIDTH, BATCH, RUNS, LAYERS = 64, 64, 10, 10  # of the products that a stack of the sweep makes
ROUND = 0.1  # seconds
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Rates:
    """FLOP/s: of one thread, and of both cores, two processes of one thread each, together."""

    large: float
    large_two: float
    stacked: float
    stacked_two: float


def best(call: Callable[[], object], flops: float, seconds: float) -> float:
    """The highest FLOP/s of a call in rounds of some calls."""
    call()
    highest, ends = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < ends:
        calls, begun = 0, time.perf_counter()
        while (spent := time.perf_counter() - begun) < ROUND or not calls:
            call()
            calls += 1
        highest = max(highest, calls * flops / spent)
    return highest


def alone(seconds: float) -> tuple[float, float]:
    """The rates of this process on one thread: of a large product, and of a stack's."""
    torch.set_num_threads(1)
    a, b, out = torch.randn(3, LARGE, LARGE).unbind()
    large = best(lambda: torch.mm(a, b, out=out), 2.0 * LARGE**3, seconds)
    weights = torch.randn(LAYERS, RUNS, WIDTH, WIDTH) / WIDTH**0.5
    acts = torch.randn(LAYERS + 1, RUNS, BATCH, WIDTH)

    def forward() -> None:
        for layer in range(LAYERS):
            torch.bmm(acts[layer], weights[layer], out=acts[layer + 1])

    return large, best(forward, 2.0 * LAYERS * RUNS * BATCH * WIDTH**2, seconds)


def measure(seconds: float = 1.0, cores: int = 2) -> Rates:
    """The rates of one process, then of as many at once as there are cores."""
    one = _at_once(1, seconds)[0]
    several = _at_once(cores, seconds)
    return Rates(one[0], sum(r[0] for r in several), one[1], sum(r[1] for r in several))


def _at_once(count: int, seconds: float) -> list[list[float]]:
    """What `--alone` prints, of some processes that run at the same time."""
    command = [sys.executable, "-m", "benchmarks.rates", "--alone", "--seconds", str(seconds)]
    working = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(count)
    ]
    printed = [process.communicate()[0] for process in working]
    return [[float(word) for word in text.split()] for text in printed]


def describe(rates: Rates) -> str:
    """Lines for people."""
    products = (
        (f"{LARGE} × {LARGE}", rates.large, rates.large_two),
        (f"{RUNS} × {BATCH} × {WIDTH} × {WIDTH}", rates.stacked, rates.stacked_two),
    )
    return "\n".join(
        f"  {name:24}{one / 1e9:7.0f} GFLOP/s on one thread{two / 1e9:7.0f} on both cores"
        for name, one, two in products
    )


def main() -> None:
    """Print the rates."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rates", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each product")
    parser.add_argument("--alone", action="store_true", help="two bare numbers, of this process")
    args = parser.parse_args()
    if args.alone:
        print(*alone(args.seconds))
    else:
        print(describe(measure(args.seconds)))


if __name__ == "__main__":
    main()

"""The canonical sweep of 240 runs: `vgrad sweep` against scripts by hand, whole commands.

The grid is 8 activations × 2 inits × 5 seeds × depths 2, 10, 40; width 64, batch 64, 300 steps on
digits. The scripts are `plain_sweep/script.py`, launched by Hydra's basic launcher with 1 and with
2 threads, and by hydra-joblib-launcher with two processes of one thread: once recording the same
numbers as vgrad, which is checked first, once gradient norm and activation mean and variance alone.
All sides take turns on the same two cores, each in a new folder, start-up included. A ratio is that
of the medians of runs per second. In full a round takes a quarter of an hour.

    python -m benchmarks.sweep [--rounds 1] [--share 0.4] [--only vgrad]

With --share the scripts run fewer of the 5 seeds. Their start-up then weighs more in each of their
runs than it does in the whole sweep, so that the ratios come out too high: quote those of a full
round.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks import rates

VGRAD = Path(sys.executable).with_name("vgrad")
ROOT = Path(__file__).parents[1]
SCRIPT = "benchmarks.plain_sweep.script"
OURS = {"silu": "swish"}  # what vgrad calls what torch calls otherwise
WIDTH, BATCH, FEATURES, CLASSES = 64, 64, 64, 10
CORES = 2


@dataclass(frozen=True)
class Grid:
    """What is swept."""

    activations: tuple[str, ...] = (
        "sigmoid",
        "tanh",
        "relu",
        "leaky_relu",
        "elu",
        "selu",
        "gelu",
        "silu",
    )
    inits: tuple[str, ...] = ("xavier_normal", "he_normal")
    depths: tuple[int, ...] = (2, 10, 40)
    seeds: int = 5
    steps: int = 300

    @property
    def runs(self) -> int:
        """How many runs it has."""
        return len(self.activations) * len(self.inits) * len(self.depths) * self.seeds

    @property
    def flops(self) -> float:
        """Multiplications and additions of all matrix products of all its runs."""
        each = self.runs // len(self.depths)
        return float(sum(each * self._flops(depth) for depth in self.depths))

    def _flops(self, depth: int) -> int:
        """Of one run: forward, weight gradients, and the way back but for the input's."""
        dims = [FEATURES, *[WIDTH] * depth, CLASSES]
        weights = sum(a * b for a, b in pairwise(dims))
        return (self.steps + 1) * 2 * BATCH * (3 * weights - FEATURES * WIDTH)

    def words(self) -> list[str]:
        """The overrides that vgrad and the script take alike; the activations are not among."""
        return [
            f"init={','.join(self.inits)}",
            f"depth={','.join(str(depth) for depth in self.depths)}",
            f"seed={','.join(str(seed) for seed in range(self.seeds))}",
            f"width={WIDTH}",
            f"batch_size={BATCH}",
            f"steps={self.steps}",
        ]


@dataclass(frozen=True)
class Side:
    """A way to run the sweep.

    Attributes:
        name: for people.
        group: what it is compared as; of a group's sides the fastest counts.
        words: the command but for the grid.
        result: the name of the file that every run leaves.
    """

    name: str
    group: str
    words: tuple[str, ...]
    result: str = "layers.parquet"

    def command(self, grid: Grid) -> list[str]:
        """What is typed."""
        ours = self.group == "vgrad"
        names = [OURS.get(name, name) if ours else name for name in grid.activations]
        return [*self.words, f"activation={','.join(names)}", *grid.words()]


def _by_hand(numbers: str, record: str) -> list[Side]:
    """The script with one kind of record, by each launcher."""
    many = (sys.executable, "-m", SCRIPT, "-m", f"record={record}")
    joblib = ("threads=1", "hydra/launcher=joblib", f"hydra.launcher.n_jobs={CORES}")
    return [
        Side(f"{numbers}, basic, 1 thread", f"{record} basic", (*many, "threads=1")),
        Side(f"{numbers}, basic, 2 threads", f"{record} basic", (*many, "threads=2")),
        Side(f"{numbers}, joblib, 2 × 1 thread", f"{record} joblib", (*many, *joblib)),
    ]


SIDES = (
    Side("vgrad sweep", "vgrad", (str(VGRAD), "sweep", "name=sweep"), "run.json"),
    *_by_hand("same numbers", "full"),
    *_by_hand("three numbers", "light"),
)
AT_LEAST = {"full basic": 7.5, "full joblib": 3.7, "light basic": 4.7, "light joblib": 2.2}


@dataclass
class Times:
    """What a side has taken, a number per round.

    Attributes:
        runs: in each round.
        wall: seconds.
        documents: the run.json files of vgrad's last round.
    """

    runs: int
    wall: list[float] = field(default_factory=list)
    documents: list[dict[str, Any]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Runs per second, the median over the rounds."""
        return self.runs / statistics.median(self.wall)


def carry_out(side: Side, grid: Grid, times: Times) -> None:
    """Run a side once, in a new folder."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        done = subprocess.run(
            side.command(grid),
            cwd=folder,
            env={**os.environ, "PYTHONPATH": _path()},
            capture_output=True,
            text=True,
            check=False,
        )
        times.wall.append(time.perf_counter() - begun)
        results = sorted(Path(folder).rglob(side.result))
        if done.returncode or len(results) != grid.runs:
            sys.exit(
                f"{side.name}: exit status {done.returncode}, {len(results)} of {grid.runs} runs.\n"
                f"{done.stdout[-2000:]}{done.stderr[-2000:]}"
            )
        if side.group == "vgrad":
            times.documents = [json.loads(path.read_text()) for path in results]


def _path() -> str:
    """PYTHONPATH with which the script finds its package in any folder."""
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))


def take_turns(sides: Sequence[Side], grid: Grid, share: float, rounds: int) -> dict[str, Times]:
    """Carry out all sides, round after round; by the side's name."""
    part = replace(grid, seeds=max(1, round(share * grid.seeds)))
    grids = {side.name: grid if side.group == "vgrad" else part for side in sides}
    times = {name: Times(own.runs) for name, own in grids.items()}
    for number in range(rounds):
        for side in sides:
            carry_out(side, grids[side.name], times[side.name])
            last = times[side.name].wall[-1]
            print(f"  round {number + 1}: {side.name}: {last:.1f} s", file=sys.stderr, flush=True)
    return times


def show_rates(sides: Sequence[Side], times: dict[str, Times]) -> None:
    """A line per side, then the ratios that are judged."""
    print(f"\n{'side':36}{'runs':>6}{'seconds':>10}{'runs/s':>8}")
    for side in sides:
        own = times[side.name]
        wall = statistics.median(own.wall)
        print(f"{side.name:36}{own.runs:6}{wall:10.1f}{own.rate:8.2f}")
    if "vgrad sweep" not in times or len(sides) == 1:
        return
    print(f"\n{'runs per second of vgrad over':36}{'ratio':>8}{'at least':>10}")
    for group, least in AT_LEAST.items():
        against = [side for side in sides if side.group == group]
        if against:
            best = max(against, key=lambda side: times[side.name].rate)
            ratio = times["vgrad sweep"].rate / times[best.name].rate
            print(f"{best.name:36}{ratio:8.2f}{least:10.1f}")


def show_division(times: Times, cores: int) -> None:
    """Where vgrad's time went, from what its runs say of themselves."""
    room = cores * times.wall[-1]
    print(f"\nvgrad's time on {cores} cores, of the last round: {room:.1f} core-seconds")
    spent = divide(times.documents)
    spent["start-up, composing, waiting"] = room - sum(spent.values())
    for name, seconds in spent.items():
        print(f"  {name:30}{seconds:8.1f} s{seconds / room:8.0%}")
    ends = Counter(document["status"] for document in times.documents)
    print("  runs: " + ", ".join(f"{count} {status}" for status, count in ends.items()))


def divide(documents: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Seconds by what they were spent on, summed over all stacks.

    A run.json says of its whole stack how long it had taken when the run ended, and how much of
    that was measuring; of the run itself, how long its records took to write. The tables of a
    stack's runs are made one after the other at its end: what lies between the first and the last
    of them is that of all but one.
    """
    stacks: dict[tuple[str, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for document in documents:
        stacks[tuple(document.get("stack", [document["run_id"]]))].append(document)
    spent: Counter[str] = Counter()
    for members in stacks.values():
        timings = [document["timings"] for document in members]
        ends = [d["timings"]["total_s"] for d in members if d["status"] == "completed"]
        ends = ends or [max(own["total_s"] for own in timings)]
        measuring = max(own.get("measuring_s", 0.0) for own in timings)
        writing = sum(own.get("writing_s", own.get("recording_s", 0.0)) for own in timings)
        tables = (max(ends) - min(ends)) * len(ends) / max(1, len(ends) - 1)
        spent["computing"] += min(ends) - measuring - writing
        spent["measuring and evaluating"] += measuring
        spent["writing records"] += writing
        spent["making tables"] += tables
    return dict(spent)


def show_arithmetic(times: Times, grid: Grid, cores: int, seconds: float) -> None:
    """How near the matrix products come to what the machine does of them."""
    machine = rates.measure(seconds, cores)
    print("\nthe machine's matrix products\n" + rates.describe(machine))
    wall = statistics.median(times.wall)
    print(
        f"  the sweep's products are {grid.flops / 1e9:,.0f} GFLOP "
        f"({grid.flops / grid.runs / 1e9:.1f} a run): {grid.flops / wall / 1e9:.0f} GFLOP/s,\n"
        f"  {grid.flops / machine.large_two / wall:.0%} of the rate of large products on both "
        f"cores, {grid.flops / machine.stacked_two / wall:.0%} of that of the stack's;\n"
        f"  all arithmetic at the former would be {grid.runs * machine.large_two / grid.flops:.1f} "
        "runs/s"
    )


def hold_to(cores: int) -> int:
    """Keep this process and all that it starts on some cores; returns how many there are."""
    if not hasattr(os, "sched_setaffinity"):
        return min(cores, os.cpu_count() or 1)
    there = sorted(os.sched_getaffinity(0))[:cores]
    os.sched_setaffinity(0, there)
    return len(there)


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sweep",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole = Grid()
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--share", type=float, default=1.0, help="of the seeds, for the scripts")
    parser.add_argument("--only", nargs="+", choices=["vgrad", *AT_LEAST], help="these sides alone")
    parser.add_argument("--seeds", type=int, default=whole.seeds)
    parser.add_argument("--steps", type=int, default=whole.steps)
    parser.add_argument("--depths", type=int, nargs="+", default=whole.depths)
    parser.add_argument("--activations", nargs="+", default=whole.activations)
    parser.add_argument("--rate-seconds", type=float, default=2.0, help="for each product's rate")
    return parser.parse_args()


def main() -> None:
    """Check the script, time all sides, and print what came of it."""
    args = parse()
    grid = Grid(
        activations=tuple(args.activations),
        depths=tuple(args.depths),
        seeds=args.seeds,
        steps=args.steps,
    )
    sides = [side for side in SIDES if not args.only or side.group in args.only]
    cores = hold_to(CORES)
    if any(side.group.startswith("full") for side in sides):
        check = [sys.executable, "-m", "benchmarks.plain_sweep.check"]
        subprocess.run(check, cwd=ROOT, check=True)
    print(f"{grid.runs} runs on {cores} cores, {args.rounds} round(s), sides in turn", flush=True)
    if grid != Grid():
        print("not the canonical sweep: the bounds are not for it")
    if args.share != 1.0:
        print(f"the scripts run {args.share:g} of the seeds: their start-up weighs more")
    times = take_turns(sides, grid, args.share, args.rounds)
    show_rates(sides, times)
    if "vgrad sweep" in times:
        show_division(times["vgrad sweep"], cores)
        show_arithmetic(times["vgrad sweep"], grid, cores, args.rate_seconds)


if __name__ == "__main__":
    main()

"""How the time of training grows with the runs, the depth and the steps: lines, and a picture.

The runs of a load are trained in the stacks that vgrad's plan makes of them, one after the other in
this process on one thread, their default records measured and not written. A line a + b x is fitted
to the medians over the rounds so that the squares of the *relative* errors are least: every point
counts alike, from the smallest to the largest.

    python -m benchmarks.scaling [--rounds 3] [--out docs/images/scaling.png]
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from benchmarks.step import seconds
from vgrad import plan
from vgrad.config import Choice, RunConfig
from vgrad.figures.palette import INK, MUTED, PAPER, VALIDATION
from vgrad.figures.style import PNG_DPI, styled
from vgrad.job import Job
from vgrad.parts.datasets import load
from vgrad.train import Watcher, train

WIDTH, BATCH = 64, 64
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "scaling.png"


@dataclass(frozen=True)
class Load:
    """What is trained."""

    runs: int = 8
    depth: int = 10
    steps: int = 300


@dataclass(frozen=True)
class Axis:
    """What grows, and in which loads, from the smallest to the largest."""

    name: str
    held: str
    values: tuple[int, ...]
    loads: tuple[Load, ...]


RUNS, DEPTHS, STEPS = (1, 2, 4, 8, 16, 32, 64), (5, 10, 20, 40, 80), (50, 100, 200, 400, 800)
AXES = (
    Axis("runs", "depth 10, 300 steps", RUNS, tuple(Load(runs=n) for n in RUNS)),
    Axis("depth", "8 runs, 300 steps", DEPTHS, tuple(Load(depth=n) for n in DEPTHS)),
    Axis("steps", "8 runs, depth 10", STEPS, tuple(Load(steps=n) for n in STEPS)),
)


@dataclass(frozen=True)
class Line:
    """Seconds = a + b x, and how well it fits.

    Attributes:
        r2: the share of the variance of the seconds that the line explains.
        worst: the largest relative error of a point.
    """

    a: float
    b: float
    r2: float
    worst: float

    @classmethod
    def through(cls, x: Sequence[float], y: Sequence[float]) -> Line:
        """The line of least relative squares."""
        xs, ys = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        b, a = np.polyfit(xs, ys, 1, w=1.0 / ys)
        errors = ys - (a + b * xs)
        r2 = 1.0 - float(errors @ errors) / float(np.square(ys - ys.mean()).sum())
        return cls(float(a), float(b), r2, float(np.abs(errors / ys).max()))


def stacks_of(wanted: Load, most: int | None) -> list[list[RunConfig]]:
    """The runs of a load, by stack."""
    configs = [
        RunConfig(
            activation=Choice("tanh"),
            init=Choice("xavier_normal"),
            loss=Choice("cross_entropy"),
            data=Choice("digits"),
            optimizer=Choice("sgd"),
            model=Choice("mlp"),
            depth=wanted.depth,
            width=WIDTH,
            batch_size=BATCH,
            steps=wanted.steps,
            device="cpu",
            seed=seed,
        )
        for seed in range(wanted.runs)
    ]
    jobs = [Job(config, Path(), (), {}) for config in configs]
    limits = plan.Limits(workers=1, max_runs_per_stack=most)
    return [[job.config for job in pack.jobs] for pack in plan.make(jobs, limits).packs]


def work(stacks: Sequence[Sequence[RunConfig]]) -> None:
    """Train all runs, stack after stack."""
    for configs in stacks:
        train(configs, load("digits", {}), Watcher())


def measure(axes: Sequence[Axis], rounds: int, most: int | None) -> list[list[float]]:
    """Median seconds of each load of each axis; the loads take turns."""
    work(stacks_of(Load(1, 2, 20), most))  # what is done once is not timed
    stacks = [[stacks_of(wanted, most) for wanted in axis.loads] for axis in axes]
    times: list[list[list[float]]] = [[[] for _ in axis.loads] for axis in axes]
    for _ in range(rounds):
        for own_stacks, own_times in zip(stacks, times, strict=True):
            for each, taken in zip(own_stacks, own_times, strict=True):
                taken.append(seconds(partial(work, each)))
    return [[statistics.median(taken) for taken in own_times] for own_times in times]


@styled
def draw(axes: Sequence[Axis], times: Sequence[Sequence[float]], out: Path) -> None:
    """A panel for each axis, both scales logarithmic, with the line that was fitted."""
    figure = Figure(figsize=(10.5, 3.5), layout="constrained")
    panels = figure.subplots(1, len(axes), squeeze=False)[0]
    for panel, axis, seconds_each in zip(panels, axes, times, strict=True):
        _draw_panel(panel, axis, seconds_each)
    panels[0].set_ylabel("seconds")
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=PNG_DPI)


def _draw_panel(panel: Axes, axis: Axis, times: Sequence[float]) -> None:
    line = Line.through(axis.values, times)
    x = np.geomspace(axis.values[0], axis.values[-1], 100)
    panel.plot(x, line.a + line.b * x, color=MUTED, linewidth=1.2, label="a + b x")
    panel.plot(axis.values, times, "o", color=VALIDATION, markersize=5, label="measured")
    panel.set_xscale("log", base=2)
    panel.set_yscale("log")
    panel.xaxis.set_major_locator(FixedLocator(axis.values))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.yaxis.set_minor_locator(NullLocator())
    panel.grid(axis="both")
    panel.set_xlabel(axis.name)
    panel.set_title(axis.held, pad=8)
    start = f"{line.a:.2g} s".replace("-", "−")
    text = f"{start} + {_slope(line.b)} · {axis.name}\nR² = {line.r2:.4f}"
    paper = {"facecolor": PAPER, "edgecolor": "none", "pad": 2}
    panel.text(0.97, 0.05, text, transform=panel.transAxes, ha="right", color=INK, bbox=paper)
    panel.legend(loc="upper left")


def _slope(b: float) -> str:
    return f"{1e3 * b:.3g} ms"


def main() -> None:
    """Print the lines and draw the picture."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--stack", type=int, help="the most runs in a stack; the plan's choice by default"
    )
    parser.add_argument("--share", type=float, default=1.0, help="of the steps, for a quick look")
    parser.add_argument("--out", type=Path, default=PICTURE)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    axes = [_shortened(axis, args.share) for axis in AXES]
    times = measure(axes, args.rounds, args.stack)
    for axis, own in zip(axes, times, strict=True):
        line = Line.through(axis.values, own)
        print(
            f"{axis.name:6} {axis.values[0]} … {axis.values[-1]} ({axis.held}): {line.a:.3f} s + "
            f"{_slope(line.b)} each, R² {line.r2:.4f}, no point off by more than {line.worst:.0%}"
        )
        print(
            "       " + "  ".join(f"{x}: {y:.3f} s" for x, y in zip(axis.values, own, strict=True))
        )
    draw(axes, times, args.out)
    print(f"drawn to {args.out}")


def _shortened(axis: Axis, share: float) -> Axis:
    """The same with fewer steps."""
    if share == 1.0:
        return axis
    loads = tuple(Load(x.runs, x.depth, max(2, round(share * x.steps))) for x in axis.loads)
    values = tuple(x.steps for x in loads) if axis.name == "steps" else axis.values
    return Axis(axis.name, f"{axis.held}, × {share:g}", values, loads)


if __name__ == "__main__":
    main()

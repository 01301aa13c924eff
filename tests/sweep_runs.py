"""Runs of a sweep as its views are told of them, made in a line, and a sweep played to a view."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vgrad.terminal import PackShown, SweepView

FOLDER = Path("runs/all")
ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "swish")
INITS = ("xavier_normal", "he_normal")


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def document(
    activation: str = "relu",
    depth: int = 10,
    *,
    seed: int = 0,
    accuracy: Any = 0.9,
    status: str = "completed",
    verdict: Any = "healthy",
    grad_decay: Any = -0.1,
    extra: dict[str, Any] | None = None,
    **summary: Any,
) -> dict[str, Any]:
    """What a run's run.json holds, as far as a view reads it."""
    config: dict[str, Any] = {"activation": {"name": activation}, "depth": depth, "seed": seed}
    config |= extra or {}
    summary = {"final_val_accuracy": accuracy, "grad_decay": grad_decay, **summary}
    return {
        "status": status,
        "path": f"{FOLDER}/{abs(hash(repr(config)))}",
        "config": config,
        "summary": {**summary, "verdict": verdict},
    }


def packs(*seconds: float) -> list[PackShown]:
    """Stacks of ten runs."""
    return [PackShown(f"relu {n} × 64", 10, each) for n, each in enumerate(seconds)]


def canonical() -> Iterator[dict[str, Any]]:
    """8 activations, 2 inits, 3 depths, 5 seeds: in two of the cells two runs diverge."""
    for activation in ACTIVATIONS:
        for init in INITS:
            for depth in (2, 10, 40):
                bad = depth == 40 and init == "he_normal" and activation in ("elu", "selu")
                for seed in range(5):
                    lost = {"status": "diverged", "verdict": "diverged"} if bad * (seed < 2) else {}
                    kind = {
                        "verdict": "vanishing" if activation == "sigmoid" else "healthy",
                        **lost,
                    }
                    extra = {"init": {"name": init}}
                    yield document(activation, depth, seed=seed, extra=extra, **kind)


def play(
    view: SweepView,
    label: str = "relu 10 × 64",
    folder: Path = FOLDER,
    activation: str = "relu",
) -> None:
    """A sweep of 40 runs in 4 stacks, one of which is made in halves."""
    made = []

    def carry_out(pack: int, depth: int, seeds: range) -> None:
        view.started(pack)
        for seed in seeds:
            view.progress(pack, (seed - seeds.start + 1) / len(seeds))
            run = document(activation, depth, seed=seed, accuracy=0.5 + depth / 10)
            made.append(run)
            view.ended(pack, run)
        view.done(pack)

    view.begin(folder, [PackShown(label, 10, 5.0)] * 4, 0, 2)
    view.started(0)
    view.failed(0, "3 GB are too many", again=True)
    view.added([PackShown(label, 5, 2.5)] * 2)
    for pack in (1, 2, 3):
        carry_out(pack, pack, range(10))
    for half in (0, 1):
        carry_out(4 + half, 0, range(5 * half, 5 * half + 5))
    view.finish(made, ["depth", "seed"], folder)

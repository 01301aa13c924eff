"""Theory against experiment: wide networks in plain torch at step 0, every elementwise activation.

    python -m benchmarks.theory [WIDTH] [SEEDS]

Ten layers, white inputs, cross-entropy with random labels; `preact_ms` and `delta_rms` of every
layer, averaged over seeds, against the prediction. 5 % is what the theory is held to.
"""

from __future__ import annotations

import math
import sys

import numpy as np
import torch

from vgrad.config import Choice, RunConfig
from vgrad.parts.activations import ACTIVATIONS
from vgrad.theory import predict

DEPTH, BATCH, CLASSES = 10, 256, 10


def measured(name: str, gain: float, width: int, seed: int) -> tuple[list[float], list[float]]:
    """E[z²] and δ relative to the last hidden layer, of one network."""
    draws = torch.Generator().manual_seed(seed)
    entry = ACTIVATIONS[name]
    x = torch.randn(BATCH, width, generator=draws)
    labels = torch.randint(CLASSES, (BATCH,), generator=draws)
    zs = []
    for _ in range(DEPTH):
        weight = torch.randn(width, width, generator=draws) * (gain / math.sqrt(width))
        z = (x @ weight).requires_grad_()
        z.retain_grad()
        zs.append(z)
        x = entry.function(z, **entry.own(entry.settings))
    outputs = x @ (torch.randn(width, CLASSES, generator=draws) * (gain / math.sqrt(width)))
    torch.nn.functional.cross_entropy(outputs, labels, reduction="sum").backward()
    deltas = [float(z.grad.double().square().mean().sqrt()) for z in zs if z.grad is not None]
    return [float(z.detach().double().square().mean()) for z in zs], deltas


def predicted(name: str, gain: float, width: int) -> tuple[list[float], list[float]]:
    groups = {"loss": "cross_entropy", "data": "white", "optimizer": "sgd", "model": "mlp"}
    choices = {kind: Choice(entry) for kind, entry in groups.items()}
    choices["data"] = Choice("white", {"dim": width, "train_size": 2, "test_size": 2})
    choices["activation"] = Choice(name)
    choices["init"] = Choice("lecun_normal", {"gain": gain})
    rows = predict(RunConfig(**choices, depth=DEPTH, width=width)).layers[:DEPTH]
    return [row.preact_ms or 0.0 for row in rows], [row.delta_rms or 0.0 for row in rows]


def main() -> None:
    width, seeds = (int(word) for word in [*sys.argv[1:], *("1000", "8")[len(sys.argv) - 1 :]])
    names = [name for name, e in ACTIVATIONS.items() if e.elementwise and not e.noisy]
    print(f"width {width}, {seeds} seeds, {DEPTH} layers: largest deviation over the layers")
    print(f"{'activation':14}{'σ_w²':>6}{'E[z²]':>9}{'δ':>9}")
    for name in names:
        for square in (1.0, 2.0):
            lengths, deltas = predicted(name, math.sqrt(square), width)
            runs = [measured(name, math.sqrt(square), width, seed) for seed in range(seeds)]
            z = np.mean([run[0] for run in runs], 0) / lengths - 1.0
            d = np.sqrt(np.mean(np.square([run[1] for run in runs]), 0))
            d = d / d[-1] / deltas - 1.0
            worst = [f"{100 * np.abs(x).max():8.1f}%" for x in (z, d)]
            print(f"{name:14}{square:6g}{''.join(worst)}", flush=True)


if __name__ == "__main__":
    main()

"""Theory against experiment: networks in plain torch at step 0, every elementwise activation.

    python -m benchmarks.theory [WIDTH] [SEEDS] [ACTIVATION …]
    python -m benchmarks.theory spread [SEEDS] [ACTIVATION …]

The first: ten layers, white inputs, cross-entropy with random labels; E[z²] and δ of every layer,
averaged over seeds, against the prediction. 5 % is what the theory is held to. Beside the largest
deviation of the layers stands its standard error, from the seeds' own scatter: what is within two
of them of 5 % is not decided by so few seeds. "width" is a deviation that finite width explains,
with the shift of the mean that the theory expects of it to first order in 1/n.

The second: how far seeds scatter, against what is predicted of that; 20 % is what it is held to.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from vgrad.config import Choice, RunConfig
from vgrad.meanfield import Phi, Scale
from vgrad.parts.activations import ACTIVATIONS
from vgrad.parts.models import Architecture
from vgrad.theory import Layer, predict
from vgrad.theory.forward import Signal, go_forward
from vgrad.theory.shift import shifts

Floats = npt.NDArray[np.float64]

DEPTH, BATCH, CLASSES, DIM = 10, 256, 10, 64
HELD_TO, SPREAD_HELD_TO = 0.05, 0.20
AT_ONCE = 20_000_000  # weights of a layer that are drawn together
SQUARES = (1.0, 2.0)
SCATTER = {"relu": math.sqrt(2.0), "tanh": 1.0, "selu": 1.0, "gelu": 1.5335304}
SIZES = ((64, 5, 1), (64, 20, 1), (128, 40, 1), (64, 5, 64), (64, 20, 64), (128, 40, 64))


@dataclass(frozen=True)
class Network:
    """What is drawn: an activation, σ_w, and the sizes."""

    activation: str
    gain: float
    width: int
    depth: int = DEPTH
    batch: int = BATCH
    dim: int = DIM

    def measured(self, seeds: int) -> tuple[Floats, Floats]:
        """E[z²] and E[δ²] of every layer, [seeds, layers], the output layer last."""
        together = max(1, AT_ONCE // self.width**2)
        parts = [
            self._drawn(min(together, seeds - start), start) for start in range(0, seeds, together)
        ]
        squares, deltas = (np.concatenate(part) for part in zip(*parts, strict=True))
        return squares, deltas

    def _drawn(self, seeds: int, start: int) -> tuple[Floats, Floats]:
        draws = torch.Generator().manual_seed(start)
        entry = ACTIVATIONS[self.activation]

        def weights(fan_in: int, fan_out: int) -> torch.Tensor:
            drawn = torch.randn(seeds, fan_in, fan_out, generator=draws)
            return drawn.mul_(self.gain / math.sqrt(fan_in))

        x = torch.randn(seeds, self.batch, self.dim, generator=draws)
        labels = torch.randint(CLASSES, (seeds * self.batch,), generator=draws)
        zs = []
        for layer in range(self.depth + 1):
            units = self.width if layer < self.depth else CLASSES
            z = torch.bmm(x, weights(x.shape[2], units)).requires_grad_()
            z.retain_grad()
            zs.append(z)
            x = entry.function(z, **entry.own(entry.settings))
        torch.nn.functional.cross_entropy(z.flatten(0, 1), labels, reduction="sum").backward()
        deltas = [z.grad for z in zs if z.grad is not None]
        return _mean_squares([z.detach() for z in zs]), _mean_squares(deltas)

    def shifted(self) -> list[float]:
        """By how much the theory expects the mean of E[z²] to be off at this width."""
        entry, scale = ACTIVATIONS[self.activation], Scale(self.gain**2)
        phi, inputs = Phi.of(Choice(self.activation, entry.settings)), Signal(1.0, 0.0, 0.0)
        scales = [scale] * self.depth
        passed = go_forward(phi, inputs, scales, Architecture(), equalised=False)
        sizes = [(self.dim, self.width), *[(self.width, self.width)] * (self.depth - 1)]
        last = (self.width, CLASSES)
        return shifts(phi, passed, (passed[-1].gives, scale), [*sizes, last], 2.0 / self.dim)

    def predicted(self) -> tuple[Layer, ...]:
        """The layers as the theory has them."""
        config = RunConfig(
            activation=Choice(self.activation),
            init=Choice("lecun_normal", {"gain": self.gain}),
            loss=Choice("cross_entropy"),
            data=Choice("white", {"dim": self.dim, "train_size": 4096, "test_size": 2}),
            optimizer=Choice("sgd"),
            model=Choice("mlp"),
            depth=self.depth,
            width=self.width,
            batch_size=self.batch,
        )
        return predict(config).layers


def _mean_squares(tensors: list[torch.Tensor]) -> Floats:
    return torch.stack([x.double().square().mean((1, 2)) for x in tensors], 1).numpy()


def _worst(means: Floats, errors: Floats, shift: Floats) -> tuple[float, float, float]:
    """The largest deviation over the layers, its standard error, and what is expected of it."""
    place = int(np.abs(means).argmax())
    return float(means[place]), float(errors[place]), float(shift[place])


def deviations(network: Network, seeds: int) -> list[tuple[float, float, float]]:
    """Of E[z²] and of δ: the largest relative deviation, its standard error, and its shift."""
    squares, deltas = network.measured(seeds)
    rows, last = network.predicted()[: network.depth], network.depth - 1
    found = []
    z = squares[:, : network.depth] / np.array([row.preact_ms for row in rows])
    shift = np.array(network.shifted()[: network.depth])
    found.append(_worst(z.mean(0) - 1.0, z.std(0, ddof=1) / math.sqrt(seeds), shift))
    d = deltas[:, : network.depth] / np.array([row.delta_rms for row in rows]) ** 2
    mean = d.mean(0) / d.mean(0)[last]
    rest = d / d.mean(0) - (d / d.mean(0))[:, [last]]  # how each seed moves the ratio
    error = mean * rest.std(0, ddof=1) / math.sqrt(seeds)
    found.append(_worst(np.sqrt(mean) - 1.0, error / (2.0 * np.sqrt(mean)), np.zeros_like(mean)))
    return found


def _verdict(deviation: float, error: float, shift: float) -> str:
    if abs(deviation) <= HELD_TO:
        return "within 5 %"
    if abs(shift) > 0.01 and abs(deviation - shift) - 2.0 * error <= HELD_TO / 2.0:
        return f"width: {100 * shift:+.1f}"
    return "too few seeds" if abs(deviation) - 2.0 * error <= HELD_TO else "off"


def compare(names: list[str], width: int, seeds: int) -> None:
    """Print the deviations of each activation at each σ_w², and how many are within 5 %."""
    print(f"width {width}, {seeds} seeds, {DEPTH} layers: largest deviation ± standard error, in %")
    print(f"{'activation':14}{'σ_w²':>5}  {'E[z²]':>15}{'':16}{'δ':>15}")
    verdicts = []
    for name in names:
        for square in SQUARES:
            line = f"{name:14}{square:5g}"
            network = Network(name, math.sqrt(square), width, dim=width)
            for deviation, error, shift in deviations(network, seeds):
                verdicts.append(_verdict(deviation, error, shift))
                figures = f"{100 * deviation:+.1f} ± {100 * error:.1f}"
                line += f"  {figures:>15} {verdicts[-1]:13}"
            print(line, flush=True)
    words = ("within 5 %", "width", "too few seeds", "off")
    counts = [f"{sum(v.startswith(word) for v in verdicts)} {word}" for word in words]
    print(f"of {len(verdicts)}: {', '.join(counts)}")


def scatter(names: list[str], seeds: int) -> None:
    """Print how far seeds scatter in layer 1 and in the last ones, measured and predicted."""
    print(f"{seeds} seeds: standard deviation in decades, measured → predicted")
    print(
        f"{'activation':12}{'width':>6}{'depth':>6}{'B':>4}  {'δ of layer 1':>18}"
        f"{'E[z²] at the end':>22}"
    )
    for name in names:
        for width, depth, batch in SIZES:
            network = Network(name, SCATTER.get(name, 1.0), width, depth, batch)
            squares, deltas = network.measured(seeds)
            rows = network.predicted()
            pairs = [
                (
                    (np.log10(deltas[:, 0] / deltas[:, depth - 1]) / 2).std(ddof=1),
                    rows[0].delta_spread,
                ),
                (np.log10(squares[:, depth - 1]).std(ddof=1), rows[depth - 1].preact_spread),
            ]
            line = f"{name:12}{width:6}{depth:6}{batch:4}"
            for own, told in pairs:
                if told is None:
                    line += f"{own:10.4f} → not told   "
                else:
                    off = abs(told / own - 1.0) > SPREAD_HELD_TO
                    line += f"{own:10.4f} → {told:.4f} {'off' if off else '':5}"
            print(line, flush=True)


def main() -> None:
    """Carry out what the command line asks for."""
    words = sys.argv[1:]
    known = [name for name, e in ACTIVATIONS.items() if e.elementwise and not e.noisy]
    numbers = [int(word) for word in words if word.isdigit()]
    names = [word for word in words if word in known]
    if "spread" in words:
        scatter(names or list(SCATTER), *(numbers or [200])[:1])
        return
    width, seeds = [*numbers, *(1000, 8)[len(numbers) :]]
    compare(names or known, width, seeds)


if __name__ == "__main__":
    main()

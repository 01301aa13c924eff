"""Whether the script by hand records what vgrad records: from equal weights, on equal batches.

    python -m benchmarks.plain_sweep.check

All columns of all records are compared but where one of the two has nothing to measure. The
networks are shallow: where squares leave float32, as the error signal's do in a deep sigmoid
network, the script gives 0 and vgrad the number.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from omegaconf import OmegaConf

from benchmarks.plain_sweep import script
from benchmarks.plain_sweep.data import Batch, digits
from vgrad.config import Choice, RunConfig
from vgrad.draw import BATCHES, generator
from vgrad.parts.datasets import load
from vgrad.stack import Stack
from vgrad.store import LAYER_COLUMNS
from vgrad.train import Record, Watcher, train

OURS = {"silu": "swish"}  # what vgrad calls what torch calls otherwise
ABSOLUTE = {"correlation": 1e-5, "preact_mean": 1e-6, "act_mean": 1e-6}  # differences that cancel
COUNTED = {"saturated", "dead", "sign_coherence", "lost_updates"}
STEPS = 12


class _Kept(Watcher):
    """Keeps all records."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def record(self, record: Record) -> None:
        self.records.append(record)


def agree(tolerance: float = 1e-4) -> float:
    """Compare every activation and init of the sweep.

    Args:
        tolerance: how far a number may be off, relative to its size; shares may be off by one
            in a thousand, as a number on the edge may be counted on either side.

    Returns:
        The largest relative difference of a number that is not a share.

    Raises:
        AssertionError: a number differs by more.
    """
    worst = 0.0
    for activation in script.ACTIVATIONS:
        for init in script.INITS:
            worst = max(worst, _compare(activation, init, tolerance))
    return worst


def _compare(activation: str, init: str, tolerance: float) -> float:
    config = RunConfig(
        activation=Choice(OURS.get(activation, activation)),
        init=Choice(init),
        loss=Choice("cross_entropy"),
        data=Choice("digits"),
        optimizer=Choice("sgd"),
        model=Choice("mlp"),
        depth=3,
        width=32,
        batch_size=64,
        steps=STEPS,
        device="cpu",
    )
    kept = _Kept()
    train([config], load("digits", {}), kept)
    records = kept.records
    layers, steps = _by_hand(config, activation, init)
    worst = 0.0
    for name in layers.columns[2:]:
        values = np.concatenate([_column(record, name) for record in records])
        worst = max(worst, _difference(name, values, layers[name], tolerance))
    for name in steps.columns[1:]:
        ours = np.array([record.steps[name] for record in records], dtype=float)
        worst = max(worst, _difference(name, ours, steps[name], tolerance))
    return worst


def _column(record: Record, name: str) -> np.ndarray:
    """A number per layer, NaN where there is none."""
    if record.layers is None or record.absent is None:
        return np.empty(0)
    index = LAYER_COLUMNS.index(name)
    return np.where(record.absent[:, index], np.nan, record.layers[:, index])


def _by_hand(config: RunConfig, activation: str, init: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the script records, starting from vgrad's weights and given its batches."""
    training, test = digits()
    model = script.network(activation, init, config.depth, config.width)
    start = Stack([config], 64, 10).parameters
    with torch.no_grad():
        for linear, weight, bias in zip(
            script.linears(model), start.weights, start.biases, strict=True
        ):
            linear.weight.copy_(weight[0].T)
            linear.bias.copy_(bias[0, 0])
    settings = {"activation": activation, "record": "full", "steps": STEPS}
    settings["lr"] = config.optimizer.settings["lr"]
    return script.train(model, _batches(config, training), test, OmegaConf.create(settings))


def _batches(config: RunConfig, data: Batch) -> Iterator[Batch]:
    """The batches of vgrad's run, of its first epoch."""
    x, y = data
    order = torch.randperm(len(x), generator=generator(config.seed, BATCHES))
    for batch in torch.split(order, config.batch_size or len(x)):
        yield x[batch], y[batch]


def _difference(name: str, ours: np.ndarray, theirs: pd.Series, tolerance: float) -> float:
    """The largest relative difference of a column; 0 for a share, which is compared as it is."""
    plain = theirs.to_numpy(dtype=float)
    assert np.array_equal(np.isnan(ours), np.isnan(plain)), f"{name}: other values are missing"
    if name in COUNTED:
        np.testing.assert_allclose(plain, ours, rtol=0, atol=1e-3, err_msg=name)
        return 0.0
    zero = ABSOLUTE.get(name, 0.0)
    np.testing.assert_allclose(plain, ours, rtol=tolerance, atol=zero, err_msg=name)
    excess = np.maximum(np.abs(plain - ours) - zero, 0.0)
    return float(np.nanmax(excess / np.maximum(np.abs(ours), 1e-300)))


def main() -> None:
    """Print how far the two are apart."""
    print(f"the same numbers, to {agree():.0e} of their size")


if __name__ == "__main__":
    main()

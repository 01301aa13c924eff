"""From a config to a recorded run: what must hold beforehand, the training, and its files."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

from vgrad.config import RunConfig, run_id
from vgrad.diagnose import Profile, describe, summarise
from vgrad.draw import drawn_init
from vgrad.errors import ConfigError
from vgrad.layout import Layout
from vgrad.parts.datasets import DATASETS, Dataset, load
from vgrad.parts.losses import LOSSES
from vgrad.parts.models import Architecture
from vgrad.registry import Entry
from vgrad.stack import form
from vgrad.store import LAYER_COLUMNS, RunWriter
from vgrad.terminal import View
from vgrad.train import Outcome, Record, Row, train

VERSIONED = ("vgrad", "torch", "numpy", "pandas", "pyarrow", "hydra-core")
WEIGHT_COPIES = 9  # weights, gradients, a copy, up to three of an optimizer's, three of the probe's
UNIT_COPIES = 4  # z, h, δ and the probe's room
UNEVEN = 1.5  # times its even share, from which a class is worth guessing
DELTA = LAYER_COLUMNS.index("delta_rms")


def check(config: RunConfig) -> RunConfig:
    """See whether a run is possible, before a folder is made for it.

    Returns:
        the config with its device and batch size named and its epochs counted in steps.

    Raises:
        VgradError: what is in the way: device, data, a loss that does not fit, too small a machine.
    """
    device = _device(config.device)
    if config.dtype == "float64" and device == "mps":
        raise ConfigError("device=mps has no float64; dtype=float32 it has, and device=cpu both.")
    data = load(config.data.name, config.data.settings)
    _check_loss(config, data)
    examples = len(data.train_x)
    batch = config.batch_size or min(DATASETS[config.data.name].batch_size, examples)
    if batch > examples:
        raise ConfigError(
            f"batch_size={batch} is more than the {examples} training examples "
            f"of data={config.data.name}."
        )
    _check_architecture(config, batch)
    drawn_init(config)  # is there such a gain?
    _check_memory(config, data, batch)
    steps = config.steps
    if config.epochs is not None:
        steps = math.ceil(config.epochs * (examples // batch))
    return replace(config, device=device, batch_size=batch, steps=steps, epochs=None)


def execute(
    config: RunConfig, folder: Path, view: View, should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """Train one run, record it in `folder`, and show it.

    Args:
        config: as `check` returned it.
        folder: where its files go; made if need be.
        view: is shown the run while it trains, and the words at its end.
        should_stop: asked before every update.

    Returns:
        what run.json holds.

    Raises:
        StoreError: the folder cannot be written.
        WriteError: the disk failed; what was recorded before is kept.
    """
    begun = perf_counter()
    data = load(config.data.name, config.data.settings)
    plain = config.plain()
    with RunWriter(folder, run_id(config), plain, _about(config)) as writer:
        view.start(plain, folder, config.steps)
        minutes = _Minutes(writer, view)
        outcome = train([config], data, minutes.take, view.step, should_stop)[0]
        summary = _summary(config, data, minutes, outcome)
        timings = {"total_s": perf_counter() - begun, "recording_s": minutes.seconds}
        document = writer.finish(outcome.status, summary, timings)
    view.finish(document, describe(plain, summary, minutes.first, minutes.last))
    return document


def _summary(
    config: RunConfig, data: Dataset, minutes: _Minutes, outcome: Outcome
) -> dict[str, Any]:
    summary = summarise(
        minutes.first,
        minutes.last,
        minutes.rows,
        config.depth,
        outcome.status,
        chance=_chance(data),
    )
    init = drawn_init(config)
    summary |= {"last_step": outcome.updates, "resolved_init": init.name}
    if config.init.settings.get("gain") == "auto":
        summary |= {"resolved_gain": init.settings["gain"]}
    if minutes.rows and minutes.rows[-1]["clipped_updates"] is not None:
        summary |= {"clipped_updates": minutes.rows[-1]["clipped_updates"]}
    if outcome.status == "diverged":
        summary |= {"first_bad_step": outcome.updates, "first_bad_layer": outcome.bad_layer}
    return summary


def _chance(data: Dataset) -> float | None:
    """The accuracy of guessing: 1 / classes, or of always naming a class that is far more frequent.

    That class is the most frequent one in training, and its share that in the test set.
    """
    if data.classes is None:
        return None
    share = float((data.test_y == np.bincount(data.train_y).argmax()).mean())
    even = 1.0 / data.classes
    return share if share > UNEVEN * even else even


class _Minutes:
    """Passes records on to the files and the view, and keeps of them what the summary needs.

    Attributes:
        seconds: spent on writing and showing.
    """

    def __init__(self, writer: RunWriter, view: View) -> None:
        self.seconds = 0.0
        self._writer, self._view = writer, view
        self._first: Record | None = None
        self._last: Record | None = None
        self._rows: dict[str, Row] = {}

    @property
    def first(self) -> Profile | None:
        """The layers at step 0, None if they were not recorded."""
        return _profile(self._first)

    @property
    def last(self) -> Profile | None:
        """The layers at the last record, None if there is none."""
        return _profile(self._last)

    @property
    def rows(self) -> list[Row]:
        """The first row, the best and the last evaluation, and the last row, each once."""
        rows = {row["step"]: row for row in self._rows.values()}
        return sorted(rows.values(), key=lambda row: row["step"] or 0)

    def take(self, record: Record) -> None:
        """Write one record, show it, and keep it if it counts."""
        begun = perf_counter()
        self._writer.record(record.step, record.steps, record.layers, record.absent)
        self._keep_row({"step": record.step, **record.steps})
        deltas: Sequence[float] = ()
        if record.layers is not None:
            deltas = record.layers[:, DELTA].tolist()
            self._last = record
            if record.step == 0:
                self._first = record
        self._view.record(record.step, record.steps, deltas)
        self.seconds += perf_counter() - begun

    def _keep_row(self, row: Row) -> None:
        """Keep a handful of rows, so that memory does not grow with the steps."""
        self._rows.setdefault("first", row)
        self._rows["last"] = row
        if row["val_loss"] is None:
            return
        self._rows["evaluated"] = row
        best = self._rows.setdefault("best", row)
        if (row["val_accuracy"] or 0.0) > (best["val_accuracy"] or 0.0):
            self._rows["best"] = row


def _profile(record: Record | None) -> Profile | None:
    if record is None or record.layers is None or record.absent is None:
        return None
    values = record.layers.astype(object)
    values[record.absent] = None
    return {name: values[:, index].tolist() for index, name in enumerate(LAYER_COLUMNS)}


def _device(wanted: str) -> str:
    """The device to train on, `auto` being the fastest that is there."""
    there = ["cpu"]
    if torch.backends.mps.is_available():
        there.insert(0, "mps")
    if count := torch.cuda.device_count():
        there = ["cuda", *(f"cuda:{index}" for index in range(count)), *there]
    if wanted == "auto":
        return there[0]
    if wanted not in there:
        raise ConfigError(f"device={wanted} is not there. This machine has: {', '.join(there)}.")
    return wanted


def _check_loss(config: RunConfig, data: Dataset) -> None:
    """Refuse a loss that the task or the targets do not go with, and name those that they do."""
    entry, name = LOSSES[config.loss.name], config.data.name
    if _fits(entry, data):
        return
    why = f"loss={entry.name} does not fit data={name}, a {data.task} task."
    if data.task in entry.tasks:
        targets = np.concatenate([data.train_y, data.test_y])
        why = (
            f"loss={entry.name} does not fit data={name}: it needs targets {entry.domain.words}, "
            f"and these reach from {targets.min()!s} to {targets.max()!s}."
        )
    fitting = [f"loss={other.name}" for other in LOSSES.values() if _fits(other, data)]
    raise ConfigError(f"{why} What fits: {', '.join(fitting)}.")


def _fits(loss: Entry, data: Dataset) -> bool:
    """Whether a loss is for such a task and defined for every target; one-hot ones always do."""
    if data.task not in loss.tasks:
        return False
    if data.task == "classification" or loss.domain is None:
        return True
    return bool(loss.domain.holds(data.train_y) and loss.domain.holds(data.test_y))


def _check_architecture(config: RunConfig, batch: int) -> None:
    """Refuse remedies that this depth or this batch has no room for."""
    plan = Architecture.of(config.model.name, config.model.settings)
    if plan.aux_heads and plan.aux_heads >= config.depth:
        raise ConfigError(
            f"model.aux_heads={plan.aux_heads} needs depth={plan.aux_heads + 1} or more: a head "
            f"reads a hidden layer below the last. Here depth={config.depth}."
        )
    if plan.norm == "batch" and batch == 1:
        raise ConfigError(
            "model.norm=batch needs a batch_size of 2 or more: one example has no variance. "
            "model.norm=layer and model.norm=rms take any."
        )


def _check_memory(config: RunConfig, data: Dataset, batch: int) -> None:
    """Refuse what this machine's memory cannot hold, rather than let it be killed."""
    pieces, copies = form(config)
    plan = Architecture.of(config.model.name, config.model.settings)
    sizes = (data.input_dim, config.width, config.depth, data.output_dim)
    weights = Layout(1, *sizes, plan, pieces, copies).size
    widest = config.width * max(pieces, copies)
    units = batch * (config.depth * widest + data.input_dim + data.output_dim)
    copies = UNIT_COPIES + _copies_of_remedies(plan)
    bytes_each = 8 if config.dtype == "float64" else 4
    needed = (WEIGHT_COPIES * weights + copies * units) * bytes_each
    has = _memory(config.device)
    if needed > has:
        raise ConfigError(
            f"depth={config.depth} width={config.width} batch_size={batch} needs some "
            f"{needed / 2**30:,.0f} GiB of memory; this machine has {has / 2**30:,.0f} GiB."
        )


def _copies_of_remedies(plan: Architecture) -> int:
    """How many more numbers a unit takes in memory with what stands between the layers."""
    kind = plan.shortcut.kind
    return (
        4 * (plan.norm != "none")  # its input, its error and what it keeps
        + 2 * (plan.dropout > 0)  # a mask, and what it leaves
        + 3 * (plan.alpha_dropout > 0)
        + 1 * (kind != "none")
        + 2 * (kind == "highway")
        + 2 * (plan.bottleneck > 0)
    )


def _memory(device: str) -> int:
    """Bytes of the device's memory; of the machine's where that is not known."""
    if device.startswith("cuda"):
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _about(config: RunConfig) -> dict[str, Any]:
    """When and with what a run is made, for its run.json."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": _device_name(config.device),
        "threads": torch.get_num_threads(),
        "versions": {"python": platform.python_version(), **{v: version(v) for v in VERSIONED}},
    }


def _device_name(device: str) -> str:
    if device.startswith("cuda"):
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({platform.machine()})"

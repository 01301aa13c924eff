"""What must hold before a run is made: its device, data, loss, architecture and memory."""

from __future__ import annotations

import math
import os
from dataclasses import replace

import numpy as np
import torch

from vgrad.config import RunConfig
from vgrad.draw import drawn_init
from vgrad.errors import ConfigError
from vgrad.layout import Layout
from vgrad.parts.datasets import DATASETS, Dataset, load
from vgrad.parts.losses import LOSSES
from vgrad.parts.models import Architecture
from vgrad.registry import Entry
from vgrad.stack import form
from vgrad.training import EVALUATED

WEIGHT_COPIES = 13  # weights, gradients, and up to three of an optimizer's; three of the probe's;
# the copy of weights and optimizer that training goes back to
UNIT_COPIES = 4  # z, h, δ and the probe's room
SMALL_GPU = 8 << 30  # bytes of memory


def check(config: RunConfig, auto: str | None = None) -> RunConfig:
    """See whether a run is possible, before a folder is made for it.

    Args:
        config: the run's.
        auto: what `device=auto` is on the machine that will make it; None for this one. Of another
            machine neither devices nor memory can be seen: the job that the run is made in looks.

    Returns:
        the config with its device and batch size named and its epochs counted in steps.

    Raises:
        VgradError: what is in the way: device, data, a loss that does not fit, too small a machine.
    """
    device = _device(config.device, auto)
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
    if auto is None:
        _check_memory(config, data, batch)
    steps = config.steps
    if config.epochs is not None:
        steps = math.ceil(config.epochs * (examples // batch))
    return replace(config, device=device, batch_size=batch, steps=steps, epochs=None)


def devices() -> list[str]:
    """What can be trained on here, the fastest first."""
    there = ["cpu"]
    if torch.backends.mps.is_available():
        there.insert(0, "mps")
    if count := torch.cuda.device_count():
        there = ["cuda", *(f"cuda:{index}" for index in range(count)), *there]
    return there


def check_machine(config: RunConfig) -> None:
    """See whether this machine can make a run that was checked on another one.

    Args:
        config: as `check` returned it.

    Raises:
        ConfigError: it has no such device, or not the memory.
    """
    assert config.batch_size is not None, "the config is not resolved"
    _check_device(config.device)
    data = load(config.data.name, config.data.settings)
    _check_memory(config, data, config.batch_size)


def _device(wanted: str, auto: str | None) -> str:
    """The device to train on, `auto` being the fastest that is there."""
    if wanted == "auto":
        return auto or devices()[0]
    if auto is None:
        _check_device(wanted)
    return wanted


def _check_device(device: str) -> None:
    there = devices()
    if device not in there:
        raise ConfigError(f"device={device} is not there. This machine has: {', '.join(there)}.")


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
    needed, has = memory_of(config, data, batch), memory(config.device)
    if needed > has:
        raise ConfigError(
            f"depth={config.depth} width={config.width} batch_size={batch} needs some "
            f"{needed / 2**30:,.0f} GiB of memory; this machine has {has / 2**30:,.0f} GiB."
        )


def memory_of(config: RunConfig, data: Dataset, batch: int) -> int:
    """About the bytes that one run takes while it trains, without the data."""
    weights, units = numbers_of(config, data, batch)
    plan = Architecture.of(config.model.name, config.model.settings)
    copies = UNIT_COPIES + _copies_of_remedies(plan)
    tested = 3 * min(EVALUATED, len(data.test_x)) * config.width  # what goes in, what comes out
    bytes_each = 8 if config.dtype == "float64" else 4
    return (WEIGHT_COPIES * weights + copies * units + tested) * bytes_each


def numbers_of(config: RunConfig, data: Dataset, batch: int) -> tuple[int, int]:
    """How many parameters a run has, and how many units, those of every example of a batch."""
    pieces, copies = form(config)
    plan = Architecture.of(config.model.name, config.model.settings)
    sizes = (data.input_dim, config.width, config.depth, data.output_dim)
    widest = config.width * max(pieces, copies)
    units = batch * (config.depth * widest + data.input_dim + data.output_dim)
    return Layout(1, *sizes, plan, pieces, copies).size, units


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


def memory(device: str) -> int:
    """Bytes of the device's memory; of the machine's where that is not known.

    A GPU of another machine is taken for a small one.
    """
    if device.startswith("cuda"):
        if device not in devices():
            return SMALL_GPU
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")

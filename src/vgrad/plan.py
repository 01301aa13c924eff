"""A plan: which runs share a stack, in which order the stacks are made, and by how many workers.

On a CPU a stack of 5 to 20 runs of one activation is fastest: more leave the cache, fewer spend
their time on calls. On a GPU a stack is as large as its memory allows.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vgrad.check import memory, memory_of, numbers_of
from vgrad.config import Choice, RunConfig
from vgrad.cost import seconds
from vgrad.errors import ConfigError
from vgrad.job import Job
from vgrad.pack import Pack
from vgrad.parts.datasets import load
from vgrad.stack import form

IN_CACHE = 24 << 20  # bytes of a stack's weights, gradients and units that a core works on well
MOST = 32  # runs of a stack on a CPU
NO_LIMIT = 1 << 30
START = 0.5  # seconds until workers train
WORTH_A_WORKER = 3.0  # seconds of work from which another process is worth its start
MAIN = 500 << 20  # bytes of this process and of the one that workers are made from
WORKER = 120 << 20  # bytes of a worker, before it trains anything, beside what it shares with that
SHARE_OF_MEMORY = 0.6  # of the machine's, that a sweep takes where no limit is set
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@dataclass(frozen=True)
class Limits:
    """What the user has set, None where vgrad is to choose.

    Attributes:
        workers: processes that train.
        max_runs_per_stack: as it says.
        max_memory: bytes that the sweep may take in all.
    """

    workers: int | None = None
    max_runs_per_stack: int | None = None
    max_memory: int | None = None


@dataclass(frozen=True)
class Plan:
    """How some runs are to be made.

    Attributes:
        packs: the slowest first.
        workers: processes; 1 is this one.
        threads: of each.
        seconds: how long it is expected to take, by the clock.
    """

    packs: tuple[Pack, ...]
    workers: int
    threads: int
    seconds: float


def limits_of(settings: Mapping[str, Any]) -> Limits:
    """The limits among the launcher's settings.

    Raises:
        ConfigError: one of them is not valid.
    """
    for key in ("workers", "max_runs_per_stack"):
        value = settings.get(key)
        if value is not None and value < 1:
            raise ConfigError(f"hydra.launcher.{key} must be at least 1, not {value}.")
    limit = settings.get("max_memory")
    return Limits(
        settings.get("workers"),
        settings.get("max_runs_per_stack"),
        None if limit is None else bytes_of(str(limit)),
    )


def bytes_of(text: str) -> int:
    """How many bytes `4GB`, `500 MB` or `1.5G` are.

    Raises:
        ConfigError: it is no such text.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT])(?:i?B)?\s*", text, re.IGNORECASE)
    if not found:
        raise ConfigError(
            f"hydra.launcher.max_memory={text} cannot be read. Write it as in 4GB or 500MB."
        )
    return int(float(found[1]) * UNITS[found[2].upper()])


def make(
    jobs: Sequence[Job],
    limits: Limits,
    stacks: Sequence[tuple[Job, ...]] = (),
    done: Collection[str] = (),
) -> Plan:
    """Plan some runs.

    The stacks of a sweep that is repeated are those of the first time: to the last bit a run's
    numbers may depend on the size of its stack. So all runs are planned, whether they are done or
    not, and then the stacks that are done are left out.

    Args:
        jobs: the runs, each once.
        limits: what the user has set.
        stacks: the stacks, in their order, that runs were in when they were interrupted; they
            are made again as they were, other runs of theirs left unwritten.
        done: the run_id of those that need not be made.

    Raises:
        ConfigError: the limit on memory does not let a single run through.
    """
    cores = _cores(jobs, limits)
    wanted = {job.run_id: job for job in jobs if job.run_id not in done}
    packs: list[Pack] = []
    for stack in stacks:
        packs.append(_pack(stack, [job.run_id in wanted for job in stack]))
        for job in stack:
            wanted.pop(job.run_id, None)
    first = _cut_all(jobs, limits, cores)
    for part in first:
        if wanted.keys() >= {job.run_id for job in part.jobs}:
            packs.append(part)
            for job in part.jobs:
                wanted.pop(job.run_id, None)
    packs += _cut_all(list(wanted.values()), limits, cores)
    packs.sort(key=lambda pack: -pack.seconds)
    workers = _workers(packs, limits, cores)
    return Plan(tuple(packs), workers, _threads(first, limits, cores), _duration(packs, workers))


def _cut_all(jobs: Sequence[Job], limits: Limits, cores: int) -> list[Pack]:
    """The runs by stack, enough of them for all cores where there is much to do."""
    most = limits.max_runs_per_stack
    packs = [_pack(runs) for runs in _split(jobs, limits, cores, most or NO_LIMIT)]
    while most is None and len(packs) < cores and _seconds(packs) > WORTH_A_WORKER * cores:
        largest = max(len(pack.jobs) for pack in packs)
        if largest == 1:
            break
        packs = [_pack(runs) for runs in _split(jobs, limits, cores, math.ceil(largest / 2))]
    return packs


def _threads(packs: Sequence[Pack], limits: Limits, cores: int) -> int:
    """The threads of each worker: those that all runs would have, whatever is left of them."""
    workers = _workers(packs, limits, cores)
    if workers == 1 and limits.workers is None and _seconds(packs) < WORTH_A_WORKER:
        return 1  # a second one gains little, and stalls where the machine is busy
    return max(1, cores_here() // workers)


def may_share(jobs: Sequence[Job], limits: Limits) -> bool:
    """Whether some runs can be a stack, within the limits."""
    first = jobs[0].config
    if any(_shared(job.config) != _shared(first) for job in jobs):
        return False
    most = limits.max_runs_per_stack or len(jobs)
    return len(jobs) <= most and len(jobs) <= _room(first, limits, _cores(jobs, limits))


def halves(pack: Pack) -> list[Pack]:
    """Two packs of half the runs each, for a memory that does not hold them all."""
    middle = len(pack.jobs) // 2
    parts = [slice(0, middle), slice(middle, None)]
    return [_pack(pack.jobs[part], pack.written[part]) for part in parts if any(pack.written[part])]


def cores_here() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _seconds(packs: Sequence[Pack]) -> float:
    return sum(pack.seconds for pack in packs)


def _cores(jobs: Sequence[Job], limits: Limits) -> int:
    """How many processes could train at once, as far as the memory goes.

    Raises:
        ConfigError: it does not hold a single run in as many as were asked for.
    """
    if any(not job.config.device.startswith("cpu") for job in jobs):
        return limits.workers or 1
    if not jobs:
        return 1
    largest = max((job.config for job in jobs), key=_memory_of)
    each, whole = _memory_of(largest), _whole(limits, "cpu")
    cores = limits.workers or cores_here()
    while limits.workers is None and cores > 1 and _share(whole, cores) < each:
        cores -= 1
    if _share(whole, cores) < each and (limits.max_memory or limits.workers):
        least = MAIN + cores * (WORKER + each)
        raise ConfigError(
            f"One run of depth={largest.depth} width={largest.width} takes "
            f"{each / 2**20:,.0f} MB, so that {cores} worker{'s' * (cores > 1)} need "
            f"{least / 2**20:,.0f} MB in all; hydra.launcher.max_memory leaves "
            f"{whole / 2**20:,.0f} MB."
        )
    return cores


def _memory_of(config: RunConfig) -> int:
    """Bytes that one run takes in a stack."""
    assert config.batch_size is not None, "the config is not resolved"
    return memory_of(config, load(config.data.name, config.data.settings), config.batch_size)


def _whole(limits: Limits, device: str) -> int:
    """Bytes that the sweep may take."""
    return limits.max_memory or int(SHARE_OF_MEMORY * memory(device))


def _share(whole: int, workers: int) -> int:
    """Bytes of it that are left for a stack."""
    return (whole - MAIN) // workers - WORKER


def _workers(packs: Sequence[Pack], limits: Limits, cores: int) -> int:
    if limits.workers is not None:
        return min(limits.workers, max(1, len(packs)))
    if _seconds(packs) < WORTH_A_WORKER:
        return 1
    return max(1, min(cores, len(packs)))


def _duration(packs: Sequence[Pack], workers: int) -> float:
    """When the last worker is done, if each takes the next pack as it is free."""
    ends = [0.0] * min(workers, cores_here())
    for pack in packs:
        ends[ends.index(min(ends))] += pack.seconds
    return max(ends, default=0.0) + (START if workers > 1 else 0.0)


def _pack(jobs: Sequence[Job], written: Sequence[bool] | None = None) -> Pack:
    config = jobs[0].config
    names = list(dict.fromkeys(job.config.activation.name for job in jobs))
    label = f"{config.depth} × {config.width} {', '.join(names)}"
    cost = seconds(config, len(jobs))
    return Pack(tuple(jobs), tuple(written or [True] * len(jobs)), cost, label)


def _split(jobs: Sequence[Job], limits: Limits, cores: int, most: int) -> Iterator[Sequence[Job]]:
    """The runs by stack: those that can share one, in order, cut where a stack is full."""
    groups: dict[Any, list[Job]] = {}
    for job in jobs:
        groups.setdefault(_shared(job.config), []).append(job)
    for group in groups.values():
        size = max(1, min(most, _size(group[0].config, limits, cores)))
        yield from _cut(group, size)


def _shared(config: RunConfig) -> tuple[Any, ...]:
    """What the runs of a stack have in common."""
    return (
        form(config),
        _plain(config.model),
        _plain(config.data),
        config.depth,
        config.width,
        config.batch_size,
        config.steps,
        config.device,
        config.dtype,
        config.probe_every,
        config.eval_every,
        config.checkpoint_every,
    )


def _plain(choice: Choice) -> tuple[Any, ...]:
    return choice.name, *sorted(choice.settings.items())


def _room(config: RunConfig, limits: Limits, cores: int) -> int:
    """How many such runs the memory holds in a stack, with as many stacks as cores at once."""
    whole = _whole(limits, config.device)
    share = _share(whole, cores) if config.device == "cpu" else whole // cores
    return max(1, share // _memory_of(config))


def _size(config: RunConfig, limits: Limits, cores: int) -> int:
    """How many such runs a stack should have."""
    room = _room(config, limits, cores)
    if config.device != "cpu" or limits.max_runs_per_stack is not None:
        return room
    data = load(config.data.name, config.data.settings)
    assert config.batch_size is not None, "the config is not resolved"
    weights, units = numbers_of(config, data, config.batch_size)
    bytes_each = (2 * weights + units) * (8 if config.dtype == "float64" else 4)
    return min(room, MOST, max(1, IN_CACHE // bytes_each))


def _cut(group: Sequence[Job], size: int) -> Iterator[Sequence[Job]]:
    """Stacks of at most `size` runs, neighbours of one activation, as equal as can be."""
    activations: dict[Any, list[Job]] = {}
    for job in group:
        activations.setdefault(_plain(job.config.activation), []).append(job)
    waiting: list[Job] = []
    for same in activations.values():
        same = sorted(same, key=lambda job: _kind(job.config))
        if len(waiting) + len(same) > size:
            if waiting:
                yield waiting
            *full, waiting = _evenly(same, size)
            yield from full
        else:
            waiting = [*waiting, *same]
    if waiting:
        yield waiting


def _kind(config: RunConfig) -> str:
    """What runs are sorted by, so that those which are computed in the same way are neighbours."""
    return repr((_plain(config.loss), _plain(config.optimizer)))


def _evenly(jobs: Sequence[Job], size: int) -> Iterator[list[Job]]:
    """As few parts as there must be, of nearly equal length."""
    parts = math.ceil(len(jobs) / size)
    for part in range(parts):
        start, stop = (len(jobs) * end // parts for end in (part, part + 1))
        yield list(jobs[start:stop])

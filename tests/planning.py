"""Jobs to be planned, made in a line, and a machine of any size to plan them for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import pytest

import networks
from vgrad import plan
from vgrad.config import run_id
from vgrad.job import Job
from vgrad.pack import Pack

GB = 1 << 30


def job(**keys) -> Job:
    config = networks.config(**{key.strip(): value for key, value in keys.items()})
    return Job(config, Path("runs/x") / run_id(config), (), {})


def seeds(count: int, **keys) -> list[Job]:
    return [job(seed=seed, **keys) for seed in range(count)]


@contextmanager
def world(cores: int = 4, memory: int = 64 * GB, each: float = 0.0) -> Iterator[None]:
    """A machine with so many cores and so much memory, where a run takes `each` seconds."""
    calls = []

    def split(*args):
        calls.append(args)
        assert len(calls) < 100, "the plan is made for ever"
        return original(*args)

    original = plan._split
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "cores_here", lambda: cores)
        patch.setattr(plan, "memory", lambda device: memory)
        patch.setattr(plan, "load", lambda name, settings: networks.classification())
        patch.setattr(plan, "seconds", lambda config, runs: each * runs)
        patch.setattr(plan, "_split", split)
        yield


def sizes(made: plan.Plan) -> list[int]:
    return [len(pack.jobs) for pack in made.packs]


def is_contiguous(pack: Pack) -> bool:
    """Whether the runs of each activation stand side by side."""
    stretches = [key for key, _ in groupby(job.config.activation for job in pack.jobs)]
    return all(key not in stretches[:place] for place, key in enumerate(stretches))

"""Packs for tests: jobs made in a line, carried out in this process, stopped at a step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import networks
from vgrad import pack
from vgrad.check import check
from vgrad.config import run_id
from vgrad.job import Document, Job
from vgrad.pack import Pack
from vgrad.store.columns import TABLES

DATA = {"data__train_size": 64, "data__test_size": 32, "data__dim": 6, "data__classes": 4}
DIVERGES = {"activation": "relu", "loss": "mse", "optimizer__lr": 1e6}
DIVERGES_LATE = {**DIVERGES, "init": "he_normal", "optimizer__lr": 7.8}  # after some 70 updates
PARQUET = [table.parquet for table in TABLES]


def job(folder: Path, overrides: Sequence[str] = (), **keys: Any) -> Job:
    """One run of a sweep into a folder; settings are written `optimizer__lr=0.1`."""
    config = check(networks.config(**(DATA | keys)))
    return Job(config, folder / run_id(config), tuple(overrides), config.plain())


def packed(folder: Path, *runs: Mapping[str, Any], **keys: Any) -> Pack:
    """A pack of some runs, each with its own keys and a seed of its own, all of them written."""
    jobs = [job(folder, **{"seed": seed, **keys, **run}) for seed, run in enumerate(runs)]
    return Pack(tuple(jobs), (True,) * len(jobs))


def told(number: int) -> Callable[[], bool]:
    """In the place of `should_stop`: says so when it is asked for the last of so many times."""
    asked: Iterator[bool] = iter([False] * (number - 1) + [True])
    return lambda: next(asked)


def made(
    given: Pack,
    should_stop: Callable[[], bool] = lambda: False,
    report: Callable[[Any], None] = lambda news: None,
) -> list[Document]:
    """Carry a pack out."""
    return pack.work(given, report, should_stop)


def stopped(given: Pack, step: int) -> list[Document]:
    """Carry a pack out, and have it stop once so many more updates have been made."""
    return made(given, told(step + 1))


def tables(given: Pack) -> dict[str, bytes]:
    """The bytes of the tables of every run that is written."""
    pairs = zip(given.jobs, given.written, strict=True)
    return {
        f"{run_id(job.config)} {name}": (job.folder / name).read_bytes()
        for job, written in pairs
        if written
        for name in PARQUET
        if (job.folder / name).exists()
    }


def files(folder: Path) -> set[str]:
    """The names of all files in a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}

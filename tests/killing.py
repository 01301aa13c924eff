"""Sweeps that are killed, and find disks full: forked from one process that has all imported.

Python takes a second to start with torch. So `Warm` starts one process, which makes a sweep and
then forks for each command that it is asked for; a fork is a process like any other.
"""

from __future__ import annotations

import builtins
import errno
import io
import itertools
import json
import mmap
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import pandas as pd

from recording import environment
from vgrad.store import Frames, load
from vgrad.store.columns import CHECKPOINT, LOCK, TABLES
from vgrad.store.document import read_document

CHANGES = ("mkdir", "write", "fsync", "replace", "unlink")
# What a run that is killed in its very last moment may leave; nothing reads it any more.
LEFT = (LOCK, CHECKPOINT, *(table.journal for table in TABLES))
DEADLINE = 60.0  # seconds for any command
NOBODY = 65534
KEYS = {"steps": ["run_id", "step"], "layers": ["run_id", "step", "layer"]}


@dataclass(frozen=True)
class Fate:
    """What befalls a command.

    Attributes:
        kill: it is killed by this change of the disk, counted from 1; a write is cut in halves.
        after: its process group is killed after so many seconds.
        full: from this change of the disk on there is no space left.
        largest: bytes that a file may have.
        fault: what the first `times` trainings come to: "MemoryError", "OutOfMemoryError", or
            "death".
        times: how often.
        runs: only stacks of so many runs or more come to that.
        only: and only those whose first run has this activation and lr: `relu 0.1`.
        forked: workers are forked, as where a program has entries of its own.
        nobody: it is carried out by a user without rights.
    """

    kill: int = 0
    after: float = 0.0
    full: int = 0
    largest: int = 0
    fault: str = ""
    times: int = 0
    runs: int = 1
    only: str = ""
    forked: bool = False
    nobody: bool = False


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        status: its exit status; −N where signal N ended it.
        said: what it printed, errors last.
        changes: of the disk that it made.
        seconds: that it took.
    """

    status: int
    said: str
    changes: int
    seconds: float


class Warm:
    """A process that carries out commands in forks of its own."""

    def __init__(self) -> None:
        words = [sys.executable, "-c", "import killing; killing.serve()"]
        single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            words,
            env=environment() | single,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def __call__(self, folder: Path, *words: str, fate: Fate | None = None) -> Ended:
        """Carry out a command in a folder."""
        return self.at_once(folder, [words], fate)[0]

    def at_once(
        self, folder: Path, commands: Sequence[Sequence[str]], fate: Fate | None = None
    ) -> list[Ended]:
        """Carry out some commands, all of them at the same time."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        each = [[*words] for words in commands]
        order = {"folder": str(folder), "commands": each, "fate": vars(fate or Fate())}
        print(json.dumps(order), file=self._process.stdin, flush=True)
        return [Ended(**ended) for ended in json.loads(self._process.stdout.readline())]


def serve() -> None:
    """Carry out what standard input asks for, a line each."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _warm_up()
    for line in sys.stdin:
        order = json.loads(line)
        fate = Fate(**order["fate"])
        with tempfile.TemporaryDirectory() as marks:
            forks = [_Fork(order["folder"], words, fate, marks) for words in order["commands"]]
            print(json.dumps([fork.ended() for fork in forks]), file=answers, flush=True)


def _warm_up() -> None:
    """Import whatever a sweep imports."""
    from vgrad.cli import main

    import_module("vgrad.sweep").warm = lambda preload: None  # type: ignore[attr-defined]
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        words = ("depth=1,2", "width=4", "steps=3", "data=white", "hydra.launcher.workers=1")
        with open(os.devnull, "w") as nowhere:
            stdout, sys.stdout = sys.stdout, nowhere
            assert main(["sweep", *words]) == 0
            sys.stdout = stdout
        os.chdir(before)


class _Fork:
    """A command in a process of its own."""

    def __init__(self, folder: str, words: Sequence[str], fate: Fate, marks: str) -> None:
        self._fate = fate
        self._changes = mmap.mmap(-1, 8)
        self._begun = time.monotonic()
        reader, writer = os.pipe()
        self._number = os.fork()
        if not self._number:
            status = 1
            try:
                os.setsid()
                os.chdir(folder)  # before rights are given up: a folder above may be another's
                for stream in (0, 1, 2):
                    os.dup2(os.open(os.devnull, os.O_RDONLY) if stream == 0 else writer, stream)
                sys.stdout, sys.stderr = open(1, "w"), open(2, "w")  # noqa: SIM115 (till its end)
                status = _suffer(words, fate, self._changes, Path(marks))
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        os.close(writer)
        self._reader = reader

    def ended(self) -> dict[str, Any]:
        """Wait for the end, or bring it about."""
        handle = os.pidfd_open(self._number)
        ready, _, _ = select.select([handle], [], [], self._fate.after or DEADLINE)
        if not ready:
            try:
                os.killpg(self._number, signal.SIGKILL)
            except ProcessLookupError:  # it has not come so far as to lead a group
                os.kill(self._number, signal.SIGKILL)
        _, status = os.waitpid(self._number, 0)
        seconds = time.monotonic() - self._begun
        os.close(handle)
        with os.fdopen(self._reader, "rb") as pipe:
            said = pipe.read().decode()
        return {
            "status": os.waitstatus_to_exitcode(status),
            "said": said,
            "changes": int.from_bytes(self._changes[:8], "little"),
            "seconds": seconds,
        }


def _suffer(words: Sequence[str], fate: Fate, changes: mmap.mmap, marks: Path) -> int:
    """Carry out a command as it is fated."""
    from vgrad.cli import main

    if fate.largest:
        resource.setrlimit(resource.RLIMIT_FSIZE, (fate.largest, fate.largest))
    if fate.forked:
        import_module("vgrad.launch")._own_entry = lambda packs: "mine"  # type: ignore[attr-defined]
    if fate.fault:
        _have_training_fail(fate, marks)
    if fate.nobody:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    _watch_disk(fate, changes)
    status = main(words)
    sys.stdout.flush()
    return status


def _watch_disk(fate: Fate, changes: mmap.mmap) -> None:
    """Count the changes of the disk, and have them end as they are fated to."""
    count = itertools.count(1)
    calls = {name: getattr(os, name) for name in CHANGES}

    def meet(name: str, path: object) -> bool:
        """Whether this is the change that kills; a full disk fails here."""
        number = next(count)
        changes[:8] = number.to_bytes(8, "little")
        if fate.full and number >= fate.full and name != "unlink":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return number == fate.kill

    def watched(name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if meet(name, args[0]):
                if name == "write":
                    calls["write"](args[0], args[1][: len(args[1]) // 2])
                os.killpg(0, signal.SIGKILL)
            return calls[name](*args, **kwargs)

        return call

    for name in CHANGES:
        setattr(os, name, watched(name))
    if fate.full:
        _watch_opening(meet)


def _watch_opening(meet: Callable[[str, object], bool]) -> None:
    """A full disk has no room for a new file either."""
    opened = io.open

    def to_write(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if set(mode) & set("wax+") and not isinstance(file, int):
            meet("open", file)
        return opened(file, mode, *args, **kwargs)

    builtins.open = io.open = to_write  # type: ignore[assignment]


def _have_training_fail(fate: Fate, marks: Path) -> None:
    """The first trainings, in whatever process, come to their fault when half is done."""
    import torch

    from vgrad import pack
    from vgrad.train import Course, train

    faults = {"MemoryError": MemoryError, "OutOfMemoryError": torch.OutOfMemoryError}
    step = Course._take_step

    def failing(course: Any, number: int, **more: Any) -> bool:
        if number == course.training.steps // 2:
            if fate.fault == "death":
                os.kill(os.getpid(), signal.SIGKILL)
            raise faults[fate.fault]
        return step(course, number, **more)

    def fated(configs: Sequence[Any], *others: Any) -> None:
        Course._take_step = step  # type: ignore[method-assign]
        first = f"{configs[0].activation.name} {configs[0].optimizer.settings['lr']}"
        if len(configs) >= fate.runs and fate.only in ("", first):
            for mark in (marks / str(number) for number in range(fate.times)):
                with suppress(FileExistsError):
                    mark.touch(exist_ok=False)
                    Course._take_step = failing  # type: ignore[method-assign]
                    break
        train(configs, *others)

    pack.train = fated  # type: ignore[attr-defined]


def tables(folder: Path) -> dict[str, bytes]:
    """The bytes of every table of a sweep."""
    names = [table.parquet for table in TABLES]
    paths = [path for name in names for path in folder.glob(f"*/{name}")]
    return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in paths}


def names(folder: Path) -> set[str]:
    """All files of a sweep."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in found if path.name not in LEFT}


def frames_of(folder: Path) -> Frames | None:
    """What can be read of a sweep, and nothing that cannot; None before its first run."""
    if not any(folder.glob("*/run.json")):
        return None
    frames = load(folder)
    assert frames.problems == []
    return frames


@dataclass
class Witness:
    """Sees a sweep after each kill, and says at the end whether all that it saw is there.

    Attributes:
        folder: of the sweep.
        whole: the folder of one that was never disturbed.
        rows: how many were seen, a row once for each kill.
    """

    folder: Path
    whole: Path
    rows: int = 0
    _seen: list[Frames] = field(default_factory=list)
    _ended: dict[str, tuple[int, int]] = field(default_factory=dict)

    def look(self) -> None:
        """See what is there; runs that have ended are there as they were, and for good."""
        frames = frames_of(self.folder)
        if frames is None:
            assert not self._ended
            return
        self._seen.append(self._without_last_words(frames))
        self.rows += len(frames.steps) + len(frames.layers)
        ended = frames.runs[frames.runs.status.isin(("completed", "diverged"))]
        now = {run: self._files(run) for run in ended.run_id}
        assert now.items() >= self._ended.items()
        self._ended = now

    def assert_whole(self) -> None:
        """The sweep has ended: each run is there once, and is the one that it would have been."""
        self.look()
        assert tables(self.folder) == tables(self.whole)
        assert names(self.folder) == names(self.whole)
        last = self._seen[-1]
        assert set(last.runs.status) <= {"completed", "diverged"}
        assert last.runs.run_id.is_unique
        for name, keys in KEYS.items():
            final = getattr(last, name).set_index(keys)
            assert final.index.is_unique
            for seen in self._seen:
                rows = getattr(seen, name).set_index(keys)
                assert rows.index.is_unique
                pd.testing.assert_frame_equal(rows, final.loc[rows.index], check_exact=True)

    def _without_last_words(self, frames: Frames) -> Frames:
        """Without what was measured because a run was asked to end: it is no step of its own."""
        ended = {run: read_document(self.folder / run)["status"] for run in frames.runs.run_id}
        kept = []
        for rows in (frames.steps, frames.layers):
            last = rows.step == rows.groupby("run_id", observed=True).step.transform("max")
            kept.append(rows[~(last & rows.run_id.map(ended).eq("interrupted"))])
        return Frames(frames.runs, *kept, frames.problems)

    def _files(self, run: str) -> tuple[int, int]:
        status = (self.folder / run / "layers.parquet").stat()
        return status.st_ino, status.st_mtime_ns


def until_whole(
    warm: Warm, words: Sequence[str], witness: Witness, fates: Iterator[Fate], status: int
) -> int:
    """Repeat a command until it comes to its end; how often it did not, for its fate.

    Args:
        warm: carries it out.
        words: the command.
        witness: looks on.
        fates: of each try.
        status: that a command has which does not come to its end.
    """
    for tries, fate in enumerate(fates):
        ended = warm(witness.folder.parents[1], *words, fate=fate)
        if ended.status == 0:
            witness.assert_whole()
            shutil.rmtree(witness.folder)
            return tries
        assert ended.status == status, ended.said
        witness.look()
    raise AssertionError("it never comes to an end")

"""A pack: runs that are trained as one stack, each recorded in a folder of its own."""

from __future__ import annotations

import platform
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any

import torch

from vgrad.brief import brief_of
from vgrad.check import check_machine, devices
from vgrad.checkpoint import Checkpoint
from vgrad.config import RunConfig, run_id
from vgrad.diagnose import describe, foretold
from vgrad.errors import BusyError, NoRoomError, StoreError
from vgrad.job import Document, Job
from vgrad.log import Log
from vgrad.minutes import Minutes
from vgrad.parts.datasets import Dataset, load
from vgrad.store import RunWriter, read_run
from vgrad.store.disk import writing
from vgrad.store.foretold import THEORY
from vgrad.terminal import View
from vgrad.theory.record import Recorded, record
from vgrad.train import Outcome, Record, Saved, Watcher, train

VERSIONED = ("vgrad", "torch", "numpy", "pandas", "pyarrow", "hydra-core")
AT_ONCE = 8  # runs whose files are begun or ended at once: they mostly wait for the disk
NEWS = 0.2  # seconds between two words of how far a pack is
HYDRA = ".hydra"

Report = Callable[[Any], None]


@dataclass(frozen=True)
class Pack:
    """Runs that share a stack.

    Attributes:
        jobs: the runs, in the order of the stack.
        written: which of them leave files. The others have theirs already, and only keep the
            stack as it was: to the last bit a run's numbers may depend on the size of its stack.
        seconds: what it is expected to take, on one core.
        label: what it is called before a person.
    """

    jobs: tuple[Job, ...]
    written: tuple[bool, ...]
    seconds: float = 0.0
    label: str = ""


def work(pack: Pack, report: Report, should_stop: Callable[[], bool]) -> list[Document]:
    """Train and record a pack of a sweep.

    Args:
        pack: what is to be done; a checkpoint of it is gone on from.
        report: is given the share that is done, now and then, and each run's document as it ends.
        should_stop: asked before every update.

    Returns:
        what the run.json of each job that is written holds, and its `path`.

    Raises:
        ConfigError: this machine does not have the device or the memory.
        NoRoomError: the memory does not hold it.
        StoreError, WriteError: a folder cannot be written; what was recorded before is kept.
    """
    check_machine(pack.jobs[0].config)  # that of a cluster's job is not the one that checked it
    with _memory_told(pack):
        for job, written in zip(pack.jobs, pack.written, strict=True):
            if written:
                _write_hydra(job)
        return _carry_out(pack, [], report, should_stop)


def execute(
    config: RunConfig, folder: Path, view: View, should_stop: Callable[[], bool]
) -> Document:
    """Train one run, record it in `folder`, and show it.

    Args:
        config: as `check` returned it.
        folder: where its files go; made if need be.
        view: is shown the run while it trains, and the words at its end.
        should_stop: asked before every update.

    Returns:
        what run.json holds, and its `path`.

    Raises:
        NoRoomError: the memory does not hold it.
        StoreError: the folder cannot be written.
        WriteError: the disk failed; what was recorded before is kept.
    """
    pack = Pack((Job(config, folder, (), {}),), (True,))
    with _memory_told(pack):
        return _carry_out(pack, [view], lambda news: None, should_stop)[0]


@dataclass
class _Member:
    """A run of a pack while it is recorded."""

    job: Job
    writer: RunWriter
    minutes: Minutes
    views: Sequence[View]
    document: Document | None = None


@dataclass
class _Recorder(Watcher):
    """Takes what training tells to the members' files and views, and to whoever waits for them."""

    pack: Pack
    data: Dataset
    members: Mapping[int, _Member]
    checkpoint: Checkpoint
    pool: Executor
    report: Report
    asked_to_stop: Callable[[], bool]
    begun: float = field(default_factory=perf_counter)
    told: float = 0.0
    measuring: float = 0.0

    def record(self, record: Record) -> None:
        if record.run in self.members:
            self.members[record.run].minutes.take(record)

    def step(self, step: int) -> None:
        for member in self.members.values():
            if member.document is None:
                for view in member.views:
                    view.step(step)
        if (now := monotonic()) > self.told + NEWS:
            self.told = now
            self.report(step / max(1, self.pack.jobs[0].config.steps))

    def ended(self, outcomes: Mapping[int, Outcome]) -> None:
        runs = [run for run in outcomes if run in self.members]
        words = self.pool.map(lambda run: self._finish(run, outcomes[run]), runs)
        for run, said in zip(runs, words, strict=True):
            member = self.members[run]
            assert member.document is not None
            for view in member.views:
                view.finish(member.document, said)
            self.report(member.document)

    def _finish(self, run: int, outcome: Outcome) -> Sequence[str]:
        """End a run's files, for which it mostly waits on the disk; what is to be said of it."""
        member, config = self.members[run], self.pack.jobs[run].config
        summary = member.minutes.summary(config, self.data, outcome)
        timings = {
            "total_s": perf_counter() - self.begun,  # of the whole stack
            "measuring_s": self.measuring,  # likewise, evaluation included
            "writing_s": member.minutes.seconds,  # of this run
        }
        document = member.writer.finish(outcome.status, summary, timings)
        member.document = {**document, "path": str(member.job.folder)}
        return describe(config.plain(), summary, member.minutes.first, member.minutes.last)

    def measured(self, seconds: float) -> None:
        self.measuring += seconds

    def should_stop(self) -> bool:
        return self.asked_to_stop()

    def wants_state(self, step: int) -> bool:
        return self.checkpoint.is_due(step)

    def save(self, saved: Saved) -> None:
        writers = {run: member.writer for run, member in self.members.items()}
        there = {run: writers[run] for run in saved.runs if run in writers}
        self.checkpoint.save(saved, there, self.pool)


def _carry_out(
    pack: Pack, views: Sequence[View], report: Report, should_stop: Callable[[], bool]
) -> list[Document]:
    config = pack.jobs[0].config
    data = load(config.data.name, config.data.settings)
    ids = [run_id(job.config) for job in pack.jobs]  # by the data's content as it is read here
    checkpoint = Checkpoint(pack.jobs[0].folder, ids, config.checkpoint_every)
    start = checkpoint.load()
    ended = {} if start is None else _ended(pack, ids, start)
    wanted = {run for run, written in enumerate(pack.written) if written}
    if start is not None and not wanted <= {*start.runs, *ended}:
        start, ended = None, {}
    # A fault waits until no thread writes any more: only then are the files that are left closed.
    with ExitStack() as held, ThreadPoolExecutor(AT_ONCE) as pool:
        opening = _Opening(pack, ids, checkpoint, views, pool)
        try:
            members = opening.members(wanted - ended.keys(), start, held)
        except StoreError as error:
            if start is None or isinstance(error, BusyError):
                raise
            start, ended = None, {}
            members = opening.members(wanted, start, held)
        for document in ended.values():
            report(document)
        recorder = _Recorder(pack, data, members, checkpoint, pool, report, should_stop)
        train([job.config for job in pack.jobs], data, recorder, start)
    made = {run: member.document for run, member in members.items() if member.document is not None}
    documents = [document for _, document in sorted((made | ended).items())]
    if all(document["status"] != "interrupted" for document in documents):
        checkpoint.remove()
    return documents


def _ended(pack: Pack, ids: Sequence[str], saved: Saved) -> dict[int, Document]:
    """What is there of runs that diverged in this very stack before its state was saved.

    A worker that died, or a job that was queued again, leaves a pack as it was planned.
    """
    found = {}
    for run, job in enumerate(pack.jobs):
        if run in saved.runs or not pack.written[run]:
            continue
        with suppress(StoreError):
            there = read_run(job.folder)
            same = there.run_id == ids[run] and there.document.get("stack", [ids[run]]) == list(ids)
            if there.status == "diverged" and same:
                found[run] = {**there.document, "path": str(job.folder)}
    return found


@dataclass(frozen=True)
class _Opening:
    """Opens the files of the runs of a pack that are written."""

    pack: Pack
    ids: Sequence[str]
    checkpoint: Checkpoint
    views: Sequence[View]
    pool: Executor

    def members(
        self, wanted: Collection[int], start: Saved | None, held: ExitStack
    ) -> dict[int, _Member]:
        """The runs, ready to be recorded, and shown to begin.

        Args:
            wanted: their places in the pack.
            start: where they go on; None begins them anew.
            held: closes the files.

        Raises:
            StoreError: a run cannot go on from there, or its folder cannot be written.
        """
        runs = sorted(wanted)
        theory = {run: record(self.pack.jobs[run].config) for run in runs}
        opened = [self.pool.submit(self._writer, run, start, theory[run]) for run in runs]
        wait(opened)
        if any(o.exception() is not None for o in opened):
            for o in opened:
                if o.exception() is None:
                    o.result().leave()
            raise next(error for o in opened if (error := o.exception()) is not None)
        members = {}
        for run, future in zip(runs, opened, strict=True):
            writer = held.enter_context(future.result())
            members[run] = self._member(run, writer, start, theory[run], held)
        return members

    def _writer(self, run: int, start: Saved | None, theory: Recorded) -> RunWriter:
        job = self.pack.jobs[run]
        about = {**_about(job.config), THEORY: theory}
        if len(self.ids) > 1:
            about["stack"] = list(self.ids)
        keep = None if start is None else start.step
        counts = None if start is None else self.checkpoint.counts.get(run)
        return RunWriter(job.folder, self.ids[run], job.config.plain(), about, keep, counts)

    def _member(
        self, run: int, writer: RunWriter, start: Saved | None, theory: Recorded, held: ExitStack
    ) -> _Member:
        job = self.pack.jobs[run]
        for view in self.views:  # those of a run that is alone
            view.foretell(foretold.line(theory, job.config.depth))
        views = [*self.views, held.enter_context(Log(job.folder, goes_on=start is not None))]
        minutes = Minutes(writer, views)
        for kept in writer.kept:
            minutes.keep(Record(run, *kept))
        for view in views:
            view.start(job.config.plain(), job.folder, job.config.steps)
        return _Member(job, writer, minutes, views)


def _write_hydra(job: Job) -> None:
    """What Hydra leaves of a run that it starts: its config and its overrides, as YAML."""
    import yaml

    folder = job.folder / HYDRA
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # ten times as fast, where it is built
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in (("config", dict(job.tree)), ("overrides", list(job.overrides))):
            text = yaml.dump(content, Dumper=dumper, sort_keys=False, allow_unicode=True)
            (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


@contextmanager
def _memory_told(pack: Pack) -> Iterator[None]:
    """Turns what torch says where memory is short into an error of its own."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise NoRoomError(len(pack.jobs)) from error
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):
            raise
        raise NoRoomError(len(pack.jobs)) from error


def _about(config: RunConfig) -> dict[str, Any]:
    """When and with what a run is made, for its run.json."""
    return {
        "command": brief_of(config, devices()[0]),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": _device_name(config.device),
        "threads": torch.get_num_threads(),
        "versions": {"python": platform.python_version(), **{v: version(v) for v in VERSIONED}},
    }


def _device_name(device: str) -> str:
    if device.startswith("cuda"):
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({platform.machine()})"

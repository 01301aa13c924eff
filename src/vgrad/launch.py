"""Carrying out the runs of a sweep: what is missing is planned, trained in packs, and told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from vgrad import pack, plan, store
from vgrad.config import REGISTRIES, RunConfig, run_id
from vgrad.errors import ConfigError, NoRoomError, StoreError, VgradError, WriteError
from vgrad.interrupt import Interrupted, orderly
from vgrad.job import Document, Job
from vgrad.pack import Pack
from vgrad.plan import Plan
from vgrad.store import RunFile
from vgrad.terminal import PackShown, SweepView
from vgrad.workers import PRELOADED, Done, Failed, Message, Pool, Started

ENDED = ("completed", "diverged")
DEATHS = 2  # of a worker over one pack, before the pack is made in halves


@dataclass(frozen=True)
class Forecast:
    """How a sweep would be carried out.

    Attributes:
        runs: in all.
        done: of them, the folder holds already.
        stacks: that the others are trained in.
        workers: stacks that are trained at once.
        seconds: expected.
    """

    runs: int
    done: int
    stacks: int
    workers: int
    seconds: float


class StoppedError(VgradError):
    """A run was not begun, because the sweep was to end, or another of its runs met a fault."""

    exit_status = 1


class Launch:
    """Makes runs of one sweep, a batch at a time.

    Args:
        settings: of `hydra.launcher`.
        folder: of the sweep.
        view: is shown how it goes.
    """

    def __init__(self, settings: Mapping[str, Any], folder: Path, view: SweepView) -> None:
        self._settings, self._folder, self._view = settings, folder, view
        self._before = 0  # packs, of earlier batches
        self._begun = False

    def carry_out(self, jobs: Sequence[Job]) -> list[Document | Exception]:
        """Make those of some runs that are missing.

        Args:
            jobs: checked; the same one may stand there twice.

        Returns:
            for each job what its run.json holds, or what went wrong.

        Raises:
            ConfigError: a setting is not valid.
            Interrupted: the sweep was asked to end, and has ended in order.
        """
        sweep = _Sweep.of(jobs, self._settings)
        sweep.tidy()
        self._show(sweep)
        with orderly() as stop:
            progress = _Progress(sweep.plan, self._view, self._before, stop.asked)
            progress.documents |= sweep.done
            if self._settings.get("cluster"):
                _send(progress, self._settings, self._folder)
            elif sweep.plan.workers > 1:
                _share_out(progress)
            else:
                _do_here(progress)
        self._before += len(progress.packs)
        if stop.signal is not None:
            raise Interrupted(stop.signal, {"runs": list(progress.documents.values())})
        return [progress.outcome(run_id(job.config)) for job in jobs]

    def _show(self, sweep: _Sweep) -> None:
        """Show what is to come; further batches join the first."""
        packs = [_as_shown(part) for part in sweep.plan.packs]
        if self._begun:
            self._view.added(packs)
        else:
            self._view.begin(self._folder, packs, len(sweep.done), sweep.plan.workers)
            self._begun = True


def dry_run(jobs: Sequence[Job], settings: Mapping[str, Any]) -> Forecast:
    """How the runs would be made.

    Raises:
        ConfigError: a setting is not valid.
    """
    sweep = _Sweep.of(jobs, settings)
    runs = len({run_id(job.config) for job in jobs})
    made = sweep.plan
    return Forecast(runs, len(sweep.done), len(made.packs), made.workers, made.seconds)


@dataclass(frozen=True)
class _Sweep:
    """What there is to do, and what is done already.

    Attributes:
        done: run_id → what its run.json holds.
        plan: for the other runs.
    """

    done: dict[str, Document]
    plan: Plan

    @classmethod
    def of(cls, jobs: Sequence[Job], settings: Mapping[str, Any]) -> _Sweep:
        limits = plan.limits_of(settings)
        unique = {run_id(job.config): job for job in jobs}
        found = {each: _earlier(job, each) for each, job in unique.items()}
        there = {each: run for each, run in found.items() if run is not None}
        done = {
            each: {**run.document, "path": str(run.path)}
            for each, run in there.items()
            if run.status in ENDED and store.is_whole(run)
        }
        missing = {each: job for each, job in unique.items() if each not in done}
        stacks = [
            tuple(unique[each] for each in stack)
            for stack in _interrupted(there, missing)
            if stack.keys() <= unique.keys()
            and plan.may_share([unique[each] for each in stack], limits)
        ]
        return cls(done, plan.make(list(unique.values()), limits, stacks, done))

    def tidy(self) -> None:
        """Delete what a kill at the very end of a stack has left behind."""
        for document in self.done.values():
            stack = document.get("stack")
            whole = not isinstance(stack, list) or self.done.keys() >= set(map(str, stack))
            store.tidy(Path(document["path"]), with_checkpoint=whole)


def _earlier(job: Job, name: str) -> RunFile | None:
    """The run that the job's folder holds, if it is the same one and can be read."""
    try:
        run = store.read_run(job.folder)
    except StoreError:
        return None
    return run if run.run_id == name else None


def _interrupted(
    there: Mapping[str, RunFile], missing: Mapping[str, Job]
) -> Iterator[dict[str, None]]:
    """The stacks that missing runs were in, each in its order, none that overlaps another."""
    taken: set[str] = set()
    for name in sorted(there, key=lambda name: name not in missing):  # their own stacks first
        run = there[name]
        told = run.document.get("stack")
        stack = dict.fromkeys(map(str, told if isinstance(told, list) else [run.run_id]))
        if not stack.keys().isdisjoint(missing) and stack.keys().isdisjoint(taken):
            taken |= stack.keys()
            yield stack


def _as_shown(part: Pack) -> PackShown:
    return PackShown(part.label, sum(part.written), part.seconds)


@dataclass
class _Progress:
    """What has become of the packs so far.

    Attributes:
        plan: what is to be done.
        documents: run_id → what its run.json holds, of the runs that have ended.
        errors: run_id → why it could not be made.
    """

    plan: Plan
    view: SweepView
    shift: int  # between the numbers of the packs here and those in the view
    asked_to_stop: Callable[[], bool]
    documents: dict[str, Document] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)
    fault: WriteError | None = None

    def __post_init__(self) -> None:
        self.packs = list(self.plan.packs)
        self._deaths = [0] * len(self.packs)

    def should_stop(self) -> bool:
        """Whether to begin nothing more: the user has asked, or the disk fails."""
        return self.fault is not None or self.asked_to_stop()

    def has(self, name: str) -> bool:
        """Whether a run has ended, and was not only interrupted."""
        return self.documents.get(name, {}).get("status") in ENDED

    def outcome(self, name: str) -> Document | Exception:
        """What became of a run."""
        if self.has(name):
            return self.documents[name]
        if name in self.errors:
            return self.errors[name]
        return self.fault or StoppedError("The sweep ended before this run did.")

    def start(self, number: int) -> None:
        """Show that a pack is begun."""
        self.view.started(self.shift + number)

    def put_back(self, number: int) -> None:
        """Show that a pack's job was preempted."""
        why = "Its job was preempted, and waits again."
        self.view.failed(self.shift + number, why, again=True)

    def hear(self, number: int, news: float | Document) -> None:
        """Pass on what a pack says: the share that is done, or a run that has ended."""
        if isinstance(news, float | int):
            self.view.progress(self.shift + number, float(news))
        elif news["run_id"] not in self.documents or not self.has(news["run_id"]):
            self.documents[news["run_id"]] = news
            if news["status"] in ENDED:
                self.view.ended(self.shift + number, news)

    def finish(self, number: int, documents: Sequence[Document]) -> None:
        """Take the results of a pack."""
        for document in documents:
            self.hear(number, document)
        if all(self.has(name) for name in self._names(number)):
            self.view.done(self.shift + number)

    def fail(self, number: int, error: Exception, *, may_try_again: bool = True) -> list[int]:
        """Take note of a pack that could not be made.

        Returns:
            the numbers of the packs that take its place.
        """
        part = self.packs[number] = self._left(number)
        again: list[Pack] = []
        if not any(part.written):
            self.view.done(self.shift + number)
            return []
        if not may_try_again:
            pass
        elif isinstance(error, NoRoomError) and len(part.jobs) > 1:
            again = plan.halves(part)
        elif isinstance(error, LostWorkerError):
            self._deaths[number] += 1
            if self._deaths[number] < DEATHS:
                self.view.failed(self.shift + number, str(error), again=True)
                return [number]
            again = plan.halves(part) if len(part.jobs) > 1 else []
        self.view.failed(self.shift + number, str(error), again=bool(again))
        if again:
            self.view.added([_as_shown(half) for half in again])
            self.packs += again
            self._deaths += [0] * len(again)
            return list(range(len(self.packs) - len(again), len(self.packs)))
        if isinstance(error, WriteError) and not isinstance(error, NoRoomError):
            self.fault = error
        for name in self._names(number):
            self.errors[name] = error
        return []

    def _left(self, number: int) -> Pack:
        """A pack, of which the runs that have ended are not written again."""
        part = self.packs[number]
        pairs = zip(part.jobs, part.written, strict=True)
        return replace(
            part, written=tuple(w and not self.has(run_id(job.config)) for job, w in pairs)
        )

    def _names(self, number: int) -> list[str]:
        part = self.packs[number]
        pairs = zip(part.jobs, part.written, strict=True)
        return [run_id(job.config) for job, written in pairs if written]


class LostWorkerError(VgradError):
    """A worker died over a pack."""

    exit_status = 1

    def __init__(self, code: int) -> None:
        how = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
        super().__init__(
            f"The worker process {how}; where memory is short, fewer hydra.launcher.workers or "
            "a smaller hydra.launcher.max_memory help."
        )


def _do_here(progress: _Progress) -> None:
    """Make the packs in this process, one after the other."""
    with _threads(progress.plan.threads):
        _do_in_turn(progress)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let torch use at most so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(min(before, count))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _do_in_turn(progress: _Progress) -> None:
    waiting = list(range(len(progress.packs)))
    while waiting and not progress.should_stop():
        number = waiting.pop(0)
        progress.start(number)
        try:
            documents = pack.work(
                progress.packs[number],
                lambda news, number=number: progress.hear(number, news),  # type: ignore[misc]
                progress.should_stop,
            )
        except Exception as error:
            waiting += progress.fail(number, error)
        else:
            progress.finish(number, documents)


def _share_out(progress: _Progress) -> None:
    """Make the packs in worker processes."""
    made = progress.plan
    context, threads = ("fork", 1) if _own_entry(progress.packs) else ("forkserver", made.threads)
    with Pool(pack.work, made.workers, threads, PRELOADED, context) as pool:
        numbers = {pool.add(part): number for number, part in enumerate(progress.packs)}
        for event in pool.events(progress.should_stop):
            number = numbers[event.task]
            if isinstance(event, Started):
                progress.start(number)
            elif isinstance(event, Message):
                progress.hear(number, event.payload)
            elif isinstance(event, Done):
                progress.finish(number, event.result)
            else:
                error = (
                    event.error if isinstance(event, Failed) else LostWorkerError(event.exit_code)
                )
                for again in progress.fail(number, error):
                    numbers[pool.add(progress.packs[again])] = again


def _send(progress: _Progress, settings: Mapping[str, Any], folder: Path) -> None:
    """Make the packs as jobs of a cluster."""
    from vgrad import cluster

    if own := _own_entry(progress.packs):
        raise ConfigError(
            f"{own} is registered in this program alone, where jobs of a cluster cannot see it."
        )

    def on_event(number: int, news: Any) -> None:
        if news == "started":
            progress.start(number)
        elif news == "requeued":
            progress.put_back(number)
        elif news == "done":
            progress.finish(number, [])
        elif isinstance(news, Exception):
            progress.fail(number, news, may_try_again=False)
        else:
            progress.hear(number, news)

    packs = list(progress.packs)
    results = cluster.carry_out(packs, pack.work, settings, folder, on_event, progress.should_stop)
    for number, result in enumerate(results):
        if not isinstance(result, Exception):
            for document in result:
                progress.hear(number, document)


def _own_entry(packs: Sequence[Pack]) -> str:
    """An entry of the user's own that the packs use: one that a new process would not have."""
    for part in packs:
        for job in part.jobs:
            for kind, name in _choices(job.config):
                entry = REGISTRIES[kind][name]
                if not str(entry.function.__module__).startswith("vgrad."):
                    return f"{kind}={name}"
    return ""


def _choices(config: RunConfig) -> Iterator[tuple[str, str]]:
    for kind in REGISTRIES:
        yield kind, getattr(config, kind).name

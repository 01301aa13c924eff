"""Carrying out the runs of a sweep: what is missing is planned, trained in packs, and told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vgrad import pack, plan, store
from vgrad.config import REGISTRIES, RunConfig
from vgrad.errors import ConfigError, StoreError
from vgrad.interrupt import Interrupted, orderly
from vgrad.job import Document, Job
from vgrad.pack import Pack
from vgrad.plan import Plan
from vgrad.progress import ENDED, LostWorkerError, Progress, as_shown
from vgrad.store import RunFile
from vgrad.terminal import SweepView
from vgrad.threads import at_most
from vgrad.workers import PRELOADED, Done, Failed, Message, Pool, Started


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
            progress = Progress(sweep.plan, self._view, self._before, stop.asked)
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
        return [progress.outcome(job.run_id) for job in jobs]

    def _show(self, sweep: _Sweep) -> None:
        """Show what is to come; further batches join the first."""
        packs = [as_shown(part) for part in sweep.plan.packs]
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
    runs = len({job.run_id for job in jobs})
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
        unique = {job.run_id: job for job in jobs}
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


def _do_here(progress: Progress) -> None:
    """Make the packs in this process, one after the other."""
    with at_most(progress.plan.threads):
        _do_in_turn(progress)


def _do_in_turn(progress: Progress) -> None:
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


def _share_out(progress: Progress) -> None:
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


def _send(progress: Progress, settings: Mapping[str, Any], folder: Path) -> None:
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

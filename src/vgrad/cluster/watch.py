"""Packs as jobs of a cluster, by submitit: sent, watched, and asked to end in order."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from vgrad.cluster.errand import Errand, Journal, Report, Work
from vgrad.cluster.outbox import FOLDER, JOBS, outbox
from vgrad.cluster.queue import ENDED, QUEUED, LocalQueue, Queue, SlurmQueue, State
from vgrad.cluster.submission import checked, make_executor, submit
from vgrad.errors import ConfigError, StoppedError, VgradError
from vgrad.job import Document
from vgrad.store.disk import writing

if TYPE_CHECKING:
    from submitit import AutoExecutor, Job

Result = list[Document] | Exception
OnEvent = Callable[[int, Any], None]

VISIBLE = "CUDA_VISIBLE_DEVICES"  # submitit's local jobs see no GPU unless a number is asked for
LARGEST_ARRAY = 1000  # Slurm's own limit is 1,001 unless raised
STOP_S = 90.0  # for jobs to end in order; Slurm gives them 30 s unless set
ABANDON_S = 10.0


class JobError(VgradError):
    """A job ended without carrying out its pack.

    Args:
        words: what happened, and where its log is.
        exit_status: 1, or 2 where the user can mend it.
    """

    def __init__(self, words: str, exit_status: int = 1) -> None:
        super().__init__(words)
        self.exit_status = exit_status


class LostError(JobError):
    """A job ended, or is held for good, and has left no result."""


def carry_out(
    packs: Sequence[Any],
    work: Work,
    settings: Mapping[str, Any],
    folder: Path,
    on_event: OnEvent,
    should_stop: Callable[[], bool],
) -> list[Result]:
    """Carry out each pack as a job of a cluster, on Slurm all of them as one array.

    Args:
        packs: what there is to do, each can be pickled.
        work: does one of them; a function that can be imported where the jobs run.
        settings: hydra.launcher's: `cluster` (slurm, local or debug) and what is passed on to it.
        folder: the sweep's. Jobs, pickles and logs go into `.submitit` in it, for its owner only.
        on_event: is told a pack's index and "started", a share (float), the document of a run
            that has ended (dict, each run once), "requeued", and at last "done" or an Exception.
        should_stop: asked several times a second. When it says so, jobs that wait are taken back
            and those that run are asked to end in order.

    Returns:
        for each pack the documents of its runs, or what went wrong.

    Raises:
        ConfigError: a setting is unknown or unfit, or the cluster is not there or refuses the jobs.
        StoreError: the folder cannot be written, or jobs of an earlier sweep still write into it.
        WriteError: the disk failed.
    """
    terms = checked(settings)
    if "cluster" not in terms:
        raise ConfigError("hydra.launcher.cluster is not set: slurm, local or debug.")
    if not packs:
        return []
    if terms["cluster"] != "debug":
        with outbox(folder) as place:
            return _Watch(packs, work, terms, place, on_event, should_stop).results()
    executor = make_executor(terms, folder / FOLDER)
    return [
        _carried_out_here(executor, pack, work, partial(on_event, index), should_stop)
        for index, pack in enumerate(packs)
    ]


def _carried_out_here(
    executor: AutoExecutor,
    pack: Any,
    work: Work,
    tell: Report,
    should_stop: Callable[[], bool],
) -> Result:
    """What submitit's debug executor makes of a pack: a call in this process."""
    if should_stop():
        return StoppedError("Not begun: vgrad was asked to end.")
    tell("started")
    job = executor.submit(work, pack, tell, should_stop)
    error = job.exception()
    if error is None:
        tell("done")
        return list(job.result())
    tell(error)
    if not isinstance(error, Exception):
        raise error
    return error


@dataclass
class _Sent:
    """A pack whose job has been sent, and what is known of it."""

    index: int
    job: Job[Any]
    journal: Journal
    running: bool = False
    process: int | None = None
    told: set[str] = field(default_factory=set)
    stopped: list[Document] | None = None  # the documents of runs that ended in order before time
    ended_since: float | None = None

    @property
    def log(self) -> str:
        """Where what it printed stands."""
        return str(self.job.paths.stderr)


class _Watch:
    """Sends packs and watches their jobs until each has ended."""

    def __init__(
        self,
        packs: Sequence[Any],
        work: Work,
        terms: Mapping[str, Any],
        place: Path,
        on_event: OnEvent,
        should_stop: Callable[[], bool],
    ) -> None:
        self._packs, self._work, self._terms, self._place = packs, work, terms, place
        self._on_event, self._should_stop = on_event, should_stop
        self._executor = make_executor(terms, place)
        self._queue: Queue = SlurmQueue() if terms["cluster"] == "slurm" else LocalQueue(terms)
        self._waiting = list(range(len(packs)))
        self._going: dict[int, _Sent] = {}
        self._ids: list[str] = []
        self._results: dict[int, Result] = {}
        self._stopping_since: float | None = None

    def results(self) -> list[Result]:
        """Go on until there is a result for each pack."""
        try:
            while self._waiting or self._going:
                self._go_on()
        except BaseException:
            self._abandon()
            raise
        if not any(isinstance(result, Exception) for result in self._results.values()):
            (self._place / JOBS).unlink()
        return [self._results[index] for index in range(len(self._packs))]

    def _go_on(self) -> None:
        if self._stopping_since is None and self._should_stop():
            self._stop()
        self._send()
        sleep(self._queue.poll_s)
        with writing(self._place):
            files = set(os.listdir(self._place))
        for sent in self._going.values():
            if self._journal(sent.index).name in files:
                self._hear(sent)
        self._look(files)

    def _send(self) -> None:
        """Send as many packs as there is room for."""
        room = self._queue.room
        count = LARGEST_ARRAY if room is None else max(0, room - len(self._going))
        indices, self._waiting = self._waiting[:count], self._waiting[count:]
        if not indices:
            return
        jobs = submit(self._executor, [self._errand(index) for index in indices])
        for index, job in zip(indices, jobs, strict=True):
            self._going[index] = _Sent(index, job, Journal(self._journal(index)))
        self._ids += [job.job_id for job in jobs]
        told = {"cluster": self._terms["cluster"], "jobs": self._ids}
        with writing(self._place):
            (self._place / JOBS).write_text(json.dumps(told))

    def _errand(self, index: int) -> Errand:
        is_local, gpus = self._terms["cluster"] == "local", self._terms.get("gpus_per_node")
        return Errand(
            pack=self._packs[index],
            work=self._work,
            journal=self._journal(index),
            stop=self._stop_file(index),
            place=Path.cwd(),
            threads=self._terms.get("cpus_per_task", 1),
            sender=os.getpid() if is_local else None,
            environment={VISIBLE: os.environ.get(VISIBLE)} if is_local and not gpus else {},
        )

    def _journal(self, index: int) -> Path:
        return self._place / f"pack-{index}.jsonl"

    def _stop_file(self, index: int) -> Path:
        return self._place / f"pack-{index}.stop"

    def _hear(self, sent: _Sent) -> None:
        """Pass on what a job has said of itself."""
        for kind, what in sent.journal.news():
            if kind == "started":
                self._requeued(sent)
                sent.running, sent.process, sent.stopped = True, what["pid"], None
                self._on_event(sent.index, "started")
            elif kind == "share":
                self._on_event(sent.index, what)
            elif kind == "document" and what.get("status") != "interrupted":
                self._tell_once(sent, what)
            elif kind == "stopped":
                sent.stopped = what

    def _requeued(self, sent: _Sent) -> None:
        if sent.running:
            sent.running = False
            self._on_event(sent.index, "requeued")

    def _tell_once(self, sent: _Sent, document: Document) -> None:
        name = str(document.get("run_id", len(sent.told)))
        if name not in sent.told:
            sent.told.add(name)
            self._on_event(sent.index, document)

    def _look(self, files: set[str]) -> None:
        """See which jobs have ended, and which wait again."""
        states = self._queue.states([sent.job for sent in self._going.values()])
        going = list(self._going.values())
        for sent in going:
            state, result = states.get(sent.job.job_id), sent.job.paths.result_pickle
            ended = state is not None and state.kind == ENDED
            if ended or result.name in files:
                self._hear(sent)  # its last words
            if (ended and result.exists()) or (
                result.name in files and self._queue.is_over(sent.job)
            ):
                self._end(sent, self._result(sent))
            elif state is not None:
                self._take_note(sent, state)
        lost = [sent for sent in going if isinstance(self._results.get(sent.index), LostError)]
        self._recall(*lost)  # Slurm may hold it, or its training have outlived its job

    def _take_note(self, sent: _Sent, state: State) -> None:
        """Consider what the queue says of a job that has left no result yet."""
        if state.kind == ENDED:
            sent.ended_since = sent.ended_since or monotonic()
            if monotonic() - sent.ended_since >= self._grace(sent):
                self._end(sent, self._without_result(sent, state.words))
            return
        sent.ended_since = None
        if state.kind == QUEUED:
            self._requeued(sent)
        self._press(sent)

    def _grace(self, sent: _Sent) -> float:
        """How long a result may take to be seen here, in seconds."""
        over = self._stopping_since is not None and (sent.stopped is not None or not sent.running)
        return 0.0 if over else self._queue.grace_s

    def _end(self, sent: _Sent, result: Result) -> None:
        self._results[sent.index] = result
        del self._going[sent.index]
        if isinstance(result, Exception):
            self._on_event(sent.index, result)
            return
        for document in result:
            self._tell_once(sent, document)
        self._on_event(sent.index, "done")

    def _result(self, sent: _Sent) -> Result:
        """What a job left, read back."""
        error = sent.job.exception()
        if error is not None:
            return JobError(f"{self._name(sent)} failed: {_last_words(error)}. Its log: {sent.log}")
        outcome = sent.job.result()
        if "refused" in outcome:
            return JobError(outcome["refused"], outcome["exit_status"])
        return list(outcome["documents"])

    def _without_result(self, sent: _Sent, words: str) -> Result:
        if self._stopping_since is not None:
            if sent.stopped is not None:
                return sent.stopped
            return StoppedError(
                f"{self._name(sent)} was stopped before its end. What its runs recorded is kept; "
                "the same command goes on from there."
            )
        return LostError(
            f"{self._name(sent)} ended without a result ({words}). What its runs recorded is kept; "
            f"the same command goes on from there. Its log: {sent.log}"
        )

    def _name(self, sent: _Sent) -> str:
        return f"Job {sent.job.job_id} (pack {sent.index + 1} of {len(self._packs)})"

    def _stop(self) -> None:
        """Take back what waits, and ask what runs to end in order."""
        self._stopping_since = monotonic()
        self._recall(*self._going.values())
        waiting, self._waiting = self._waiting, []
        for index in waiting:
            self._results[index] = StoppedError("Not begun: vgrad was asked to end.")
            self._on_event(index, self._results[index])

    def _recall(self, *jobs: _Sent) -> None:
        """Have jobs end in order, and those that wait not begin."""
        for sent in jobs:
            with suppress(OSError):
                self._stop_file(sent.index).touch()
        self._queue.cancel([sent.job for sent in jobs])

    def _abandon(self) -> None:
        """Leave nothing behind when the watching itself goes wrong."""
        self._recall(*self._going.values())
        jobs = [sent.job for sent in self._going.values()]
        end = monotonic() + ABANDON_S
        while jobs and monotonic() < end:
            states = self._queue.states(jobs)
            jobs = [j for j in jobs if j.job_id not in states or states[j.job_id].kind != ENDED]
            sleep(self._queue.poll_s)

    def _press(self, sent: _Sent) -> None:
        """Give up on a job that was asked to end and does not."""
        if self._stopping_since is None or monotonic() - self._stopping_since < STOP_S:
            return
        if self._terms["cluster"] == "local" and sent.process is not None:
            with suppress(ProcessLookupError):
                os.kill(sent.process, signal.SIGKILL)
        self._end(
            sent,
            StoppedError(
                f"{self._name(sent)} was asked to end and is still there after {STOP_S:.0f} s. "
                f"Its log: {sent.log}"
            ),
        )


def _last_words(error: BaseException) -> str:
    """The last line of the traceback that submitit put into an error."""
    trace = str(error).split("-" * 22 + "\n")
    lines = (trace[1] if len(trace) > 1 else trace[0]).strip().splitlines()
    words = lines[-1].removeprefix("submitit.core.utils.UncompletedJobError: ").rstrip(".")
    if "timed-out too many times" in words:
        words += "; raise hydra.launcher.timeout_min or max_num_timeout"
    return words

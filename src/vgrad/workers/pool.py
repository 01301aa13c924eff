"""Worker processes: each carries out one task at a time; one that dies is replaced.

A worker and the main process share one pipe and nothing else: no lock or semaphore, which a worker
that is killed would keep, and which would be left behind by a main process that is killed.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection, util
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeAlias, TypeVar

from vgrad.errors import VgradError
from vgrad.workers.forkserver import main_hidden, unheard, warm
from vgrad.workers.worker import STOP, Done, Failed, Message, Returned, Started, serve

if TYPE_CHECKING:
    from vgrad.workers.worker import Pipe


T = TypeVar("T")
R = TypeVar("R")

POLL = 0.1  # seconds between two looks at should_stop()
PATIENCE = 5.0  # seconds for a process to end once it was told to
STILLBORN = 3  # so many workers in a row that end before their first task are enough
UNKNOWN = 255  # multiprocessing's exit code of a worker whose forkserver died


class WorkerError(VgradError):
    """No worker process lives long enough to take a task."""

    exit_status = 1


@dataclass(frozen=True)
class Died:
    """The task's worker is gone: killed, out of memory, a segmentation fault.

    Attributes:
        task: its number.
        exit_code: the worker's exit status; −N where signal N ended it.
    """

    task: int
    exit_code: int


Event: TypeAlias = Message | Started | Done | Failed | Died


@dataclass
class _Worker:
    """A worker as the main process sees it.

    Attributes:
        process: the worker.
        pipe: to it, and from it.
        task: the one that it was given, None while it is idle.
        taken: whether it has said that it began this task.
        fresh: whether it has never taken a task.
    """

    process: BaseProcess
    pipe: Pipe
    task: int | None = None
    taken: bool = False
    fresh: bool = True

    def tell(self, words: object) -> bool:
        """Send something; whether the worker was there to hear it."""
        try:
            self.pipe.send_bytes(pickle.dumps(words))
        except OSError:
            return False
        return True

    def end(self, patience: float) -> int:
        """Wait for the process to end, kill it if it does not, and return its exit code."""
        self.process.join(patience)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        code = self.process.exitcode
        assert code is not None
        if code == UNKNOWN and self.process.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGKILL)
        self.pipe.close()
        self.process.close()
        return code


class Pool(Generic[T, R]):
    """Worker processes, each carrying out one task at a time in the order in which they were added.

    A worker is started when a task waits for it. Its standard output leads nowhere; SIGINT and
    SIGTERM, which a terminal sends to the main process and its workers alike, do not touch it.

    Args:
        work: what to do, an importable function of the task, of `report` (sends its argument
            to the main process) and of `should_stop` (whether to end in order, soon).
        workers: how many tasks to carry out at once.
        threads: that torch uses in each worker.
        preload: modules that every worker has imported before its first task.
        context: "forkserver", where a worker starts clean and has what can be imported, or "fork",
            where it has all that the main process holds, such as entries added to a registry by a
            script. A forked worker must use one thread, and no GPU that the main process has used.
    """

    def __init__(
        self,
        work: Callable[[T, Callable[[Any], None], Callable[[], bool]], R],
        workers: int,
        threads: int,
        preload: Sequence[str] = (),
        context: str = "forkserver",
    ) -> None:
        assert workers >= 1
        assert threads == 1 or context != "fork", (
            "libgomp hangs where a forked process needs a team"
        )
        assert work.__module__ != "__main__" or context == "fork", "a worker cannot import it"
        self._work = work
        self._size = workers
        self._threads = threads
        self._preload = tuple(preload)
        self._context = context
        self._waiting: deque[tuple[int, T]] = deque()
        self._given: dict[int, T] = {}
        self._workers: list[_Worker] = []
        self._added = 0
        self._stillborn = 0
        self._stopping = False

    def __enter__(self) -> Self:
        # A program that ends without leaving the block must not wait for its workers.
        self._abandoned = util.Finalize(self, _kill, (self._workers,), exitpriority=10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._abandoned.cancel()
        in_order = kind is None and not any(worker.task is not None for worker in self._workers)
        if in_order:
            for worker in self._workers:
                worker.tell(None)
        else:
            _kill(self._workers)
        while self._workers:
            self._workers.pop().end(PATIENCE)

    def add(self, task: T) -> int:
        """Have a task done, also while `events` is iterated; its number, from 0."""
        number = self._added
        self._added += 1
        self._waiting.append((number, task))
        return number

    def events(self, should_stop: Callable[[], bool]) -> Iterator[Event]:
        """What the workers do and say, until all tasks have ended.

        Once `should_stop()` is true, which is asked several times a second, no further task is
        begun, the tasks that run are asked to end, and are waited for.

        Raises:
            WorkerError: worker processes end before they have taken a task, time and again.
        """
        while True:
            if not self._stopping and should_stop():
                self._stop()
            if not self._stopping:
                self._give_out()
            if all(worker.task is None for worker in self._workers) and (
                self._stopping or not self._waiting
            ):
                return
            for worker in self._ready():
                event = self._hear(worker)
                if event is not None:
                    yield event

    def _stop(self) -> None:
        self._stopping = True
        for worker in self._workers:
            worker.tell(STOP)

    def _give_out(self) -> None:
        while self._waiting:
            worker = next((each for each in self._workers if each.task is None), None)
            if worker is None:
                if len(self._workers) == self._size:
                    return
                worker = self._start()
                if worker is None:
                    continue
            number, task = self._waiting[0]
            words = (number, pickle.dumps(task))
            self._given[number] = task
            self._waiting.popleft()
            worker.task, worker.taken = number, False
            if not worker.tell(words):
                self._lose(worker)

    def _start(self) -> _Worker | None:
        ours, theirs = multiprocessing.Pipe()
        forked = self._context == "fork"
        inherited = (ours, *(each.pipe for each in self._workers)) if forked else ()
        process = multiprocessing.get_context(self._context).Process(  # type: ignore[attr-defined]
            target=serve,
            args=(self._work, self._threads, self._preload, theirs, inherited),
            daemon=True,
        )
        try:
            if forked:
                with unheard():
                    process.start()
            else:
                warm(self._preload)  # it may have died; signals are heard while it imports
                with main_hidden():
                    process.start()
        except BaseException as error:
            ours.close()  # a process that starts nevertheless finds nobody there, and ends
            if not isinstance(error, (OSError, EOFError)):
                raise
            # There is no memory or no process to be had, or the forkserver is just ending.
            self._count_stillborn(f"{type(error).__name__}: {error}")
            time.sleep(POLL)
            return None
        finally:
            theirs.close()
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker

    def _ready(self) -> list[_Worker]:
        """The workers that have said something or are gone, after at most POLL seconds."""
        ends: dict[Any, _Worker] = {}
        for worker in self._workers:
            ends[worker.pipe] = ends[worker.process.sentinel] = worker
        found = connection.wait(list(ends), POLL)
        return list({id(ends[end]): ends[end] for end in found}.values())

    def _hear(self, worker: _Worker) -> Event | None:
        """One thing that a worker said, or that it is gone."""
        try:
            if not worker.pipe.poll():  # all that it said was heard, and its process has ended
                return self._lose(worker)
            said = worker.pipe.recv_bytes()
        except (EOFError, OSError):  # OSError: it was killed in the middle of a word
            return self._lose(worker)
        event: Event | Returned = pickle.loads(said)
        if isinstance(event, Started):
            worker.taken, worker.fresh = True, False
            self._stillborn = 0
        elif not isinstance(event, Message):
            worker.task = None
            self._given.pop(event.task)
        return None if isinstance(event, Returned) else event

    def _lose(self, worker: _Worker) -> Died | None:
        """Bury a worker; a task that it had not taken yet waits again."""
        self._workers.remove(worker)
        code = worker.end(PATIENCE)
        if worker.task is not None:
            task = self._given.pop(worker.task)
            if worker.taken:
                return Died(worker.task, code)
            self._waiting.appendleft((worker.task, task))
        if worker.fresh:
            self._count_stillborn(f"exit code {code}")
        return None

    def _count_stillborn(self, why: str) -> None:
        self._stillborn += 1
        if self._stillborn == STILLBORN:
            raise WorkerError(
                f"{STILLBORN} worker processes in a row ended before their first task, the last "
                f"with {why}. Is the memory used up, or the number of processes limited?"
            )


def _kill(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.process.kill()

"""A worker process: one task after another, and what it says of them."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeAlias

from vgrad.interrupt import SIGNALS

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    Pipe: TypeAlias = Connection[Any, Any]

Work: TypeAlias = Callable[[Any, Callable[[Any], None], Callable[[], bool]], Any]

STOP = "stop"


@dataclass(frozen=True)
class Started:
    """A worker has taken the task."""

    task: int


@dataclass(frozen=True)
class Message:
    """What the task reported on its way."""

    task: int
    payload: Any


@dataclass(frozen=True)
class Done:
    """The task has ended, with what work() returned."""

    task: int
    result: Any


@dataclass(frozen=True)
class Failed:
    """The task has ended, with what work() raised; a note of it has the worker's traceback."""

    task: int
    error: Exception


@dataclass(frozen=True)
class Returned:
    """A task that was not begun, because the worker was told to stop first."""

    task: int


def serve(
    work: Work, threads: int, preload: tuple[str, ...], pipe: Pipe, inherited: tuple[Pipe, ...]
) -> None:
    """The life of a worker: task after task, until it is told to end.

    Args:
        work: what to do with a task.
        threads: that torch uses.
        preload: modules to import before the first task.
        pipe: to the main process.
        inherited: pipes of the main process that a fork has copied.
    """
    for other in inherited:  # held open here, they would keep fellow workers from noticing an end
        other.close()
    _settle()
    line = _Line(pipe)
    import torch

    torch.set_num_threads(threads)
    for module in preload:
        import_module(module)
    while (given := line.tasks.get()) is not None:
        number, task = given
        if line.stopping:
            line.say(Returned(number))
        else:
            line.say(Started(number))
            line.send(_carried_out(work, number, task, line))


def _settle() -> None:
    """Leave the signals to the main process, and its standard output."""
    signal.set_wakeup_fd(-1)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (open while it lives)


class _Line:
    """The worker's end of its pipe.

    A thread reads it, so that a request to stop is heard in the middle of a task, and the end of
    the main process, however it came, ends the worker at once.
    """

    def __init__(self, pipe: Pipe) -> None:
        self.tasks: SimpleQueue[tuple[int, bytes] | None] = SimpleQueue()
        self.stopping = False
        self._pipe = pipe
        self._lock = threading.Lock()
        threading.Thread(target=self._listen, name="vgrad-line", daemon=True).start()

    def should_stop(self) -> bool:
        return self.stopping

    def say(self, event: Started | Message | Returned) -> None:
        self.send(pickle.dumps(event))

    def send(self, words: bytes) -> None:
        try:
            with self._lock:
                self._pipe.send_bytes(words)
        except OSError:
            os._exit(1)

    def _listen(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                words = pickle.loads(self._pipe.recv_bytes())
                if words == STOP:
                    self.stopping = True
                else:
                    self.tasks.put(words)
        os._exit(1)  # the main process is gone, or will have no more of this worker


def _carried_out(work: Work, number: int, task: bytes, line: _Line) -> bytes:
    """Done or Failed, pickled."""

    def report(payload: Any) -> None:
        line.say(Message(number, payload))

    try:
        return pickle.dumps(Done(number, work(pickle.loads(task), report, line.should_stop)))
    except Exception as error:
        error.add_note(traceback.format_exc())
        return pickle.dumps(Failed(number, _portable(error)))


def _portable(error: Exception) -> Exception:
    """The error itself, where it can be taken apart here and put together elsewhere."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        plain = RuntimeError(f"{type(error).__name__}: {error}")
        plain.__notes__ = list(error.__notes__)
        return plain
    return error

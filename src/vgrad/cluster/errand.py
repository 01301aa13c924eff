"""An errand: one pack carried out as a job of a cluster, and what it tells of its progress."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import Any

from vgrad.errors import VgradError
from vgrad.job import Document

Report = Callable[[Any], None]
Work = Callable[[Any, Report, Callable[[], bool]], list[Document]]

SHARE_S = 0.5  # between two shares that are passed on
LOOK_S = 0.5  # between two looks at what is outside the process
STOPPED = 143  # exit status of a job that was told to end, as a shell gives it for SIGTERM


class Journal:
    """What a job tells those who wait for it: a line of JSON each, in a file that both see.

    It is for showing progress: where it cannot be written, the work goes on.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self._told = 0.0

    def write(self, kind: str, what: Any = None) -> None:
        """Add a line."""
        with suppress(OSError), self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([kind, what], default=str) + "\n")

    def report(self, what: Any) -> None:
        """Pass on a run's document, and a share now and then."""
        if isinstance(what, dict):
            self.write("document", what)
        elif monotonic() - self._told > SHARE_S:
            self._told = monotonic()
            self.write("share", what)

    def news(self) -> Iterator[tuple[str, Any]]:
        """The lines that were added since the last call, as far as they are whole."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._read)
                lines = file.read()
        except OSError:
            return
        whole = lines[: lines.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            with suppress(ValueError):
                kind, what = json.loads(line)
                yield kind, what


@dataclass(frozen=True)
class Errand:
    """One pack, and what a job needs to carry it out; it is pickled on its way there.

    Attributes:
        pack: what is to be done.
        work: does it; a function that can be imported where the job runs.
        journal: the file that it tells its progress in.
        stop: the file whose appearance asks for an end.
        place: the folder that relative paths start from.
        threads: for torch, None to leave them as they are.
        sender: the process without which there is no use in going on, None if there is.
        environment: variables that are to be as they were there, None for those not set.
    """

    pack: Any
    work: Work
    journal: Path
    stop: Path
    place: Path
    threads: int | None
    sender: int | None
    environment: Mapping[str, str | None]

    def __call__(self) -> dict[str, Any]:
        """Carry out the pack.

        Returns:
            `documents`, or where the user can mend what went wrong `refused` and `exit_status`.
            A job that is preempted or told to end does not return: it leaves the process.
        """
        os.chdir(self.place)
        _clear_away()
        _use_threads(self.threads)
        for name, value in self.environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        journal = Journal(self.journal)
        journal.write("started", {"pid": os.getpid(), "host": socket.gethostname()})
        try:
            with _Asked.listening(self) as asked:
                documents = self.work(self.pack, journal.report, asked.to_end)
                if any(document.get("status") == "interrupted" for document in documents):
                    asked.leave(journal, documents)
        except VgradError as error:
            return {"refused": str(error), "exit_status": error.exit_status}
        return {"documents": documents}

    def checkpoint(self) -> Any:
        """What is to be done after preemption: the same; the runs' own checkpoints say from where.

        The name is submitit's: without such a method it gives up where time runs out.
        """
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


class _Asked:
    """Whether a job has been asked to end, by whom, and how it then leaves.

    - A warning (SIGUSR2, before time-out or preemption): what submitit does with it is put off
      until the runs have ended in order; then submitit queues the job again.
    - SIGTERM (`scancel`, `scontrol requeue`): the process ends without a result. Whether there is
      another start is up to who sent it.
    - A stop file, or no process left that would want the result: likewise.
    """

    def __init__(self, errand: Errand) -> None:
        self._errand = errand
        self._parent = os.getppid()
        self._looked = 0.0
        self._warned = self._told = False
        self._requeue: Any = None

    @classmethod
    @contextmanager
    def listening(cls, errand: Errand) -> Iterator[_Asked]:
        """Put our handlers over submitit's while the block runs."""
        asked = cls(errand)
        asked._requeue = signal.signal(_warning(), asked._warn)
        before = signal.signal(signal.SIGTERM, asked._tell)
        try:
            yield asked
        finally:
            signal.signal(_warning(), asked._requeue)
            signal.signal(signal.SIGTERM, before)

    def to_end(self) -> bool:
        """Whether to end as soon as that can be done in order."""
        if not self._told and monotonic() - self._looked > LOOK_S:
            self._looked = monotonic()
            self._told = self._errand.stop.exists() or self._alone()
        return self._told or self._warned

    def leave(self, journal: Journal, documents: list[Document]) -> None:
        """End the job without a result; return only if nobody has asked for it."""
        if self._warned and not self._told and callable(self._requeue):
            # Slurm may be queueing it again by itself, and then refuses to do it twice.
            with suppress(subprocess.SubprocessError):
                self._requeue(_warning(), None)
        if self._told or self._warned:
            journal.write("stopped", documents)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(STOPPED)

    def _warn(self, number: int, frame: FrameType | None) -> None:
        self._warned = True

    def _tell(self, number: int, frame: FrameType | None) -> None:
        self._told = True

    def _alone(self) -> bool:
        """Whether what started this process, or what waits for it, has gone."""
        sender = self._errand.sender
        return os.getppid() != self._parent or (sender is not None and not is_alive(sender))


def is_alive(process: int) -> bool:
    """Whether there is a process with this id on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _warning() -> signal.Signals:
    """The signal that submitit has a cluster send before time-out and preemption."""
    return signal.Signals["SIG" + os.environ.get("SUBMITIT_PREEMPT_SIGNAL", "USR2")]


def _clear_away() -> None:
    """Remove the half-written result of an earlier start, which submitit would stumble over."""
    from submitit import JobEnvironment

    result = JobEnvironment().paths.result_pickle
    result.with_suffix(f"{result.suffix}.save_tmp").unlink(missing_ok=True)


def _use_threads(threads: int | None) -> None:
    """Keep to the cores that were asked for: torch by itself would take all of the machine's."""
    if threads is None:
        return
    os.environ["OMP_NUM_THREADS"] = str(threads)  # for what is yet to be imported
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)

"""A cluster's queue: which jobs wait, which run and which have ended, and how to take them back."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from submitit import Job

QUEUED, RUNNING, ENDED = "queued", "running", "ended"
WAITING = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED")
OVER = (
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
)
STUCK = (  # why a job waits for what will not come by itself
    "BadConstraints",
    "DependencyNeverSatisfied",
    "PartitionTimeLimit",
    "launch_failed_requeued_held",
)
ASK_S = 30.0  # for Slurm to answer
SILENT_S = 900.0  # without an answer, until its jobs are given up


@dataclass(frozen=True)
class State:
    """What a queue says of a job: queued, running or ended, and in its own words."""

    kind: str
    words: str


class Queue(Protocol):
    """What is asked of a cluster.

    Attributes:
        room: how many jobs may be sent at a time, None for any number.
        poll_s: between two looks at what jobs have written.
        grace_s: how long after a job's end its result may still turn up.
    """

    room: int | None
    poll_s: float
    grace_s: float

    def states(self, jobs: Sequence[Job[Any]]) -> Mapping[str, State]:
        """By a job's id; those of which nothing is known are left out."""

    def is_over(self, job: Job[Any]) -> bool:
        """Whether a job that has left a result needs no more watching."""

    def cancel(self, jobs: Sequence[Job[Any]]) -> None:
        """Have jobs end in order, and those that wait not begin."""


class LocalQueue:
    """Processes of this machine; as many at a time as it has cores for."""

    poll_s = 0.1
    grace_s = 0.0  # a result is there before its process ends

    def __init__(self, terms: Mapping[str, Any]) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        fitting = max(1, (cores or 1) // int(terms.get("cpus_per_task", 1)))
        self.room: int | None = terms.get("array_parallelism", fitting)

    def states(self, jobs: Sequence[Job[Any]]) -> Mapping[str, State]:
        """Whether their processes have ended."""
        ended = State(ENDED, "it was killed, or this machine's memory ran out")
        return {
            job.job_id: ended if job.done() else State(RUNNING, "it is a process") for job in jobs
        }

    def is_over(self, job: Job[Any]) -> bool:
        """Whether its process has ended: it is a child of ours."""
        return job.done()

    def cancel(self, jobs: Sequence[Job[Any]]) -> None:
        """Leave it to the stop file: a signal would reach submitit's process, not ours."""


class SlurmQueue:
    """What squeue says, asked less often the longer the jobs take.

    Not submitit's own watching, which needs Slurm's accounting: without it a job that is killed
    is waited for in vain.
    """

    room: int | None = None  # array_parallelism is Slurm's to keep
    poll_s = 1.0  # of a folder that may be shared by a whole cluster
    grace_s = 15.0  # a shared folder may be slow
    often_s = 2.0  # between two questions, at first

    def __init__(self) -> None:
        self._begun = self._answered = monotonic()
        self._asked = float("-inf")

    def states(self, jobs: Sequence[Job[Any]]) -> Mapping[str, State]:
        """What squeue says now; nothing where it is not time to ask it again."""
        now = monotonic()
        if now - self._asked < min(30.0, max(self.often_s, (now - self._begun) / 20)):
            return {}
        self._asked = now
        names = [job.job_id for job in jobs]
        answer = self.ask(names)
        if answer is not None:
            self._answered = now
            lost = State(ENDED, "Slurm no longer knows it")
            return {name: answer.get(name, lost) for name in names}
        silent = now - self._answered > SILENT_S
        return dict.fromkeys(names, State(ENDED, "Slurm does not answer")) if silent else {}

    def ask(self, names: Sequence[str]) -> dict[str, State] | None:
        """What squeue says of jobs; those that it does not know are left out.

        Returns:
            None if Slurm does not answer.
        """
        states: dict[str, State] = {}
        for array in sorted({name.split("_")[0] for name in names}):
            options = ("--noheader", "--array", "--states=all", "--format=%i|%T|%r")
            command = ["squeue", *options, f"--jobs={array}"]
            try:
                told = subprocess.run(
                    command, capture_output=True, text=True, timeout=ASK_S, check=False
                )
            except (OSError, subprocess.TimeoutExpired):
                return None
            if told.returncode != 0 and "Invalid job id" not in told.stderr:
                return None
            states |= _read(told.stdout)
        return states

    def is_over(self, job: Job[Any]) -> bool:
        """Always: its end follows at once."""
        return True

    def cancel(self, jobs: Sequence[Job[Any]]) -> None:
        """Take back what waits; what runs gets SIGTERM, and time (KillWait) to end in order."""
        if not jobs:
            return
        command = ["scancel", *(job.job_id for job in jobs)]
        with suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(command, capture_output=True, timeout=ASK_S, check=False)


def _read(told: str) -> dict[str, State]:
    """What squeue printed, by job."""
    states = {}
    for line in told.splitlines():
        name, state, reason = [*line.strip().split("|"), "", ""][:3]
        if state in OVER:
            states[name] = State(ENDED, f"Slurm says {state}")
        elif state in WAITING and reason in STUCK:
            states[name] = State(ENDED, f"Slurm holds it: {reason}")
        else:
            states[name] = State(QUEUED if state in WAITING else RUNNING, state)
    return states

"""The outbox of a sweep: where its jobs are pickled, tell of their progress and leave results."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree, which
from tempfile import mkdtemp

from vgrad.cluster.queue import ENDED, SlurmQueue
from vgrad.errors import StoreError
from vgrad.store.disk import writing

FOLDER = ".submitit"
JOBS = "jobs.json"
JOB_ID = re.compile(r"\d+(_\d+)?")


@contextmanager
def outbox(folder: Path) -> Iterator[Path]:
    """A new folder for jobs, which nobody but the owner may read or write: it holds pickles.

    It is new each time, so that what an earlier sweep or a stranger left is never taken for a
    result. It goes again when each job had a result; else it stays, for the logs, until the next.
    """
    hidden = folder / FOLDER
    _refuse_company(folder)
    with writing(hidden):
        hidden.mkdir(mode=0o700, parents=True, exist_ok=True)
        hidden.chmod(0o700)
        for earlier in hidden.glob("jobs-*"):
            rmtree(earlier, ignore_errors=True)
        place = Path(mkdtemp(prefix="jobs-", dir=hidden.resolve()))
    try:
        yield place
    finally:
        if not (place / JOBS).exists():
            rmtree(place, ignore_errors=True)
        with suppress(OSError):
            hidden.rmdir()  # if it is empty


def _refuse_company(folder: Path) -> None:
    """Refuse to write into a sweep's folder while Slurm's jobs of a vgrad that was killed do so.

    A job that has left its result writes no more, though Slurm may count it as running for some
    seconds.

    Raises:
        StoreError: they do, or Slurm does not say.
    """
    earlier = [name for file in folder.glob(f"{FOLDER}/jobs-*/{JOBS}") for name in _jobs_of(file)]
    if not earlier or not which("squeue"):
        return
    states = SlurmQueue().ask(earlier)
    if states is None:
        raise StoreError(
            f"Jobs were sent to Slurm from {folder}, and it does not answer whether they still "
            "run. Try again when `squeue` does."
        )
    if going := [name for name in earlier if name in states and states[name].kind != ENDED]:
        arrays = " ".join(sorted({name.split("_")[0] for name in going}))
        some = "1 job" if len(going) == 1 else f"{len(going)} jobs"
        raise StoreError(
            f"{some} of an earlier sweep may still write into {folder}. Wait until they are done, "
            f"or stop them: scancel {arrays}"
        )


def _jobs_of(file: Path) -> list[str]:
    """The jobs on Slurm that a file names and that left no result; none if it is not ours."""
    with suppress(ImportError, ValueError, OSError, TypeError, KeyError):
        from submitit.core.utils import JobPaths  # without it nothing will be sent

        told = json.loads(file.read_text())
        if told["cluster"] == "slurm":
            names = [name for name in map(str, told["jobs"]) if JOB_ID.fullmatch(name)]
            return [
                name for name in names if not JobPaths(file.parent, name, 0).result_pickle.exists()
            ]
    return []

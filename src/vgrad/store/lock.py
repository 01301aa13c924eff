"""The lock on a run folder: held while the run is written, gone as soon as its process is.

It is a `flock`, which the kernel frees however the process ends. Nothing needs a clock, and
nothing is left to be unlocked by hand.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from vgrad.errors import BusyError
from vgrad.store.columns import LOCK

if TYPE_CHECKING:
    from filelock import BaseFileLock

PATIENCE = 0.5  # seconds: a reader that looks whether the lock is held has it for microseconds


def take(folder: Path) -> BaseFileLock:
    """The folder's lock, held.

    Raises:
        BusyError: a live process holds it.
        OSError: the folder cannot be written.
    """
    from filelock import FileLock, Timeout  # not needed to read

    lock = FileLock(folder / LOCK, thread_local=False)
    try:
        lock.acquire(timeout=PATIENCE, poll_interval=0.01)
    except Timeout:
        raise BusyError(
            f"{folder} is being written by another vgrad. "
            "Wait for it to end, or give this run a folder of its own with name=NAME."
        ) from None
    return lock


def free(lock: BaseFileLock) -> None:
    """Free the lock and delete its file, in the order that lets no two processes hold it."""
    with suppress(OSError):
        os.unlink(lock.lock_file)
    lock.release()


def is_held(folder: Path) -> bool:
    """Whether a live process writes the folder; needs no right to write there."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # a file system without locks
    finally:
        os.close(descriptor)  # frees it as well
    return False

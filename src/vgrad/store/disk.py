"""What touches the disk: files that appear whole or not at all, and reads that trust nothing."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedRandom
from pathlib import Path

from vgrad.errors import DamagedFileError, StoreError, VgradError, WriteError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
USERS_TO_MEND = {
    errno.EACCES,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.EPERM,
    errno.EROFS,
}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what the system refuses into a message that names the file and the reason.

    Raises:
        StoreError: the path is one that this user cannot write.
        WriteError: the disk failed: it is full, for instance.
    """
    try:
        yield
    except OSError as error:
        raise write_fault(path, error) from error


def write_fault(path: Path, error: OSError) -> VgradError:
    """The error for the user: StoreError where the path is at fault, WriteError for the disk."""
    message = f"{path} cannot be written: {error.strerror or error}."
    if error.errno in USERS_TO_MEND:
        return StoreError(message)
    if error.errno in FULL:
        message += " What was recorded is kept: make room, and the same command goes on from there."
    return WriteError(message)


@contextmanager
def aside(path: Path) -> Iterator[BufferedRandom]:
    """A file to write that takes its place only when it is whole and on the disk.

    It is written under another name, synced, moved into place, and the folder is synced.
    """
    part = part_of(path)
    try:
        with open(part, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            os.unlink(part)
        raise


def part_of(path: Path) -> Path:
    """Where a file is written before it takes its place."""
    return path.with_name(f".{path.name}.part")


def sync_folder(folder: Path) -> None:
    """Wait until the disk holds what was created, moved and deleted in the folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(descriptor: int, data: memoryview) -> None:
    """Write all of it, also where the system takes it piece by piece."""
    while data:
        data = data[os.write(descriptor, data) :]


def read_file(path: Path, limit: int | None = None) -> bytes:
    """The bytes of a regular file, as many as it had when it was opened.

    Args:
        path: what to read; a FIFO or a device is refused without waiting for it.
        limit: the most bytes that it may have; by default what half of the memory can hold.

    Raises:
        FileNotFoundError: there is none.
        DamagedFileError: it is no regular file, too large, or cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            most = _half_of_memory() if limit is None else limit
            if not stat.S_ISREG(status.st_mode):
                raise DamagedFileError(path, "it is not a regular file")
            if status.st_size > most:
                why = f"it has {status.st_size:,} bytes, and {most:,} are the most that are read"
                raise DamagedFileError(path, why)
            return file.read(status.st_size)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DamagedFileError(path, error.strerror or str(error)) from error


def _half_of_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2

"""The report's folder: made aside, moved into place when it is whole."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vgrad.errors import StoreError, VgradError
from vgrad.store.disk import write_fault

PAGE, TEXT = "index.html", "report.md"
FOLDERS = ("figures", "tables")
TEXT_MARK = "<!-- Made by vgrad. -->"
MARKS = {  # by which a report of ours is known, whatever it was written as
    PAGE: b'<meta name="generator" content="vgrad',
    TEXT: TEXT_MARK.encode(),
    "tables/arms.csv": b"arm,",
}


@contextmanager
def made_aside(out: Path) -> Iterator[Path]:
    """An empty folder to make a report in; when the block ends well, the report moves to `out`.

    A report that is there already is replaced, other files beside it are left alone. When the
    block fails, nothing has changed.

    Raises:
        StoreError: `out` cannot be written, or holds something else under the report's names.
        WriteError: the disk failed: it is full, for instance.
    """
    try:
        _check(out)
        room = Path(tempfile.mkdtemp(prefix=".report-", dir=_nearest_folder(out)))
    except OSError as error:
        raise _unwritable(out, error) from error
    try:
        new = room / "new"
        new.mkdir()
        yield new
        _move(new, out, room)
    except OSError as error:
        raise _unwritable(out, error) from error
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _check(out: Path) -> None:
    """Refuse to put a report over files that are not a report's."""
    taken = [name for name in (PAGE, TEXT, *FOLDERS) if os.path.lexists(out / name)]
    if not taken or any(_is_ours(out / name, mark) for name, mark in MARKS.items()):
        return
    raise StoreError(
        f"{out} already has {' and '.join(taken)}, which no report of vgrad left there. "
        "Choose another folder with --out DIR."
    )


def _is_ours(file: Path, mark: bytes) -> bool:
    return file.is_file() and mark in file.read_bytes()[:4096]


def _nearest_folder(out: Path) -> Path:
    """`out` itself, or the nearest folder above it that exists: on the same disk, as a rule."""
    return next(folder for folder in (out, *out.absolute().parents) if folder.exists())


def _move(new: Path, out: Path, room: Path) -> None:
    """The report into place: at once where there is none, else part by part, the page last."""
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        os.replace(new, out)
        return
    old = room / "old"
    old.mkdir()
    for name in FOLDERS:
        if not (new / name).exists():
            continue
        if os.path.lexists(out / name):
            os.replace(out / name, old / name)
        os.replace(new / name, out / name)
    for name in (TEXT, PAGE):
        if (new / name).exists():
            os.replace(new / name, out / name)


def _unwritable(out: Path, error: OSError) -> VgradError:
    fault = write_fault(out, error)
    why = error.strerror or error
    return type(fault)(
        f"The report cannot be written to {out}: {why}. Choose another folder with --out DIR."
    )

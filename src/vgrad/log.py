"""A run's log: the plain lines of its progress, in its own folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from vgrad.store.columns import LOG
from vgrad.store.disk import writing
from vgrad.terminal import PlainView


class Log(PlainView):
    """Writes what a person would see in a pipe into `run.log`.

    Args:
        folder: the run's.
        goes_on: whether the run goes on that the folder holds.

    Raises:
        StoreError, WriteError: the file cannot be opened.
    """

    def __init__(self, folder: Path, *, goes_on: bool) -> None:
        with writing(folder / LOG):
            self._file = (folder / LOG).open("a" if goes_on else "w", encoding="utf-8")
        super().__init__(self._file)

    def finish(self, run: Mapping[str, Any], words: Sequence[str]) -> None:
        """Write how it ended, and the words."""
        self._write_end(run, words)

    def _write(self, line: str) -> None:
        with suppress(OSError):  # a full disk ends the run where its records are written
            super()._write(line)

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):
            self._file.close()

"""What can go wrong for a user: one tree, and the exit status that each branch ends with.

VgradError
├── ConfigError          a setting is unknown, missing, of the wrong type or out of range
│   └── UnknownNameError     a registry has no entry of that name
├── DataError            a data set cannot be found, fetched or read
├── StoreError           a run folder cannot be read or written
│   └── DamagedFileError     a file in it is cut, flipped, emptied or of another kind
├── WriteError           the disk failed while a run was being recorded (exit status 1)
├── StoppedError         a run was stopped, or never begun (1)
├── LauncherError        a launcher that is not ours failed (1)
└── NoRoomError          the memory does not hold what was to be trained (1)
"""

from __future__ import annotations

import copyreg
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any


class VgradError(Exception):
    """Something that the user can mend; its text is the one message that is shown."""

    exit_status = 2

    def __reduce__(self) -> tuple[Any, ...]:
        """For another process: as it is, as `__init__` of many takes other words than the text."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class ConfigError(VgradError):
    """A setting is unknown, missing, of the wrong type or out of range."""


class UnknownNameError(ConfigError):
    """A registry has no entry of that name.

    Args:
        kind: of what.
        name: that was asked for.
        known: the names that there are.
        also: what the same thing is called elsewhere → its name here.
    """

    def __init__(
        self, kind: str, name: str, known: Iterable[str], also: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"No {kind} is named {name!r}.{did_you_mean(name, known, also)}")


class DataError(VgradError):
    """A data set cannot be found, fetched or read."""


class StoreError(VgradError):
    """A run folder cannot be read or written."""


class BusyError(StoreError):
    """Another process writes the folder."""


class DamagedFileError(StoreError):
    """A file of a run is cut, flipped, emptied or of another kind."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path} cannot be read: {why}.")
        self.path = path


class WriteError(VgradError):
    """The disk failed while a run was being recorded; what was flushed before is kept."""

    exit_status = 1


class StoppedError(VgradError):
    """A run or a job was stopped or never begun: the sweep was to end, or a run met a fault."""

    exit_status = 1


class LauncherError(VgradError):
    """A launcher of Hydra's, or of somebody else's, could not make the runs."""

    exit_status = 1


class NoRoomError(VgradError):
    """The memory does not hold what was to be trained."""

    exit_status = 1

    def __init__(self, runs: int) -> None:
        what = f"a stack of {runs} runs" if runs > 1 else "one run of this size"
        super().__init__(
            f"The memory does not hold {what}. A smaller width, depth or batch_size takes less."
        )
        self.runs = runs


def did_you_mean(name: str, known: Iterable[str], also: Mapping[str, str] | None = None) -> str:
    """The end of a message about an unknown name: the nearest match, then everything valid."""
    names = sorted(known)
    meant = {**{other.lower(): other for other in names}, **(also or {})}
    near = get_close_matches(name.lower(), meant, n=1)
    guess = f" Did you mean {meant[near[0]]!r}?" if near else ""
    return f"{guess} Known: {', '.join(names)}."

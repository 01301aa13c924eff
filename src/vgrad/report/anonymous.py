"""A report for blind review: who made it, on which machine and where, is left out."""

from __future__ import annotations

import getpass
import os
import re
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vgrad.errors import StoreError

LEFT_OUT = "(left out)"
HIDDEN = ("name", "path", "folder", "host", "hostname", "user", "cwd", "node", "git", "remote")
PLACE = re.compile(r"""(?:(?<![\w.:/\\)])(?:~|[A-Za-z]:)?[/\\]|\w+://)[^\s'",;)\]]+""")
LEAST = 2  # letters of a name that is looked for inside of texts


@dataclass(frozen=True)
class Veil:
    """What stands before a reader who may not know where the runs come from.

    Attributes:
        words: the names that are left out wherever they stand.
        folders: those of the runs, as typed; they are left out of what tells of a file.
    """

    words: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    def text(self, text: str) -> str:
        """The text without places and without the names of people and machines."""
        shown = PLACE.sub(LEFT_OUT, text)
        for word in self.words:
            shown = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", LEFT_OUT, shown, flags=re.IGNORECASE)
        return shown

    def problem(self, text: str) -> str:
        """A line about a file, without the folders in which it lies."""
        for folder in self.folders:
            text = re.sub(rf"(?<!\w){re.escape(folder)}(?!\w)", LEFT_OUT, text)
        return self.text(text)

    def key(self, key: str) -> bool:
        """Whether a setting or a fact of this name may be shown."""
        return key.rsplit(".", 1)[-1].lower() not in HIDDEN


class Open(Veil):
    """Nothing is left out."""

    def text(self, text: str) -> str:
        """The text as it is."""
        return text

    def key(self, key: str) -> bool:
        """Whether a setting of this name may be shown: any may."""
        return True


def veil(anonymous: bool, paths: Sequence[str | Path] = ()) -> Veil:
    """What a report leaves out: nothing, or this user, this machine and every place.

    Args:
        anonymous: whether anything is.
        paths: the folders that the report is made from.
    """
    if not anonymous:
        return Open()
    names = sorted(_own_names(), key=len, reverse=True)
    folders = sorted({name for path in paths for name in _folders(path)}, key=len, reverse=True)
    return Veil(tuple(name for name in names if len(name) >= LEAST), tuple(folders))


def refuse_names(texts: Iterable[str], shield: Veil) -> None:
    """Refuse words of the user's own that say who made the report.

    Raises:
        StoreError: they would.
    """
    for text in texts:
        if shield.text(text) != text:
            raise StoreError(f"{text!r} names a person, a machine or a folder: not --anonymous.")


def _folders(path: str | Path) -> Iterator[str]:
    """A folder and all below it, each in full and by its name, and those above it by name."""
    below = (Path(entry[0]) for entry in os.walk(path))
    for folder in (Path(path), *below):
        yield from (
            name for name in (str(folder), *folder.parts) if len(name) >= LEAST and name != ".."
        )


def _own_names() -> set[str]:
    """This user, this machine, the home folder; what cannot be had is nobody's."""
    names = {socket.gethostname(), socket.gethostname().split(".")[0], Path.home().name}
    with suppress(KeyError, OSError):  # a user without a name, as in some containers
        names.add(getpass.getuser())
    return names

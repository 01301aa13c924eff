"""A report for blind review: who made it, on which machine and where, is left out."""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vgrad.errors import StoreError

LEFT_OUT = "(left out)"
HIDDEN = ("name", "path", "folder", "host", "hostname", "user", "cwd", "node", "git", "remote")
PLACE = re.compile(r"""(?:(?<![\w.:/\\])(?:~|[A-Za-z]:)?[/\\]|\w+://)[^\s'",;)\]]+""")
LEAST = 2  # letters of a name that is looked for inside of texts


@dataclass(frozen=True)
class Veil:
    """What stands before a reader who may not know where the runs come from.

    Attributes:
        words: the names that are left out wherever they stand.
    """

    words: tuple[str, ...] = ()

    def text(self, text: str) -> str:
        """The text without places and without the names of people and machines."""
        shown = PLACE.sub(LEFT_OUT, text)
        for word in self.words:
            shown = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", LEFT_OUT, shown, flags=re.IGNORECASE)
        return shown

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


def veil(anonymous: bool) -> Veil:
    """What a report leaves out: nothing, or this user, this machine and every place."""
    if not anonymous:
        return Open()
    names = sorted(_own_names(), key=len, reverse=True)
    return Veil(tuple(name for name in names if len(name) >= LEAST))


def refuse_names(texts: Iterable[str], shield: Veil) -> None:
    """Refuse words of the user's own that say who made the report.

    Raises:
        StoreError: they would.
    """
    for text in texts:
        if shield.text(text) != text:
            raise StoreError(f"{text!r} names a person, a machine or a folder: not --anonymous.")


def _own_names() -> set[str]:
    """This user, this machine, the home folder; what cannot be had is nobody's."""
    names = {socket.gethostname(), socket.gethostname().split(".")[0], Path.home().name}
    with suppress(KeyError, OSError):  # a user without a name, as in some containers
        names.add(getpass.getuser())
    return names

"""Tables from text files: a row of names, then rows of as many values each.

Values are parted by commas, semicolons or tabs, whichever the first row has most of outside quotes,
and may be quoted (RFC 4180). Blank lines do not count.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from vgrad.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

MAX_BYTES = 2**28
"""The most that a file may hold; a value takes two bytes or more."""

SEPARATORS = (",", ";", "\t")

_BLANKS = " \t\r\n"

_BLANK_LINES = re.compile(r"(?:[ \t]*[\r\n])*")
_QUOTED = re.compile(r'(?<![^,;\s])"[^"]*(?:""[^"]*)*"')
_ROW = re.compile(rf"(?:{_QUOTED.pattern}|[^\r\n])*")


@dataclass(frozen=True, eq=False)
class Table:
    """The values of a file.

    Attributes:
        path: the file.
        values: a column of whole numbers, numbers, true and false, or text for each name; what
            is missing is NaN.
        text: what the file holds.
        separator: what stands between two values.
    """

    path: Path
    values: pd.DataFrame
    text: str
    separator: str

    def line(self, row: int) -> int:
        """The line of the file, counted from 1, on which a row of `values` begins."""
        return next(islice(_records(self.text, self.separator), row + 1, None))[0]


def find(setting: str, path: str) -> Path:
    """The file of that path, `~` standing for the user's own folder.

    Args:
        setting: what the user calls the path.
        path: as the user typed it.

    Raises:
        DataError: there is no file there, or one that is too large.
    """
    file = Path(os.path.expanduser(path))
    if os.path.isdir(file):
        raise DataError(f"{setting}={path} is a folder; name a file in it.")
    if not os.path.exists(file):
        beside = os.listdir(file.parent) if os.path.isdir(file.parent) else []
        near = get_close_matches(file.name, beside, n=1)
        guess = f" Did you mean {str(file.with_name(near[0]))!r}?" if near else ""
        where = "" if file.is_absolute() else f" in {os.getcwd()}"
        raise DataError(f"{setting}={path}: there is no such file{where}.{guess}")
    if not os.path.isfile(file):
        raise DataError(f"{setting}={path} is no file that can be read twice.")
    if (size := os.path.getsize(file)) > MAX_BYTES:
        raise DataError(
            f"{file} is too large to hold: it has {size / 2**20:,.0f} MiB, and at most "
            f"{MAX_BYTES / 2**20:,.0f} MiB are read. Keep fewer rows or columns."
        )
    return file


def content(file: Path) -> bytes:
    """What a file holds.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}.") from None


def read(file: Path) -> Table:
    """The table that a file holds.

    Raises:
        DataError: the file cannot be read, is no text, or its rows do not make a table.
    """
    import pandas as pd  # not by lazy_loader: others take its stand-in for an imported pandas

    text = _decoded(file)
    separator = _separator(text)
    try:
        names = _names(file, text, separator)
        for line, record in _records(text, separator):
            if len(record) != len(names):
                raise DataError(
                    f"{file}, line {line}: the number of values is {len(record)}, but the first "
                    f"row names {len(names)} columns."
                )
    except csv.Error as error:
        raise DataError(f"{file} is no table of separated values: {error}.") from None
    values = pd.read_csv(
        io.StringIO(text[_beginning(text) :], newline=""),
        sep=separator,
        header=0,
        names=names,
        index_col=False,
        skipinitialspace=True,
        low_memory=False,  # a column is of one kind
    )
    if values.empty:
        raise DataError(f"{file} has a first row of names and no rows of values below it.")
    return Table(file, values, text, separator)


def _decoded(file: Path) -> str:
    raw = content(file)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file} is not text in UTF-8 (byte {error.start + 1} is not): save it as CSV in UTF-8."
        ) from None
    if "\0" in text:
        raise DataError(f"{file} is not text but binary: save it as CSV in UTF-8.")
    if not text.strip():
        raise DataError(f"{file} is empty: wanted are a row of names and rows of values.")
    return text


def _beginning(text: str) -> int:
    """Where the first line begins that is not blank."""
    blank = _BLANK_LINES.match(text)
    return blank.end() if blank else 0


def _separator(text: str) -> str:
    """The one that the first row has most of outside quotes; a comma if it has none."""
    row = _ROW.match(text, _beginning(text))
    unquoted = _QUOTED.sub("", row[0]) if row else ""
    return max(SEPARATORS, key=unquoted.count)


def _records(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The line on which each record begins, and its values; blank lines are left out."""
    start = _beginning(text)
    above = len(text[:start].splitlines())
    last = ""

    def lines() -> Iterator[str]:
        nonlocal last
        for each in io.StringIO(text[start:], newline=""):
            last = each
            yield each

    reader = csv.reader(lines(), delimiter=separator, skipinitialspace=True, strict=True)
    line = above + 1
    try:
        for record in reader:
            if len(record) > 1 or last.strip(_BLANKS):
                yield line, record
            line = above + reader.line_num + 1
    except csv.Error as error:
        raise csv.Error(f"line {line}: {error}") from None


def _names(file: Path, text: str, separator: str) -> list[str]:
    """The names in the first row, each on one line and without spaces around it."""
    _, first = next(_records(text, separator))
    names = [" ".join(name.split()) for name in first]
    for place, name in enumerate(names, 1):
        if not name:
            raise DataError(
                f"{file}: column {place} of {len(names)} has no name in the first row. Name it, "
                "or drop it (an index that pandas wrote is left out with index=False)."
            )
        if names.index(name) < place - 1:
            raise DataError(
                f"{file}: columns {names.index(name) + 1} and {place} are both named {name!r}. "
                "The first row must give each column a name of its own."
            )
    return names

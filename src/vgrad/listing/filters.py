"""Filters of runs, as typed: `activation=relu,selu`, `depth>10`, `seed!=0`."""

from __future__ import annotations

import math
import operator
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from vgrad.errors import ConfigError, did_you_mean
from vgrad.phrases import is_number

Row = Mapping[str, Any]

WORD = re.compile(r"([^=<>!]+)(!=|>=|<=|==|=|<|>)(.*)", re.DOTALL)
SIZES: Mapping[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
MOST_NAMED = 12  # values of a key that a message names all of
SOME = 3  # values that it names where there are more


@dataclass(frozen=True)
class Filter:
    """One condition on a run's row of `.runs`.

    Args:
        word: as it was typed.
        key: a column of `.runs`.
        sign: `=`, `!=`, `<`, `<=`, `>` or `>=`.
        value: what it is compared with; `=` and `!=` take several, separated by commas.

    Raises:
        ConfigError: a size is compared with what is no number.
    """

    word: str
    key: str
    sign: str
    value: str

    def __post_init__(self) -> None:
        if self.sign in SIZES and _number(self.value) is None:
            raise ConfigError(f"{self.word!r} compares sizes: {self.value!r} is not a number.")

    def fits(self, row: Row) -> bool:
        """Whether it holds for a run. A key that the run does not have is null."""
        value = row.get(self.key)
        if self.sign in SIZES:
            return is_number(value) and SIZES[self.sign](value, _number(self.value))
        texts = {self.value, *self.value.split(",")}  # a text may have a comma in it
        return any(_is(value, text.strip()) for text in texts) != (self.sign == "!=")

    def check(self, rows: Sequence[Row]) -> None:
        """See whether it can be answered.

        Raises:
            ConfigError: none of the runs has the key, or sizes of texts are compared.
        """
        check_key(self.key, rows)
        values = [row[self.key] for row in rows if row.get(self.key) is not None]
        if self.sign in SIZES and values and not any(map(is_number, values)):
            raise ConfigError(
                f"{self.word!r} compares sizes, and {self.key} is no number: "
                f"{_named(values)}. Write {self.key}=VALUE."
            )

    def hint(self, rows: Sequence[Row]) -> str:
        """What the key is in these runs, where the filter fits none of them; else nothing."""
        if any(map(self.fits, rows)):
            return ""
        values = [row.get(self.key) for row in rows]
        near = get_close_matches(self.value, [v for v in values if isinstance(v, str)], n=1)
        guess = f" Did you mean {self.key}={near[0]}?" if near and self.sign == "=" else ""
        return f"{guess} {self.key} is {_named(values)}."


def split(words: Iterable[str]) -> tuple[list[Path], list[Filter]]:
    """The paths and the filters among some words; what exists is a path, whatever its name.

    Raises:
        ConfigError: a filter cannot be read.
    """
    paths: list[Path] = []
    filters: list[Filter] = []
    for word in words:
        match = None if os.path.lexists(word) else WORD.fullmatch(word)
        if match:
            key, sign, value = (part.strip() for part in match.groups())
            filters.append(Filter(word, key, "=" if sign == "==" else sign, value))
        else:
            paths.append(Path(word))
    return paths, filters


def check_key(key: str, rows: Sequence[Row]) -> None:
    """See whether any run has the key.

    Raises:
        ConfigError: none has, with the nearest that one has.
    """
    known = {name for row in rows for name in row}
    if key not in known:
        ends = {name.rpartition(".")[2]: name for name in sorted(known)}
        also = {end: name for end, name in ends.items() if end not in known}
        raise ConfigError(f"No key of these runs is named {key!r}.{did_you_mean(key, known, also)}")


def as_text(value: Any) -> str:
    """A value as it is typed in a filter."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is(value: Any, text: str) -> bool:
    if not is_number(value):
        return as_text(value) == (text.lower() if isinstance(value, bool) else text)
    number = _number(text)
    return number is not None and (value == number or (value != value and math.isnan(number)))


def _number(text: str) -> int | float | None:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None


def _named(values: Iterable[Any]) -> str:
    """The different values, in words: `relu, selu or tanh`."""
    texts = sorted({as_text(value) for value in values})
    if len(texts) > MOST_NAMED:
        return f"{', '.join(texts[:SOME])} or one of {len(texts) - SOME} others"
    return " or ".join(filter(None, [", ".join(texts[:-1]), *texts[-1:]]))

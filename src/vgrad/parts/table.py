"""A table of one's own: a column to be predicted from all the others."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lazy_loader as lazy

from vgrad.errors import ConfigError, DataError
from vgrad.parts import csv_file
from vgrad.parts.csv_file import Table
from vgrad.parts.dataset import DATASETS, Dataset
from vgrad.parts.ranges import BETWEEN_ZERO_AND_ONE

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray
else:
    np = lazy.load("numpy")

_MOST_NAMED = 5  # columns in a message about what is wrong with them
_MOST_SHOWN = 20  # in one about which there are
_LONGEST_VALUE = 40  # characters of a value in a message


def fingerprint(settings: Mapping[str, Any]) -> str:
    """What names the content of the file that `path` points at: SHA-256 of its bytes, in hex.

    Raises:
        ConfigError: no path is given.
        DataError: the file cannot be found or read.
    """
    return hashlib.sha256(csv_file.content(_find(settings.get("path")))).hexdigest()


@DATASETS.entry(
    name="csv",
    source="the user's own",
    task=None,
    fingerprint=fingerprint,
    ranges={
        "test_share": BETWEEN_ZERO_AND_ONE,
        "train_size": (1, 10**9),
        "test_size": (1, 10**9),
        "seed": (0, 2**63 - 1),
    },
    choices={"task": ("auto", "classification", "regression")},
)
def table(
    *,
    path: str | None = None,
    target: str | None = None,
    task: str = "auto",
    test_share: float = 0.2,
    train_size: int | None = None,
    test_size: int | None = None,
    seed: int = 0,
) -> Dataset:
    """A table in the file `path`: its column `target`, to be predicted from all the others.

    The file is text in UTF-8 whose first row names the columns; commas, semicolons or tabs part
    the values.

    With `task=auto` text, true and false, and whole numbers are classes, and numbers written with
    a point are values for regression, taken as they are. Classes are numbered in the order of the
    alphabet, or of the numbers.

    The other columns must be numbers, or true and false for 1 and 0. From each its mean over the
    training rows is taken, and it is divided by its standard deviation over them (divisor n), if
    that is not 0.

    The rows are shuffled by `seed`. The test rows are the first `test_size` of them, or the share
    `test_share` where that is null; the training rows are taken from the end, `train_size` of
    them, or all that are left.
    """
    found = csv_file.read(_find(path))
    _check_target(found, target)
    found = _widened(found, but=None if task == "regression" else target)
    _check_values(found, target)
    train, test = _split(found, test_share, train_size, test_size, seed)
    y, classes = _targets(found, target, task)
    inputs = found.values.drop(columns=target).to_numpy(np.float64)
    train_x, test_x = _standardised(found, inputs[train], inputs[test])
    kind = "regression" if classes is None else "classification"
    return Dataset(train_x, y[train], test_x, y[test], classes, kind)


def _find(path: str | None) -> Path:
    if path is None:
        raise ConfigError("data=csv needs a table: data.path=FILE data.target=COLUMN.")
    return csv_file.find("data.path", path)


def _check_target(found: Table, target: str | None) -> None:
    names = list(found.values.columns)
    if len(names) == 1:
        raise DataError(
            f"{found.path} has one column, {_quoted(names[0])}, and so no inputs. Commas, "
            "semicolons or tabs must part the values of a row."
        )
    if target is None:
        raise ConfigError(
            "data=csv needs the column to be predicted: data.target=COLUMN. "
            f"{found.path} has {_listed(names[:_MOST_SHOWN], len(names))}."
        )
    if target not in names:
        near = get_close_matches(target, names, n=1)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(
            f"data.target={target}: {found.path} has no such column.{guess} "
            f"It has {_listed(names[:_MOST_SHOWN], len(names))}."
        )


def _widened(found: Table, but: str | None) -> Table:
    """The table with whole numbers that 64 bits do not hold as floats, but for one column.

    Pandas leaves them as text. As floats two classes might become one.
    """
    wide = {}
    for name in found.values.columns:
        if name == but or _is_number(found.values[name]):
            continue
        texts = found.values[name].dropna().astype(str).str.strip()
        if texts.str.fullmatch("[+-]?[0-9]+").all():
            wide[name] = texts.astype(float).reindex(found.values.index)
    return replace(found, values=found.values.assign(**wide)) if wide else found


def _check_values(found: Table, target: str | None) -> None:
    """See that no value is missing, and that all inputs and all numbers can be used."""
    missing = found.values.isna()
    if counts := {str(name): int(n) for name, n in missing.sum().items() if n}:
        words = [
            f"{_quoted(name)} ({count}, the first on line {found.line(_first(missing[name]))})"
            for name, count in list(counts.items())[:_MOST_NAMED]
        ]
        raise DataError(
            f"{found.path} has missing values (empty, NA, NaN, null): "
            f"{_listed(words, len(counts))}. Fill them in, or drop those rows or columns."
        )
    inputs = [name for name in found.values.columns if name != target]
    if texts := [name for name in inputs if not _is_number(found.values[name])]:
        words = [_example(found, name) for name in texts[:_MOST_NAMED]]
        raise DataError(
            f"{found.path} has text among its inputs: {_listed(words, len(texts))}. A network "
            "takes numbers: encode these columns as numbers, or drop them."
        )
    for name in found.values.columns:
        if _is_number(column := found.values[name]):
            _check_finite(found, column)


def _check_finite(found: Table, column: pd.Series[Any]) -> None:
    beyond = np.abs(column.to_numpy(np.float64)) > float(np.finfo(np.float32).max)
    if beyond.any():
        row = _first(beyond)
        raise DataError(
            f"{found.path}, line {found.line(row)}: {_quoted(column.name)} is {column.iloc[row]}; "
            "numbers must be finite, and less than 3.4e38 in size."
        )


def _targets(
    found: Table, target: str | None, task: str
) -> tuple[NDArray[np.int64] | NDArray[np.float32], int | None]:
    """The class numbers and how many there are; or what regression shall predict, and None."""
    column = found.values[target]
    numeric = _is_number(column)
    if task == "regression" and not numeric:
        raise DataError(
            f"{found.path}: data.task=regression wants numbers, and {_example(found, target)}."
        )
    fraction = numeric and column.dtype.kind == "f"
    if task == "regression" or (task == "auto" and fraction):
        return column.to_numpy(np.float32)[:, None], None
    names = column if numeric else column.astype(str).str.strip()
    numbers, different = names.factorize(sort=True)
    if len(different) == 1:
        raise DataError(
            f"{found.path}: all {len(column)} rows have the same class, "
            f"{_quoted(target)} = {_quoted(different[0])}; there is nothing to tell apart."
        )
    if 2 * len(different) > max(len(column), 4):
        hint = " For numbers to be predicted: data.task=regression." if numeric else ""
        raise DataError(
            f"{found.path}: {_quoted(target)} has {len(different)} different values in "
            f"{len(column)} rows, too many to be classes.{hint}"
        )
    return numbers.astype(np.int64), len(different)


def _split(
    found: Table, test_share: float, train_size: int | None, test_size: int | None, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows for training and for the test: one shuffled order, taken from both of its ends."""
    count = len(found.values)
    if count < 2:
        raise DataError(
            f"{found.path} has too few rows, {count}: at least one to learn from and one to test "
            "are needed."
        )
    order = np.random.default_rng([seed, *b"rows"]).permutation(count)
    held_out = test_size or min(max(round(test_share * count), 1), count - 1)
    left = count - held_out
    if left < (train_size or 1):
        raise DataError(
            f"{found.path} has {count} rows: {held_out} for the test and {train_size or 1} to "
            "learn from are more than that. Lower data.train_size, data.test_size or "
            "data.test_share."
        )
    return order[::-1][: train_size or left], order[:held_out]


def _standardised(
    found: Table, train: NDArray[np.float64], test: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Both less the mean of `train`, and over its standard deviation where that is not 0."""
    lowest, highest = train.min(0), train.max(0)
    constant = lowest == highest
    mean = np.where(constant, lowest, train.mean(0))  # a mean is rounded
    size = np.where(constant, 1.0, np.maximum(highest - mean, mean - lowest))
    spread = np.where(constant, 1.0, np.sqrt((((train - mean) / size) ** 2).mean(0)) * size)
    for part in (train, test):
        part -= mean
        part /= spread
    if (largest := float(np.abs(test).max())) > float(np.finfo(np.float32).max):
        raise DataError(
            f"{found.path}: over the training rows a column varies so little that it is "
            f"{largest:.0e} standard deviations off in a test row, more than can be held."
        )
    return train.astype(np.float32), test.astype(np.float32)


def _is_number(column: pd.Series[Any]) -> bool:
    return bool(column.dtype.kind in "biuf")


def _first(flags: Any) -> int:
    """The place of the first that is true."""
    return int(np.argmax(np.asarray(flags)))


def _example(found: Table, name: Any) -> str:
    """A column of text, with the first value that is no number."""
    import pandas as pd

    column = found.values[name]
    row = _first(pd.to_numeric(column, errors="coerce").isna())
    return f"{_quoted(name)} has {_quoted(column.iloc[row])} on line {found.line(row)}"


def _listed(words: list[str], count: int) -> str:
    more = f" and {count - len(words)} more columns" if count > len(words) else ""
    return ", ".join(words) + more


def _quoted(value: Any) -> str:
    text = str(value)
    return repr(text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…")

"""A selection of runs: those that fit the filters, sorted and cut short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nlargest
from typing import Any

from vgrad.errors import ConfigError
from vgrad.listing.filters import Filter, check_key
from vgrad.listing.runs import started
from vgrad.store import RunFile


@dataclass(frozen=True)
class Selection:
    """Runs to be shown.

    Attributes:
        runs: in the order in which they are shown.
        fitting: the runs that fit the filters, shown or not.
        total: how many runs there were to choose from.
        key: what they are sorted by, None for the order in which they were found.
        hint: why none fits the filters; empty where one does.
    """

    runs: list[RunFile]
    fitting: list[RunFile]
    total: int
    key: str | None = None
    hint: str = ""


def select(
    runs: Sequence[RunFile],
    filters: Sequence[Filter] = (),
    sort: str | None = None,
    *,
    reverse: bool = False,
    limit: int | None = None,
) -> Selection:
    """The runs for which all the filters hold.

    Args:
        runs: to choose from, in the order in which they stay where nothing is sorted.
        filters: conditions on their rows of `.runs`.
        sort: a column of `.runs`: numbers with the largest first, texts alphabetically; runs
            that have none of it, or NaN, are last.
        reverse: the other way round; runs without the key are still last.
        limit: the most runs to show: the first of those sorted, else the newest.

    Raises:
        ConfigError: no run has a key, or the limit is below 1.
    """
    if limit is not None and limit < 1:
        raise ConfigError(f"--limit is the number of runs to show, at least 1, not {limit}.")
    rows = [run.row for run in runs] if filters or sort else []
    for condition in filters if runs else ():
        condition.check(rows)
    if sort is not None and runs:
        check_key(sort, rows)
    fitting = [run for run in runs if all(one.fits(run.row) for one in filters)]
    shown = fitting
    if sort is not None:
        shown = _sorted(fitting, sort, reverse)[:limit]
    else:
        if limit is not None and limit < len(fitting):
            newest = {run.path for run in nlargest(limit, fitting, key=started)}
            shown = [run for run in fitting if run.path in newest]
        shown = shown[::-1] if reverse else shown
    hint = "" if fitting else "".join(one.hint(rows) for one in filters)
    return Selection(shown, fitting, len(runs), sort, hint)


def _sorted(runs: Sequence[RunFile], key: str, reverse: bool) -> list[RunFile]:
    """The runs by their values of the key; equal ones stay as they are."""
    numbers: list[RunFile] = []
    texts: list[RunFile] = []
    rest: list[RunFile] = []
    for run in runs:
        value = run.row.get(key)
        if value is None or value != value:
            rest.append(run)
        elif isinstance(value, int | float):
            numbers.append(run)
        else:
            texts.append(run)
    numbers.sort(key=lambda run: run.row[key], reverse=not reverse)
    texts.sort(key=lambda run: _alphabetical(run.row[key]), reverse=reverse)
    rest.sort(key=lambda run: run.row.get(key) is None)
    return [*texts, *numbers, *rest] if reverse else [*numbers, *texts, *rest]


def _alphabetical(value: Any) -> tuple[str, str]:
    text = str(value)
    return text.casefold(), text

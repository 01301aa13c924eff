"""The order of a sweep's runs: by the settings that differ among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vgrad.store.run_file import RunFile

FIRST = ("activation", "init", "depth", "width")  # where they differ they tell most
LAST = ("seed",)  # runs that differ in nothing else are repetitions
UNTOLD = "name"  # of the folder


def in_order(runs: Iterable[RunFile]) -> list[RunFile]:
    """The runs with those of one sweep together, by the settings that differ among them.

    A sweep's runs lie in one folder and have one `name`. Numbers are ordered by size, texts
    alphabetically, and the seed counts last. Sweeps and single runs stay in the order given.
    """
    sweeps: dict[tuple[Path, str], list[RunFile]] = {}
    for run in runs:
        sweeps.setdefault(sweep_of(run), []).append(run)
    return [run for sweep in sweeps.values() for run in _sorted(sweep)]


def sweep_of(run: RunFile) -> tuple[Path, str]:
    """What the runs of a sweep have in common, and no others: their folder and their name."""
    return run.path.parent, str(run.document["config"].get(UNTOLD))


def differing(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The settings that tell runs apart, the most telling first.

    Args:
        rows: each run's flat settings.

    Returns:
        Their keys. What follows from another of them is left out: `init.gain` is there where it
        differs among runs of the same init, not where only some inits have a gain.
    """
    keys = dict.fromkeys(key for row in rows for key in row if key != UNTOLD)
    found = [key for key in keys if _differs(key, rows)]
    return sorted(found, key=lambda key: FIRST.index(key) if key in FIRST else 4 + (key in LAST))


def place(value: Any) -> tuple[int, float, str]:
    """Where a value stands among others: numbers by size, then texts, then null."""
    if value is None:
        return (3, 0.0, "")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (0, value, "") if value == value else (2, 0.0, "")
    return (1, 0.0, str(value))


def _sorted(sweep: list[RunFile]) -> list[RunFile]:
    if len(sweep) < 2:
        return sweep
    rows = {run.path: run.settings for run in sweep}
    keys = differing(list(rows.values()))
    return sorted(sweep, key=lambda run: [place(rows[run.path].get(key)) for key in keys])


def _differs(key: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a setting differs among rows, those of one choice where it is a choice's."""
    one = rows[0].get(key)
    if all(row.get(key) == one for row in rows):
        return False
    choice = key.partition(".")[0] if "." in key else ""
    values: dict[str, Any] = {}
    for row in rows:
        value = row.get(key)
        if values.setdefault(str(row.get(choice)), value) != value:
            return True
    return False

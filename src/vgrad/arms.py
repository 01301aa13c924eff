"""Arms: the runs of a sweep that are alike in every setting but the seed.

Every comparison is between arms; the seeds within an arm are its repetitions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vgrad.phrases import typed
from vgrad.store import order

if TYPE_CHECKING:
    import pandas as pd

APART = ("seed", "name", "device", "checkpoint.every", "objective")  # in which an arm's runs differ
LEADING = ("activation", "init", "depth")  # what an arm is called where nothing sets it apart
FIRST_RESULT = "run_id"  # in `.runs` the settings stand before it, but for those of some runs only


@dataclass(frozen=True)
class Arm:
    """The runs that differ in nothing but what `APART` names.

    Attributes:
        number: its place among the arms, from 0.
        settings: what its runs have in common, by flat key as typed; a setting that is null, or
            that another arm has and this one has not, is left out.
        run_ids: its runs.
        seeds: their seeds, in the same order; empty where the runs have none.
        label: the settings that differ among the arms: `sigmoid xavier_normal depth=40`.
    """

    number: int
    settings: Mapping[str, Any]
    run_ids: tuple[str, ...]
    seeds: tuple[int, ...]
    label: str


def arms(runs: pd.DataFrame) -> list[Arm]:
    """The arms of some runs, in the order in which they first appear.

    Args:
        runs: `vgrad.load(...).runs`, or some of its rows.
    """
    grouped: dict[tuple[tuple[str, str], ...], tuple[dict[str, Any], list[int]]] = {}
    for place, row in enumerate(_rows(runs)):
        same = tuple((key, repr(value)) for key, value in sorted(row.items()))
        grouped.setdefault(same, (row, []))[1].append(place)
    found = list(grouped.values())
    keys = _differing([row for row, _ in found])
    ids = [str(run_id) for run_id in runs["run_id"]]
    seeds = runs["seed"].tolist() if "seed" in runs else None
    return [
        Arm(
            number=place,
            settings=row,
            run_ids=tuple(ids[i] for i in members),
            seeds=() if seeds is None else tuple(int(seeds[i]) for i in members),
            label=label(row, keys),
        )
        for place, (row, members) in enumerate(found)
    ]


def differing(among: pd.DataFrame | Sequence[Arm]) -> list[str]:
    """The settings in which runs or arms differ, most telling first: activation, init, depth.

    A setting that is there because another choice differs is left out: `activation.alpha` counts
    where it differs among runs of one activation, not where only some activations have it.

    Args:
        among: `vgrad.load(...).runs`, some of its rows, or arms.
    """
    return _differing(
        [arm.settings for arm in among] if isinstance(among, Sequence) else _rows(among)
    )


def setting_columns(runs: pd.DataFrame) -> list[str]:
    """The columns of `.runs` that are settings, and not results."""
    columns = [str(column) for column in runs.columns]
    here = columns.index(FIRST_RESULT) if FIRST_RESULT in columns else len(columns)
    groups = {key.partition(".")[0] for key in columns[:here]}
    late = [c for c in columns[here:] if "." in c and c.partition(".")[0] in groups]
    return [*columns[:here], *late]


def label(settings: Mapping[str, Any], keys: Sequence[str]) -> str:
    """Some settings in few words: a choice by its name alone, others by the end of their key.

    Args:
        settings: by flat key.
        keys: which of them; where there are none, activation, init and depth.
    """
    chosen = [key for key in keys if key in settings or "." not in key]  # all have the latter
    chosen = chosen if keys else [key for key in LEADING if key in settings]
    ends = Counter(key.rpartition(".")[2] for key in chosen)
    return " ".join(_word(key, settings.get(key), ends) for key in chosen)


def _word(key: str, value: Any, ends: Mapping[str, int]) -> str:
    text = typed(value)
    if isinstance(value, str) and "." not in key:
        return text
    end = key.rpartition(".")[2]
    return f"{end if ends[end] == 1 else key}={text}"


def _differing(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    found = [key for key in order.differing(rows) if key not in APART] if rows else []
    return sorted(found, key=lambda key: "." in key)  # `loss` before `init.gain`


def _rows(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """Each run's settings without what sets the runs of an arm apart, and without nulls."""
    keys = [key for key in setting_columns(runs) if key not in APART]
    return [
        {str(key): value for key, value in row.items() if not _is_null(value)}
        for row in runs[keys].to_dict("records")
    ]


def _is_null(value: Any) -> bool:
    """Whether a value is what pandas has in the place of null."""
    return value is None or (isinstance(value, float) and value != value)

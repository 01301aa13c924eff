"""Every run of a sweep in little room: what they share once, and of each what sets it apart."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vgrad.command import command
from vgrad.diagnose import number
from vgrad.figures import plain
from vgrad.phrases import typed
from vgrad.report.anonymous import Veil
from vgrad.report.command import repeating
from vgrad.report.compact import packed_json
from vgrad.report.content import Content, result_of
from vgrad.report.run import Run

# What has its place elsewhere: on the page, or in the figures.
OWN = ("command", "theory", "stack")
ASIDE = ("config", "summary", "files", "format", "run_id", "status", "sha256", *OWN)
RESOLVED = {  # of the summary: what the config left open, and what happened beside the records
    "resolved_init": "init resolved to",
    "resolved_gain": "init.gain resolved to",
    "clipped_updates": "updates with a clipped gradient",
}


@dataclass(frozen=True)
class EveryRun:
    """The table of runs.

    Attributes:
        columns: its headings, and whether each is of numbers.
        packed: all else, for the page's script.
    """

    columns: Sequence[tuple[str, bool]]
    packed: str


def every_run(content: Content) -> EveryRun:
    """The table of runs of a page."""
    runs = content.runs
    settings = [content.settings(run) for run in runs]
    told = [dict(about(run, content.veil)) for run in runs]
    alike, alike_told = _shared(settings), _shared(told)
    words = [repeating(run, own, content.veil) for run, own in zip(runs, settings, strict=True)]
    in_all = [word for word in words[0] if all(word in one for one in words)]
    keys = [key for key in content.keys if any(key in one for one in settings)]
    classes = any(run.summary["final_val_accuracy"] is not None for run in runs)
    results = ["accuracy", "pace"] if classes else ["val_loss", "pace"]
    headings = {"accuracy": "accuracy", "val_loss": "validation loss", "pace": "δ kept per layer"}
    columns = [("run", False), *((key, False) for key in keys), ("seed", True)]
    columns += [("status", False), ("gradient", False), *((headings[r], True) for r in results)]
    rows = []
    parts = zip(runs, content.names(), settings, told, words, strict=True)
    for run, name, own, facts, its in parts:
        numbers = result_of(run)
        apart = {key: value for key, value in own.items() if key not in alike}
        rows.append(
            {
                "cells": [
                    name,
                    *(_text(own[key]) if key in own else "–" for key in keys),
                    _text(own.get("seed")),
                    str(run.summary["status"]),
                    str(run.summary["verdict"]),
                    *(numbers[result] for result in results),
                ],
                "command": plain(shlex.join(word for word in its if word not in in_all), 4000),
                "settings": [(key, _text(value)) for key, value in apart.items()],
                "about": [
                    *([("folder", plain(run.file.path, 300))] if content.veil.key("path") else []),
                    ("run_id", run.file.run_id),
                    *((key, text) for key, text in facts.items() if key not in alike_told),
                ],
            }
        )
    document = {
        "command": plain(command(in_all), 4000),
        "settings": [(key, _text(value)) for key, value in alike.items()],
        "about": list(alike_told.items()),
        "numbers": [is_number for _, is_number in columns],
        "rows": rows,
    }
    return EveryRun(columns, packed_json(document))


def about(run: Run, veil: Veil) -> list[tuple[str, str]]:
    """Versions, device and timings: all that run.json has beside the config and the summary."""
    rest = {key: value for key, value in run.file.document.items() if key not in ASIDE}
    summary = run.file.summary
    told = [
        (words, summary[key])
        for key, words in RESOLVED.items()
        if summary.get(key) is not None and summary[key] != run.settings.get("init")
    ]
    pairs = [(key, value) for key, value in [*told, *_flat(rest)] if veil.key(key)]
    return [(plain(key, 100), veil.text(_text(value))) for key, value in pairs]


def recording_cost(runs: Sequence[Run]) -> str:
    """What measuring and writing took of the time, in words; empty where nothing is known.

    The times of a stack stand in each of its runs: it is counted once.
    """
    stacks: dict[tuple[float, float], None] = {}
    writing = 0.0
    for run in runs:
        timings = run.file.document.get("timings")
        if not isinstance(timings, Mapping):
            continue
        total, measuring = timings.get("total_s"), timings.get("measuring_s")
        if isinstance(total, int | float) and isinstance(measuring, int | float):
            stacks[total, measuring] = None
            wrote = timings.get("writing_s")
            writing += wrote if isinstance(wrote, int | float) else 0.0
    total, measuring = (sum(pair[i] for pair in stacks) for i in (0, 1))
    if total <= 0:
        return ""
    share = 100 * (measuring + writing) / total
    return (
        f"The runs took {number(total, 3)} s; of that, measuring and validating took "
        f"{number(measuring)} s and writing {number(writing)} s: {number(share)} % in all."
    )


def _shared(maps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is the same in all."""
    first = maps[0]
    return {
        key: value
        for key, value in first.items()
        if all(key in one and repr(one[key]) == repr(value) for one in maps)
    }


def _flat(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    pairs = []
    for key, value in tree.items():
        name = f"{prefix}{key}"
        pairs += _flat(value, f"{name}.") if isinstance(value, Mapping) else [(name, value)]
    return pairs


def _text(value: Any) -> str:
    return plain(typed(value), 300)

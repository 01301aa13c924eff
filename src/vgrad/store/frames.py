"""Frames: the runs of a tree as three pandas data frames, and what could not be read."""

from __future__ import annotations

import html
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from vgrad.errors import DamagedFileError, StoreError
from vgrad.store.columns import LAYERS, STEPS, TABLES, Table
from vgrad.store.document import ENDS, RUNNING
from vgrad.store.run_file import RunFile, flat, read_run, read_runs
from vgrad.store.table import read_journal, read_parquet, schema

HEADLINE = ("activation", "init", "depth", "status", "final_val_accuracy", "grad_decay", "verdict")
PREFERENCE = (*ENDS, RUNNING)  # which of two folders with the same run is taken
TRIES = 3  # a run may end, or begin anew, while it is read


@dataclass(frozen=True, eq=False)
class Frames:
    """Runs as pandas data frames.

    Attributes:
        runs: a row per run: its config with flat columns as on the command line, `run_id`,
            `status`, `path`, and the fields of its summary.
        steps: a row per run and recorded step: `run_id`, `step` and STEP_COLUMNS.
        layers: a row per run, recorded step and layer: `run_id`, `step`, `layer` and
            LAYER_COLUMNS. What was not measured reads as NaN here; the files tell it from
            a NaN that was.
        problems: a line for each file that was refused and each run that was left out.
    """

    runs: pd.DataFrame
    steps: pd.DataFrame
    layers: pd.DataFrame
    problems: list[str]

    def __repr__(self) -> str:
        return "\n".join([self._counts(), self._shown().to_string(), *self.problems])

    def _repr_html_(self) -> str:
        problems = "".join(f"<p>{html.escape(line)}</p>" for line in self.problems)
        return f"<p>{self._counts()}</p>{self._shown().to_html()}{problems}"

    def _counts(self) -> str:
        counts = ("runs", self.runs), ("steps", self.steps), ("layers", self.layers)
        return ", ".join(f".{name} {len(frame):,} rows" for name, frame in counts)

    def _shown(self) -> pd.DataFrame:
        """The runs with the columns that matter: the headline, and what the runs differ in."""
        runs = self.runs.set_index("run_id")
        texts = runs.astype(str)
        return runs[[name for name in runs if name in HEADLINE or texts[name].nunique() > 1]]


def load(*paths: Path | str) -> Frames:
    """The runs in some folders, each a run's own or a whole tree, finished or not.

    A run with a damaged file is left out and named in `problems`; a run that stands in two
    folders is counted once.

    Raises:
        StoreError: a path is no folder, holds no run, or none of the runs can be read.
    """
    runs, problems = read_runs(*paths)
    parts: list[tuple[RunFile, dict[str, pa.Table]]] = []
    taken: dict[str, Path] = {}
    for run in sorted(runs, key=lambda run: PREFERENCE.index(run.status)):
        if run.run_id in taken:
            again = f"{run.path} holds the same run as {taken[run.run_id]}: it is counted once."
            problems.append(again)
            continue
        try:
            parts.append(_read(run))
            taken[run.run_id] = run.path
        except StoreError as error:
            problems.append(str(error))
    if not parts:
        raise StoreError(" ".join(problems[:1]) + _more(len(problems) - 1))
    order = {run.path: number for number, run in enumerate(runs)}
    parts.sort(key=lambda part: order[part[0].path])
    return Frames(
        runs=pd.DataFrame([_row(run) for run, _ in parts]),
        steps=_frame([tables[STEPS.name] for _, tables in parts], STEPS),
        layers=_frame([tables[LAYERS.name] for _, tables in parts], LAYERS),
        problems=problems,
    )


def _read(run: RunFile) -> tuple[RunFile, dict[str, pa.Table]]:
    """The run's tables, with its run.json as it was when they were read."""
    for _ in range(TRIES):
        problem: StoreError | None = None
        tables = {}
        try:
            tables = {table.name: _table(run, table) for table in TABLES}
        except StoreError as error:
            problem = error
        now = read_run(run.path)
        if now.document == run.document:
            break
        run = now
    else:
        problem = StoreError(f"{run.path} changes while it is read.")
    if problem:
        raise problem
    return run, tables


def _table(run: RunFile, table: Table) -> pa.Table:
    running = run.document["status"] == RUNNING
    try:
        if running:
            return read_journal(run.path, table, run.run_id)
        seal = run.document["files"][table.parquet]
        return read_parquet(run.path, table, run.run_id, seal)
    except FileNotFoundError:
        if running:  # killed before its first record
            return schema(table).empty_table()
        raise DamagedFileError(run.path / table.parquet, "it is missing") from None


def _row(run: RunFile) -> dict[str, Any]:
    path = os.fsencode(run.path).decode("utf-8", "backslashreplace")
    known = {"run_id": run.run_id, "status": run.status, "path": path}
    return {**run.settings, **known, **dict(flat(run.summary)), **known}


def _frame(tables: list[pa.Table], table: Table) -> pd.DataFrame:
    """The runs' tables below each other; `run_id` as plain text."""
    whole = pa.concat_tables(tables)
    texts = whole.column("run_id").cast(pa.string())
    frame: pd.DataFrame = whole.set_column(0, "run_id", texts).to_pandas(ignore_metadata=True)
    return frame


def _more(count: int) -> str:
    return f" (and {count} more)" if count else ""

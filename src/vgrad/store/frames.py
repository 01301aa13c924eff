"""Frames: the runs of a tree as three pandas data frames, and what could not be read."""

from __future__ import annotations

import html
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa

from vgrad.errors import DamagedFileError, StoreError
from vgrad.store import foretold
from vgrad.store.columns import ALWAYS, DISTRIBUTIONS, LAYERS, STEPS, Table
from vgrad.store.document import ENDS, RUNNING
from vgrad.store.order import in_order
from vgrad.store.rows import Rows
from vgrad.store.run_file import RunFile, read_run, read_runs
from vgrad.store.table import read_journal, read_parquet, schema

HEADLINE = ("activation", "init", "depth", "status", "final_val_accuracy", "grad_decay", "verdict")
PREFERENCE = (*ENDS, RUNNING)  # which of two folders with the same run is taken
TRIES = 3  # a run may end, or begin anew, while it is read
THREADS = 8  # at most: reading and checking files leaves Python to the others


@dataclass(frozen=True, eq=False)
class Frames:
    """Runs as pandas data frames.

    Attributes:
        runs: a row per run: its config with flat columns as on the command line, `run_id`,
            `status`, `path`, and the fields of its summary. They stand in the order of their
            paths, those of a sweep in the order of the settings that differ among them: numbers
            by size, texts alphabetically, the seed last.
        steps: a row per run and recorded step: `run_id`, `step` and STEP_COLUMNS.
        layers: a row per run, recorded step and layer: `run_id`, `step`, `layer` and
            LAYER_COLUMNS. What was not measured reads as NaN here; the files tell it from
            a NaN that was.
        theory: a row per run and layer: `run_id`, `layer` and THEORY_COLUMNS, what mean-field
            theory foretold when the run began. A run of which it foretold nothing has no rows.
        problems: a line for each file that was refused and each run that was left out.
        files: what the run.json of each run says, in the order of `runs`.
    """

    runs: pd.DataFrame
    steps: pd.DataFrame
    layers: pd.DataFrame
    problems: list[str]
    theory: pd.DataFrame = field(default_factory=partial(foretold.frame, ()))
    files: tuple[RunFile, ...] = field(default=(), repr=False)

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
        told = [name for name in runs if not str(name).startswith(f"{foretold.THEORY}.")]
        return runs[[name for name in told if name in HEADLINE or texts[name].nunique() > 1]]


def load(*paths: Path | str) -> Frames:
    """The runs in some folders, each a run's own or a whole tree, finished or not.

    A run with a damaged file is left out and named in `problems`; a run that stands in two
    folders is counted once.

    Raises:
        StoreError: a path is no folder, holds no run, or none of the runs can be read.
    """
    runs, tables, problems = _read_all(paths, ALWAYS)
    return Frames(
        runs=pd.DataFrame([run.row for run in runs]),
        steps=tables[STEPS],
        layers=tables[LAYERS],
        problems=problems,
        theory=foretold.frame(runs),
        files=tuple(runs),
    )


def distributions(*paths: Path | str) -> tuple[pd.DataFrame, list[str]]:
    """How the activations of the runs in some folders were distributed, and what was refused.

    Returns:
        a row per run, step that has them, and layer: `run_id`, `step`, `layer` and `q0` … `q32`,
        the quantiles of h; and a line for each file that was refused.

    Raises:
        StoreError: as for `load`.
    """
    _, tables, problems = _read_all(paths, (DISTRIBUTIONS,))
    return tables[DISTRIBUTIONS], problems


def _read_all(
    paths: Sequence[Path | str], tables: Sequence[Table]
) -> tuple[list[RunFile], dict[Table, pd.DataFrame], list[str]]:
    """The runs that can be read, some of their tables, and a line for each problem."""
    found, problems = read_runs(*paths)
    same: dict[str, list[RunFile]] = {}
    for run in in_order(found):
        same.setdefault(run.run_id, []).append(run)
    runs: list[RunFile] = []
    rows = {table: Rows(table, len(same)) for table in tables}
    with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        for part, refused in pool.map(partial(_read_one, tables=tables), same.values()):
            problems += refused
            if part:
                runs.append(part[0])
                for table in tables:
                    rows[table].add(part[1][table])
    if not runs:
        raise StoreError(" ".join(problems[:1]) + _more(len(problems) - 1))
    ids = [run.run_id for run in runs]
    return runs, {table: rows[table].frame(ids) for table in tables}, problems


def _read_one(
    same: Sequence[RunFile], tables: Sequence[Table]
) -> tuple[tuple[RunFile, dict[Table, pa.Table]] | None, list[str]]:
    """The first of the folders of one run that can be read, and a line for each of the others."""
    part = None
    refused: list[str] = []
    for run in sorted(same, key=lambda run: PREFERENCE.index(run.status)):
        if part:
            refused.append(f"{run.path} holds the same run as {part[0].path}: it is counted once.")
            continue
        try:
            part = _read(run, tables)
        except StoreError as error:
            refused.append(str(error))
    return part, refused


def _read(run: RunFile, tables: Sequence[Table]) -> tuple[RunFile, dict[Table, pa.Table]]:
    """Some of the run's tables, with its run.json as it was when they were read."""
    for _ in range(TRIES):
        problem: StoreError | None = None
        parts = {}
        try:
            parts = {table: _table(run, table) for table in tables}
        except StoreError as error:
            problem = error
        if run.is_current():
            break
        run = read_run(run.path)
    else:
        problem = StoreError(f"{run.path} changes while it is read.")
    if problem:
        raise problem
    return run, parts


def _table(run: RunFile, table: Table) -> pa.Table:
    running = run.document["status"] == RUNNING
    try:
        if running:
            return read_journal(run.path, table, run.run_id)
        if table not in ALWAYS and table.parquet not in run.document["files"]:
            return schema(table).empty_table()
        seal = run.document["files"][table.parquet]
        return read_parquet(run.path, table, run.run_id, seal)
    except FileNotFoundError:
        if running:  # killed before its first record
            return schema(table).empty_table()
        raise DamagedFileError(run.path / table.parquet, "it is missing") from None


def _more(count: int) -> str:
    return f" (and {count} more)" if count else ""

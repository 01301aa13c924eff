"""Rows: one table's rows of many runs, gathered into the columns of a data frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from vgrad.store.columns import Table
from vgrad.store.table import schema

BUNDLE = 8  # runs that are copied at once
ROOMY = 1 << 22  # rows that a column may have room for from the start, if so many are expected
GROWTH = 4  # times: the most that a column of more rows grows at once


class Rows:
    """Columns that grow run by run.

    The tables of the runs are let go after each bundle, so that the next ones are read into the
    same memory: to touch new memory is what takes longest, and nothing is held twice.

    Args:
        table: whose rows they are.
        runs: how many are to come.
    """

    def __init__(self, table: Table, runs: int) -> None:
        self._runs = runs
        types = {field.name: field.type for field in schema(table) if field.name != "run_id"}
        self._columns = {name: np.empty(0, kind.to_pandas_dtype()) for name, kind in types.items()}
        self._counts: list[int] = []
        self._held: list[pa.Table] = []
        self._filled = 0

    def add(self, rows: pa.Table) -> None:
        """Take the next run's rows."""
        self._counts.append(rows.num_rows)
        self._held.append(rows.select(list(self._columns)))
        if len(self._held) == BUNDLE:
            self._copy()

    def frame(self, ids: Sequence[str]) -> pd.DataFrame:
        """All rows below each other, null as NaN.

        Args:
            ids: the runs' ids in the order in which their rows were added.
        """
        self._copy()
        # A run's rows all have its own id, so that no text is made for each of them.
        run_id = pd.Series(ids, dtype=None if ids else object).repeat(self._counts)
        columns = {name: column[: self._filled] for name, column in self._columns.items()}
        return pd.DataFrame({"run_id": run_id.array, **columns}, copy=False)

    def _copy(self) -> None:
        if not self._held:
            return
        rows = pa.concat_tables(self._held)
        self._held = []
        begin, self._filled = self._filled, self._filled + rows.num_rows
        for name, column in self._columns.items():
            if self._filled > len(column):
                column = self._columns[name] = self._larger(column, begin)
            column[begin : self._filled] = rows[name].to_numpy()

    def _larger(self, column: np.ndarray[Any, Any], filled: int) -> np.ndarray[Any, Any]:
        """A column with room for all runs, if they are like those so far, and the same values.

        What is not filled takes no memory.
        """
        expected = max(self._counts) * self._runs
        size = max(self._filled, min(expected, max(ROOMY, GROWTH * self._filled)))
        larger = np.empty(size, column.dtype)
        larger[:filled] = column[:filled]
        return larger

"""What an earlier start of a run left in its folder, for a start that goes on with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from vgrad.errors import DamagedFileError, StoreError
from vgrad.store.arrays import Flags, Floats, to_numpy
from vgrad.store.columns import ALWAYS, LAYERS, STEP_COLUMNS, STEPS, TABLES, Table
from vgrad.store.disk import read_file
from vgrad.store.document import RUNNING, read_document
from vgrad.store.foretold import THEORY
from vgrad.store.journal import Record, read_records
from vgrad.store.table import read_parquet

TO_GO_ON_WITH = (RUNNING, "interrupted", "failed")
FIRST_SAID = ("started", THEORY)  # in run.json, by the first start


class Kept(NamedTuple):
    """What was measured at one step, before the run was interrupted."""

    step: int
    steps: dict[str, float | None]
    layers: Floats | None
    absent: Flags | None


@dataclass(frozen=True)
class Earlier:
    """The first records of a run, up to where it goes on.

    Attributes:
        folder: the run's; nobody else writes it.
        document: its run.json.
        keep: the step at which it goes on: the records before it are meant.
    """

    folder: Path
    document: Mapping[str, Any]
    keep: int

    def records(self, table: Table) -> Iterator[Record]:
        """The table's records, from its journal while the run has not been ended.

        Raises:
            DamagedFileError: its file was changed, or is not what vgrad writes.
        """
        running = self.document["status"] == RUNNING
        return takewhile(
            lambda record: record.step < self.keep,
            self._from_journal(table) if running else self._from_parquet(table),
        )

    def kept(self) -> Iterator[Kept]:
        """The records of both tables, step by step."""
        by_layers = self.records(LAYERS)
        layers = next(by_layers, None)
        for step, (values,), (absent,) in self.records(STEPS):
            row = zip(STEP_COLUMNS, values.tolist(), absent.tolist(), strict=True)
            cells = {name: None if gone else value for name, value, gone in row}
            if layers is None or layers.step != step:
                yield Kept(step, cells, None, None)
            else:
                yield Kept(step, cells, layers.values, layers.absent)
                layers = next(by_layers, None)

    def check(self, counts: Sequence[int] | None) -> None:
        """See whether all records are there.

        Args:
            counts: how many there were of each table, if that is known.

        Raises:
            DamagedFileError: a file was changed, or is not what vgrad writes.
            StoreError: some are missing.
        """
        found = {table.name: [record.step for record in self.records(table)] for table in TABLES}
        whole = all(set(steps) <= set(found[STEPS.name]) for steps in found.values())
        if counts is None:
            whole = whole and (found[STEPS.name] != [] or self.keep == 0)
        else:
            there = [len(found[t.name]) for t in TABLES if found[t.name] or t in ALWAYS]
            whole = whole and there == list(counts)
        if not whole:
            raise StoreError(f"{self.folder} has not all records of the steps before {self.keep}.")

    def about(self) -> dict[str, Any]:
        """What run.json keeps to say of the earlier start, and that it was not the last."""
        told = {key: self.document[key] for key in FIRST_SAID if key in self.document}
        return {**told, "resumed": [*self.document.get("resumed", ()), self.keep]}

    def _from_journal(self, table: Table) -> Iterator[Record]:
        path = self.folder / table.journal
        try:
            data = read_file(path)
        except FileNotFoundError:
            return  # killed before its first record
        with pa.BufferReader(data) as source:
            yield from read_records(source, path, table, self.document["run_id"])

    def _from_parquet(self, table: Table) -> Iterator[Record]:
        seal = self.document["files"].get(table.parquet)
        if seal is None and table not in ALWAYS:
            return
        try:
            rows = read_parquet(self.folder, table, self.document["run_id"], seal)
        except FileNotFoundError:
            raise DamagedFileError(self.folder / table.parquet, "it is missing") from None
        if len(rows):
            yield from _cut(rows, table)


def read_earlier(folder: Path, run_id: str, keep: int) -> Earlier:
    """What the folder holds of a run that is to go on at step `keep`.

    Raises:
        DamagedFileError: run.json is missing, or not what vgrad writes.
        StoreError: it is another run, or one that came to its end.
    """
    document = read_document(folder)
    if document["run_id"] != run_id:
        raise StoreError(f"{folder} holds another run, {document['run_id']}.")
    if document["status"] not in TO_GO_ON_WITH:
        raise StoreError(f"{folder} holds a run that is {document['status']}: it cannot go on.")
    return Earlier(folder, document, keep)


def _cut(rows: pa.Table, table: Table) -> Iterator[Record]:
    """The records that a table's rows were made from."""
    steps = to_numpy(rows["step"].combine_chunks())
    arrays = [rows[name].combine_chunks() for name in table.columns]
    absent = np.stack([_nulls(array) for array in arrays], axis=1)
    values = np.where(absent, 0.0, np.stack([to_numpy(array) for array in arrays], axis=1))
    ends = [*np.flatnonzero(np.diff(steps)) + 1, len(steps)]
    for start, end in pairwise([0, *ends]):
        yield Record(int(steps[start]), values[start:end], absent[start:end])


def _nulls(array: pa.Array) -> Flags:
    """Which items are null, [n]."""
    bits = array.is_null().buffers()[1]
    return np.unpackbits(np.frombuffer(bits, np.uint8), count=len(array), bitorder="little") > 0

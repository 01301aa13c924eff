"""The tables of an ended run: parquet with page checksums, sealed by a SHA-256 in run.json."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vgrad.errors import DamagedFileError
from vgrad.store.arrays import repeated, to_arrow
from vgrad.store.columns import Table
from vgrad.store.disk import aside, read_file, writing
from vgrad.store.journal import Record, read_records

ROWS_AT_ONCE = 16_384  # a row group: some 2 MB
LEAST_BYTES = 8  # of a row: its step, which is neither packed nor compressed


@cache
def schema(table: Table) -> pa.Schema:
    """The columns of the table's parquet file, with their types."""
    keys = {"step": pa.int64(), "layer": pa.int32()}
    return pa.schema(
        [("run_id", pa.dictionary(pa.int32(), pa.string()))]
        + [(name, keys[name]) for name in table.keys]
        + [(name, pa.float64()) for name in table.columns]
    )


def batches(records: Iterable[Record], table: Table, run_id: str) -> Iterator[pa.RecordBatch]:
    """The records as rows of the table, some thousands at once, whatever their number."""
    held: list[Record] = []
    rows = 0
    for record in records:
        held.append(record)
        rows += len(record.values)
        if rows >= ROWS_AT_ONCE:
            yield _batch(held, table, run_id)
            held, rows = [], 0
    if held:
        yield _batch(held, table, run_id)


def fold(
    folder: Path, table: Table, run_id: str, held: Sequence[Record] | None = None
) -> dict[str, Any]:
    """Make the table's parquet file from its journal; the memory it takes does not grow.

    Args:
        folder: the run's.
        table: which of its tables.
        run_id: whose records they are.
        held: all the records of the journal, where they need not be read from it.

    Returns:
        The file's seal for run.json: `sha256` and `bytes`.

    Raises:
        StoreError, WriteError: it cannot be written; the journal stays as it is.
    """
    path = folder / table.parquet
    with writing(path), aside(path) as file:
        with pq.ParquetWriter(
            file,
            schema(table),
            compression="none",  # a reader can tell what it will need from the file's size
            use_dictionary=["run_id"],
            write_page_checksum=True,
        ) as parquet:
            records = _from_journal(folder, table, run_id) if held is None else held
            for batch in batches(records, table, run_id):
                parquet.write_batch(batch)
        size = file.tell()
        file.seek(0)
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "bytes": size}


def _from_journal(folder: Path, table: Table, run_id: str) -> Iterator[Record]:
    path = folder / table.journal
    with pa.OSFile(str(path)) as source:
        yield from read_records(source, path, table, run_id)


def read_journal(folder: Path, table: Table, run_id: str) -> pa.Table:
    """What the journal of a living or killed run holds so far.

    Raises:
        FileNotFoundError: there is none.
        DamagedFileError: it is of another run or kind, or was changed after it was written.
    """
    path = folder / table.journal
    with pa.BufferReader(read_file(path)) as source:
        records = read_records(source, path, table, run_id)
        return pa.Table.from_batches(batches(records, table, run_id), schema(table))


def read_parquet(folder: Path, table: Table, run_id: str, seal: dict[str, Any]) -> pa.Table:
    """The table of an ended run, if it is the file that was written.

    Raises:
        FileNotFoundError: there is none.
        DamagedFileError: it was changed, or is not what vgrad writes.
    """
    path = folder / table.parquet
    data = read_file(path)
    if hashlib.sha256(data).hexdigest() != seal["sha256"]:
        raise DamagedFileError(path, "it was cut, changed or swapped since it was written")
    try:
        file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        _check_footer(file, len(data), path, table)
        rows = file.read(use_threads=False)
        rows.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DamagedFileError(path, "it is not a table that vgrad writes") from error
    if any(rows[key].null_count for key in table.keys):
        raise DamagedFileError(path, "it is not a table that vgrad writes")
    if rows["run_id"].unique().to_pylist() not in ([], [run_id]):
        raise DamagedFileError(path, f"it is not of run {run_id}")
    return rows


def _check_footer(file: pq.ParquetFile, size: int, path: Path, table: Table) -> None:
    """Refuse, before it is read, a file of other columns, or one that would grow in memory."""
    footer = file.metadata
    groups = (footer.row_group(number) for number in range(footer.num_row_groups))
    if not file.schema_arrow.equals(schema(table)):
        raise DamagedFileError(path, f"its columns are not those of {table.parquet}")
    if footer.num_rows * LEAST_BYTES > size or any(
        group.column(column).compression != "UNCOMPRESSED"
        for group in groups
        for column in range(footer.num_columns)
    ):
        raise DamagedFileError(path, "it claims more rows than its bytes can hold")


def _batch(records: list[Record], table: Table, run_id: str) -> pa.RecordBatch:
    rows = [len(record.values) for record in records]
    values = np.concatenate([record.values for record in records]).T.copy()
    absent = np.concatenate([record.absent for record in records]).T.copy()
    keys = {
        "step": np.repeat(np.array([record.step for record in records], np.int64), rows),
        "layer": np.concatenate([np.arange(1, n + 1, dtype=np.int32) for n in rows]),
    }
    return pa.RecordBatch.from_arrays(
        [repeated(run_id, sum(rows))]
        + [to_arrow(keys[name]) for name in table.keys]
        + [to_arrow(column, gone) for column, gone in zip(values, absent, strict=True)],
        schema=schema(table),
    )

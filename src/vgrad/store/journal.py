"""The journal of a living run: an Arrow IPC stream that grows by one batch a record.

Each batch is one row: the step, the record's values row by row, a bit for each that is absent,
and a checksum, since Arrow itself does not notice a flipped bit. One record is one `write`, so a
kill leaves whole records and at most a torn one behind them. All records of a run are of one
size, so that one which is broken but not cut short is known to have been damaged otherwise.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vgrad.errors import DamagedFileError
from vgrad.store.arrays import Flags, Floats, list_of, to_arrow, to_numpy
from vgrad.store.columns import Table
from vgrad.store.disk import part_of, write_whole, writing

MESSAGE = b"\xff\xff\xff\xff"  # what a message of a stream begins with, at a multiple of 8 bytes
MOST_PLACES = 1_000  # where one is looked for behind a broken record
HELD = 1 << 20  # bytes of records that are held in memory as well


class Record(NamedTuple):
    """What was measured at one step, [rows, columns]; `values` is 0 where `absent`."""

    step: int
    values: Floats
    absent: Flags


class Journal:
    """One table's records, on their way to the disk.

    Args:
        folder: the run's.
        table: which of its tables.
        run_id: whose records they are.
        kept: the first records, made before; None for a run that begins. They are on the disk,
            all of them, before the journal takes the place of an earlier one.

    Raises:
        StoreError, WriteError: the file cannot be written; an earlier one stays.
    """

    def __init__(
        self, folder: Path, table: Table, run_id: str, kept: Iterable[Record] | None = None
    ) -> None:
        self.path = folder / table.journal
        self._schema = _schema(table, run_id)
        self._form: _Form | None = None
        self._held: list[Record] | None = []
        self._room = HELD
        self._count, self._last = 0, -1
        part = part_of(self.path)  # so that there is no journal without its first message
        head = memoryview(self._schema.serialize())
        self._size = head.nbytes
        with writing(self.path):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            self._descriptor = os.open(part, flags, 0o666)
            try:
                write_whole(self._descriptor, head)
                if kept is not None:
                    for record in kept:
                        self.append(record)
                    os.fsync(self._descriptor)
                os.replace(part, self.path)
            except BaseException:
                self.close()
                raise

    @property
    def held(self) -> Sequence[Record] | None:
        """All records, where they are few enough to be held in memory."""
        return self._held

    def append(self, record: Record) -> None:
        """Hand one record to the system: from here on it outlives this process.

        Raises:
            WriteError: the disk failed; the records before are whole.
        """
        if self._form is None or self._form.shape != record.values.shape:
            self._form = _Form(self._schema, record.values.shape)
        data = self._form.filled(record)
        with writing(self.path):
            try:
                write_whole(self._descriptor, data)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(self._descriptor, self._size)
                    os.lseek(self._descriptor, self._size, os.SEEK_SET)
                raise
        self._size += data.nbytes
        self._count, self._last = self._count + 1, record.step
        self._hold(record)

    def sync(self, step: int) -> int:
        """Wait until the disk holds every record.

        Args:
            step: where training stands: at most the last record is of it.

        Returns:
            How many records there are of the steps before.

        Raises:
            WriteError: the disk failed.
        """
        with writing(self.path):
            os.fsync(self._descriptor)
        return self._count - (self._last >= step)

    def close(self) -> None:
        """Take no more records; the file stays."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _hold(self, record: Record) -> None:
        """Keep a copy, or none at all from where they are too many: the file has them."""
        if self._held is None:
            return
        self._room -= record.values.nbytes
        if self._room < 0:
            self._held = None
        else:
            copy = Record(record.step, record.values.copy(), record.absent.copy())
            self._held.append(copy)


class _Form:
    """The message of a record, [rows, columns]: made once, filled in for each record.

    Only numbers change from one record to the next: it is what Arrow would make anew each time.
    """

    def __init__(self, schema: pa.Schema, shape: tuple[int, ...]) -> None:
        self.shape = shape
        blank = np.zeros(shape)
        columns = [
            to_arrow(np.zeros(1, np.int64)),
            list_of(to_arrow(blank.ravel())),
            list_of(to_arrow(np.packbits(blank != 0))),
            to_arrow(np.zeros(1, np.uint32)),
        ]
        self._data = bytearray(pa.RecordBatch.from_arrays(columns, schema=schema).serialize())
        whole = pa.py_buffer(self._data)
        batch = pa.ipc.read_record_batch(whole, schema)

        def place(column: pa.Array) -> npt.NDArray[Any]:
            start = column.buffers()[1].address - whole.address
            return np.frombuffer(self._data, column.type.to_pandas_dtype(), len(column), start)

        step, values, absent, checksum = batch.columns
        self._step, self._values = place(step), place(values.values)
        self._absent, self._checksum = place(absent.values), place(checksum)

    def filled(self, record: Record) -> memoryview:
        """The message of the record, until the next one's is asked for."""
        self._step[0] = record.step
        self._values[:] = record.values.ravel()
        self._absent[:] = np.packbits(record.absent)
        self._checksum[0] = _checksum(record)
        return memoryview(self._data)


def read_records(source: pa.NativeFile, path: Path, table: Table, run_id: str) -> Iterator[Record]:
    """The records of a journal, one by one, up to the torn one that a kill may have left.

    Args:
        source: the journal's bytes.
        path: its name in messages.
        table: the table that it must be of.
        run_id: the run that it must be of.

    Raises:
        DamagedFileError: it is of another run or kind, or was changed after it was written.
    """
    try:
        stream = pa.ipc.open_stream(source)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DamagedFileError(path, "its first bytes are not those of a journal") from error
    if not stream.schema.equals(_schema(table, run_id), check_metadata=True):
        raise DamagedFileError(path, f"it is not the journal of run {run_id}")
    size = None
    while True:
        start = source.tell()
        try:
            record = _record(stream.read_next_batch(), table)
        except (StopIteration, pa.ArrowException, OSError, ValueError) as error:
            source.seek(start)
            if _is_torn(source.read(), size, stream.schema):
                return
            raise DamagedFileError(path, "a record in it was changed") from error
        size = source.tell() - start
        yield record


def _schema(table: Table, run_id: str) -> pa.Schema:
    fields = [
        pa.field("step", pa.int64()),
        pa.field("values", pa.list_(pa.float64())),
        pa.field("absent", pa.list_(pa.uint8())),
        pa.field("checksum", pa.uint32()),
    ]
    return pa.schema(fields, {"run_id": run_id, "columns": ",".join(table.columns)})


def _record(batch: pa.RecordBatch, table: Table) -> Record:
    """The record that a batch holds.

    Raises:
        ValueError: it is not the one that was written.
    """
    batch.validate(full=True)
    step, flat, bits, checksum = (
        column.flatten() if pa.types.is_list(column.type) else column for column in batch.columns
    )
    width = len(table.columns)
    if any(column.null_count for column in (*batch.columns, flat, bits)):
        raise ValueError("no column of a journal has nulls")
    if (len(step), len(flat) % width, len(bits)) != (1, 0, (len(flat) + 7) // 8) or not len(flat):
        raise ValueError("a batch of a journal is one record")
    record = Record(
        int(to_numpy(step)[0]),
        to_numpy(flat).reshape(-1, width),
        np.unpackbits(to_numpy(bits), count=len(flat)).astype(np.bool_).reshape(-1, width),
    )
    if _checksum(record) != to_numpy(checksum)[0]:
        raise ValueError("the checksum is of another record")
    return record


def _checksum(record: Record) -> int:
    """A CRC-32 of the step, of which values are absent, and of the values."""
    crc = zlib.crc32(record.step.to_bytes(8, "little", signed=True))
    crc = zlib.crc32(record.absent.tobytes(), crc)
    return zlib.crc32(record.values.tobytes(), crc)


def _is_torn(rest: bytes, size: int | None, schema: pa.Schema) -> bool:
    """Whether what cannot be read is a record cut short, as a kill leaves it, and nothing else.

    Args:
        rest: from the first record that cannot be read to the end of the journal.
        size: of the records before it, in bytes; None if there are none.
        schema: the journal's.
    """
    if size is not None:
        return len(rest) < size
    places = (match.start() for match in re.finditer(MESSAGE, rest))
    for place in islice((place for place in places if place and place % 8 == 0), MOST_PLACES):
        with suppress(pa.ArrowException, OSError, ValueError):
            pa.ipc.read_record_batch(pa.py_buffer(rest)[place:], schema)
            return False
    return True

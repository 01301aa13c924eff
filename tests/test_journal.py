"""The journal's messages: what Arrow itself would write."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from vgrad.store import journal
from vgrad.store.columns import LAYERS, STEPS
from vgrad.store.journal import Journal, Record, read_records

RUN = "0" * 12


@pytest.mark.parametrize("rows", [1, 4, 41])
@pytest.mark.parametrize("table", [LAYERS, STEPS], ids=lambda table: table.name)
def test_a_journal_is_the_stream_that_arrow_writes(table, rows, tmp_path):
    draw = np.random.default_rng(0)
    shape = (rows, len(table.columns))
    records = [Record(step, draw.normal(size=shape), draw.random(shape) < 0.5) for step in range(3)]
    written = Journal(tmp_path, table, RUN)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, journal._schema(table, RUN)) as stream:
        for record in records:
            written.append(record)
            columns = {
                "step": [record.step],
                "values": [record.values.ravel().tolist()],
                "absent": [np.packbits(record.absent).tolist()],
                "checksum": [journal._checksum(record)],
            }
            stream.write_batch(
                pa.RecordBatch.from_pydict(columns, schema=journal._schema(table, RUN))
            )
    written.close()
    end = b"\xff\xff\xff\xff\x00\x00\x00\x00"
    assert (tmp_path / table.journal).read_bytes() + end == sink.getvalue().to_pybytes()


def test_records_of_different_sizes_are_all_read_back(tmp_path):
    written = Journal(tmp_path, LAYERS, RUN)
    for rows in (2, 5, 2):
        values = np.full((rows, len(LAYERS.columns)), float(rows))
        written.append(Record(rows, values, values < 0))
    written.close()
    path = tmp_path / LAYERS.journal
    with pa.OSFile(str(path)) as source:
        read = list(read_records(source, path, LAYERS, RUN))
    assert [(record.step, len(record.values), record.values[0, 0]) for record in read] == [
        (2, 2, 2.0),
        (5, 5, 5.0),
        (2, 2, 2.0),
    ]


def test_what_is_held_is_what_was_written_until_it_is_too_much(tmp_path, monkeypatch):
    values = np.zeros((4, len(LAYERS.columns)))
    monkeypatch.setattr(journal, "HELD", 3 * values.nbytes)
    written = Journal(tmp_path, LAYERS, RUN)
    for step in range(3):
        values[:] = step
        written.append(Record(step, values, values < 0))
    assert [(record.step, record.values[0, 0]) for record in written.held] == [
        (0, 0.0),
        (1, 1.0),
        (2, 2.0),
    ]
    written.append(Record(3, values, values < 0))
    assert written.held is None
    written.close()

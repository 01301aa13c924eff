"""RunWriter: records a run while it lives, and makes its tables when it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from vgrad.errors import StoreError, WriteError
from vgrad.store import lock
from vgrad.store.arrays import Flags, Floats
from vgrad.store.columns import (
    ALWAYS,
    CHECKPOINT,
    DISTRIBUTIONS,
    LAYERS,
    STEP_COLUMNS,
    STEPS,
    TABLES,
    Table,
)
from vgrad.store.disk import part_of, sync_folder, writing
from vgrad.store.document import ENDS, FORMAT, RUNNING, write_document
from vgrad.store.earlier import Earlier, Kept, read_earlier
from vgrad.store.journal import Journal, Record
from vgrad.store.table import fold


class RunWriter:
    """The one that writes a run folder, from the run's first step to its end.

    Every record outlives the process as soon as `record` returns. Left by an exception, the run
    is ended as `failed`; left by Ctrl-C, as `interrupted`.

    Args:
        folder: where the run is kept; made if need be. What an earlier run left is replaced.
        run_id: the hash that names what determines the run's result.
        config: what the run is made from, plain data.
        about: what else run.json says at its top level, such as versions and device.
        keep: the step at which the run goes on that the folder holds: its records of the steps
            before stay, later ones are dropped, to be made again. None begins anew.
        counts: what `sync` said at that step, where it is known.

    Raises:
        StoreError: another process writes the folder, or it cannot be written; or the run
            cannot go on: its files are damaged or gone, or it has ended. It may begin anew.
        WriteError: the disk failed.
    """

    def __init__(
        self,
        folder: Path | str,
        run_id: str,
        config: Mapping[str, Any],
        about: Mapping[str, Any],
        keep: int | None = None,
        counts: Sequence[int] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self._run_id = run_id
        self._config, self._about = dict(config), dict(about)
        self._journals: dict[Table, Journal] = {}
        self._earlier: Earlier | None = None
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = lock.take(self.folder)
        try:
            if keep is None:
                self._begin()
            else:
                self._go_on(keep, counts)
        except BaseException:
            self._let_go()
            raise

    @property
    def kept(self) -> Iterator[Kept]:
        """The records that stayed, read anew: none where the run was begun anew."""
        assert self._journals, "the run has ended"
        return self._earlier.kept() if self._earlier else iter(())

    def record(
        self,
        step: int,
        steps: Mapping[str, float | None],
        layers: Floats | None = None,
        absent: Flags | None = None,
        quantiles: Floats | None = None,
    ) -> None:
        """Write what was measured after `step` updates.

        Args:
            step: the number of updates so far.
            steps: the run's row of steps.parquet; a column that is None or left out is null.
            layers: the rows of layers.parquet, [depth + 1, len(LAYER_COLUMNS)], or None where
                only the run as a whole was measured. NaN and infinity are data.
            absent: which of `layers` are null, of the same shape.
            quantiles: the rows of distributions.parquet, [depth + 1, QUANTILES], at the few steps
                that have them; a run without any has no such file.

        Raises:
            WriteError: the disk failed; the records before are kept.
        """
        assert self._journals, "the run has ended"
        assert steps.keys() <= set(STEP_COLUMNS), f"unknown columns in {sorted(steps)}"
        if quantiles is not None:
            self._journal(DISTRIBUTIONS).append(_record(step, quantiles, None))
        if layers is not None:
            self._journal(LAYERS).append(_record(step, layers, absent))
        row = [steps.get(name) for name in STEP_COLUMNS]
        values = np.array([[0.0 if value is None else value for value in row]])
        unset = np.array([[value is None for value in row]])
        self._journal(STEPS).append(Record(step, values, unset))

    def sync(self, step: int) -> list[int]:
        """Wait until the disk holds every record, so that a checkpoint may build on them.

        Args:
            step: where training stands: at most the last record is of it.

        Returns:
            How many records of the steps before there are, of each table that has one or that
            every run leaves: `counts` of a writer that goes on here.

        Raises:
            WriteError: the disk failed; the records before are kept.
        """
        counts = [(table, journal.sync(step)) for table, journal in self._journals.items()]
        self._sync()
        return [count for table, count in counts if count or table in ALWAYS]

    def finish(
        self, status: str, summary: Mapping[str, Any], timings: Mapping[str, Any]
    ) -> dict[str, Any]:
        """End the run: the journals become tables, then run.json says how it went.

        Args:
            status: `completed`, `diverged`, `interrupted` or `failed`.
            summary: what came of the run.
            timings: seconds by what they were spent on.

        Returns:
            What run.json holds.

        Raises:
            WriteError: the disk failed; the journals stay and are read in the tables' place.
        """
        assert status in ENDS, status
        assert self._journals, "the run has ended"
        try:
            seals = {
                table.parquet: fold(self.folder, table, self._run_id, journal.held)
                for table, journal in self._journals.items()
            }
            document = write_document(self.folder, self._document(status, summary, timings, seals))
            self._remove(*(table.journal for table in TABLES))
        finally:
            self._let_go()
        return document

    def leave(self) -> None:
        """Leave the run as it stands, as a kill would: its records are kept."""
        if self._journals:
            self._let_go()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._journals:
            return
        interrupted = kind is not None and not issubclass(kind, Exception)
        with suppress(StoreError, WriteError):  # the journals stay, and the first error counts
            self.finish("interrupted" if interrupted else "failed", {}, {})

    def _begin(self) -> None:
        """Clear what an earlier run left, in the order that leaves no moment of confusion."""
        self._remove(CHECKPOINT)  # before the records that it builds on
        self._remove(*(table.journal for table in TABLES))
        write_document(self.folder, self._document(RUNNING, {}, {}, {}))
        self._remove(*(table.parquet for table in TABLES))
        for table in ALWAYS:
            self._journal(table)

    def _journal(self, table: Table) -> Journal:
        """The table's journal, begun with its first record where not every run has one."""
        if table not in self._journals:
            self._journals[table] = Journal(self.folder, table, self._run_id)
        return self._journals[table]

    def _go_on(self, keep: int, counts: Sequence[int] | None) -> None:
        """Drop the records that are made again, with every other one on the disk all along.

        While run.json calls the run ended, its parquet tables count, and else its journals. So
        the new journals are whole before run.json speaks of them, and the tables go last.
        """
        earlier = read_earlier(self.folder, self._run_id, keep)
        earlier.check(counts)
        self._about |= earlier.about()
        for table in TABLES:
            records = earlier.records(table)
            if (first := [*islice(records, 1)]) or table in ALWAYS:
                kept = chain(first, records)
                self._journals[table] = Journal(self.folder, table, self._run_id, kept)
        self._remove(*(table.journal for table in TABLES if table not in self._journals))
        self._sync()
        document = write_document(self.folder, self._document(RUNNING, {}, {}, {}))
        self._earlier = replace(earlier, document=document)
        self._remove(*(table.parquet for table in TABLES))

    def _document(
        self,
        status: str,
        summary: Mapping[str, Any],
        timings: Mapping[str, Any],
        seals: Mapping[str, Any],
    ) -> dict[str, Any]:
        document = {
            "format": FORMAT,
            "run_id": self._run_id,
            "status": status,
            "config": self._config,
            "timings": timings,
            "summary": summary,
            "files": seals,
        }
        assert not document.keys() & self._about.keys(), "`about` says what is said already"
        return {**document, **self._about}

    def _remove(self, *names: str) -> None:
        """Delete files of ours, with what was left of them half-written."""
        paths = [self.folder / name for name in names]
        there = [file for path in paths for file in (path, part_of(path)) if os.path.lexists(file)]
        for file in there:
            with writing(file):
                file.unlink()
        if there:
            self._sync()

    def _sync(self) -> None:
        with writing(self.folder):
            sync_folder(self.folder)

    def _let_go(self) -> None:
        for journal in self._journals.values():
            journal.close()
        self._journals = {}
        lock.free(self._lock)


def _record(step: int, layers: Floats, absent: Flags | None) -> Record:
    values = np.asarray(layers, dtype=np.float64)
    if absent is None:
        return Record(step, values, np.zeros(values.shape, dtype=np.bool_))
    return Record(step, np.where(absent, 0.0, values), np.asarray(absent, dtype=np.bool_))

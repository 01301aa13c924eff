"""The numbers behind the pictures, as CSV files that spreadsheets open safely."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from vgrad.report.anonymous import Veil
from vgrad.report.content import Content
from vgrad.store import Frames

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
MOST_ROWS = 300_000  # of a table; of more only each run's first and last record is written


def tables(frames: Frames, content: Content) -> dict[str, pd.DataFrame]:
    """The tables of a report by name: the records, and what each figure draws."""
    own = {"runs": _shown(frames.runs, content.veil)}
    own |= {"steps": _bounded(frames.steps), "layers": _bounded(frames.layers)}
    drawn = {picture.slug: picture.sheet.table for picture in content.pictures}
    return own | {slug: table for slug, table in drawn.items() if table is not None}


def write_tables(folder: Path, frames: Mapping[str, pd.DataFrame]) -> None:
    """Writes NAME.csv for each frame.

    NaN and infinity are written as `nan` and `inf`; as in the frames, `nan` is also what was not
    measured. Text that a spreadsheet would take for a formula gets a leading apostrophe.
    """
    folder.mkdir()
    for name, frame in frames.items():
        columns = {str(column): _column(frame[column]) for column in frame.columns}
        pyarrow.csv.write_csv(pa.table(columns), folder / f"{name}.csv")


def _shown(runs: pd.DataFrame, veil: Veil) -> pd.DataFrame:
    """The runs without what is left out."""
    kept = runs[[column for column in runs if veil.key(str(column))]]
    return kept.map(lambda value: veil.text(value) if isinstance(value, str) else value)


def _bounded(rows: pd.DataFrame) -> pd.DataFrame:
    """All rows, or each run's first and last record where they are too many."""
    if len(rows) <= MOST_ROWS:
        return rows
    steps = rows.groupby("run_id", sort=False)["step"]
    ends = (rows["step"] == steps.transform("min")) | (rows["step"] == steps.transform("max"))
    return rows[ends]


def _column(series: pd.Series) -> pa.Array:
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "iufb":
        return pa.array(series.to_numpy(), from_pandas=False)
    return pa.array([_cell(value) for value in series], type=pa.string())


def _cell(value: object) -> str | None:
    if value is None or value is pd.NA or value != value:
        return None
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA_STARTS) else text

"""The numbers behind the pictures, as CSV files that spreadsheets open safely."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def write_tables(folder: Path, frames: dict[str, pd.DataFrame]) -> None:
    """Writes NAME.csv for each frame.

    NaN and infinity are written as `nan` and `inf`; as in the frames, `nan` is also what was not
    measured. Text that a spreadsheet would take for a formula gets a leading apostrophe.
    """
    folder.mkdir()
    for name, frame in frames.items():
        columns = {str(column): _column(frame[column]) for column in frame.columns}
        pyarrow.csv.write_csv(pa.table(columns), folder / f"{name}.csv")


def _column(series: pd.Series) -> pa.Array:
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "iufb":
        return pa.array(series.to_numpy(), from_pandas=False)
    return pa.array([_cell(value) for value in series], type=pa.string())


def _cell(value: object) -> str | None:
    if value is None or value is pd.NA or value != value:
        return None
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA_STARTS) else text

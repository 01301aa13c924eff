"""Arrow arrays over numpy's memory and back, without pandas.

`pa.array` and `to_numpy` import pandas, 0.3 s that a run does not need, and cost more per call.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def to_arrow(values: npt.NDArray[Any], absent: Flags | None = None) -> pa.Array:
    """An array over the memory of contiguous numbers [n], null where `absent` [n]."""
    valid = None
    if absent is not None and absent.any():
        valid = pa.py_buffer(np.packbits(~absent, bitorder="little"))
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, values.size, [valid, pa.py_buffer(values)])


def list_of(items: pa.Array) -> pa.Array:
    """An array [1] whose one item is the list of all `items`."""
    ends = pa.py_buffer(np.array([0, len(items)], np.int32))
    return pa.Array.from_buffers(pa.list_(items.type), 1, [None, ends], children=[items])


def repeated(text: str, times: int) -> pa.Array:
    """The same text over and over, as a dictionary of one."""
    data = text.encode()
    ends = pa.py_buffer(np.array([0, len(data)], np.int32))
    one = pa.Array.from_buffers(pa.string(), 1, [None, ends, pa.py_buffer(data)])
    return pa.DictionaryArray.from_arrays(to_arrow(np.zeros(times, np.int32)), one)


def to_numpy(array: pa.Array) -> npt.NDArray[Any]:
    """The memory of an array of numbers [n] without nulls, which `validate(full=True)` passed."""
    start, end = array.offset, array.offset + len(array)
    return np.frombuffer(array.buffers()[1], array.type.to_pandas_dtype(), end)[start:]

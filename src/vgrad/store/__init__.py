"""What runs leave on disk: written so that a kill loses nothing, read so that damage is noticed.

The names are imported when they are first used: listing runs needs neither pandas nor pyarrow.
"""

from typing import TYPE_CHECKING

import lazy_loader as lazy

if TYPE_CHECKING:
    from vgrad.store.columns import LAYER_COLUMNS, QUANTILE_COLUMNS, QUANTILES, STEP_COLUMNS
    from vgrad.store.document import decode, dumps, encode
    from vgrad.store.frames import Frames, distributions, load
    from vgrad.store.run_file import RunFile, find_runs, is_whole, read_run, read_runs, tidy
    from vgrad.store.writer import RunWriter
else:
    __getattr__, __dir__, _ = lazy.attach(
        __name__,
        submod_attrs={
            "columns": ["LAYER_COLUMNS", "QUANTILES", "QUANTILE_COLUMNS", "STEP_COLUMNS"],
            "document": ["decode", "dumps", "encode"],
            "frames": ["Frames", "distributions", "load"],
            "run_file": ["RunFile", "find_runs", "is_whole", "read_run", "read_runs", "tidy"],
            "writer": ["RunWriter"],
        },
    )

__all__ = [
    "LAYER_COLUMNS",
    "QUANTILES",
    "QUANTILE_COLUMNS",
    "STEP_COLUMNS",
    "Frames",
    "RunFile",
    "RunWriter",
    "decode",
    "distributions",
    "dumps",
    "encode",
    "find_runs",
    "is_whole",
    "load",
    "read_run",
    "read_runs",
    "tidy",
]

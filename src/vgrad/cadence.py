"""Which steps are recorded, and which are evaluated."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

DENSE = 10  # the first steps, each of which is recorded by default
RECORDS = 50  # about how many records a run leaves by default
EVALUATIONS = 20  # about how many times it is evaluated by default


def default_cadence(steps: int, dense: int, count: int) -> set[int]:
    """Steps 0 … dense, then growing gaps up to the last: about `count` in all."""
    start = min(dense, steps)
    sparse = np.geomspace(start + 1, steps + 1, max(2, count - start)) - 1
    return {*range(start + 1), *(int(s) for s in sparse.round()), steps}


def cadence(steps: int, every: int | None, dense: int, count: int) -> Collection[int]:
    """The steps that are recorded beside the last: each `every`-th, none for 0."""
    if every is None:
        return default_cadence(steps, dense, count)
    return range(0, steps + 1, every) if every else ()

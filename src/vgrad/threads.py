"""How many threads torch takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def at_most(count: int) -> Iterator[None]:
    """Let torch use at most so many threads; to decorate a function with, too.

    Where there is little to do a second thread only waits, on a busy machine for seconds.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(min(before, count))
    try:
        yield
    finally:
        torch.set_num_threads(before)

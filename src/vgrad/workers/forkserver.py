"""The process that workers are forked from: it has imported what they need, and nothing else.

`multiprocessing` has one for the whole program. It is started here, so that neither a signal to
the whole group, nor the user's script, nor a file of the current folder gets into it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from multiprocessing import forkserver, resource_tracker, util
from typing import Any

from vgrad.interrupt import SIGNALS

SAFE_PATH = "PYTHONSAFEPATH"  # an environment variable of Python's

_hiding = threading.Lock()


def warm(preload: Sequence[str]) -> None:
    """Have the process that workers are forked from start, and import modules in the background.

    Returns at once. Where it runs already, it stays as it is.
    """
    multiprocessing.get_context("forkserver").set_forkserver_preload(list(preload))
    with _no_current_folder():
        resource_tracker.ensure_running()  # first: starting it would lift the mask
        with main_hidden(), unheard():
            forkserver.ensure_running()
    _end_with_main()


@contextmanager
def unheard() -> Iterator[None]:
    """Block SIGINT and SIGTERM: here they wait, and a process that starts inherits the mask.

    The forkserver keeps it: a signal to the whole group must not end it, for it alone knows how
    a worker ended.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def main_hidden() -> Iterator[None]:
    """Have multiprocessing not know the main module, or each worker would run it once more.

    So a script that sweeps need not say `if __name__ == "__main__"`.
    """
    with _hiding:
        names = vars(sys.modules["__main__"])
        kept: dict[str, Any] = {key: names[key] for key in ("__file__", "__spec__") if key in names}
        names.pop("__file__", None)
        names["__spec__"] = None
        try:
            yield
        finally:
            names.update(kept)


@contextmanager
def _no_current_folder() -> Iterator[None]:
    """Have Python, when it starts, import nothing from the current folder, whatever lies there."""
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[SAFE_PATH]
        else:
            os.environ[SAFE_PATH] = before


@cache
def _end_with_main() -> None:
    """Have the forkserver end with the program, even while it still imports."""
    util.Finalize(None, _kill, exitpriority=-10)  # after multiprocessing has waited for processes


def _kill() -> None:
    number = getattr(forkserver._forkserver, "_forkserver_pid", None)
    if number is not None:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)

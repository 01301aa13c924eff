"""Interruptions: the first SIGINT or SIGTERM asks a run to end in order, the second ends it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SHOW_CURSOR = "\033[?25h"
AT_ONCE = "vgrad: stopped at once. What was recorded is kept; the same command goes on from there."


class Interrupted(BaseException):
    """The program was asked to end; a run has ended in order, and what it recorded is kept.

    Not an Exception, so that no launcher goes on with the next run.

    Attributes:
        signal: SIGINT or SIGTERM.
        document: what the run's run.json holds, None if no run had begun.
    """

    def __init__(self, number: int, document: dict[str, Any] | None = None) -> None:
        super().__init__(signal.Signals(number).name)
        self.signal = number
        self.document = document

    @property
    def exit_status(self) -> int:
        """What a shell expects of a program that ended on this signal: 130 or 143."""
        return 128 + self.signal


class Stop:
    """Whether the user has asked for an end, and by which signal."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def asked(self) -> bool:
        """Whether to end as soon as that can be done in order."""
        return self.signal is not None

    def ask(self, number: int, frame: FrameType | None = None) -> None:
        """Handle a signal."""
        if self.signal is not None:
            if sys.stderr.isatty():
                os.write(sys.stderr.fileno(), f"{SHOW_CURSOR}\n{AT_ONCE}\n".encode())
            os._exit(128 + number)
        self.signal = number


@contextmanager
def orderly() -> Iterator[Stop]:
    """Have signals ask for an end while the block runs, instead of ending the program.

    In a thread other than the main one, where Python allows no handlers, nothing is changed.
    """
    stop = Stop()
    with _handling(stop.ask, *SIGNALS):
        yield stop


@contextmanager
def undisturbed() -> Iterator[None]:
    """Have a signal wait until the block is done.

    An exception in the middle of an import of torch leaves it half-made, ends the program with a
    fault, or is swallowed.
    """
    stop = Stop()
    with _handling(stop.ask, *SIGNALS):
        yield
    if stop.signal is not None:
        signal.raise_signal(stop.signal)


@contextmanager
def heard() -> Iterator[None]:
    """Have SIGTERM raise Interrupted, as Ctrl-C raises KeyboardInterrupt."""
    with _handling(_raise, signal.SIGTERM):
        yield


def _raise(number: int, frame: FrameType | None) -> None:
    raise Interrupted(number)


@contextmanager
def _handling(
    handler: Callable[[int, FrameType | None], None], *numbers: signal.Signals
) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, signal.SIG_DFL if old is None else old)

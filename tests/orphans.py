"""Whether processes are gone: waited for, since a process that was killed needs a moment to end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import psutil

DEADLINE = 60.0  # seconds: what never comes ends the test, what is slow does not


def assert_soon(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def assert_gone(*numbers: int) -> None:
    """No process has any of these numbers."""
    assert_soon(lambda: not any(_lives(number) for number in numbers))


def assert_session_gone(session: int) -> None:
    """No process is left of those that descend from this one."""
    assert_soon(lambda: not any(_belongs(number, session) for number in psutil.pids()))


def _lives(number: int) -> bool:
    """Zombies, which nobody has collected yet, do not."""
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _belongs(number: int, session: int) -> bool:
    try:
        return os.getsid(number) == session and _lives(number)
    except (ProcessLookupError, PermissionError):
        return False

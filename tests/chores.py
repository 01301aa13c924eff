"""Work for the tests of the worker processes: small, and what it did can be asked for."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

Report = Callable[[Any], None]
ShouldStop = Callable[[], bool]


@dataclass(frozen=True)
class Chore:
    """What to do: the name of a function of this module, and its argument."""

    name: str
    argument: Any = None


class UnportableError(Exception):
    """An error that can be pickled, but not put together again."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


def do(chore: Chore, report: Report, should_stop: ShouldStop) -> Any:
    return globals()[chore.name](chore.argument, report, should_stop)


def double(number: int, report: Report, should_stop: ShouldStop) -> int:
    return 2 * number


def count(upto: int, report: Report, should_stop: ShouldStop) -> int:
    for number in range(upto):
        report(number)
    return upto


def who(_: None, report: Report, should_stop: ShouldStop) -> int:
    return os.getpid()


def wait_for_stop(_: None, report: Report, should_stop: ShouldStop) -> str:
    report(os.getpid())
    while not should_stop():
        Event().wait(0.005)
    return "in order"


def wait_for_file(path: Path, report: Report, should_stop: ShouldStop) -> int:
    report(os.getpid())
    while not path.exists():
        Event().wait(0.005)
    return os.getpid()


def die(number: int, report: Report, should_stop: ShouldStop) -> None:
    report("last words")
    os.kill(os.getpid(), number)


def leave(code: int, report: Report, should_stop: ShouldStop) -> None:
    os._exit(code)


def fail(error: Exception, report: Report, should_stop: ShouldStop) -> None:
    raise error


def fail_oddly(_: None, report: Report, should_stop: ShouldStop) -> None:
    raise UnportableError("this", "that")


def return_oddly(_: None, report: Report, should_stop: ShouldStop) -> Any:
    return lambda: None


def die_when_read() -> None:
    os._exit(7)


class Poison:
    """A task that ends the worker as soon as it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return die_when_read, ()


def threads(_: None, report: Report, should_stop: ShouldStop) -> tuple[int, float]:
    """How many torch uses, and the sum of a product that is large enough for all of them."""
    import torch

    return torch.get_num_threads(), float((torch.ones(300, 300) @ torch.ones(300, 300)).sum())


def shout(_: None, report: Report, should_stop: ShouldStop) -> None:
    print("by print", flush=True)
    os.write(1, b"by file descriptor\n")
    os.system("echo by a child")
    os.write(2, b"on standard error\n")


def survey(_: None, report: Report, should_stop: ShouldStop) -> dict[str, Any]:
    return {
        "ignored": [signal.getsignal(each) is signal.SIG_IGN for each in (2, 15)],
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
    }

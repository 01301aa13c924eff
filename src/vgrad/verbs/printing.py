"""What the verbs print, and where."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


@contextmanager
def stdout_kept(json: bool) -> Iterator[None]:
    """While a JSON document is to come, whatever else is printed goes to standard error."""
    with redirect_stdout(sys.stderr) if json else nullcontext():
        yield


def console(width_of_pipe: int = 80) -> Console:
    """A console as wide as the terminal."""
    from rich.console import Console

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else width_of_pipe
    return Console(highlight=False, width=width)


def show(on: Console, *shown: RenderableType) -> None:
    """Print tables and texts, without blanks at the ends of lines."""
    with on.capture() as captured:
        on.print(*shown, sep="\n", crop=False)
    for line in captured.get().splitlines():
        print(line.rstrip())

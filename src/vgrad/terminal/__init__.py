"""What a person sees of a run or a sweep: its progress while it trains, and the words at the end.

On a terminal a live picture, in a pipe plain lines; what people read goes to standard output, or
to standard error where that is kept for a JSON document.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from vgrad.terminal.lines import literal
from vgrad.terminal.plain import PlainView
from vgrad.terminal.sweep_plain import PlainSweepView
from vgrad.terminal.sweep_view import PackShown, SilentSweepView, SweepView
from vgrad.terminal.view import SilentView, View

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "PackShown",
    "PlainSweepView",
    "PlainView",
    "SilentSweepView",
    "SilentView",
    "SweepView",
    "View",
    "choose_sweep_view",
    "choose_view",
    "literal",
]


def choose_view(json: bool = False) -> View:
    """The view that suits where the output goes.

    Args:
        json: standard output is kept for a JSON document, so show everything on standard error.
    """
    stream = sys.stderr if json else sys.stdout
    console = _able(stream)
    if console is None:
        return PlainView(stream, foretells=not json)
    from vgrad.terminal.live import LiveView

    return LiveView(console, foretells=not json)


def choose_sweep_view(json: bool = False) -> SweepView:
    """The view of a sweep that suits where the output goes.

    Args:
        json: standard output is kept for a JSON document, so show everything on standard error.
    """
    stream = sys.stderr if json else sys.stdout
    console = _able(stream)
    if console is None:
        return PlainSweepView(stream)
    from vgrad.terminal.sweep_live import LiveSweepView

    return LiveSweepView(console)


def _able(stream: TextIO) -> Console | None:
    """The terminal that a stream goes to, if it is one on which a picture can be redrawn."""
    if not stream.isatty():
        return None
    from rich.console import Console  # 40 ms that a pipe need not wait for

    console = Console(file=stream, force_jupyter=False)
    poor = console.is_dumb_terminal or console.options.ascii_only
    return console if console.is_interactive and not poor else None

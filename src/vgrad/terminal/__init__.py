"""What a person sees of a run: its progress, its layers while they train, and the words at the end.

On a terminal a live picture, in a pipe plain lines; what people read goes to standard output, or
to standard error where that is kept for a JSON document.
"""

from __future__ import annotations

import sys

from vgrad.terminal.lines import literal
from vgrad.terminal.plain import PlainView
from vgrad.terminal.view import SilentView, View

__all__ = ["PlainView", "SilentView", "View", "choose_view", "literal"]


def choose_view(json: bool = False) -> View:
    """The view that suits where the output goes.

    Args:
        json: standard output is kept for a JSON document, so show everything on standard error.
    """
    stream = sys.stderr if json else sys.stdout
    if not stream.isatty():
        return PlainView(stream)
    from rich.console import Console  # 40 ms that a pipe need not wait for

    from vgrad.terminal.live import LiveView

    console = Console(file=stream, force_jupyter=False)
    poor = console.is_dumb_terminal or console.options.ascii_only
    return LiveView(console) if console.is_interactive and not poor else PlainView(stream)

"""A picture that is drawn anew a few times a second, on a terminal that may go away."""

from __future__ import annotations

import atexit
import contextlib
import sys
from collections.abc import Callable

from rich.console import Console, RenderableType
from rich.live import Live


class Drawing(Live):
    """Rich's live display, which gives the cursor back whatever happens.

    Args:
        console: what is drawn on.
        draw: makes the picture; called by rich's own thread.
        refreshes: a second.
    """

    def __init__(
        self, console: Console, draw: Callable[[], RenderableType], refreshes: float
    ) -> None:
        super().__init__(
            console=console,
            get_renderable=draw,
            refresh_per_second=refreshes,
            redirect_stdout=console.file is sys.stdout,
        )

    def start(self, refresh: bool = True) -> None:
        """Begin to draw."""
        atexit.register(self.stop)
        super().start(refresh)

    def stop(self) -> None:
        """Stop drawing and show the cursor again; a second time does nothing."""
        atexit.unregister(self.stop)
        with contextlib.suppress(OSError):  # the terminal may be gone
            super().stop()

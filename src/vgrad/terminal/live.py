"""A run as a live picture: its progress, and the error signal of each layer while it trains."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.constrain import Constrain
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TimeRemainingColumn,
)
from rich.segment import Segments
from rich.table import Column
from rich.text import Text

from vgrad.terminal.drawing import Drawing
from vgrad.terminal.lines import commands, heading, headline, literal, measures
from vgrad.terminal.picture import Picture
from vgrad.terminal.view import SilentView

REFRESHES = 8  # a second, by rich's own thread: `step` only stores a number
TALLEST = 26  # lines of picture, so that the words after it still fit below
WIDEST = 100  # cells, so that the eye finds the way from a bar to its value
AROUND = 6  # lines of the view beside the picture
COLOURS = {"healthy": "green", "vanishing": "red", "exploding": "red", "diverged": "red"}


class LiveView(SilentView):
    """Redraws a few times a second while the run trains; what was last drawn stays.

    Args:
        console: what is drawn on.
        foretells: whether it passes on what theory says.
    """

    def __init__(self, console: Console, *, foretells: bool = True) -> None:
        self._console = console
        self._foretells = foretells
        self._foretold: list[Text] = []
        self._latest: dict[str, Any] = {}
        self._deltas: Sequence[float | None] = ()
        self._seen: tuple[Sequence[float | None], int, int] | None = None
        self._still = Segments(())
        self._step = 0
        self._drawing: Drawing | None = None

    def start(self, config: Mapping[str, Any], folder: Path, steps: int) -> None:
        """Begin to draw."""
        self._began = time.monotonic()
        self._folder = folder
        self._picture = Picture(int(config["depth"]))
        self._title = Text(literal(str(config["name"])), style="bold", **ONE_LINE)
        self._heading = Text(heading(config, steps), style="dim", **ONE_LINE)
        self._progress = Progress(
            BarColumn(bar_width=None, table_column=Column(ratio=1)),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=self._console,
            expand=True,
        )
        self._task = self._progress.add_task("", total=steps)
        self._drawing = Drawing(self._console, self._draw, REFRESHES)
        self._drawing.start()

    def foretell(self, line: str) -> None:
        """Take what theory says, to show it below what is trained."""
        if self._foretells and line:
            told = Text(literal(line), style="dim")
            self._foretold = list(told.wrap(self._console, min(WIDEST, self._console.width)))

    def step(self, step: int) -> None:
        """Take note; the next redraw shows it."""
        self._step = step

    def record(
        self, step: int, steps: Mapping[str, Any], delta_rms: Sequence[float | None]
    ) -> None:
        """Take note; the next redraw shows it."""
        self._latest |= {column: value for column, value in steps.items() if value is not None}
        if len(delta_rms):
            self._deltas = list(delta_rms)

    def finish(self, run: Mapping[str, Any], words: Sequence[str]) -> None:
        """Leave the last picture, and below it the words and where the files are."""
        seconds = time.monotonic() - self._began
        self.close()
        colour = COLOURS.get(run.get("summary", {}).get("verdict", ""), "yellow")
        self._console.print(Text(f"\n{headline(run, seconds)}", style=f"bold {colour}"))
        for sentence in words:
            self._console.print(Text(literal(sentence)))
        for label, text in commands(self._folder).items():
            line = Text.assemble((f"{label:<8}", "dim"), text)
            self._console.print(line, soft_wrap=True)

    def close(self) -> None:
        """Stop drawing and show the cursor again."""
        if self._drawing is not None:
            self._drawing.stop()

    def _draw(self) -> Constrain:
        self._progress.update(self._task, completed=self._step)
        width, height = min(WIDEST, self._console.width), self._console.height
        seen = (self._deltas, width, height)
        if seen != self._seen:
            self._seen, self._still = seen, self._render_still(*seen)
        progress = self._progress.get_renderable()
        return Constrain(Group(self._still, progress, self._measures(width)), width)

    def _render_still(self, deltas: Sequence[float | None], width: int, height: int) -> Segments:
        """What changes with a record only, ready to be shown again: three times as fast."""
        self._picture.show(deltas)
        around = AROUND + len(self._foretold)
        picture = self._picture.lines(width, min(TALLEST, height - around))
        air = [Text()] if picture and len(picture) + around + 2 <= height else []
        still = Group(self._title, self._heading, *self._foretold, *air, *picture, *air)
        options = self._console.options.update_width(width)
        return Segments(self._console.render(still, options))

    def _measures(self, width: int) -> Text:
        """The last loss and accuracies, as many as fit beside each other."""
        line = Text(**ONE_LINE)
        for name, value in measures(self._latest).items():
            gap = "   " if line else ""
            if line.cell_len + len(gap + name + value) + 1 > width:
                break
            line.append(gap).append(f"{name} ", style="dim").append(value)
        return line


ONE_LINE: dict[str, Any] = {"no_wrap": True, "overflow": "ellipsis"}

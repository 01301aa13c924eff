"""A sweep as a live table: its runs and stacks, the time left, the best and the worst run."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.constrain import Constrain
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from vgrad.diagnose import number
from vgrad.terminal.drawing import Drawing
from vgrad.terminal.lines import commands, duration, literal
from vgrad.terminal.sweep_table import closing
from vgrad.terminal.sweep_tally import Stack, Tally, counts, ending, failure
from vgrad.terminal.sweep_view import PackShown, SilentSweepView

REFRESHES = 6  # a second, by rich's own thread: the other calls only store numbers
WIDEST = 100  # cells
AROUND = 7  # lines of the view beside those of the running stacks
SHORTEST = 8  # cells of a bar
LABEL = 0.45  # of the width, at most, for a stack's label
ONE_LINE: dict[str, Any] = {"no_wrap": True, "overflow": "ellipsis"}
STATES = ("done", "running", "waiting", "failed")


class LiveSweepView(SilentSweepView):
    """Redraws a few times a second while the sweep runs; what was last drawn stays."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._tally = Tally(clock)
        self._lock = threading.Lock()  # rich's thread draws while the sweep's counts
        self._drawing: Drawing | None = None

    def begin(self, folder: Path, packs: Sequence[PackShown], finished: int, workers: int) -> None:
        """Begin to draw."""
        self._title = Text(literal(str(folder)), style="bold", **ONE_LINE)
        self._tally.begin(packs, finished, workers)
        self._drawing = Drawing(self._console, self._draw, REFRESHES)
        self._drawing.start()

    def started(self, pack: int) -> None:
        """Take note; the next redraw shows it."""
        with self._lock:
            self._tally.started(pack)

    def progress(self, pack: int, share: float) -> None:
        """Take note; the next redraw shows it."""
        with self._lock:
            self._tally.progress(pack, share)

    def ended(self, pack: int, run: Mapping[str, Any]) -> None:
        """Take note; the next redraw shows it."""
        with self._lock:
            self._tally.ended(pack, run)

    def done(self, pack: int) -> None:
        """Take note; the next redraw shows it."""
        with self._lock:
            self._tally.done(pack)

    def failed(self, pack: int, message: str, again: bool) -> None:
        """Leave a line on it above the table."""
        with self._lock:
            self._tally.failed(pack, again)
            shown = self._tally.stacks[pack].shown
        # Not under the lock: rich holds its own while it draws.
        self._say(Text(failure(shown.label, shown.runs, message, again), style="red"))

    def added(self, packs: Sequence[PackShown]) -> None:
        """Take note; the next redraw shows it."""
        with self._lock:
            self._tally.added(packs)

    def finish(self, runs: Sequence[Mapping[str, Any]], keys: Sequence[str], folder: Path) -> None:
        """Leave the last state, and below it the closing table and where the files are."""
        head, made, whole = ending(self._tally, runs)
        self.close()
        table = closing(runs, keys, folder, self._console)
        if table is not None:
            self._say(Text())
            self._say(table)
        self._say(Text(f"\n{head}", style=f"bold {'green' if whole else 'yellow'}"))
        self._say(Text(made))
        for label, text in commands(folder).items():
            self._say(Text.assemble((f"{label:<8}", "dim"), text), soft_wrap=True)

    def close(self) -> None:
        """Stop drawing and show the cursor again."""
        if self._drawing is not None:
            self._drawing.stop()

    def _say(self, what: RenderableType, *, soft_wrap: bool = False) -> None:
        with contextlib.suppress(OSError):  # a terminal that is gone ends the talk, not the sweep
            self._console.print(what, soft_wrap=soft_wrap)

    def _draw(self) -> Constrain:
        width, height = min(WIDEST, self._console.width), self._console.height
        with self._lock:
            lines = [
                self._title,
                self._overall(width),
                *self._stacks(width, height - AROUND),
                *self._extremes(),
                Text(counts(self._tally), **ONE_LINE),
            ]
        return Constrain(Group(*lines), width)

    def _overall(self, width: int) -> RenderableType:
        """All runs: a bar, and beside it as much as fits."""
        tally = self._tally
        parts = [f"{tally.finished + tally.made}/{tally.in_all} runs"]
        if tally.share < 1:
            parts.append(f"{duration(tally.seconds_left)} left")
        parts.append(f"{number(tally.rate, digits=3)}/s")
        parts.append(
            f"{duration(tally.elapsed)} so far" if tally.share < 1 else duration(tally.elapsed)
        )
        while len(parts) > 1 and len("  ".join(parts)) > width - SHORTEST - 2:
            parts.pop()
        grid = Table.grid(expand=True)
        grid.add_column(ratio=1)
        grid.add_column(no_wrap=True)
        grid.add_row(ProgressBar(total=1.0, completed=tally.share), Text("  " + "  ".join(parts)))
        return grid

    def _stacks(self, width: int, room: int) -> list[RenderableType]:
        """How many stacks are in which state, and a bar for each that is running."""
        numbers = {state: len(self._tally.in_state(state)) for state in STATES}
        words = [f"{count} {state}" for state, count in numbers.items() if count or state == "done"]
        head = Text.assemble(("stacks  ", "dim"), " · ".join(words), **ONE_LINE)
        running = self._tally.in_state("running")
        most = max(0, min(self._tally.workers, room))
        shown = running if len(running) <= most else running[: max(0, most - 1)]
        rest = Text(f"  and {len(running) - len(shown)} more", style="dim")
        more = [rest] if most and len(shown) < len(running) else []
        return [head, *([self._bars(shown, width)] if shown else []), *more]

    def _bars(self, stacks: Sequence[Stack], width: int) -> Table:
        grid = Table.grid(expand=True)
        grid.add_column(no_wrap=True, max_width=int(LABEL * width), overflow="ellipsis")
        grid.add_column(ratio=1)
        grid.add_column(no_wrap=True, justify="right")
        for stack in stacks:
            label = Text(f"  {literal(stack.shown.label)}  ", **ONE_LINE)
            bar = ProgressBar(total=1.0, completed=stack.share)
            grid.add_row(label, bar, Text(f"  {round(100 * stack.share):>3} %"))
        return grid

    def _extremes(self) -> list[Text]:
        return [
            Text.assemble((f"{which:<8}", "dim"), words, **ONE_LINE)
            for which, words in self._tally.extremes().items()
        ]

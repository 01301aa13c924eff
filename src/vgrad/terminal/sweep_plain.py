"""A sweep as plain lines, for pipes and logs: some ten of them, without control characters."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from vgrad.diagnose import number
from vgrad.terminal.lines import commands, duration, literal, say
from vgrad.terminal.sweep_tally import Tally, counts, ending, failure, opening
from vgrad.terminal.sweep_view import PackShown, SilentSweepView

LINES = 10
SILENCE = 30.0  # seconds; in long sweeps a twentieth of what has passed
PATIENCE = 20
WIDTH = 100  # cells of the closing table: a pipe has no width


class PlainSweepView(SilentSweepView):
    """Writes a line whenever a tenth of the work is done, and now and then between.

    Lines are written only when something happens. A reader that goes away ends the talk, not the
    sweep.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._tally = Tally(clock)
        self._tenths = 0
        self._spoke = 0.0

    def begin(self, folder: Path, packs: Sequence[PackShown], finished: int, workers: int) -> None:
        """Write what is about to be done."""
        self._tally.begin(packs, finished, workers)
        self._tenths = int(LINES * self._tally.share)
        self._say(f"{literal(str(folder))}: {opening(self._tally)}")

    def started(self, pack: int) -> None:
        """Take note."""
        self._tally.started(pack)

    def progress(self, pack: int, share: float) -> None:
        """Write a line if one is due."""
        self._tally.progress(pack, share)
        if share < 1:  # else `done` comes, with its last runs
            self._report()

    def ended(self, pack: int, run: Mapping[str, Any]) -> None:
        """Take note."""
        self._tally.ended(pack, run)

    def done(self, pack: int) -> None:
        """Write a line if one is due."""
        self._tally.done(pack)
        self._report()

    def failed(self, pack: int, message: str, again: bool) -> None:
        """Write what failed."""
        self._tally.failed(pack, again)
        shown = self._tally.stacks[pack].shown
        self._say(failure(shown.label, shown.runs, message, again))

    def added(self, packs: Sequence[PackShown]) -> None:
        """Take note."""
        self._tally.added(packs)

    def finish(self, runs: Sequence[Mapping[str, Any]], keys: Sequence[str], folder: Path) -> None:
        """Write the closing table, how the sweep ended, and where the files are."""
        from rich.console import Console  # 40 ms that the sweep need not wait for

        from vgrad.terminal.sweep_table import closing

        console = Console(file=self._stream, width=WIDTH, color_system=None, force_terminal=False)
        table = closing(runs, keys, folder, console)
        if table is not None:
            with console.capture() as captured:
                console.print(table)
            self._say("")
            for line in captured.get().splitlines():
                self._say(line.rstrip())
            self._say("")
        end = ending(self._tally, runs)
        self._say(end.head)
        self._say(end.made)
        for label, text in commands(folder).items():
            self._say(f"{label + ':':<8}{text}")

    def _report(self) -> None:
        """A line on how far the sweep is, if a tenth more is done or the last is long ago."""
        elapsed = self._tally.elapsed
        tenths = int(LINES * self._tally.share + 1e-9)
        silence = max(SILENCE, elapsed / PATIENCE)
        if tenths > self._tenths or elapsed - self._spoke >= silence:
            self._tenths = max(tenths, self._tenths)
            self._say(self._state())

    def _state(self) -> str:
        tally = self._tally
        already = tally.finished + tally.made
        parts = [
            f"{already:>{len(str(tally.in_all))}}/{tally.in_all} runs",
            f"{number(tally.rate, digits=3)} runs/s" if tally.made else "",
            duration(tally.elapsed),
            f"{duration(tally.seconds_left)} left" if tally.share < 1 else "",
            counts(tally),
            *(f"{which} {words}" for which, words in tally.extremes().items() if which == "best"),
        ]
        return "  ".join(filter(None, parts))

    def _say(self, line: str) -> None:
        self._spoke = self._tally.elapsed
        say(line, self._stream)

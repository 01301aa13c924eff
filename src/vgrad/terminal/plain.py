"""A run as plain lines, for pipes and logs: some ten a run, without control characters."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from vgrad.diagnose import number, reach
from vgrad.terminal.lines import commands, heading, headline, literal, measures, say
from vgrad.terminal.view import SilentView

LINES = 10


class PlainView(SilentView):
    """Writes a line whenever a tenth of the steps is done.

    A reader that goes away (`vgrad run | head -1`) ends the talk, not the run.

    Args:
        stream: where to.
        foretells: whether it passes on what theory says.
    """

    def __init__(self, stream: TextIO, *, foretells: bool = True) -> None:
        self._stream = stream
        self._foretells, self._foretold = foretells, ""
        self._latest: dict[str, Any] = {}
        self._next = self._silence = 0

    def start(self, config: Mapping[str, Any], folder: Path, steps: int) -> None:
        """Write what is trained."""
        self._began = time.monotonic()
        self._folder = folder
        self._steps = steps
        self._depth = int(config["depth"])
        self._tenth = max(1, -(-steps // LINES))
        self._silence = self._tenth
        self._write(f"{literal(str(config['name']))}: {heading(config, steps)}")
        if self._foretold:
            self._write(self._foretold)

    def foretell(self, line: str) -> None:
        """Take what theory says, to write it below what is trained."""
        self._foretold = literal(line) if self._foretells else ""

    def step(self, step: int) -> None:
        """Write a bare line if no record has come for long."""
        if step >= self._silence:
            self._report(step, "")

    def record(
        self, step: int, steps: Mapping[str, Any], delta_rms: Sequence[float | None]
    ) -> None:
        """Write what was measured, if a line is due."""
        self._latest |= {column: value for column, value in steps.items() if value is not None}
        if step < self._next:
            return
        parts = [f"{name} {value}" for name, value in measures(self._latest).items()]
        share = reach({"delta_rms": delta_rms}, self._depth)
        if share is not None and self._depth > 1:
            parts.append(f"layer 1 gets {number(share)} of layer {self._depth}'s error signal")
        self._report(step, "  " + "  ".join(parts))

    def finish(self, run: Mapping[str, Any], words: Sequence[str]) -> None:
        """Write how it ended, the words, and where the files are."""
        self._write_end(run, words)
        for label, text in commands(self._folder).items():
            self._write(f"{label + ':':<8}{text}")

    def _write_end(self, run: Mapping[str, Any], words: Sequence[str]) -> None:
        self._write(headline(run, time.monotonic() - self._began))
        for sentence in words:
            self._write(literal(sentence))

    def _report(self, step: int, rest: str) -> None:
        self._write(f"step {step:>{len(str(self._steps))}}/{self._steps}{rest}")
        self._next = (step // self._tenth + 1) * self._tenth
        self._silence = self._next + self._tenth

    def _write(self, line: str) -> None:
        say(line, self._stream)

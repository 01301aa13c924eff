"""What every view of a sweep can do, and the view that shows nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self


@dataclass(frozen=True)
class PackShown:
    """A stack of runs, as far as a person is told of it.

    Attributes:
        label: what it is called: `relu 40 × 64`.
        runs: how many it holds.
        seconds: what it is expected to take on one core; for the time left only ratios matter
            once something has been measured.
    """

    label: str
    runs: int
    seconds: float


class SweepView(Protocol):
    """Shows a sweep while its stacks are carried out.

    Stacks are named by their place: those of `begin` from 0 on, then those of each `added`.
    A context manager: leaving it calls `close`, so that no fault leaves a terminal in disorder.
    """

    def begin(self, folder: Path, packs: Sequence[PackShown], finished: int, workers: int) -> None:
        """Show that the sweep begins.

        Args:
            folder: where its runs will be.
            packs: what is to be carried out.
            finished: runs that the folder holds already and that are not made again.
            workers: stacks that are carried out at once.
        """
        ...

    def started(self, pack: int) -> None:
        """Take note that a stack is being carried out, be it for the second time."""
        ...

    def progress(self, pack: int, share: float) -> None:
        """Take note of how much of a stack is done, from 0 to 1; cheap."""
        ...

    def ended(self, pack: int, run: Mapping[str, Any]) -> None:
        """Take note of a run that has ended.

        Args:
            pack: its stack.
            run: what `run.json` holds, and its `path`.
        """
        ...

    def done(self, pack: int) -> None:
        """Take note that a stack has been carried out."""
        ...

    def failed(self, pack: int, message: str, again: bool) -> None:
        """Say that a stack failed.

        Args:
            pack: the stack.
            message: why.
            again: its runs are tried once more, by `started` or in stacks that are `added`.
        """
        ...

    def added(self, packs: Sequence[PackShown]) -> None:
        """Take note of more stacks: in place of the one that failed last and is tried again."""
        ...

    def finish(self, runs: Sequence[Mapping[str, Any]], keys: Sequence[str], folder: Path) -> None:
        """Show what came of the sweep, be it whole or stopped.

        Args:
            runs: what `run.json` holds of each run that there is, earlier ones included.
            keys: what was swept, in the order typed: `activation`, `optimizer.lr`, `seed`.
            folder: where the runs are.
        """
        ...

    def close(self) -> None:
        """Give the terminal back as it was; harmless when called twice or before `begin`."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class SilentSweepView(SweepView):
    """Shows nothing; other views are made from it."""

    def begin(self, folder: Path, packs: Sequence[PackShown], finished: int, workers: int) -> None:
        """Show nothing."""

    def started(self, pack: int) -> None:
        """Show nothing."""

    def progress(self, pack: int, share: float) -> None:
        """Show nothing."""

    def ended(self, pack: int, run: Mapping[str, Any]) -> None:
        """Show nothing."""

    def done(self, pack: int) -> None:
        """Show nothing."""

    def failed(self, pack: int, message: str, again: bool) -> None:
        """Show nothing."""

    def added(self, packs: Sequence[PackShown]) -> None:
        """Show nothing."""

    def finish(self, runs: Sequence[Mapping[str, Any]], keys: Sequence[str], folder: Path) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Nothing is to be given back."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

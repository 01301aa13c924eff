"""What every view of a run can do, and the view that shows nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self


class View(Protocol):
    """Shows one run while it trains.

    A context manager: leaving it calls `close`, so that no fault leaves a terminal in disorder.
    """

    def start(self, config: Mapping[str, Any], folder: Path, steps: int) -> None:
        """Show that a run begins.

        Args:
            config: its settings as nested plain data (`RunConfig.plain`).
            folder: where its files will be.
            steps: the updates that it is to make.
        """
        ...

    def foretell(self, line: str) -> None:
        """Take what theory says of the run, a line; called before `start`, if at all."""
        ...

    def step(self, step: int) -> None:
        """Take note that `step` updates have been made; called in every step, so it is cheap."""
        ...

    def record(
        self, step: int, steps: Mapping[str, Any], delta_rms: Sequence[float | None]
    ) -> None:
        """Show a record.

        Args:
            step: the updates made before it.
            steps: the columns of `steps.parquet`; None is null.
            delta_rms: the error signal in layers 1 … depth + 1; empty where it was not recorded.
        """
        ...

    def finish(self, run: Mapping[str, Any], words: Sequence[str]) -> None:
        """Show how the run ended.

        Args:
            run: what `run.json` holds, of which `status` and the summary's `verdict` are used.
            words: the sentences of `diagnose.describe`.
        """
        ...

    def close(self) -> None:
        """Give the terminal back as it was; harmless when called twice or before `start`."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class SilentView(View):
    """Shows nothing; other views are made from it."""

    def foretell(self, line: str) -> None:
        """Show nothing."""

    def start(self, config: Mapping[str, Any], folder: Path, steps: int) -> None:
        """Show nothing."""

    def step(self, step: int) -> None:
        """Show nothing."""

    def record(
        self, step: int, steps: Mapping[str, Any], delta_rms: Sequence[float | None]
    ) -> None:
        """Show nothing."""

    def finish(self, run: Mapping[str, Any], words: Sequence[str]) -> None:
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

"""The runs of some folders, as they stand there."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vgrad import store
from vgrad.errors import StoreError
from vgrad.store import RunFile
from vgrad.store.columns import DOCUMENT
from vgrad.store.foretold import brief
from vgrad.store.order import in_order


def read(*paths: Path) -> tuple[list[RunFile], list[str]]:
    """The runs in some folders, and a line for each that cannot be read.

    The newest are last, and those of a sweep stand together, by what differs among them.

    Raises:
        StoreError: there is no such folder.
    """
    runs, problems = store.read_runs(*filter(_holds_runs, paths))
    return in_order(sorted(runs, key=started)), problems


def document(runs: Sequence[RunFile], problems: Sequence[str]) -> dict[str, Any]:
    """The runs as plain data: what each run.json holds, its path, and its state by now.

    The layers of the predictions are left out.
    """
    return {
        "runs": [
            {**brief(run.document), "status": run.status, "path": str(run.path)} for run in runs
        ],
        "problems": list(problems),
    }


def started(run: RunFile) -> datetime:
    """When the run began; where run.json does not say it, when that file was written."""
    try:
        return datetime.fromisoformat(str(run.document.get("started"))).astimezone(UTC)
    except (ValueError, OverflowError):
        with suppress(OSError):
            return datetime.fromtimestamp((run.path / DOCUMENT).stat().st_mtime, UTC)
    return datetime.fromtimestamp(0, UTC)  # it was deleted meanwhile


def _holds_runs(path: Path) -> bool:
    """Whether there is a run; a folder without one is none to complain about."""
    try:
        return bool(store.find_runs(path))
    except StoreError:
        if not path.is_dir():
            raise
        return False

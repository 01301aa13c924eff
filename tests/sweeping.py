"""In the place of `vgrad.launch.Launch`: runs of a sweep that end as soon as they have begun."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from commands import execute_nothing
from vgrad.folder import finished
from vgrad.job import Job
from vgrad.terminal import SilentView


class Launches:
    """Takes note of what it is asked for.

    Attributes:
        batches: the jobs of each call.
        made: the jobs that left a run.
        settings: of the launcher.
        fail: called with each job; what it raises is what went wrong with it.
        summary: job → the summary of its run, its status first.
    """

    def __init__(self) -> None:
        self.batches: list[list[Job]] = []
        self.made: list[Job] = []
        self.settings: Mapping[str, Any] = {}
        self.fail: Callable[[Job], None] = lambda job: None
        self.outcome: Callable[[Job], dict[str, Any]] = lambda job: {}

    def __call__(self, settings: Mapping[str, Any], folder: Path, view: Any) -> Launches:
        self.settings = settings
        view.begin(folder, [], 0, 1)
        return self

    def carry_out(self, jobs: Sequence[Job]) -> list[dict[str, Any] | Exception]:
        self.batches.append(list(jobs))
        return [self._make(job) for job in jobs]

    def _make(self, job: Job) -> dict[str, Any] | Exception:
        document = finished(job.folder, job.config)
        if document is None:
            try:
                self.fail(job)
            except Exception as error:
                return error
            self.made.append(job)
            document = execute_nothing(job.config, job.folder, SilentView(), lambda: False)
        return {**document, **self.outcome(job), "path": str(job.folder)}

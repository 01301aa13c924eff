"""A job: one run of a sweep, composed and checked, and where it goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from vgrad.config import RunConfig, run_id

Document = dict[str, Any]  # what a run's run.json holds, and its `path`


@dataclass(frozen=True)
class Job:
    """One run that is to be made.

    Attributes:
        config: as `vgrad.check.check` returned it.
        folder: where the run's files go.
        overrides: what tells it from the other runs, each as typed.
        tree: the composed config as plain data, with its interpolations as they stand.
    """

    config: RunConfig
    folder: Path
    overrides: tuple[str, ...]
    tree: Mapping[str, Any]

    @cached_property
    def run_id(self) -> str:
        """What names the run's result; of a file of the user's own, that of its content now.

        Raises:
            VgradError: that file cannot be read.
        """
        return run_id(self.config)

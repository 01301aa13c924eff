"""What Hydra's launchers are to do: make one run, or for our own launcher a batch of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig, OmegaConf

from vgrad.combine import Combiner, swept
from vgrad.compose import train
from vgrad.interrupt import undisturbed
from vgrad.job import Document, Job
from vgrad.objective import Told, told
from vgrad.terminal import SweepView, View, literal

if TYPE_CHECKING:
    from vgrad.launch import Launch


class Task:
    """What Hydra's launchers are to do: one run, or for `packed` a batch of them.

    Args:
        make_view: shows one run.
        make_sweep_view: shows all runs that are packed.

    Attributes:
        values: what came of each run that this process was told of, in order.
        combiner: composes the runs of a batch; not there in another process.
    """

    def __init__(
        self, make_view: Callable[[], View], make_sweep_view: Callable[[], SweepView]
    ) -> None:
        self.values: list[Told] = []
        self.combiner: Combiner | None = None
        self._make_view, self._make_sweep_view = make_view, make_sweep_view
        self._launch: Launch | None = None
        self._view: SweepView | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def __call__(self, cfg: DictConfig) -> Told:
        """Make one run; called by Hydra's own launchers, be it in a process of its own.

        What goes wrong is returned: Hydra would print words of its own.
        """
        try:
            outcome: Document | Exception = train(cfg, self._make_view, keep_finished=True)
        except Exception as error:
            outcome = error
        self.values.append(told(outcome, str(cfg.objective)))
        return self.values[-1]

    def __reduce__(self) -> tuple[Any, ...]:
        """For another process: to make single runs there."""
        return Task, (self._make_view, self._make_sweep_view)

    def launch(
        self, batch: Sequence[Sequence[str]], settings: Mapping[str, Any]
    ) -> list[JobReturn]:
        """Make a batch of runs; called by our launcher.

        Args:
            batch: the overrides of each.
            settings: what was set under `hydra.launcher`.

        Returns:
            What came of each, in order; a run that is asked for twice is made once.
        """
        assert self.combiner is not None
        jobs = [_job_or_error(self.combiner, overrides) for overrides in batch]
        outcomes = self._make([job for job in jobs if isinstance(job, Job)], settings)
        returned: list[JobReturn] = []
        for overrides, job in zip(batch, jobs, strict=True):
            outcome = outcomes[job.folder] if isinstance(job, Job) else job
            objective = job.config.objective if isinstance(job, Job) else ""
            self.values.append(told(outcome, objective))
            returned.append(Returned(overrides, self.values[-1], job))
        return returned

    def _make(
        self, jobs: Sequence[Job], settings: Mapping[str, Any]
    ) -> dict[Path, Document | Exception]:
        if not jobs:
            return {}
        if self._launch is None:
            with undisturbed():
                from vgrad.launch import Launch
            assert self.combiner is not None
            self._launch = Launch(settings, self.combiner.folder, self._opened())
        outcomes = self._launch.carry_out(jobs)
        return {job.folder: outcome for job, outcome in zip(jobs, outcomes, strict=True)}

    def _opened(self) -> SweepView:
        if self._view is None:
            self._view = self._open.enter_context(self._make_sweep_view())
        return self._view

    def show(self, documents: Sequence[Document], folder: Path) -> None:
        """Show what came of the sweep.

        Args:
            documents: what the run.json of each run holds, and its `path`.
            folder: of the sweep.
        """
        assert self.combiner is not None
        if not documents:
            return
        if self._view is None:  # the runs were made one by one, and shown as they were
            print(f"The sweep is in {literal(str(folder))}: `vgrad ls` and `vgrad report` show it.")
            return
        unique = {document["run_id"]: document for document in documents}
        self._view.finish(list(unique.values()), swept(self.combiner.jobs), folder)


class Returned(JobReturn):
    """What came of one run of a batch. Hydra's own raises the error of a run that failed."""

    def __init__(self, overrides: Sequence[str], value: Told, job: Job | Exception) -> None:
        failed = value.error is not None
        self._job = job if isinstance(job, Job) else None
        super().__init__(
            overrides=list(overrides),
            working_dir=os.getcwd(),
            task_name="vgrad",
            status=JobStatus.FAILED if failed else JobStatus.COMPLETED,
        )
        self.return_value = value

    @property
    def return_value(self) -> Told:
        """The run's value: without a number if it failed."""
        return self._value

    @return_value.setter
    def return_value(self, value: Told) -> None:
        self._value = value

    @property
    def cfg(self) -> DictConfig | None:
        """The run's config; made when it is asked for, as a thousand take a second."""
        return None if self._job is None else OmegaConf.create(dict(self._job.tree))

    @cfg.setter
    def cfg(self, value: DictConfig | None) -> None:
        assert value is None


def _job_or_error(combiner: Combiner, overrides: Sequence[str]) -> Job | Exception:
    try:
        return combiner.job(overrides)
    except Exception as error:
        return error

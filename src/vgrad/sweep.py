"""Sweeps: a run for each combination of values, checked together, then carried out by a launcher.

Hydra's sweeper says which runs there are, its launcher makes them: `packed`, ours, a whole batch
through `vgrad.launch`; any other one run at a time, as `vgrad run` would.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra._internal.callbacks import Callbacks
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from vgrad.combine import Combiner, check_all, combinations
from vgrad.compose import Request, prepare
from vgrad.config import LONGEST_NAME
from vgrad.errors import BusyError, ConfigError, LauncherError, VgradError
from vgrad.explain import explain, explaining, first_line
from vgrad.folder import ELSEWHERE, check_sweep_folder
from vgrad.interrupt import Interrupted
from vgrad.job import Document, Job
from vgrad.loader import Loader, overrides_of
from vgrad.objective import Told
from vgrad.overrides import read
from vgrad.store.disk import writing
from vgrad.store.lock import free, is_held, take
from vgrad.task import Task
from vgrad.terminal import SweepView, View
from vgrad.terminal.lines import roughly
from vgrad.workers import PRELOADED, warm

if TYPE_CHECKING:
    from vgrad.launch import Forecast

CLUSTER = "hydra.launcher.cluster="
MULTIRUN = "multirun.yaml"
SAMPLERS = "optuna.samplers."
QUOTED = re.compile(r"[\w.]+(Error|Exception): ")
QUIET = logging.NullHandler()


def sweep(
    request: Request, make_view: Callable[[], View], make_sweep_view: Callable[[], SweepView]
) -> Path:
    """Train a run for each combination of the values that the overrides list.

    Runs that this sweep's folder already holds to their end are not run again.

    Args:
        request: the overrides.
        make_view: shows one run, where Hydra's own launchers make it.
        make_sweep_view: shows the sweep, where runs are packed.

    Returns:
        The folder of the sweep.

    Raises:
        VgradError: nothing was done; or one of the runs could not be, and the others were.
        Interrupted: it was asked to end before its last run.
    """
    if not any(line.startswith(("hydra/launcher=", CLUSTER)) for line in request.overrides):
        warm(PRELOADED)  # workers have torch by the time that the runs are checked
    task = Task(make_view, make_sweep_view)
    planned = _plan(request, task)
    if planned.is_grid:  # others choose their runs as they go
        planned.check()
    planned.check_settings()
    folder = planned.folder
    with writing(folder), _locked(folder), task:
        if not planned.is_grid:
            OmegaConf.save(planned.master, folder / MULTIRUN)
        try:
            values, error = planned.carry_out()
        except Interrupted as asked:
            made = (asked.document or {}).get("runs", [])
            task.show([*_documents(task.values), *made], folder)
            raise
        task.show(_documents(values), folder)
    if error is not None:
        raise error
    return folder


def forecast(request: Request) -> Forecast:
    """How a sweep would be carried out; nothing is written.

    Raises:
        VgradError: it cannot be carried out, or cannot be told beforehand.
    """
    planned = _plan(request, Task(_no_view, _no_view))
    if not planned.is_grid or not planned.is_packed:
        part = "launcher" if planned.is_grid else "sweeper"
        valid = "packed" if planned.is_grid else "grid"
        raise ConfigError(
            f"--dry-run needs hydra/{part}={valid}: another {part} chooses what to do as it goes."
        )
    jobs = planned.check()
    planned.check_settings()
    from vgrad.launch import dry_run

    return dry_run(jobs, planned.settings)


def lines_of(forecast: Forecast) -> list[str]:
    """What a dry run says."""
    to_do = forecast.runs - forecast.done
    stacks = "1 stack" if forecast.stacks == 1 else f"{forecast.stacks} stacks"
    return [
        f"runs:     {forecast.runs}",
        f"done:     {forecast.done}",
        f"to do:    {to_do}, in {stacks}" if to_do else "to do:    nothing",
        f"workers:  {forecast.workers}",
        f"expected: {roughly(forecast.seconds)}",
    ]


def _no_view() -> Any:
    raise AssertionError("nothing is run, and so nothing is shown")


@dataclass(frozen=True)
class Planned:
    """A sweep that is ready to be checked and carried out.

    Attributes:
        master: its config.
        folder: where it goes.
        sweeper: says which runs there are.
        task: makes them.
        combiner: composes them.
        loader: composes them for Hydra's own launchers.
    """

    master: DictConfig
    folder: Path
    sweeper: Any
    task: Task
    combiner: Combiner
    loader: Loader

    @property
    def is_grid(self) -> bool:
        """Whether all runs are known beforehand; by name, as Hydra executes plugins once more."""
        return any(kind.__name__ == BasicSweeper.__name__ for kind in type(self.sweeper).__mro__)

    @property
    def is_packed(self) -> bool:
        """Whether our own launcher makes the runs."""
        return str(self.master.hydra.launcher._target_).endswith(".PackedLauncher")

    @property
    def settings(self) -> dict[str, Any]:
        """What was set under `hydra.launcher`."""
        with explaining():
            plain = OmegaConf.to_container(self.master.hydra.launcher, resolve=True)
        assert isinstance(plain, dict)
        return {str(key): value for key, value in plain.items() if key != "_target_"}

    def check(self) -> list[Job]:
        """Compose and check every run."""
        lines = combinations(self.sweeper, self.master, self.loader)
        return check_all(self.combiner, lines)

    def check_settings(self) -> None:
        """See whether our launcher can do with what was set of it.

        Raises:
            ConfigError: it cannot.
        """
        if not self.is_packed:
            return
        from vgrad.cluster.submission import checked
        from vgrad.plan import limits_of

        limits_of(self.settings)
        checked(self.settings)

    def carry_out(self) -> tuple[Sequence[Told], Exception | None]:
        """Make the runs.

        Returns:
            what came of each, and the first of the errors, to be raised when all is shown.

        Raises:
            ConfigError: a sweeper chose what no run can have.
            LauncherError: a launcher that is not ours could not make them.
        """
        try:
            batches = self.sweeper.sweep(overrides_of(self.master, "task"))
        except Exception as error:
            if first := _first_error(self.task.values):  # none is left to choose the best from
                return self.task.values, first
            if self.is_packed:
                raise
            raise self._fault(error) from error
        values = [job.return_value for batch in batches or () for job in batch] or self.task.values
        return values, _first_error(values)

    def _fault(self, error: Exception) -> VgradError:
        """What a launcher that is not ours, or a sweeper that it served, has met."""
        if isinstance(error, VgradError):
            return error
        if isinstance(error, HydraException | OmegaConfBaseException):
            return explain(error)
        chosen = self.master.hydra.runtime.choices
        names = ["launcher"] if self.is_grid else ["sweeper", "launcher"]
        who = " with ".join(f"hydra/{name}={chosen[f'hydra/{name}']}" for name in names)
        return LauncherError(f"{who} failed: {_gist(error)}. VGRAD_DEBUG=1 shows all of it.")


def _gist(error: Exception) -> str:
    """One line of a message: of a trace that it quotes the last error, else the first line."""
    raised = [line for line in str(error).splitlines() if QUOTED.match(line)]
    return raised[-1].rstrip(".") if raised else first_line(error)


def _documents(values: Sequence[Told]) -> list[Document]:
    return [value.document for value in values if value.document is not None]


def _first_error(values: Sequence[Told]) -> Exception | None:
    return next((value.error for value in values if value.error is not None), None)


def _plan(request: Request, task: Task) -> Planned:
    """Compose the sweep's own config, and see whether its folder is free."""
    loader = prepare(request)
    lines = _with_name(read(request.overrides, sweep=True))
    with explaining():
        master = loader.load_configuration(request.config_name, lines, RunMode.MULTIRUN)
    task.combiner = combiner = Combiner(loader, master)
    _refuse_code(master)
    with explaining():
        sweeper = Plugins.instance().instantiate_sweeper(
            config=master,
            hydra_context=HydraContext(config_loader=loader, callbacks=Callbacks()),
            task_function=task,
        )
    logging.getLogger("hydra_plugins").addHandler(QUIET)  # what fails we say
    logging.getLogger("optuna").setLevel(logging.WARNING)
    check_sweep_folder(combiner.folder)
    if is_held(combiner.folder):
        raise _busy(combiner.folder)
    return Planned(master, combiner.folder, sweeper, task, combiner, loader)


def _refuse_code(master: DictConfig) -> None:
    """Refuse to run what a config names, but for Hydra's plugins and the samplers of Optuna."""
    with explaining():
        parts = ("launcher", "sweeper")
        tree = {part: OmegaConf.to_container(master.hydra[part], resolve=True) for part in parts}
        own = ("launcher._target_", "sweeper._target_")  # Hydra itself checks these two
        for key, name in _leaves(tree, ""):
            sampler = key == "sweeper.sampler._target_" and str(name).startswith(SAMPLERS)
            if key.endswith("._target_") and key not in own and not sampler:
                raise ConfigError(f"hydra.{key}={name} would run code that a config names.")
            if key.endswith(".custom_search_space") and name is not None:
                raise ConfigError(f"hydra.{key}={name} would run code that a config names.")


def _leaves(tree: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    elif isinstance(tree, list):
        for value in tree:
            yield from _leaves(value, path)
    else:
        yield path, tree


def _with_name(overrides: Sequence[Override]) -> list[str]:
    """The overrides of a sweep with a name for its folder, made from them where none is given."""
    lines = [str(override.input_line) for override in overrides]
    for override, line in zip(overrides, lines, strict=True):
        if override.key_or_group == "name":
            if override.is_sweep_override() or "${" in line:
                raise ConfigError(
                    f"{line}: all runs of a sweep share one name, that of its folder."
                )
            return lines
    keys = sorted(o.key_or_group.replace("/", "-") for o in overrides if o.is_sweep_override())
    digest = hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:6]
    stem = "-".join(keys)[: LONGEST_NAME // 2] or "sweep"
    return [*lines, f"name={stem}-{digest}"]


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Have the folder to ourselves."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        lock = take(folder)
    except BusyError:
        raise _busy(folder) from None
    try:
        yield
    finally:
        free(lock)


def _busy(folder: Path) -> BusyError:
    return BusyError(
        f"{folder} is being written by another vgrad sweep. Wait for it to end; then the same "
        f"command makes what is missing. {ELSEWHERE}."
    )

"""Runs and sweeps: composed by Hydra, checked as a whole, and only then carried out.

Until every check has passed nothing is written, so that a slip leaves no folder behind. Of Hydra,
`_internal.config_loader_impl` and `_internal.utils` are private: hence the pin in pyproject.toml.
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import hydra.version
from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, RangeSweep
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobRuntime, run_job, setup_globals
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf

from vgrad.config import LONGEST_NAME, RunConfig, run_id
from vgrad.errors import ConfigError
from vgrad.explain import explaining
from vgrad.folder import check_run_folder, check_sweep_folder, finished
from vgrad.interrupt import Interrupted, orderly
from vgrad.overrides import read, refuse_environment
from vgrad.schema import publish, register_run_id, to_config
from vgrad.store.disk import writing
from vgrad.terminal import View

Document = dict[str, Any]
MOST_RUNS = 100_000  # of one sweep


@dataclass(frozen=True)
class Request:
    """What the user asks for.

    Attributes:
        overrides: `KEY=VALUE`, each as typed.
        config_name: the config file to begin with.
        config_dir: a folder of the user's own config files.
    """

    overrides: Sequence[str] = ()
    config_name: str = "config"
    config_dir: str | None = None


class Loader(ConfigLoaderImpl):
    """Hydra's loader, which remembers the runs of a sweep: Hydra composes each of them twice."""

    def __init__(self, request: Request) -> None:
        super().__init__(_search_path(request.config_dir))
        self._composed: dict[tuple[str, ...], DictConfig] = {}

    def load_sweep_config(
        self, master_config: DictConfig, sweep_overrides: list[str]
    ) -> DictConfig:
        """The config of one run of a sweep."""
        key = tuple(sweep_overrides)
        if key not in self._composed:
            self._composed[key] = super().load_sweep_config(master_config, sweep_overrides)
        return copy.deepcopy(self._composed[key])


def prepare(request: Request) -> Loader:
    """Hydra, set up for this program.

    Raises:
        ConfigError: the folder of config files is not there.
    """
    hydra.version.setbase("1.3")
    publish()
    setup_globals()
    register_run_id(lambda root: run_id(_resolved(root)))
    JobRuntime.instance().set("name", "vgrad")
    return Loader(request)


def run(request: Request, make_view: Callable[[], View]) -> Document:
    """Train one run.

    Returns:
        What its run.json holds, and its `path`.

    Raises:
        VgradError: nothing was done, for the reason that it says.
        Interrupted: the run was asked to end before its last step.
    """
    loader = prepare(request)
    lines = [str(override.input_line) for override in read(request.overrides, sweep=False)]
    with explaining():
        cfg = loader.load_configuration(request.config_name, lines, RunMode.RUN)
    config = settle(cfg)
    with explaining():
        folder = Path(str(cfg.hydra.run.dir))
    check_run_folder(folder, config)
    with writing(folder):
        returned = run_job(
            task_function=_task(make_view, keep_finished=False),
            config=cfg,
            job_dir_key="hydra.run.dir",
            job_subdir_key=None,
            hydra_context=HydraContext(config_loader=loader, callbacks=Callbacks()),
            configure_logging=False,
        )
    return _document(returned)


def sweep(request: Request, make_view: Callable[[], View]) -> Path:
    """Train a run for each combination of the values that the overrides list.

    Runs that this sweep's folder already holds to their end are not run again.

    Returns:
        The folder of the sweep.

    Raises:
        VgradError: nothing was done; or one of the runs could not be, and the others were.
        Interrupted: it was asked to end before its last run.
    """
    loader = prepare(request)
    lines = _with_name(read(request.overrides, sweep=True))
    with explaining():
        master = loader.load_configuration(request.config_name, lines, RunMode.MULTIRUN)
        folder = Path(str(master.hydra.sweep.dir))
        sweeper = Plugins.instance().instantiate_sweeper(
            config=master,
            hydra_context=HydraContext(config_loader=loader, callbacks=Callbacks()),
            task_function=_task(make_view, keep_finished=True),
        )
    check_sweep_folder(folder)
    if _is_grid(sweeper):  # others choose their runs as they go
        _check_jobs(_jobs(sweeper, master, loader), master, loader)
    with writing(folder):
        batches = sweeper.sweep([str(line) for line in master.hydra.overrides.task])
    for returned in [job for batch in batches or () for job in batch]:
        _document(returned)
    return folder


def show(request: Request, part: str, package: str | None, *, resolve: bool) -> str:
    """The composed config as YAML, without running anything.

    Args:
        request: what it is composed from.
        part: `job`, `hydra`, or `all`.
        package: a key whose part of the config is wanted, None for the whole.
        resolve: whether to put in what interpolations refer to.

    Raises:
        VgradError: it cannot be composed, or has no such key.
    """
    loader = prepare(request)
    lines = [str(override.input_line) for override in read(request.overrides, sweep=False)]
    with explaining():
        cfg = loader.load_configuration(request.config_name, lines, RunMode.RUN)
        refuse_environment(OmegaConf.to_container(cfg, resolve=False), "")
        if resolve:
            OmegaConf.resolve(cfg)
        keys = [str(key) for key in cfg if part == "all" or (key == "hydra") == (part == "hydra")]
        node: Any = OmegaConf.masked_copy(cfg, keys)
        if package is not None:
            node = OmegaConf.select(node, package, default=OmegaConf)
        if node is OmegaConf:  # stands for: not there
            raise ConfigError(f"The config has no key {package!r}.")
        return OmegaConf.to_yaml(node) if OmegaConf.is_config(node) else f"{node}\n"


def settle(cfg: DictConfig) -> RunConfig:
    """Check a composed config, and write the name that it works out to into it.

    Returns:
        The config of the run, resolved: its device and its number of steps are known.

    Raises:
        VgradError: something in it is not valid, not allowed, or not there.
    """
    with explaining():
        tree = OmegaConf.to_container(cfg, resolve=False)
        refuse_environment(tree, "")
        if cfg.hydra.job.env_copy:
            raise ConfigError("hydra.job.env_copy would put the environment into the run's record.")
    config = _resolved(cfg)
    with explaining():
        name = str(cfg.name)
    config = replace(config, name=name)
    cfg.name = name
    return config


def _resolved(cfg: DictConfig) -> RunConfig:
    """The config of a run but for its name, which may be made from the rest."""
    from vgrad.pack import check

    with explaining():
        config = to_config(cfg, name="run")
    default = next(field.default for field in fields(RunConfig) if field.name == "steps")
    if config.epochs is not None and config.steps != default:
        raise ConfigError(
            f"steps={config.steps} and epochs={config.epochs} both say how long to train."
        )
    return check(config)


def _search_path(config_dir: str | None) -> Any:
    path = create_config_search_path(str(conf_dir()))
    if config_dir is not None:
        folder = Path(config_dir).absolute()
        if not folder.is_dir():
            raise ConfigError(f"--config-dir={config_dir} is not a folder.")
        path.prepend("command-line", f"file://{folder}", SearchPathQuery(provider="schema"))
    return path


def conf_dir() -> Path:
    """The folder of config files: inside the installed package, or that of the checkout."""
    installed = Path(__file__).parent / "conf"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "conf"


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
    swept = sorted(o.key_or_group.replace("/", "-") for o in overrides if o.is_sweep_override())
    digest = hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:6]
    stem = "-".join(swept)[: LONGEST_NAME // 2] or "sweep"
    return [*lines, f"name={stem}-{digest}"]


def _is_grid(sweeper: Sweeper) -> bool:
    """Whether it is Hydra's own; by name, as Hydra executes the modules of plugins once more."""
    return any(kind.__name__ == BasicSweeper.__name__ for kind in type(sweeper).__mro__)


def _jobs(sweeper: Any, master: DictConfig, loader: Loader) -> list[list[str]]:
    """The overrides of each run that the sweeper will start."""
    with explaining():
        given = [f"{key}={value}" for key, value in (sweeper.params or {}).items()]
        lines = [*given, *(str(line) for line in master.hydra.overrides.task)]
        overrides = OverridesParser.create(config_loader=loader).parse_overrides(lines)
        runs = math.prod(map(_count, overrides))
        jobs = BasicSweeper.split_arguments(overrides, None)[0] if runs <= MOST_RUNS else []
        if not jobs:
            raise ConfigError(f"The sweep has {runs} runs; 1 to {MOST_RUNS} are possible.")
        return jobs


def _count(override: Override) -> int:
    """How many values an override stands for."""
    value = override.value()
    if override.is_choice_sweep():
        return sum(1 for _ in override.sweep_iterator())
    if isinstance(value, RangeSweep):
        start, stop, step = (float(vars(value)[name]) for name in ("start", "stop", "step"))
        size = (stop - start) / step if step else math.inf
        if not math.isfinite(size):
            raise ConfigError(f"{override.input_line} has no end.")
        return max(0, math.ceil(size))
    return 1


def _check_jobs(jobs: Sequence[Sequence[str]], master: DictConfig, loader: Loader) -> None:
    """Check every run of a sweep before the first is started.

    Raises:
        VgradError: one is not valid, or two of them would go to one folder.
    """
    ids: dict[Path, str] = {}
    for job in jobs:
        with explaining():
            cfg = loader.load_sweep_config(master, list(job))
        config = settle(cfg)
        with explaining():
            folder = Path(str(cfg.hydra.sweep.dir)) / str(cfg.hydra.sweep.subdir)
        if ids.setdefault(folder, run_id(config)) != run_id(config):
            raise ConfigError(f"Two runs of the sweep would go to {folder}.")
        check_run_folder(folder, config)


def _task(
    make_view: Callable[[], View], *, keep_finished: bool
) -> Callable[[DictConfig], Document | Exception]:
    """What Hydra is to do with a composed config, once it has made the folder.

    What goes wrong is returned, and raised by `_document`: Hydra would print words of its own.
    """

    def task(cfg: DictConfig) -> Document | Exception:
        try:
            return _train(cfg, make_view, keep_finished)
        except Exception as error:
            return error

    return task


def _train(cfg: DictConfig, make_view: Callable[[], View], keep_finished: bool) -> Document:
    from vgrad.pack import execute

    config = replace(_resolved(cfg), name=str(cfg.name))
    folder = _relative(Path(HydraConfig.get().runtime.output_dir))
    document = finished(folder, config) if keep_finished else None
    if document is None:
        with make_view() as view, orderly() as stop:
            document = execute(config, folder, view, stop.asked)
        if stop.signal is not None:
            raise Interrupted(stop.signal, {**document, "path": str(folder)})
    return {**document, "path": str(folder)}


def _relative(path: Path) -> Path:
    """The path as a person would type it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _document(returned: JobReturn) -> Document:
    value = returned.return_value
    if isinstance(value, Exception):
        raise value
    document: Document = value
    return document

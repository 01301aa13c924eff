"""Runs: composed by Hydra, checked as a whole, and only then carried out.

Until every check has passed nothing is written, so that a slip leaves no folder behind. Of Hydra,
`_internal` is private: hence the pin in pyproject.toml.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import hydra.version
from hydra._internal.callbacks import Callbacks
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobRuntime, run_job, setup_globals
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf

from vgrad.config import RunConfig, run_id
from vgrad.errors import ConfigError
from vgrad.explain import explaining
from vgrad.folder import check_run_folder, finished
from vgrad.interrupt import Interrupted, orderly, undisturbed
from vgrad.job import Document
from vgrad.loader import Loader
from vgrad.overrides import read, refuse_environment, refuse_launcher
from vgrad.schema import publish, register_run_id, to_config
from vgrad.store.disk import writing
from vgrad.terminal import View


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
    return Loader(_search_path(request.config_dir))


def _composed(request: Request) -> tuple[Loader, DictConfig]:
    """Hydra, and the config of one run as it composed it."""
    loader = prepare(request)
    lines = [str(override.input_line) for override in read(request.overrides, sweep=False)]
    with explaining():
        return loader, loader.load_configuration(request.config_name, lines, RunMode.RUN)


def run(request: Request, make_view: Callable[[], View]) -> Document:
    """Train one run.

    Returns:
        What its run.json holds, and its `path`.

    Raises:
        VgradError: nothing was done, for the reason that it says.
        Interrupted: the run was asked to end before its last step.
    """
    loader, cfg = _composed(request)
    refuse_launcher(request.overrides)
    config = settle(cfg)
    with explaining():
        folder = Path(str(cfg.hydra.run.dir))
    check_run_folder(folder, config)
    with writing(folder):
        returned = run_job(
            task_function=_kept(lambda cfg: train(cfg, make_view, keep_finished=False)),
            config=cfg,
            job_dir_key="hydra.run.dir",
            job_subdir_key=None,
            hydra_context=HydraContext(config_loader=loader, callbacks=Callbacks()),
            configure_logging=False,
        )
    if isinstance(returned.return_value, Exception):
        raise returned.return_value
    document: Document = returned.return_value
    return document


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
    _, cfg = _composed(request)
    with explaining():
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


def config_of(request: Request) -> RunConfig:
    """The config that a run of this request would have, checked; nothing is written.

    Raises:
        VgradError: it cannot be composed, or something in it is not valid or not there.
    """
    _, cfg = _composed(request)
    return settle(cfg)


def settle(cfg: DictConfig) -> RunConfig:
    """Check a composed config, and write the name that it works out to into it.

    Returns:
        The config of the run, resolved: its device and its number of steps are known.

    Raises:
        VgradError: something in it is not valid, not allowed, or not there.
    """
    refuse_secrets(cfg)
    config = _resolved(cfg)
    with explaining():
        name = str(cfg.name)
    cfg.name = name
    return replace(config, name=name)


def refuse_secrets(cfg: DictConfig) -> None:
    """Refuse a composed config that would put the environment into a run's record.

    Raises:
        ConfigError: it would.
    """
    with explaining():
        refuse_environment(OmegaConf.to_container(cfg, resolve=False), "")
        if cfg.hydra.job.env_copy:
            raise ConfigError("hydra.job.env_copy would put the environment into the run's record.")


def checked(config: RunConfig, auto: str | None = None) -> RunConfig:
    """The config as it will be run, with its device and its number of steps known.

    Args:
        config: the run's.
        auto: what `device=auto` is, where `auto_elsewhere` names it.

    Raises:
        VgradError: two of its settings contradict each other, or something that it needs is not
            there.
    """
    with undisturbed():
        from vgrad.check import check
    default = next(field.default for field in fields(RunConfig) if field.name == "steps")
    if config.epochs is not None and config.steps != default:
        raise ConfigError(
            f"steps={config.steps} and epochs={config.epochs} both say how long to train."
        )
    return check(config, auto)


def auto_elsewhere(cfg: DictConfig) -> str | None:
    """What `device=auto` is in the jobs that a run goes to; None where it is made on this machine.

    Args:
        cfg: the config with its hydra node; without one the run is made here.
    """
    if OmegaConf.select(cfg, "hydra.launcher.cluster") != "slurm":
        return None
    return "cuda" if OmegaConf.select(cfg, "hydra.launcher.gpus_per_node") else "cpu"


def _resolved(cfg: DictConfig) -> RunConfig:
    """The config of a run but for its name, which may be made from the rest."""
    with explaining():
        config = to_config(cfg, name="run")
        auto = auto_elsewhere(cfg)
    return checked(config, auto)


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


def _kept(task: Callable[[DictConfig], Document]) -> Callable[[DictConfig], Document | Exception]:
    """The task, but what goes wrong is returned: Hydra would print words of its own."""

    def keeping(cfg: DictConfig) -> Document | Exception:
        try:
            return task(cfg)
        except Exception as error:
            return error

    return keeping


def train(cfg: DictConfig, make_view: Callable[[], View], *, keep_finished: bool) -> Document:
    """Do what Hydra is to do with a composed config, once it has made the folder.

    Args:
        cfg: the config without its hydra node.
        make_view: shows the run.
        keep_finished: whether a run that the folder holds already is left as it is.

    Returns:
        What the run's run.json holds, and its `path`.

    Raises:
        VgradError: the run could not be made.
        Interrupted: it was asked to end before its last step.
    """
    with undisturbed():
        from vgrad.pack import execute
    config = replace(_resolved(cfg), name=str(cfg.name))
    folder = _relative(Path(HydraConfig.get().runtime.output_dir))
    document = finished(folder, config) if keep_finished else None
    if document is not None:
        return {**document, "path": str(folder)}
    with make_view() as view, orderly() as stop:
        document = execute(config, folder, view, stop.asked)
    if stop.signal is not None:
        raise Interrupted(stop.signal, document)
    return document


def _relative(path: Path) -> Path:
    """The path as a person would type it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path

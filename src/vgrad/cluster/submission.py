"""Handing jobs to a cluster: the launcher's settings in submitit's terms, and refusals in words."""

from __future__ import annotations

import io
import logging
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vgrad.errors import ConfigError, did_you_mean
from vgrad.store.disk import write_fault

if TYPE_CHECKING:
    from submitit import AutoExecutor, Job

CLUSTERS = ("slurm", "local", "debug")
WORDS = ("partition", "account", "qos", "constraint")
COUNTS = (
    "timeout_min",
    "gpus_per_node",
    "cpus_per_task",
    "array_parallelism",
    "max_num_timeout",
)
OTHERS = ("mem_gb", "additional_parameters", "setup")
ELSEWHERE = ("cluster", "workers", "max_runs_per_stack", "max_memory")  # not about a cluster's job
MAY_BE_ZERO = ("gpus_per_node", "max_num_timeout")
OURS = ("array", "open-mode", "output", "error", "signal", "no-requeue")  # we depend on them
SLURM_MIN = 60  # of time, unless set; a job that needs more is queued again and goes on
LOCAL_MIN = 60 * 24 * 365  # this machine is nobody else's to wait for


def checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What is set of a cluster's settings, each fit to be passed on.

    Raises:
        ConfigError: one is unknown or unfit.
    """
    wanted = {name: value for name, value in settings.items() if value is not None}
    known = (*WORDS, *COUNTS, *OTHERS, *ELSEWHERE)
    for name, value in wanted.items():
        if name not in known:
            raise ConfigError(f"hydra.launcher has no setting {name!r}.{did_you_mean(name, known)}")
        if why := _unfit(name, value):
            raise ConfigError(f"hydra.launcher.{name}={value!r} does not do: {why}.")
    idle = [
        name for name, value in wanted.items() if name not in ELSEWHERE and value not in ({}, [])
    ]
    if "cluster" not in wanted and idle:
        raise ConfigError(
            f"hydra.launcher.{idle[0]} is about the jobs of a cluster, and none is named: "
            f"add hydra.launcher.cluster=slurm."
        )
    if wanted.get("cluster") == "slurm":
        _check_slurm()
    return {name: value for name, value in wanted.items() if name not in ELSEWHERE[1:]}


def _unfit(name: str, value: Any) -> str | None:
    """Why a setting cannot be used, None if it can."""
    if name == "cluster" and value not in CLUSTERS:
        return did_you_mean(str(value), CLUSTERS).strip().rstrip(".")
    if name in WORDS and not _is_line(value):
        return "it takes a name"
    if name in COUNTS:
        least = 0 if name in MAY_BE_ZERO else 1
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            return f"it takes a whole number of {least} or more"
    if name == "mem_gb" and (
        not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1e6
    ):
        return "it takes a number of gigabytes above 0"
    if name == "setup" and (
        isinstance(value, str) or not isinstance(value, Sequence) or not all(map(_is_line, value))
    ):
        return "it takes a list of shell commands, each of one line: ['module load cuda']"
    if name == "additional_parameters":
        return _unfit_parameters(value)
    return None


def _unfit_parameters(value: Any) -> str | None:
    if not isinstance(value, Mapping):
        return "it takes sbatch's long options and their values: {nice: 100}"
    for option, setting in value.items():
        if not isinstance(option, str) or not re.fullmatch(r"[a-z][a-z0-9_-]*", option):
            return f"{option!r} is no long option of sbatch"
        if option.replace("_", "-") in OURS:
            return f"{option} is set by vgrad, which depends on it"
        if not isinstance(setting, int | float) and not _is_line(setting):
            return f"{option} takes a number or one line of text"
    return None


def _is_line(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()


def _check_slurm() -> None:
    if missing := [name for name in ("sbatch", "srun") if not shutil.which(name)]:
        raise ConfigError(
            f"hydra.launcher.cluster=slurm needs Slurm's {' and '.join(missing)}, not found on "
            "this machine. Start vgrad where jobs are submitted, or use "
            "hydra.launcher.cluster=local for jobs on this machine."
        )


def make_executor(settings: Mapping[str, Any], folder: Path) -> AutoExecutor:
    """Submitit's executor for these settings; its files, pickles among them, go into `folder`.

    Raises:
        ConfigError: submitit or Slurm is not there, or a setting cannot be passed on.
    """
    cluster = settings["cluster"]
    try:
        import submitit
    except ImportError:
        raise ConfigError(
            "hydra.launcher.cluster needs submitit: pip install 'vgrad[cluster]'."
        ) from None
    logging.getLogger("submitit").handlers.clear()  # it prints on standard output
    often = settings.get("max_num_timeout")
    limits = {} if often is None else {f"{cluster}_max_num_timeout": often}
    executor = submitit.AutoExecutor(folder, cluster, **limits)
    try:
        executor.update_parameters(**_in_its_terms(settings))
    except (AssertionError, NameError, TypeError, ValueError) as error:
        raise ConfigError(f"submitit refuses the settings of hydra.launcher: {error}") from error
    return executor


def _in_its_terms(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as AutoExecutor calls them; those of another cluster are left out by it."""
    shared = ("timeout_min", "gpus_per_node", "cpus_per_task", "mem_gb")
    least_min = LOCAL_MIN if settings["cluster"] == "local" else SLURM_MIN
    terms = {"name": "vgrad", "timeout_min": least_min}
    terms |= {name: settings[name] for name in shared if name in settings}
    for name in (*WORDS, "array_parallelism"):
        terms[f"slurm_{name}"] = settings.get(name)
    if extra := settings.get("additional_parameters"):
        terms["slurm_additional_parameters"] = dict(extra)
    if setup := settings.get("setup"):
        terms["slurm_setup"] = terms["local_setup"] = list(setup)
    if cores := settings.get("cpus_per_task"):
        # Since Slurm 22.05 a step does not take this over from its job.
        terms["slurm_srun_args"] = [f"--cpus-per-task={cores}"]
    return terms


def submit(executor: AutoExecutor, errands: Sequence[Callable[[], Any]]) -> list[Job[Any]]:
    """Hand over the errands, on Slurm as one array.

    Raises:
        ConfigError: the cluster refuses them.
        StoreError, WriteError: what it needs cannot be written.
    """
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    try:
        with _undisturbed(), _outside_jobs(), redirect_stderr(io.StringIO()):
            return executor.submit_array(errands)
    except (FailedJobError, FailedSubmissionError) as error:
        why = str(error).strip().splitlines() or ["it does not say why"]
        raise ConfigError(
            f"Slurm refuses the jobs: {why[-1]}. See hydra.launcher.partition, account, qos, "
            "constraint, timeout_min, gpus_per_node, cpus_per_task and mem_gb; `sinfo` shows "
            "what there is."
        ) from error
    except OSError as error:
        raise write_fault(Path(executor.folder), error) from error


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep Ctrl-C from what is started here: it is for us to have jobs end in order."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _outside_jobs() -> Iterator[None]:
    """Hide a job that vgrad itself runs in: sbatch would take over some of its settings."""
    hidden = {}
    if "SLURM_JOB_ID" in os.environ:
        ours = [n for n in os.environ if n.startswith("SLURM") and n != "SLURM_CONF"]
        hidden = {name: os.environ.pop(name) for name in ours}
    try:
        yield
    finally:
        os.environ.update(hidden)

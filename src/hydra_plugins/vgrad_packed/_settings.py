"""What can be set of the plugins. Hydra does not scan a module whose name begins so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Packed:
    """`hydra/launcher=packed`. What is null is chosen by vgrad.

    Attributes:
        workers: stacks that are trained at once.
        max_runs_per_stack: how many runs may share a stack.
        max_memory: of the whole sweep: 4GB, 500MB.
        cluster: where stacks are sent to: slurm, local, debug; null to train them here.
        partition: of Slurm, as are those that follow; they are passed on by submitit.
        account: whom the time is charged to.
        qos: the quality of service.
        constraint: what a node must have.
        timeout_min: minutes that a job may take before it is queued again.
        gpus_per_node: GPUs of a job; a job uses one.
        cpus_per_task: cores of a job.
        array_parallelism: jobs that run at once.
        max_num_timeout: how often a job may be queued again.
        mem_gb: memory of a job.
        additional_parameters: what else sbatch is to be given.
        setup: shell commands that a job begins with.
    """

    _target_: str = "hydra_plugins.vgrad_packed.packed.PackedLauncher"
    workers: int | None = None
    max_runs_per_stack: int | None = None
    max_memory: str | None = None
    cluster: str | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    timeout_min: int | None = None
    gpus_per_node: int | None = None
    cpus_per_task: int | None = None
    array_parallelism: int | None = None
    max_num_timeout: int | None = None
    mem_gb: float | None = None
    additional_parameters: dict[str, Any] = field(default_factory=dict)
    setup: list[str] = field(default_factory=list)


@dataclass
class Grid:
    """`hydra/sweeper=grid`: every combination of the values that are listed.

    Attributes:
        max_batch_size: runs that are handed to the launcher at once; null for all.
        params: key → its values, as on the command line, for config files of a study.
    """

    _target_: str = "hydra_plugins.vgrad_packed.grid.GridSweeper"
    max_batch_size: int | None = None
    params: dict[str, str] | None = None

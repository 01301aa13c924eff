"""The launcher `packed`: the runs of a sweep, several as one program.

Every program with Hydra executes this module, so it imports next to nothing.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.vgrad_packed._settings import Packed

ConfigStore.instance().store(
    group="hydra/launcher", name="packed", node=Packed, provider="vgrad_packed"
)


class PackedLauncher(Launcher):
    """Hands a batch of runs to vgrad, whose task function knows how to pack them."""

    def __init__(self, **_: Any) -> None:
        self._settings: dict[str, Any] = {}

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Take note of what the sweep is made from.

        Raises:
            TypeError: the program is not vgrad.
        """
        if not hasattr(task_function, "launch"):
            raise TypeError(
                "hydra/launcher=packed packs the runs of `vgrad sweep`. This program needs "
                "another launcher: hydra/launcher=basic."
            )
        self._task: Any = task_function
        self._folder = Path(str(config.hydra.sweep.dir))
        settings = OmegaConf.to_container(config.hydra.launcher, resolve=True)
        assert isinstance(settings, dict)
        self._settings = {str(key): settings[key] for key in settings if key != "_target_"}

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Make the runs, and return what came of each, in order."""
        self._folder.mkdir(parents=True, exist_ok=True)
        setup_globals()
        returned: Sequence[JobReturn] = self._task.launch(job_overrides, self._settings)
        return returned

"""The sweeper `grid`: Hydra's basic one, without its check of every run where vgrad has made it."""

from collections.abc import Sequence

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore

from hydra_plugins.vgrad_packed._settings import Grid

ConfigStore.instance().store(group="hydra/sweeper", name="grid", node=Grid, provider="vgrad_packed")


class GridSweeper(BasicSweeper):
    """Every combination of the values that are listed."""

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Compose every run, unless the launcher is `packed`: vgrad has checked them by then."""
        if type(self.launcher).__name__ != "PackedLauncher":
            super().validate_batch_is_legal(batch)

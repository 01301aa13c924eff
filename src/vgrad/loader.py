"""Hydra's loader, with a memory: what it composes for one run of a sweep serves for others.

`ConfigLoaderImpl` and its step `_apply_overrides_to_config` are private parts of Hydra: hence the
pin in pyproject.toml. A test compares the results with Hydra's own.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.default_element import ResultDefault
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.plugins.config_source import ConfigResult
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf


class Loader(ConfigLoaderImpl):
    """Composes configs as Hydra does, and each choice of config groups only once.

    Attributes:
        parts: what the last config was made from, each with its place in it, in order.
    """

    def __init__(self, search_path: ConfigSearchPath) -> None:
        super().__init__(search_path)
        self.parts: list[tuple[ResultDefault, ConfigResult]] = []
        self._forget()

    def _forget(self) -> None:
        self._parsed: dict[str, Override] = {}
        self._groups: dict[str, bool] = {}
        self._composed: dict[tuple[str, ...], DictConfig] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Without what can be composed anew: it is large, and a worker needs little of it."""
        state = self.__dict__ | {"parts": []}
        return {key: state[key] for key in state if key not in ("_parsed", "_groups", "_composed")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """As it was, with nothing remembered."""
        self.__dict__.update(state)
        self._forget()

    def parse(self, line: str) -> Override:
        """An override, parsed once."""
        if line not in self._parsed:
            parser = OverridesParser.create(config_loader=self)
            (self._parsed[line],) = parser.parse_overrides([line])
        return self._parsed[line]

    def chooses(self, override: Override) -> bool:
        """Whether an override chooses from a config group, as Hydra decides it."""
        group = override.key_or_group
        if group not in self._groups:
            self._groups[group] = self.repository.group_exists(group)
        return self._groups[group] and not isinstance(override.value(), dict)

    def load_sweep_config(
        self, master_config: DictConfig, sweep_overrides: Sequence[str]
    ) -> DictConfig:
        """The config of one run of a sweep, equal to Hydra's."""
        overrides = [self.parse(line) for line in sweep_overrides]
        if any(override.is_hydra_override() for override in overrides):
            return super().load_sweep_config(master_config, list(sweep_overrides))
        self.validate_sweep_overrides_legal(overrides, RunMode.RUN, from_shell=True)
        choices = [override for override in overrides if self.chooses(override)]
        config = copy.deepcopy(self._choice(master_config, [str(o.input_line) for o in choices]))
        ConfigLoaderImpl._apply_overrides_to_config(
            [override for override in overrides if not self.chooses(override)], config
        )
        config.hydra.overrides.task = list(sweep_overrides)
        dirname = config.hydra.job.config.override_dirname
        config.hydra.job.override_dirname = get_overrides_dirname(
            overrides=overrides,
            kv_sep=dirname.kv_sep,
            item_sep=dirname.item_sep,
            exclude_keys=dirname.exclude_keys,
        )
        OmegaConf.copy_cache(from_config=master_config, to_config=config)
        return config

    def _choice(self, master: DictConfig, choices: list[str]) -> DictConfig:
        name = master.hydra.job.config_name
        lines = [*overrides_of(master, "hydra"), *choices]
        key = (str(name), *lines)
        if key not in self._composed:
            self._composed[key] = self.load_configuration(name, lines, RunMode.RUN)
        return self._composed[key]

    def _compose_config_from_defaults_list(
        self, defaults: list[ResultDefault], repo: Any
    ) -> DictConfig:
        self.parts = [(part, repo.load_config(part.config_path)) for part in defaults]
        return super()._compose_config_from_defaults_list(defaults, repo)


def overrides_of(cfg: DictConfig, part: str) -> list[str]:
    """What was typed for a config, `task` or `hydra`; its interpolations stay as they are."""
    lines = OmegaConf.to_container(cfg.hydra.overrides[part], resolve=False)
    assert isinstance(lines, list)
    return [str(line) for line in lines]

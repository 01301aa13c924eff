"""The typed schema that Hydra composes with: made from the registries and from RunConfig.

Each entry of a registry becomes a choice of the Hydra group named for its kind, with its settings
and their types, so that a wrong name or type is refused while a config is composed.
"""

from __future__ import annotations

from dataclasses import field, fields, make_dataclass
from functools import cache
from typing import Any, Union

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

from vgrad.config import (
    REGISTRIES,
    RunConfig,
    key_of,
    plain_types,
)

PROVIDER = "vgrad"


_published: set[tuple[str, str]] = set()


def publish() -> None:
    """Put into Hydra's ConfigStore what is not there yet: an entry may be registered late."""
    store = ConfigStore.instance()
    for kind, registry in REGISTRIES.items():
        for name, entry in registry.items():
            if (kind, name) in _published:
                continue
            _published.add((kind, name))
            typed = [
                (setting, _annotation(types), field(default=entry.settings[setting]))
                for setting, types in entry.types.items()
            ]
            node = make_dataclass(f"{kind}_{name}", [("name", str, field(default=name)), *typed])
            store.store(group=kind, name=name, node=node, provider=PROVIDER)
    _publish_root()


@cache
def _publish_root() -> None:
    ConfigStore.instance().store(name="run_schema", node=_root(), provider=PROVIDER)


def to_config(cfg: DictConfig, **replaced: Any) -> RunConfig:
    """The RunConfig of a composed config, with interpolations resolved.

    Args:
        cfg: the composed config; its `hydra` node is left aside.
        **replaced: values by key that stand in for those of the config, before it is resolved.

    Raises:
        ConfigError: a value is not valid.
        OmegaConfBaseException: an interpolation cannot be resolved.
    """
    tree = {
        str(key): _plain(cfg, str(key)) for key in cfg if key != "hydra" and key not in replaced
    }
    return RunConfig.from_plain(tree | replaced)


def register_run_id(identify: Any) -> None:
    """Let configs say `${run_id:}`, or `${run_id:6}` for its first six digits.

    Args:
        identify: the composed config → its run_id.
    """
    OmegaConf.register_new_resolver(
        "run_id", lambda digits=12, *, _root_: identify(_root_)[: int(digits)], replace=True
    )


def _plain(cfg: DictConfig, key: str) -> Any:
    value = None if OmegaConf.is_missing(cfg, key) else cfg[key]
    if OmegaConf.is_config(value):
        return OmegaConf.to_container(value, resolve=True, throw_on_missing=True)
    return value


def _root() -> type:
    """The dataclass of all keys: a group each, then the plain keys, `probe.every` nested."""
    groups = [(kind, Any, field(default=MISSING)) for kind in REGISTRIES]
    plain: dict[str, Any] = {}
    defaults = {f.name: f.default for f in fields(RunConfig)}
    for attribute, types in plain_types().items():
        head, _, leaf = key_of(attribute).partition(".")
        item = (leaf or head, _annotation(types), field(default=defaults[attribute]))
        if leaf:
            plain[head] = (head, node := make_dataclass(head, [item]), field(default_factory=node))
        else:
            plain[head] = item
    return make_dataclass("RunSchema", [*groups, *plain.values()])


def _annotation(types: tuple[type, ...]) -> Any:
    if float in types and str in types:  # a union takes no whole number for a float
        types = (int, *types)
    return Union[types]  # noqa: UP007  (made at run time)

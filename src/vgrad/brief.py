"""The few overrides that repeat a run: its settings without those that are the default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any

from vgrad.command import overrides
from vgrad.config import REGISTRIES, RunConfig, key_of
from vgrad.registry import Entry
from vgrad.store.run_file import flat

SAID = ("activation", "init", "loss", "data", "optimizer", "depth")  # also where they are usual
UNSAID = ("device", "name", "objective", "checkpoint.every")  # they change no result
MODEL = "mlp"


def brief(settings: Mapping[str, Any]) -> list[str]:
    """The overrides that repeat a run, without those that are the default of this version.

    Args:
        settings: flat keys as on the command line; None is null.
    """
    return overrides({key: settings[key] for key in settings if not _is_usual(key, settings)})


def brief_of(config: RunConfig, usual_device: str) -> list[str]:
    """The overrides that repeat a run on a machine like this one.

    Args:
        config: as `vgrad.check.check` returned it.
        usual_device: what `device=auto` is here; another one is said.
    """
    device = [] if config.device == usual_device else overrides({"device": config.device})
    return [*brief(dict(flat(config.plain()))), *device]


def entry_of(kind: str, name: str) -> Entry | None:
    """An entry of a registry; None where this version has none of that name."""
    registry = REGISTRIES.get(kind)
    if registry is None or name not in registry:
        return None  # a registry's own `get` raises
    return registry[name]


def _is_usual(key: str, settings: Mapping[str, Any]) -> bool:
    """Whether a run is the same without that override."""
    value, (kind, _, setting) = settings[key], key.partition(".")
    if key in SAID:
        return False
    if value is None or key in UNSAID:
        return True
    if kind in REGISTRIES:
        entry = entry_of(kind, str(settings.get(kind)))
        if entry is None:
            return False
        return _same(entry.settings.get(setting), value) if setting else bool(value == MODEL)
    if key == "batch_size":
        entry = entry_of("data", str(settings.get("data")))
        return entry is not None and bool(value == entry.batch_size)
    return key in _defaults() and _same(_defaults()[key], value)


@cache
def _defaults() -> dict[str, Any]:
    """The default of each key beside the groups."""
    return {key_of(one.name): one.default for one in fields(RunConfig)}


def _same(default: Any, value: Any) -> bool:
    return bool(default == value) and isinstance(default, bool) == isinstance(value, bool)

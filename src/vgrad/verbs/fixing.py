"""From a run and a fix to the run with the fix: its settings, its command, its folder."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vgrad.report.command import command

if TYPE_CHECKING:
    from vgrad.registry import Entry

SAID = ("activation", "init", "loss", "data", "optimizer")  # also where they are the default
UNSAID = ("device", "name", "objective", "checkpoint.every")  # they change no result
ROOM = 190  # bytes of a folder's name


def mended(settings: Mapping[str, Any], fix: str) -> dict[str, Any]:
    """A run's settings with those of a fix.

    What a choice that the fix makes has no use for is left out: with `activation=selu` the slope
    of the leaky ReLU that was there before.

    Args:
        settings: flat keys as typed; None is null.
        fix: overrides, `activation=selu init=lecun_normal`.
    """
    asked = dict(override.split("=", 1) for override in fix.split())
    kept: dict[str, Any] = {}
    for key, value in settings.items():
        kind, _, setting = key.partition(".")
        entry = _entry(kind, asked[kind]) if setting and kind in asked else None
        if entry is None or setting in entry.common:
            kept[key] = value
    return kept | {key: _value(value) for key, value in asked.items()}


def brief(settings: Mapping[str, Any]) -> list[str]:
    """The overrides that repeat a run, without those that are the default."""
    told = {key: value for key, value in settings.items() if not _is_default(key, settings)}
    return overrides(told)


def overrides(settings: Mapping[str, Any]) -> list[str]:
    """Every setting as an override, but for the name."""
    return shlex.split(command(settings))[2:]


def named(name: str) -> str:
    """The override that names a run's folder."""
    return overrides({"_": name})[0].replace("_", "name", 1)


def free_name(stem: str) -> str:
    """A folder's name under runs/ that no run has yet: STEM-fix, STEM-fix-2 and so on."""
    stem = stem.encode()[:ROOM].decode(errors="ignore").lstrip(".") or "run"
    names = (f"{stem}-fix{'' if again == 1 else f'-{again}'}" for again in range(1, 10_000))
    return next(name for name in names if not (Path("runs") / name).exists())


def _value(text: str) -> Any:
    """What is typed in a remedy: a whole number, a number, or a word."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _is_default(key: str, settings: Mapping[str, Any]) -> bool:
    """Whether a run is the same without that override."""
    from vgrad.config import REGISTRIES, RunConfig, key_of

    if key in SAID or key == "depth":
        return False
    value, (kind, _, setting) = settings[key], key.partition(".")
    if value is None or key in UNSAID:
        return True
    if kind in REGISTRIES:
        entry = _entry(kind, str(settings.get(kind)))
        if entry is None:
            return False
        return bool(value == "mlp") if not setting else _same(entry.settings.get(setting), value)
    if key == "batch_size":
        entry = _entry("data", str(settings.get("data")))
        return entry is not None and value == entry.batch_size
    defaults = {key_of(one.name): one.default for one in fields(RunConfig)}
    return key in defaults and _same(defaults[key], value)


def _entry(kind: str, name: str) -> Entry | None:
    """An entry of a registry; None where this version has none of that name."""
    from vgrad.config import REGISTRIES

    registry = REGISTRIES.get(kind)
    if registry is None or name not in registry:
        return None  # a registry's own `get` raises
    return registry[name]


def _same(default: Any, value: Any) -> bool:
    return bool(default == value) and isinstance(default, bool) == isinstance(value, bool)

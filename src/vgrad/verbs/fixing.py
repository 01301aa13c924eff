"""From a run and a fix to the run with the fix: its settings, its command, its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vgrad.command import overrides

ROOM = 190  # bytes of a folder's name


def mended(settings: Mapping[str, Any], fix: str) -> dict[str, Any]:
    """A run's settings with those of a fix.

    What a choice that the fix makes has no use for is left out: with `activation=selu` the slope
    of the leaky ReLU that was there before.

    Args:
        settings: flat keys as typed; None is null.
        fix: overrides, `activation=selu init=lecun_normal`.
    """
    from vgrad.brief import entry_of

    asked = dict(override.split("=", 1) for override in fix.split())
    kept: dict[str, Any] = {}
    for key, value in settings.items():
        kind, _, setting = key.partition(".")
        entry = entry_of(kind, asked[kind]) if setting and kind in asked else None
        if entry is None or setting in entry.common:
            kept[key] = value
    return kept | {key: _value(value) for key, value in asked.items()}


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

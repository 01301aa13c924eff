"""The overrides with which a run is repeated: those that were recorded, or else all settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from vgrad.command import overrides
from vgrad.report.anonymous import Veil
from vgrad.report.run import Run

OVERRIDE = re.compile(r"[A-Za-z_][\w.]*=.*", re.ASCII | re.DOTALL)
MOST = 300  # overrides that a run is believed to have


def repeating(run: Run, settings: Mapping[str, Any], veil: Veil) -> list[str]:
    """The overrides that repeat a run, each as typed.

    Those that its run.json names leave out what was the default when it was made; an older
    run.json names none, and then every setting is said.

    Args:
        run: the run.
        settings: those of its settings that may be shown.
        veil: what is left out.
    """
    if not is_recorded(run):
        return overrides(settings)
    pairs = [word.partition("=") for word in run.file.document["command"]]
    return [f"{key}={veil.text(value)}" for key, _, value in pairs if veil.key(key)]


def is_recorded(run: Run) -> bool:
    """Whether its run.json names overrides, and nothing else under that name."""
    told = run.file.document.get("command")
    return isinstance(told, list) and 0 < len(told) <= MOST and all(map(_is_one, told))


def _is_one(word: object) -> bool:
    return isinstance(word, str) and OVERRIDE.fullmatch(word) is not None

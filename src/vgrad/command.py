"""Settings as the words of a command: each in the grammar of Hydra's overrides."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from vgrad.phrases import typed

BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]*")
WORDS = {"null", "true", "false", "nan", "inf"}


def overrides(settings: Mapping[str, Any]) -> list[str]:
    """Every setting as an override, `KEY=VALUE`, ready for Hydra and not yet for a shell.

    Args:
        settings: flat keys as on the command line; `name` and what is None are left out.
    """
    kept = {key: value for key, value in settings.items() if key != "name" and value is not None}
    return [f"{key}={_value(value)}" for key, value in kept.items()]


def command(words: Iterable[str]) -> str:
    """The shell command that makes a run with some overrides."""
    return shlex.join(["vgrad", "run", *words])


def _value(value: Any) -> str:
    """A value in the grammar of Hydra's overrides."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        plain = BARE.fullmatch(value) and value.lower() not in WORDS
        return value if plain else _quoted(value)
    if isinstance(value, list):
        return f"[{','.join(_value(item) for item in value)}]"
    return typed(value)


def _quoted(text: str) -> str:
    """Double quotes, in which Hydra's grammar escapes quotes and the backslashes before them."""
    escaped = re.sub(r'(\\*)"', r'\1\1\\"', text)
    escaped = re.sub(r"(\\+)$", r"\1\1", escaped)
    return f'"{escaped}"'

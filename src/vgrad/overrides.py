"""The overrides that a user typed: read, and checked for what Hydra lets pass.

Hydra takes the last of two values for one key, lets keys be added and taken away, runs what a
config names, and puts environment variables into configs. A run's record must say what was typed
and hold no secrets, so these are refused here, before anything is composed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException

from vgrad.config import REGISTRIES, plain_keys, shorten, unknown_key
from vgrad.errors import ConfigError

FREE_TEXT = ("name", "data.root")  # taken as they stand where Hydra's grammar cannot read them
PURE = {"run_id", "now", "oc.select"}  # the only resolvers that a config may use
SETTABLE = (
    "hydra.run.dir",
    "hydra.sweep.dir",
    "hydra.sweep.subdir",
    "hydra.launcher",
    "hydra/launcher",
    "hydra.sweeper",
    "hydra/sweeper",
    "hydra/sweeper/sampler",
    "hydra.job.name",
)
OF_SWEEPS = ("hydra.launcher", "hydra/launcher", "hydra.sweep", "hydra/sweep")
# The name in `${name` up to what ends it: a colon makes it a resolver's.
INTERPOLATION = re.compile(r"\$\{\s*(?P<name>[^}:]*)(?P<end>[}:]?)")


def read(lines: Sequence[str], *, sweep: bool) -> list[Override]:
    """The overrides in a form that Hydra can read, none of them one that is refused.

    Args:
        lines: what was typed, an override each.
        sweep: whether a key may have several values.

    Raises:
        ConfigError: one is refused, with the reason.
    """
    overrides = [_parse(line) for line in lines]
    _refuse_doubles(overrides)
    for override in overrides:
        if override.key_or_group == "hydra" or override.is_hydra_override():
            _check_hydra(override)
        else:
            _check_key(override)
        if override.is_sweep_override() and not sweep:
            raise ConfigError(
                f"{override.input_line} gives {override.key_or_group} several values, and a run "
                "has one. To run each of them, use `vgrad sweep`; a text with commas needs quotes."
            )
    return overrides


def refuse_launcher(lines: Sequence[str]) -> None:
    """Refuse for a single run what is about the runs of a sweep: it would do nothing.

    Raises:
        ConfigError: there is such an override.
    """
    for line in lines:
        if line.lstrip("+~").startswith(OF_SWEEPS):
            raise ConfigError(
                f"{line} is about a sweep, and does nothing for `vgrad run`. `vgrad sweep` takes "
                "it, for a single run as well."
            )


def refuse_environment(values: Any, where: str) -> None:
    """Refuse interpolations that reach outside the config, wherever they stand in a value.

    Args:
        values: text, or lists and dicts of it, with its interpolations unresolved.
        where: what the message calls it.

    Raises:
        ConfigError: there is one; the message does not say what it stands for.
    """
    if isinstance(values, Mapping):
        for key, value in values.items():
            refuse_environment(value, f"{where}.{key}" if where else str(key))
    elif isinstance(values, str):
        for match in INTERPOLATION.finditer(values):
            name = match["name"].strip()
            if "${" in name or (match["end"] == ":" and name not in PURE):
                raise ConfigError(
                    f"{where} uses ${{{name}:…}}, but what a run records may not depend on the "
                    "environment or hold secrets from it. Write the value itself, or let the "
                    "shell put it in."
                )
    elif isinstance(values, Iterable):
        for value in values:
            refuse_environment(value, where)


def _parse(line: str) -> Override:
    """One override; raises ConfigError if it is not one."""
    key, equals, value = line.partition("=")
    if any(0xD800 <= ord(character) < 0xE000 for character in line):
        raise ConfigError(f"{shorten(line)} is not valid Unicode text.")
    refuse_environment(line, shorten(line) if not equals else key)
    try:
        return _parsed(line)
    except (HydraException, RecursionError, ValueError) as error:
        if equals and key in FREE_TEXT and value:
            return _parsed(f"{key}={QuotedString(value, Quote.single).with_quotes()}")
        raise ConfigError(_unreadable(line, error)) from error


def _parsed(line: str) -> Override:
    (override,) = OverridesParser.create().parse_overrides([line])
    return override


def _unreadable(line: str, error: Exception) -> str:
    key, equals, _ = line.partition("=")
    shown = shorten(line)
    if isinstance(error, RecursionError):
        return f"{shown} is nested too deeply."
    if not equals:
        kinds = [kind for kind, registry in REGISTRIES.items() if line in registry]
        guess = f" Did you mean {kinds[0]}={line}?" if kinds else ""
        return f"{shown} is not of the form KEY=VALUE, as in depth=40.{guess}"
    if not re.fullmatch(r"[+~]{0,2}\w[\w/@-]*(\.\w[\w/@-]*)*", key):
        return f"{shown} is not of the form KEY=VALUE: {key!r} cannot be a key."
    if isinstance(error, ValueError):
        return f"{shown} is not a value that can be read."
    return (
        f"The value of {shown} cannot be read. Brackets must be closed, and a text with special "
        f"characters needs quotes that reach the program: '{key}=\"…\"'."
    )


def _refuse_doubles(overrides: Iterable[Override]) -> None:
    seen: dict[str, str | None] = {}
    for override in overrides:
        key = override.key_or_group
        if key in seen:
            raise ConfigError(
                f"{key} is given twice, as {seen[key]} and as {override.input_line}. "
                "Which one is meant?"
            )
        seen[key] = override.input_line
    if "steps" in seen and "epochs" in seen:
        raise ConfigError(
            f"{seen['steps']} and {seen['epochs']} both say how long to train. Leave one out."
        )


def _check_hydra(override: Override) -> None:
    key = override.key_or_group
    if key == "hydra.mode":
        raise ConfigError("hydra.mode is set by the command: `vgrad run` or `vgrad sweep`.")
    if not any(key == name or key.startswith(f"{name}.") for name in SETTABLE):
        raise ConfigError(
            f"{key} cannot be set here. Of hydra's, these can: {', '.join(SETTABLE)}."
        )


def _check_key(override: Override) -> None:
    """Refuse to take a key away, to add one that is there, and to rename a choice."""
    key, line = override.key_or_group, override.input_line
    if not key or override.package is not None:
        raise ConfigError(f"{line} is not of the form KEY=VALUE, as in depth=40.")
    kind, _, setting = key.partition(".")
    known = key in REGISTRIES or key in plain_keys()
    if override.is_delete():
        if not known and kind not in REGISTRIES:
            raise unknown_key(key)
        raise ConfigError(
            f"{line} takes away {key}, which every run needs. To change it, write {key}=VALUE."
        )
    if override.is_add() and known:
        raise ConfigError(f"{line} adds {key}, which is there already. Leave out the plus sign.")
    if key in REGISTRIES and not override.is_sweep_override():
        _check_choice(key, override.value())
    if kind in REGISTRIES and setting == "name":
        value = str(line).partition("=")[2]
        raise ConfigError(
            f"{line} would keep the settings of another choice. Write {kind}={value}."
        )


def _check_choice(kind: str, value: Any) -> None:
    """Refuse what cannot be a name; a name that is unknown is found out by composing."""
    named = isinstance(value, str) and re.fullmatch(r"\w[\w-]*(/\w[\w-]*)*", value)
    if not named and not isinstance(value, Mapping):
        name = "null" if value is None else shorten(value).strip("'")
        raise REGISTRIES[kind].unknown(name)

"""What Hydra and OmegaConf say about a config that cannot be composed, in the user's words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any

from hydra.errors import ConfigCompositionException, MissingConfigException
from omegaconf import OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationKeyError,
    OmegaConfBaseException,
    ValidationError,
)
from omegaconf.resolvers import oc
from yaml import YAMLError

from hydra_plugins.vgrad_packed._settings import Packed
from vgrad.config import (
    REGISTRIES,
    key_of,
    plain_keys,
    plain_types,
    unknown_key,
    unknown_setting,
    wrong_type,
)
from vgrad.errors import ConfigError, VgradError, did_you_mean


@contextmanager
def explaining() -> Iterator[None]:
    """Turn what goes wrong while a config is composed into a VgradError.

    Only Hydra runs in here, on what the user typed; so whatever fails is for the user to mend.
    Meanwhile no config can read the environment.
    """
    OmegaConf.register_new_resolver("oc.env", _refuse_environment, replace=True)
    try:
        yield
    except VgradError:
        raise
    except RecursionError as error:
        raise ConfigError("The config is nested too deeply, or refers to itself.") from error
    except Exception as error:
        raise explain(error) from error
    finally:
        OmegaConf.register_new_resolver("oc.env", oc.env, replace=True)


def _refuse_environment(*_: Any) -> None:
    raise ConfigError("${oc.env:…} is not allowed: what a run records may hold no secrets.")


def explain(error: BaseException) -> VgradError:
    """The VgradError that says in one message what Hydra or OmegaConf meant."""
    chain = list(_chain(error))
    for link in chain:
        if isinstance(link, VgradError):  # raised by a resolver of ours, and wrapped on its way
            return link
    for link in chain:
        if isinstance(link, MissingConfigException):
            return _missing(link)
        if isinstance(link, OmegaConfBaseException) and link.full_key:
            return _by_key(link)
    if isinstance(error, ConfigCompositionException) and "Could not append" in str(error):
        key = str(error).split("'")[1]
        return ConfigError(f"+{key} adds {key}, which is there already. Leave out the plus sign.")
    return ConfigError(f"These settings do not make a config: {first_line(chain[-1])}.")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and its causes, as far as they are of this process."""
    while error is not None and not type(error).__name__.endswith("RemoteTraceback"):
        yield error
        error = error.__cause__ or error.__context__


def _missing(error: MissingConfigException) -> VgradError:
    """An unknown choice of a group, or a config file that is not there."""
    group, slash, name = (error.missing_cfg_file or "").rpartition("/")
    if group in REGISTRIES:
        return REGISTRIES[group].unknown(name, error.options)
    if slash and error.options:
        return ConfigError(f"No {group} is named {name!r}.{did_you_mean(name, error.options)}")
    if error.missing_cfg_file:
        return ConfigError(f"No config file is named {error.missing_cfg_file!r}.")
    return ConfigError(first_line(error))


def _by_key(error: OmegaConfBaseException) -> VgradError:
    """An error that OmegaConf pins to a key."""
    key = str(error.full_key)
    if isinstance(error, InterpolationKeyError):
        return ConfigError(f"{key} refers to a key that is not there: {first_line(error)}.")
    if isinstance(error, ConfigAttributeError | ConfigKeyError):
        return _unknown(key, error.object_type)
    if isinstance(error, ValidationError):
        return _invalid(key, error)
    return ConfigError(f"{key} cannot be worked out: {first_line(error)}.")


def _unknown(key: str, node: Any) -> VgradError:
    kind, _, setting = key.partition(".")
    if kind in REGISTRIES and setting:
        name = node.name if isinstance(getattr(node, "name", None), str) else ""
        known = [f.name for f in fields(node) if f.name != "name"] if name else []
        return unknown_setting(kind, name, setting, known)
    if kind == "hydra":
        return _unknown_of_hydra(key, node)
    return unknown_key(key)


def _unknown_of_hydra(key: str, node: Any) -> VgradError:
    parent, _, name = key.rpartition(".")
    known = [f.name for f in fields(node) if f.name != "_target_"] if is_dataclass(node) else []
    guess = did_you_mean(name, known) if known else ""
    if parent == "hydra.launcher" and name in {f.name for f in fields(Packed)}:
        guess = " It is a setting of hydra/launcher=packed, the default."
    return ConfigError(f"Hydra has no key named {key!r}.{guess}")


def _invalid(key: str, error: ValidationError) -> VgradError:
    """A value of the wrong type."""
    types = {key_of(attribute): kinds for attribute, kinds in plain_types().items()}
    for kind, registry in REGISTRIES.items():
        for entry in registry.values():
            for setting, kinds in entry.types.items():
                types.setdefault(f"{kind}.{setting}", kinds)
    value = re.match(r"Value '(.*)' of type '\w+' could not be", str(error), re.DOTALL)
    if key in types and (value or "is not Optional" in str(error)):
        return wrong_type(key, value[1] if value else None, types[key])
    if nested := [known for known in plain_keys() if known.startswith(f"{key}.")]:
        return ConfigError(f"{key} is not a value by itself: write {nested[0]}=VALUE.")
    return ConfigError(f"{key} is not valid: {first_line(error)}.")


def first_line(error: BaseException) -> str:
    """What an error says, as far as it is a part of one message."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    first = "".join(lines[:2]) if isinstance(error, YAMLError) else lines[0]
    return first[:200].rstrip(".")

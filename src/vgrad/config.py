"""RunConfig: all that one run is made from, checked as it is made.

The names are those of the command line. A RunConfig that exists is valid in itself; whether its
data and its device are there is looked up later, by `vgrad.check.check`.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_type_hints

from vgrad.errors import ConfigError, did_you_mean
from vgrad.parts.activations import ACTIVATIONS
from vgrad.parts.datasets import DATASETS
from vgrad.parts.inits import INITS
from vgrad.parts.losses import LOSSES
from vgrad.parts.models import MODELS
from vgrad.parts.optimizers import OPTIMIZERS
from vgrad.registry import Registry

REGISTRIES: Mapping[str, Registry] = {
    registry.kind: registry
    for registry in (ACTIVATIONS, INITS, LOSSES, OPTIMIZERS, DATASETS, MODELS)
}

FORMAT = 1  # part of every run_id: raised when the same config comes to mean another run
RANGES: Mapping[str, tuple[float, float]] = {
    "depth": (0, 10_000),
    "width": (1, 100_000),
    "steps": (0, 10**12),
    "epochs": (0, 10**9),
    "batch_size": (1, 10**9),
    "seed": (0, 2**63 - 1),
    "probe.every": (0, 10**12),
    "eval.every": (0, 10**12),
    "checkpoint.every": (0, 10**12),
}
DTYPES = ("float32", "float64")
DEVICES = ("auto", "cpu", "cuda", "mps")
OBJECTIVES = (
    "final_val_loss",
    "final_val_accuracy",
    "best_val_accuracy",
    "final_train_loss",
    "final_train_accuracy",
    "grad_decay",
    "final_grad_decay",
)
WITHOUT_EFFECT = ("name", "objective", "checkpoint")  # on what a run records
LARGEST = 1e30  # of a number that is typed, where its entry does not say otherwise
LONGEST_NAME = 200  # bytes: file systems stop at 255
WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


@dataclass(frozen=True)
class Choice:
    """One entry of a registry with its settings, `activation=elu activation.alpha=2`."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """The name and the settings as one dict."""
        return {"name": self.name, **self.settings}


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """All that one run is made from; settings left out of a Choice take their defaults.

    Attributes:
        depth: number of hidden layers, 0 for none.
        width: units of each hidden layer.
        steps: updates; where `epochs` is given it is counted from those.
        epochs: passes over the training data, None where `steps` says it.
        batch_size: examples of one update; None for what suits the data, named in their entry.
        seed: what weights, batches and noise are drawn from.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        dtype: `float32` or `float64`.
        probe_every: steps between two records of the layers; 0 for none, None for the default,
            dense at the start and sparser later.
        eval_every: steps between two evaluations on the test data, likewise.
        checkpoint_every: steps after which all that is needed to go on is written down; 0 for
            never, None for about once a minute.
        objective: what a sweeper that seeks the best run is told of each: a field of the summary.
        name: the folder under `runs/`.

    Raises:
        ConfigError: a value is of the wrong type or out of range, or a setting is unknown.
    """

    activation: Choice
    init: Choice
    loss: Choice
    data: Choice
    optimizer: Choice
    model: Choice
    depth: int = 10
    width: int = 64
    steps: int = 600
    epochs: float | None = None
    batch_size: int | None = None
    seed: int = 0
    device: str = "auto"
    dtype: str = "float32"
    probe_every: int | None = None
    eval_every: int | None = None
    checkpoint_every: int | None = None
    objective: str = "final_val_loss"
    name: str = "run"

    def __post_init__(self) -> None:
        for kind in REGISTRIES:
            object.__setattr__(self, kind, _complete(kind, getattr(self, kind)))
        for attribute, types in plain_types().items():
            key = key_of(attribute)
            value = _checked(key, getattr(self, attribute), types, RANGES.get(key))
            object.__setattr__(self, attribute, value)
        if self.dtype not in DTYPES:
            raise ConfigError(
                f"No dtype is named {self.dtype!r}.{did_you_mean(self.dtype, DTYPES)}"
            )
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,3})?", self.device):
            guess = did_you_mean(self.device, DEVICES)
            raise ConfigError(f"No device is named {self.device!r}.{guess}")
        if self.objective not in OBJECTIVES:
            raise ConfigError(
                f"No objective is named {shorten(self.objective)}."
                f"{did_you_mean(self.objective, OBJECTIVES)}"
            )
        _check_name(self.name)

    def plain(self) -> dict[str, Any]:
        """Nested plain data with the keys of the command line, as run.json holds it."""
        tree: dict[str, Any] = {kind: getattr(self, kind).plain() for kind in REGISTRIES}
        for attribute in plain_types():
            *parents, leaf = key_of(attribute).split(".")
            node = tree
            for parent in parents:
                node = node.setdefault(parent, {})
            node[leaf] = getattr(self, attribute)
        return tree

    @classmethod
    def from_plain(cls, tree: Mapping[str, Any]) -> RunConfig:
        """The config that `plain` came from.

        Raises:
            ConfigError: a key is unknown or missing, or a value is not valid.
        """
        values: dict[str, Any] = {kind: _choice_from(kind, tree.get(kind)) for kind in REGISTRIES}
        flat = flatten({key: value for key, value in tree.items() if key not in REGISTRIES})
        attributes = {key_of(attribute): attribute for attribute in plain_types()}
        if unknown := sorted(flat.keys() - attributes.keys()):
            raise unknown_key(unknown[0])
        if missing := sorted(attributes.keys() - flat.keys()):
            raise ConfigError(f"The key {missing[0]!r} is missing from the config.")
        return cls(**values, **{attributes[key]: value for key, value in flat.items()})


def run_id(config: RunConfig) -> str:
    """12 hex digits that name what determines a run's result, wherever it is kept.

    The config is a resolved one, as `vgrad.check.check` returns it: `epochs` has become `steps`,
    and `device` names a device. The run's own name and the folder of its data do not count; of a
    file of the user's own its content does.

    Raises:
        VgradError: that file cannot be read.
    """
    tree = config.plain()
    for key in (*WITHOUT_EFFECT, "epochs"):
        del tree[key]
    tree["data"].pop("root", None)
    if fingerprint := DATASETS[config.data.name].fingerprint:
        tree["data"]["path"] = fingerprint(config.data.settings)
    text = json.dumps([FORMAT, tree], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def resolved_init(config: RunConfig) -> Choice:
    """The init that the weights are drawn with: for `matched` the one that the activation names."""
    if config.init.name != "matched":
        return config.init
    entry = ACTIVATIONS[config.activation.name]
    settings = entry.own(config.activation.settings)
    asked = entry.matched_settings(**settings) if entry.matched_settings else {}
    return Choice(entry.matched, {**INITS[entry.matched].settings, **asked, **config.init.settings})


def plain_keys() -> tuple[str, ...]:
    """The keys beside the groups, as typed: `depth`, …, `probe.every`, …, `name`."""
    return tuple(key_of(attribute) for attribute in plain_types())


def unknown_key(key: str) -> ConfigError:
    """What to say about a key that nothing has."""
    head, _, setting = key.partition(".")
    if head in REGISTRIES and setting:
        return ConfigError(f"{head} has no setting {setting!r}.")
    return ConfigError(f"No key is named {key!r}.{did_you_mean(key, [*REGISTRIES, *plain_keys()])}")


def unknown_setting(kind: str, name: str, setting: str, known: Collection[str]) -> ConfigError:
    """What to say about a setting that the chosen entry does not have."""
    message = f"{kind}={name} has no setting {setting!r}."
    message += did_you_mean(setting, known) if known else " It has none."
    if others := [other for other, entry in REGISTRIES[kind].items() if setting in entry.settings]:
        message += f" It is a setting of {', '.join(f'{kind}={other}' for other in others)}."
    return ConfigError(message)


@cache
def plain_types() -> dict[str, tuple[type, ...]]:
    """The types of the attributes of RunConfig that are not a Choice."""
    hints = get_type_hints(RunConfig)
    names = [f.name for f in fields(RunConfig) if f.name not in REGISTRIES]
    return {
        name: get_args(hints[name]) if isinstance(hints[name], UnionType) else (hints[name],)
        for name in names
    }


@cache
def key_of(attribute: str) -> str:
    """The key on the command line of an attribute: `probe.every` for `probe_every`."""
    return re.sub(r"_every$", ".every", attribute)


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"probe": {"every": 1}} → {"probe.every": 1}."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _choice_from(kind: str, node: Any) -> Choice:
    if not isinstance(node, Mapping) or not isinstance(node.get("name"), str):
        known = ", ".join(sorted(REGISTRIES[kind]))
        raise ConfigError(
            f"{kind!r} is missing from the config: write {kind}=NAME. Known: {known}."
        )
    return Choice(node["name"], {str(key): node[key] for key in node if key != "name"})


def _complete(kind: str, choice: Choice) -> Choice:
    """The choice with every setting of its entry, checked."""
    entry = REGISTRIES[kind][choice.name]
    if unknown := [setting for setting in choice.settings if setting not in entry.settings]:
        raise unknown_setting(kind, choice.name, unknown[0], entry.settings)
    values = {**entry.settings, **choice.settings}
    return Choice(
        choice.name,
        {
            setting: _checked(
                f"{kind}.{setting}",
                values[setting],
                types,
                entry.ranges.get(setting),
                entry.choices.get(setting),
            )
            for setting, types in entry.types.items()
        },
    )


def _checked(
    key: str,
    value: Any,
    types: tuple[type, ...],
    bounds: tuple[float, float] | None = None,
    words: tuple[str, ...] | None = None,
) -> Any:
    """The value in the type that its key asks for.

    Raises:
        ConfigError: it is of another type, not finite, out of bounds, or none of the words.
    """
    if type(value) is int and float in types and int not in types:
        value = _as_float(key, value)
    if type(value) not in types:
        raise wrong_type(key, value, types)
    if isinstance(value, str):
        _check_text(key, value)
        if words is not None and value not in words:
            number = " It may also be a number." if float in types else ""
            guess = did_you_mean(value, words)
            raise ConfigError(f"No {key} is named {shorten(value)}.{guess}{number}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{key} must be a finite number, not {value}.")
    low, high = bounds or (-math.inf, math.inf)
    if type(value) in (int, float) and not low <= value <= high:
        raise ConfigError(f"{key} must be {_in_words(low, high)}, not {shorten(value)}.")
    if type(value) is float and abs(value) > LARGEST and math.inf in (-low, high):
        raise ConfigError(f"{key} must be at most {LARGEST:g} in size, not {shorten(value)}.")
    return value


def wrong_type(key: str, value: Any, types: tuple[type, ...]) -> ConfigError:
    """What to say about a value of another type than its key asks for."""
    words = [WORDS[kind] for kind in types if kind in WORDS]
    if NoneType in types:
        words.append("null")
    given = "null" if value is None else shorten(value)
    return ConfigError(f"{key} must be {' or '.join(words)}, not {given}.")


def shorten(value: Any) -> str:
    """A value for a message: quoted, on one line, and cut where it is long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}… ({len(text)} characters)"


def _as_float(key: str, value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ConfigError(f"{key} must be a finite number, not {shorten(value)}.") from None


def _in_words(low: float, high: float) -> str:
    """A closed interval in words; a bound next to a whole number is meant to leave that out."""
    least, most = f"at least {low}", f"at most {high}"
    if low == math.nextafter(math.floor(low), math.inf):
        least = f"above {math.floor(low)}"
    if math.isfinite(high) and high == math.nextafter(math.ceil(high), -math.inf):
        most = f"below {math.ceil(high)}"
    return " and ".join(words for words in (least, most) if "inf" not in words)


def _check_text(key: str, text: str) -> None:
    if not text.isprintable() and any(_is_control(character) for character in text):
        raise ConfigError(f"{key} holds characters that cannot be printed: {shorten(text)}.")


def _is_control(character: str) -> bool:
    """Controls, lone surrogates, line separators, and what turns the writing direction round."""
    joins = character in "\u200c\u200d"  # stand inside words and emoji
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and not joins


def _check_name(name: str) -> None:
    if not name.strip():
        raise ConfigError("name is empty: it names the run's folder under runs/.")
    if "/" in name or "${" in name or name.startswith("."):
        raise ConfigError(
            f"name={shorten(name)} cannot name a folder: no slash, no dollar before a brace, no "
            "dot at the start. To keep a run elsewhere, write hydra.run.dir=PATH."
        )
    if len(name.encode()) > LONGEST_NAME:
        raise ConfigError(f"name is longer than {LONGEST_NAME} bytes: {shorten(name)}.")

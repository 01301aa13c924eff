"""Studies as files: `study/NAME.yaml` in conf/ or in a folder of the user's own.

A file holds data only. Nothing in it is executed, and `${…}` in it stays as it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from vgrad.claims import AMONG, SIDES, STATISTICS, Claim
from vgrad.compose import conf_dir
from vgrad.config import REGISTRIES, plain_keys, shorten
from vgrad.errors import ConfigError, UnknownNameError, did_you_mean
from vgrad.listing import Filter
from vgrad.listing.filters import WORD
from vgrad.quantity import LAYERS, RESULTS, STEPS, Quantity
from vgrad.store import LAYER_COLUMNS, STEP_COLUMNS

FOLDER = "study"
KEYS = ("question", "sweep", "claims")
CLAIM_KEYS = (
    "says",
    "of",
    "layer",
    "step",
    "log10",
    "where",
    "minus",
    "among",
    "statistic",
    "is",
    "value",
)
NEEDED = ("says", "of", "where", "is", "value")


@dataclass(frozen=True)
class Study:
    """A question, the sweeps that answer it, and what they are expected to show.

    Attributes:
        name: of its file.
        path: the file.
        question: in one sentence.
        grids: the overrides of each sweep.
        claims: what the runs must show.
    """

    name: str
    path: Path
    question: str
    grids: tuple[tuple[str, ...], ...]
    claims: tuple[Claim, ...]


def find(name: str, config_dir: str | None = None) -> Study:
    """The study of a name, the user's own before ours.

    Raises:
        UnknownNameError: there is none, with the nearest that there is.
        ConfigError: its file cannot be read, or the folder is not there.
    """
    paths = files(config_dir)
    if name not in paths:
        raise UnknownNameError("study", name, paths)
    return read(paths[name])


def files(config_dir: str | None = None) -> dict[str, Path]:
    """The file of each study by its name, in alphabetical order.

    Raises:
        ConfigError: there is no such folder.
    """
    if config_dir is not None and not Path(config_dir).is_dir():
        raise ConfigError(f"--config-dir={config_dir} is not a folder.")
    folders = [conf_dir(), *([Path(config_dir)] if config_dir is not None else [])]
    found = {path.stem: path for top in folders for path in (top / FOLDER).glob("*.yaml")}
    return dict(sorted(found.items()))


def read(path: Path) -> Study:
    """The study that a file holds.

    Raises:
        ConfigError: it cannot be read, or something in it is wrong.
    """
    tree = _tree(path)
    try:
        _check_keys(tree, KEYS, ("question", "sweep"))
        claims = [] if tree.get("claims") is None else tree["claims"]
        if not isinstance(claims, list):
            raise ConfigError("claims must be a list.")
        return Study(
            name=path.stem,
            path=path,
            question=_text(tree, "question"),
            grids=_grids(tree["sweep"]),
            claims=tuple(_claim(claim, number) for number, claim in enumerate(claims, 1)),
        )
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _tree(path: Path) -> Mapping[str, Any]:
    try:
        tree = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    except (YAMLError, OmegaConfBaseException, OSError, RecursionError, ValueError) as error:
        why = " ".join(str(error).split()) or "it is nested too deeply"
        raise ConfigError(f"{path} cannot be read: {why[:200]}.") from error
    if not isinstance(tree, Mapping):
        raise ConfigError(f"{path} must hold the keys {', '.join(KEYS)}.")
    return {str(key): value for key, value in tree.items()}


def _grids(value: Any) -> tuple[tuple[str, ...], ...]:
    """One sweep, or a list of them."""
    if not isinstance(value, list) or not value:
        raise ConfigError("sweep must be a list of overrides, or a list of such lists.")
    grids = value if all(isinstance(part, list) for part in value) else [value]
    for line in (line for grid in grids for line in grid):
        if not isinstance(line, str) or "=" not in line:
            raise ConfigError(
                f"sweep has {shorten(line)}, which is not of the form KEY=VALUE or KEY=VALUE,VALUE."
            )
    if not all(grids):
        raise ConfigError("sweep has an empty list.")
    return tuple(tuple(grid) for grid in grids)


def _claim(value: Any, number: int) -> Claim:
    try:
        if not isinstance(value, Mapping):
            raise ConfigError(f"it must have the keys {', '.join(NEEDED)}.")
        _check_keys(value, CLAIM_KEYS, NEEDED)
        of, minus = _quantity(value), _filters(value, "minus")
        statistic = _one_of(value, "statistic", STATISTICS, "mean")
        if minus and statistic != "mean":
            raise ConfigError("with minus, the statistic is always the mean: leave it out.")
        if of.share is not None and (minus or "statistic" in value):
            raise ConfigError(f"of={of.share.word} is a share of runs: no minus, no statistic.")
        if "among" in value and not minus:
            raise ConfigError("among says which of the arms of minus is meant: there is no minus.")
        side = _one_of(value, "is", SIDES)
        return Claim(
            says=_text(value, "says"),
            of=of,
            where=_filters(value, "where"),
            minus=minus,
            among=_one_of(value, "among", AMONG) if "among" in value else "",
            statistic=statistic,
            side=side,
            bounds=_bounds(value["value"], side),
        )
    except ConfigError as error:
        raise ConfigError(f"claim {number}: {error}") from None


def _quantity(value: Mapping[str, Any]) -> Quantity:
    """What a claim is of: a column, or a share of runs."""
    column, layer = _text(value, "of"), value.get("layer")
    records = column in LAYER_COLUMNS or column in STEP_COLUMNS
    if WORD.fullmatch(column):
        extra = [key for key in ("layer", "step", "log10") if key in value]
        if extra:
            raise ConfigError(f"of={column} is a share of runs: {extra[0]} has no meaning.")
        return Quantity(share=_known(_filter(column), [*_settings(), *RESULTS]))
    if column in LAYER_COLUMNS and layer is None:
        raise ConfigError(f"{column} is of each layer: say which, as in layer: first.")
    if layer is not None and column not in LAYER_COLUMNS:
        near = did_you_mean(column, LAYER_COLUMNS)
        raise ConfigError(f"No column of the layers is named {column!r}.{near}")
    if not records and column not in (known := [*_settings(), *RESULTS]):
        near = did_you_mean(column, [*known, *LAYER_COLUMNS, *STEP_COLUMNS])
        raise ConfigError(f"No column is named {column!r}.{near}")
    if "step" in value and not records:
        raise ConfigError(f"{column} is one number of a run: step has no meaning.")
    log10 = value.get("log10", False)
    if not isinstance(log10, bool):
        raise ConfigError(f"log10 must be true or false, not {shorten(log10)}.")
    return Quantity(
        column=column,
        layer=None if layer is None else _place("layer", layer, LAYERS, least=1),
        step=_place("step", value.get("step", "last"), STEPS, least=0),
        log10=log10,
    )


def _place(key: str, value: Any, words: Sequence[str], least: int) -> int | str:
    """A layer or a step: a word or a number."""
    if isinstance(value, str) and value in words:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value >= least:
        return value
    raise ConfigError(f"{key} must be {', '.join(words)} or a number, not {shorten(value)}.")


def _filters(value: Mapping[str, Any], key: str) -> tuple[Filter, ...]:
    words = value.get(key)
    words = [] if words is None else words
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ConfigError(f"{key} must be a list of conditions, as in [activation=relu, depth=10].")
    settings = _settings()
    return tuple(_known(_filter(word), settings) for word in words)


def _known(one: Filter, keys: Sequence[str]) -> Filter:
    """A condition, if it is on one of some keys."""
    if one.key not in keys:
        raise ConfigError(
            f"{one.word!r}: no key is named {one.key!r}.{did_you_mean(one.key, keys)}"
        )
    return one


def _settings() -> list[str]:
    """Every key that a run's config can have, those of all choices included."""
    entries = [
        (kind, entry) for kind, registry in REGISTRIES.items() for entry in registry.values()
    ]
    own = {f"{kind}.{setting}": None for kind, entry in entries for setting in entry.settings}
    return [*REGISTRIES, *plain_keys(), *own]


def _filter(word: str) -> Filter:
    match = WORD.fullmatch(word)
    if match is None:
        raise ConfigError(f"{word!r} is no condition. It is written as activation=relu or depth>5.")
    key, sign, value = (part.strip() for part in match.groups())
    return Filter(word, key, "=" if sign == "==" else sign, value)


def _bounds(value: Any, side: str) -> tuple[float, ...]:
    numbers = value if isinstance(value, list) else [value]
    try:
        bounds = tuple(float(one) for one in numbers if not isinstance(one, bool))
    except (TypeError, ValueError):
        bounds = ()
    wanted = 2 if side == "between" else 1
    if len(bounds) != len(numbers) or len(bounds) != wanted or any(b != b for b in bounds):
        what = "two numbers, as in [0.4, 0.6]" if wanted == 2 else "a number"
        raise ConfigError(f"value must be {what}, not {shorten(value)}.")
    if list(bounds) != sorted(bounds):
        raise ConfigError(f"value must have the smaller number first, not {shorten(value)}.")
    return bounds


def _one_of(value: Mapping[str, Any], key: str, valid: Iterable[str], usual: str = "") -> str:
    given = value.get(key, usual)
    if not isinstance(given, str) or given not in valid:
        raise ConfigError(f"{key} is {shorten(given)}.{did_you_mean(str(given), valid)}")
    return given


def _text(value: Mapping[str, Any], key: str) -> str:
    text = value[key]
    if not isinstance(text, str) or not text.strip():
        raise ConfigError(f"{key} must be a text, not {shorten(text)}.")
    return " ".join(text.split())


def _check_keys(value: Mapping[Any, Any], known: Sequence[str], needed: Sequence[str]) -> None:
    for key in value:
        if key not in known:
            raise ConfigError(f"No key is named {str(key)!r}.{did_you_mean(str(key), known)}")
    missing = [key for key in needed if value.get(key) is None]
    if missing:
        raise ConfigError(f"{missing[0]} is missing.")

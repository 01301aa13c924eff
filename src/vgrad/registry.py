"""Named entries: what a study varies is declared once, as a documented function.

An entry's docstring is its formula, its keyword-only arguments are its settings, and the facts
given to the decorator are whatever else the program needs to know about it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import NoneType
from typing import Any, TypeVar

from vgrad.errors import UnknownNameError

Function = TypeVar("Function", bound=Callable[..., Any])

TYPES: Mapping[str, type] = {"bool": bool, "int": int, "float": float, "str": str, "None": NoneType}


@dataclass(frozen=True)
class Setting:
    """A setting that every entry of a kind has.

    Attributes:
        default: its value where none is given.
        means: what it does, in a few words.
        range: (lowest, highest) allowed, both ends included, or None.
        choices: the words that it may be, or None.
    """

    default: Any
    means: str
    range: tuple[float, float] | None = None
    choices: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Entry:
    """One thing that can be chosen by name: a function, with what is known about it.

    Attributes:
        name: what the user types.
        function: what is computed.
        formula: the first paragraph of the function's docstring.
        settings: the keyword-only arguments with their defaults.
        source: the paper or the standard work that it is taken from.
        ranges: setting → (lowest, highest) allowed, both ends included.
        choices: setting → the words that it may be.
        also: what it is called elsewhere; who types that is told its name.
        common: the settings that every entry of the kind has; `function` does not take them.
        facts: what else the program needs to know, by name; each registry documents its own.
    """

    name: str
    function: Callable[..., Any]
    formula: str
    settings: Mapping[str, Any]
    source: str
    ranges: Mapping[str, tuple[float, float]]
    choices: Mapping[str, tuple[str, ...]]
    also: tuple[str, ...]
    common: frozenset[str]
    facts: Mapping[str, Any]

    @cached_property
    def types(self) -> dict[str, tuple[type, ...]]:
        """The types that each setting takes: as annotated, else that of its default."""
        annotations = getattr(self.function, "__annotations__", {})
        types: dict[str, tuple[type, ...]] = {}
        for setting, default in self.settings.items():
            hint = annotations.get(setting, "")
            text = hint.__name__ if isinstance(hint, type) else str(hint)
            names = [part.strip() for part in text.split("|")]
            known = all(name in TYPES for name in names)
            types[setting] = tuple(TYPES[name] for name in names) if known else (type(default),)
        return types

    def own(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the settings that `function` takes."""
        return {name: value for name, value in settings.items() if name not in self.common}

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["facts"][name]
        except KeyError:
            raise AttributeError(name) from None


class Registry(Mapping[str, Entry]):
    """The entries of one kind, in the order in which they were declared.

    Args:
        kind: the singular that messages use and Hydra's group is named for, `activation`.
        plural: the name in `vgrad list`, `activations`.
        facts: the facts that an entry may state, with their defaults.
        common: settings that every entry of the kind has, beside its own.
    """

    def __init__(
        self,
        kind: str,
        plural: str,
        *,
        facts: Mapping[str, Any] | None = None,
        common: Mapping[str, Setting] | None = None,
    ) -> None:
        self.kind = kind
        self.plural = plural
        self._facts = dict(facts or {})
        self.common = dict(common or {})
        self._entries: dict[str, Entry] = {}

    def entry(
        self,
        *,
        source: str,
        name: str | None = None,
        also: tuple[str, ...] = (),
        ranges: Mapping[str, tuple[float, float]] | None = None,
        choices: Mapping[str, tuple[str, ...]] | None = None,
        **facts: Any,
    ) -> Callable[[Function], Function]:
        """Register the decorated function.

        Args:
            source: where it is taken from.
            name: what the user types; the function's own name if None.
            also: what it is called elsewhere.
            ranges: setting → (lowest, highest) allowed, both ends included.
            choices: setting → the words that it may be.
            **facts: what else the program needs to know.

        Raises:
            TypeError: the name is taken, a fact is unknown, or the function has no docstring.
        """

        def register(function: Function) -> Function:
            entry_name = name or function.__name__
            if entry_name in self._entries:
                raise TypeError(f"The {self.kind} {entry_name!r} is declared twice.")
            if unknown := facts.keys() - self._facts.keys():
                raise TypeError(f"{self.kind} {entry_name!r}: unknown facts {sorted(unknown)}.")
            if not function.__doc__:
                raise TypeError(f"{self.kind} {entry_name!r} needs a docstring: its formula.")
            self._entries[entry_name] = Entry(
                name=entry_name,
                function=function,
                formula=" ".join(inspect.cleandoc(function.__doc__).split("\n\n")[0].split()),
                settings=self._common("default") | _keyword_only_defaults(function),
                source=source,
                ranges=self._common("range") | dict(ranges or {}),
                choices=self._common("choices") | dict(choices or {}),
                also=also,
                common=frozenset(self.common),
                facts=self._facts | facts,
            )
            return function

        return register

    def _common(self, attribute: str) -> dict[str, Any]:
        """What is known of the common settings, by name."""
        known = {name: getattr(setting, attribute) for name, setting in self.common.items()}
        return {name: value for name, value in known.items() if value is not None}

    def __getitem__(self, name: str) -> Entry:
        try:
            return self._entries[name]
        except KeyError:
            raise self.unknown(name) from None

    def unknown(self, name: str, known: Iterable[str] | None = None) -> UnknownNameError:
        """What to say about a name that none of the entries has, nor what else is known."""
        also = {other: entry.name for entry in self._entries.values() for other in entry.also}
        return UnknownNameError(self.kind, name, known or self._entries, also)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _keyword_only_defaults(function: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}

"""The catalogue of `vgrad list`: every entry of every registry, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vgrad.config import REGISTRIES
from vgrad.errors import UnknownNameError
from vgrad.phrases import typed
from vgrad.registry import Entry, Registry

ORDER = ("activation", "init", "loss", "optimizer", "data", "model")
WIDE = 140
"""Columns from which on formula, settings and source stand side by side."""
NUMBERS = {float: "a number", int: "a whole number"}


def find(kind: str | None) -> list[Registry]:
    """The registries of a kind, by its singular or plural; all of them for None.

    Raises:
        UnknownNameError: there is no such kind.
    """
    registries = [REGISTRIES[name] for name in ORDER]
    found = [r for r in registries if kind in (None, r.kind, r.plural)]
    if kind is not None and not found:
        raise UnknownNameError("kind", kind, [registry.plural for registry in registries])
    return found


def document(registries: Sequence[Registry]) -> dict[str, list[dict[str, Any]]]:
    """The entries as plain data, by the plural of their kind."""
    return {
        registry.plural: [
            {
                "name": entry.name,
                "formula": entry.formula,
                "settings": dict(entry.settings),
                "source": entry.source,
            }
            for entry in registry.values()
        ]
        for registry in registries
    }


def common(registry: Registry) -> dict[str, Any]:
    """The settings that every entry of the kind has, with their usual defaults."""
    return {name: setting.default for name, setting in registry.common.items()}


def special(entry: Entry, usual: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that set an entry apart: its own, and the common ones that it starts otherwise.

    Args:
        entry: the entry.
        usual: the `common` settings of its registry.
    """
    same = {name for name in entry.common if usual.get(name) == entry.settings[name]}
    return {name: value for name, value in entry.settings.items() if name not in same}


def allowed(entry: Entry, setting: str) -> tuple[str, ...]:
    """The words that a setting may be, and what else than a word; empty where any value goes."""
    words = entry.choices.get(setting, ())
    types = entry.types[setting]
    return (*(what for kind, what in NUMBERS.items() if kind in types), *words) if words else ()


def table(registry: Registry, width: int) -> RenderableType:
    """The entries of one registry, and below them what all of them have.

    Args:
        registry: whose entries.
        width: the columns that there are; where they are few, what is known of an entry stands
            one below the other, beside its name.
    """
    usual = common(registry)
    shown = Table(
        title=Text(f"{registry.plural}: {registry.kind}=NAME", style="bold"),
        title_justify="left",
        box=SIMPLE_HEAD,
        show_header=width >= WIDE,
        pad_edge=False,
        expand=False,
    )
    shown.add_column("name", style="bold cyan", no_wrap=True)
    if width >= WIDE:
        for column, ratio in (("formula", 6), ("settings", 4), ("source", 5)):
            shown.add_column(column, overflow="fold", ratio=ratio)
        shown.expand = True
    else:
        shown.add_column(overflow="fold")
    for entry in registry.values():
        formula, source = Text(entry.formula), Text(entry.source, style="dim")
        settings = _settings(registry.kind, entry, special(entry, usual), apart=width >= WIDE)
        about = [formula, settings, source]
        if width < WIDE:
            about = [Text("\n").join([part for part in about if part] + [Text()])]
        shown.add_row(Text(entry.name), *about)
    return Group(shown, *_shared(registry, usual)) if usual else shown


def _shared(registry: Registry, usual: Mapping[str, Any]) -> Iterator[RenderableType]:
    """What every entry of the kind can be given, each with what it does."""
    entry = next(iter(registry.values()))
    yield Text(f"every {registry.kind} also has:")
    for name, value in usual.items():
        typed_as = _settings(registry.kind, entry, {name: value}, apart=True)
        yield Padding(typed_as, (0, 0, 0, 2))
        yield Padding(Text(registry.common[name].means, style="dim"), (0, 0, 0, 4))
    yield Text()


def _settings(kind: str, entry: Entry, settings: Mapping[str, Any], *, apart: bool) -> Text:
    """The settings as they are typed, with their defaults; those with choices on their own line.

    Args:
        kind: of the entry.
        entry: whose settings.
        settings: those of them that are shown.
        apart: whether each stands on a line of its own.
    """
    lines: list[Text] = []
    plain = False  # whether the last line takes another one
    for name, value in settings.items():
        shown = Text(f"{kind}.{name}={typed(value)}", style="green")
        choices = allowed(entry, name)
        if choices:
            shown = Text.assemble(shown, Text(f"  ({', '.join(choices)})", style="dim"))
        if plain and not choices and not apart:
            lines[-1] = Text("  ").join([lines[-1], shown])
        else:
            lines.append(shown)
        plain = not choices
    return Text("\n").join(lines)

"""The catalogue of `vgrad list`: every entry of every registry, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from vgrad.config import REGISTRIES
from vgrad.errors import UnknownNameError
from vgrad.registry import Entry, Registry

ORDER = ("activation", "init", "loss", "optimizer", "data", "model")


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


def table(registry: Registry) -> Table:
    """The entries of one registry; two columns, so that it can be read at any width."""
    shown = Table(
        title=Text(f"{registry.plural}: {registry.kind}=NAME", style="bold"),
        title_justify="left",
        box=SIMPLE_HEAD,
        show_header=False,
        pad_edge=False,
        expand=False,
    )
    shown.add_column(style="bold cyan", no_wrap=True)
    shown.add_column(overflow="fold")
    for entry in registry.values():
        shown.add_row(Text(entry.name), _about(registry.kind, entry))
    return shown


def _about(kind: str, entry: Entry) -> Text:
    about = Text(entry.formula)
    if entry.settings:
        about.append("\n").append(_settings(kind, entry.settings), style="green")
    return about.append("\n").append(entry.source, style="dim").append("\n")


def _settings(kind: str, settings: Mapping[str, Any]) -> str:
    """The settings as they are typed, with their defaults."""
    return "  ".join(f"{kind}.{name}={typed(value)}" for name, value in settings.items())


def typed(value: Any) -> str:
    """A value as it is written on the command line."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)

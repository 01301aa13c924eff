"""Numbers and names as a reader meets them, the same on the terminal and on the page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard


def number(value: float, digits: int = 2) -> str:
    """A number for people, to two significant digits: 0.24, 3e-13, 920, 1.2e6, inf."""
    if not math.isfinite(value):
        return str(value)
    scientific = f"{value:.{digits - 1}e}"
    if value == 0 or 1e-3 <= abs(float(scientific)) < 1e4:
        return f"{float(scientific):.{digits + 2}g}"
    mantissa, exponent = scientific.split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def percent(share: float) -> str:
    """A share as a percentage with at most one decimal: 95.3 %, 10 %."""
    return f"{100 * share:.1f}".removesuffix(".0") + " %" if math.isfinite(share) else str(share)


def name_of(config: Mapping[str, Any], kind: str) -> str:
    """The entry chosen for `activation`, `init` …, whether it is given bare or with settings."""
    chosen = config.get(kind)
    return str(chosen.get("name", "")) if isinstance(chosen, Mapping) else str(chosen or "")


def sentence(clauses: str) -> str:
    """Clauses with a capital and a full stop."""
    return f"{clauses[0].upper()}{clauses[1:]}."


def listed(words: Iterable[str]) -> str:
    """Some words, one at least, as a sentence lists them: `a, b and c`."""
    *head, last = words
    return f"{', '.join(head)} and {last}" if head else last


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value has a size: true and false have none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def counted(count: int, noun: str) -> str:
    """A number of things: `1 step`, `20 steps`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def typed(value: Any) -> str:
    """A setting as it is typed: the shortest text that is exactly its value, `50` for 50.0."""
    if value is None:
        return "null"
    if isinstance(value, float) and math.isfinite(value):
        short = f"{value:g}"
        return short if float(short) == value else repr(float(value))
    return str(value).lower() if isinstance(value, bool) else str(value)

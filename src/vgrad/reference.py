"""The reference pages of the docs, made from the registries: `python -m vgrad.reference docs`."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from vgrad.catalogue import common, find, special
from vgrad.config import WORDS
from vgrad.parts.activations import kinks
from vgrad.phrases import typed
from vgrad.registry import Entry, Registry

FOLDER, PICTURE = "reference", "images/activations.png"  # in the folder of the docs
PICTURE_DPI = 100
TITLES = {
    "activation": "Activations",
    "init": "Initialisations",
    "loss": "Losses",
    "optimizer": "Optimizers",
    "data": "Data sets",
    "model": "Models",
}
NO_BOUND = 1e9  # bounds from here on only keep numbers within what the program can hold
SECTION = re.compile(r"(Args|Returns|Raises|Attributes):")


def main(words: Sequence[str]) -> None:
    """Write the pages and the picture of the activations into the folder of the docs."""
    from vgrad.portrait import write_small

    docs = Path(words[0])
    (docs / FOLDER).mkdir(exist_ok=True)
    for registry in find(None):
        (docs / FOLDER / f"{registry.plural}.md").write_text(page(registry), encoding="utf-8")
    write_small(docs / PICTURE, PICTURE_DPI)


def page(registry: Registry) -> str:
    """The page of one registry, in Markdown."""
    usual = common(registry)
    parts = [
        f"# {TITLES[registry.kind]}",
        "Made from the program by `make docs`.\n"
        f"`{registry.kind}=NAME` chooses one, `{registry.kind}.SETTING=VALUE` sets what it has; "
        f"`vgrad list {registry.plural}` shows them on the terminal.",
    ]
    if registry.kind == "activation":
        parts.append(f"![φ and its slope φ′ for every activation](../{PICTURE})")
    if usual:
        first = next(iter(registry.values()))
        means = {name: setting.means for name, setting in registry.common.items()}
        parts += [
            f"Every {registry.kind} has these settings:",
            _settings(first, list(usual), means),
        ]
    for entry in registry.values():
        parts += _entry(registry.kind, entry, list(special(entry, usual)))
    return "\n\n".join(parts) + "\n"


def _entry(kind: str, entry: Entry, settings: Sequence[str]) -> list[str]:
    parts = [f"## {entry.name}", *map(_prose, [entry.formula, *paragraphs(entry)])]
    if settings:
        parts.append(_settings(entry, settings))
    facts = [*FACTS.get(kind, _nothing)(entry), f"Source: {_prose(entry.source)}"]
    return [*parts, "\n".join(f"- {fact}" for fact in facts)]


def paragraphs(entry: Entry) -> list[str]:
    """What the docstring says beyond the formula, up to its sections on arguments and errors."""
    text = "\n".join(line.strip() for line in str(entry.function.__doc__).splitlines())
    further: list[str] = []
    for paragraph in text.strip().split("\n\n")[1:]:
        if SECTION.match(paragraph):
            break
        further.append(" ".join(paragraph.split()))
    return further


def _settings(entry: Entry, settings: Sequence[str], means: Mapping[str, str] | None = None) -> str:
    """A table of some of an entry's settings, with what they mean where that is given."""
    rows = ["| setting | default | may be |", "| --- | --- | --- |"]
    for name in settings:
        default = typed(entry.settings[name])
        rows.append(f"| `{name}` | `{default}` | {_values(entry, name)} |")
    if means is not None:
        rows[:2] = [f"{rows[0]} means |", f"{rows[1]} --- |"]
        texts = (_prose(means[name]).replace("|", "\\|") for name in settings)
        rows[2:] = [f"{row} {text} |" for row, text in zip(rows[2:], texts, strict=True)]
    return "\n".join(rows)


def _values(entry: Entry, setting: str) -> str:
    """What a setting may be, in words."""
    types = entry.types[setting]
    words = [f"`{choice}`" for choice in entry.choices.get(setting, ())]
    numbers = [WORDS[kind] for kind in (int, float) if kind in types][-1:]
    if numbers and (bounds := _interval(*entry.ranges.get(setting, (-math.inf, math.inf)))):
        numbers = [f"{numbers[0]} {bounds}"]
    others = [WORDS[kind] for kind in (bool, str) if kind in types and not words]
    empty = ["`null`"] if type(None) in types else []
    return ", ".join([*numbers, *others, *words, *empty])


def _interval(low: float, high: float) -> str:
    """A closed interval in signs; a bound next to a whole number is meant to leave that out."""
    parts = []
    if low > -NO_BOUND:
        open_below = low == math.nextafter(math.floor(low), math.inf)
        parts.append(f"> {math.floor(low)}" if open_below else f"≥ {low:,.15g}")
    if high < NO_BOUND:
        open_above = high == math.nextafter(math.ceil(high), -math.inf)
        parts.append(f"< {math.ceil(high)}" if open_above else f"≤ {high:,.15g}")
    return " and ".join(parts).replace("-", "−")


def _prose(text: str) -> str:
    """Text as Markdown; what stands in backticks is left as it is."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else re.sub(r"([*<\\$])", r"\\\1", p) for p in parts)


def _activation_facts(entry: Entry) -> list[str]:
    facts = [f"`init=matched` is [`{entry.matched}`](inits.md#{entry.matched})"]
    if entry.elementwise or entry.kinks:
        facts.append(_kinks(entry))
    if entry.trainable:
        when = " where `trained` is true" if "trained" in entry.settings else ""
        each = (
            "unit where `per_unit` is true, else one a layer"
            if "per_unit" in entry.settings
            else "layer"
        )
        facts.append(f"Trained{when}: `{entry.trainable}`, one a {each}")
    if entry.noisy:
        facts.append("Random in training, not in evaluation")
    if not entry.elementwise:
        facts.append(f"Not elementwise: {_units(entry)}")
    return facts


def _units(entry: Entry) -> str:
    """How the units of an activation that is not elementwise are made."""
    if entry.pieces == entry.copies == 1:
        return "the units of a layer act on each other"
    pieces = f"`{entry.pieces}`" if isinstance(entry.pieces, str) else entry.pieces
    return f"a unit has {pieces} z and {entry.copies} h"


def _kinks(entry: Entry) -> str:
    places = " and ".join(f"{kink:.5g}".replace("-", "−") for kink in kinks(entry, entry.settings))
    given = ", at the default settings" if callable(entry.kinks) else ""
    return (
        f"Not differentiable at z = {places}" if places else "Differentiable everywhere"
    ) + given


def _loss_facts(entry: Entry) -> list[str]:
    facts = [f"Output function: {entry.output}", f"Tasks: {', '.join(entry.tasks)}"]
    return [*facts, f"Targets: {entry.domain.words}"] if entry.domain else facts


def _data_facts(entry: Entry) -> list[str]:
    task = entry.task or "classification or regression, as the data are"
    return [f"Task: {task}", f"Batch size where none is asked for: {entry.batch_size}"]


def _nothing(entry: Entry) -> list[str]:
    return []


FACTS: Mapping[str, Callable[[Entry], list[str]]] = {
    "activation": _activation_facts,
    "loss": _loss_facts,
    "data": _data_facts,
}


if __name__ == "__main__":
    main(sys.argv[1:])

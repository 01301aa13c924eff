"""matplotlib's SVG → the inline SVG of a page: one element a panel, its look in classes.

A page that forbids inline styles, recolours its figures for dark screens and lays the panels out
anew on a telephone needs what matplotlib does not write: classes in place of `style`, ids that
are the panel's own, and each panel apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from vgrad.figures.palette import DARK

NAMESPACE = re.compile(r"\{[^}]*\}")
COLOUR = re.compile(r"#[0-9a-f]{6}\b")
REFERENCE = re.compile(r"url\(#([^)]+)\)")
LONG_NUMBER = re.compile(r"(\d+\.\d{2})\d+")
FONT = re.compile(r"(?:^|;)\s*font:\s*(?:(\w+)\s+)?([\d.]+px)[^;]*")
PLACED = ("d", "x", "y", "points")
CURVE = re.compile(r"[^MLzZ\d\s.eE+-]")
SEGMENT = re.compile(r"([MLzZ])([^MLzZ]*)")
NO_TURN = re.compile(r"^rotate\(-?0 ")
OF_ARMS = re.compile(r"(arm|band|arms)-([\d-]+)")  # the ids of what belongs to an arm, or several
BAND = re.compile(r"band-")
LINE_UNITS, BAND_UNITS = 100, 10  # of a point: the script reads numbers back from lines alone
Namer = Callable[[str], str]


@dataclass
class Styles:
    """The classes that the figures of one page share, and the ids that they have each."""

    classes: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def name(self, style: str) -> str:
        """The class of a style; equal styles have one."""
        plain = _without_font(style)
        return self.classes.setdefault(plain, f"f{len(self.classes)}")

    def id(self, name: str) -> str:
        """A short id on the page for a long one: there are thousands of references."""
        return self.ids.setdefault(name, f"k{len(self.ids)}")

    def css(self) -> str:
        """A rule for each class, its colours as variables."""
        return "\n".join(f".{name}{{{themed(style)}}}" for style, name in self.classes.items())


def themed(style: str) -> str:
    """A style whose colours change on a dark screen."""
    return COLOUR.sub(lambda match: _variable(match[0]), style)


def theme(*, dark: bool) -> str:
    """The declarations of the variables that `themed` uses."""
    return "".join(f"--c{c[1:]}:{DARK[c] if dark else c};" for c in DARK)


def panels(
    svg: str, boxes: Mapping[str, tuple[float, float, float, float]], prefix: str, styles: Styles
) -> list[Element]:
    """The panels of a figure, an `<svg>` element each.

    Args:
        svg: what matplotlib wrote.
        boxes: the place of each panel, id → (x, y, width, height) in points.
        prefix: what makes the ids of this figure its own on the page.
        styles: collects the looks.
    """
    root = ElementTree.fromstring(svg)
    bands = {
        id(path)
        for group in root.iter()
        if BAND.match(group.get("id", ""))
        for path in group.iter()
    }
    for element in root.iter():
        _clean(element, styles, BAND_UNITS if id(element) in bands else LINE_UNITS)
    named = {element.get("id", ""): element for element in root.iter() if element.get("id")}
    targets = {name: element for name, element in named.items() if element.tag != "g"}
    return [
        _panel(
            [named[name] for name in named if name.split(".")[0] == gid],
            box,
            targets,
            _namer(styles, f"{prefix}-{gid}"),
        )
        for gid, box in boxes.items()
    ]


def _namer(styles: Styles, start: str) -> Namer:
    """Short ids for the names in one panel."""
    return lambda name: styles.id(f"{start}-{name}")


def write(element: Element) -> str:
    """An element as text, fit to stand in HTML."""
    return ElementTree.tostring(element, encoding="unicode")


def _panel(
    groups: list[Element],
    box: tuple[float, float, float, float],
    targets: Mapping[str, Element],
    own: Namer,
) -> Element:
    """The groups of one panel with all that they refer to."""
    panel = Element("svg", {"viewBox": " ".join(f"{n:.6g}" for n in box), "role": "img"})
    definitions = ElementTree.SubElement(panel, "defs")
    wanted = [name for group in groups for name in _references(group)]
    seen: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name in targets and name not in seen:
            seen.add(name)
            definitions.append(_copy(targets[name], own, keep_id=True))
            wanted += _references(targets[name])
    for group in groups:
        panel.extend(_lifted(_copy(group, own)))
    return panel


def _lifted(element: Element) -> list[Element]:
    """An element, or what is in it where it is a group that says nothing."""
    return list(element) if element.tag == "g" and not element.attrib else [element]


def _copy(element: Element, own: Namer, *, keep_id: bool = False) -> Element:
    """A deep copy without ids and definitions, its references made the panel's own."""
    attributes = {}
    for name, value in element.attrib.items():
        if name == "id":
            if keep_id:
                attributes[name] = own(value)
            elif drawn := OF_ARMS.fullmatch(value):
                attributes[f"data-{drawn[1]}"] = drawn[2].replace("-", " ")
        elif name == "href" and value.startswith("#"):
            attributes[name] = f"#{own(value[1:])}"
        else:
            attributes[name] = REFERENCE.sub(lambda found: f"url(#{own(found[1])})", value)
    copy = Element(element.tag, attributes)
    copy.text = element.text if element.tag == "text" else None
    for child in element:
        if child.tag != "defs":
            copy.extend(_lifted(_copy(child, own)))
    return copy


def _references(element: Element) -> Iterator[str]:
    for child in element.iter():
        for name, value in child.attrib.items():
            if name == "href" and value.startswith("#"):
                yield value[1:]
            yield from REFERENCE.findall(value)


def _clean(element: Element, styles: Styles, units: int) -> None:
    """Plain names, short numbers, and a class in place of a style."""
    element.tag = NAMESPACE.sub("", element.tag)
    attributes = {NAMESPACE.sub("", name): value for name, value in element.attrib.items()}
    style = attributes.pop("style", "")
    if COLOUR.search(attributes.get("fill", "")):
        style += f"; fill: {attributes.pop('fill')}"
    if NO_TURN.match(attributes.get("transform", "")):
        del attributes["transform"]
    for name in PLACED:
        if name in attributes:
            attributes[name] = LONG_NUMBER.sub(r"\1", attributes[name]).replace("\n", "")
    if "d" in attributes:
        attributes["d"] = short(attributes["d"], units)
    if style.strip("; "):
        element_class, clip = _split(style)
        attributes |= clip
        attributes["class"] = styles.name(element_class)
    element.attrib.clear()
    element.attrib.update(attributes)


def short(path: str, units: int = LINE_UNITS) -> str:
    """A path of straight lines in fewer letters: each point as its distance from the last.

    The distances are between rounded points, so that no error adds up.

    Args:
        path: as matplotlib writes it.
        units: of a point: to how much of it is rounded.
    """
    if CURVE.search(path):
        return path
    parts = []
    at = (0, 0)
    for letter, rest in SEGMENT.findall(path):
        if letter in "zZ":
            parts.append("z")
            continue
        x, y = (round(units * float(number)) for number in rest.split())
        if letter == "M":
            parts.append(f"M{_points(x, units)} {_points(y, units)}l")
        else:
            dx, dy = x - at[0], y - at[1]
            parts.append(f"{_points(dx, units)} {_points(dy, units)} ")
        at = (x, y)
    text = "".join(parts).replace(" -", "-").replace(" z", "z")
    return text.replace("lM", "M").replace("lz", "z").strip(" l")


def _points(count: int, units: int) -> str:
    """A number of units in points, without idle zeros: 0.50 is .5."""
    text = f"{count / units:.2f}".rstrip("0").rstrip(".")
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def _split(style: str) -> tuple[str, dict[str, str]]:
    """A style without what refers to ids, and that as attributes."""
    parts = [part.strip() for part in style.split(";") if part.strip()]
    references = [part for part in parts if REFERENCE.search(part)]
    rest = "; ".join(part for part in parts if part not in references)
    pairs = (part.split(":", 1) for part in references)
    return rest, {name.strip(): value.strip() for name, value in pairs}


def _without_font(style: str) -> str:
    """The size and weight of a font, without its family: a page has its own."""
    style = FONT.sub(
        lambda m: f"; font-size: {m[2]}" + (f"; font-weight: {m[1]}" if m[1] else ""), style
    )
    parts = [part.strip().replace(": ", ":") for part in style.split(";")]
    return ";".join(part for part in parts if part and not part.startswith("font-family"))


def _variable(colour: str) -> str:
    return f"var(--c{colour[1:]})" if colour in DARK else colour

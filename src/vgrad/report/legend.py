"""The legend of a figure in HTML: a short line with its marker, and what it stands for."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from markupsafe import Markup
from matplotlib.markers import MarkerStyle

from vgrad.figures import Key, plain
from vgrad.report.inline import Styles

ITEM = Markup("<li>{}{}</li>")
LINE = Markup('<svg viewBox="0 0 30 8" aria-hidden="true"><path class="{}" d="M0 4H30"/>{}</svg>')
MARKER = Markup('<path class="{}" d="{}"/>')
CENTRE, RADIUS = (15.0, 4.0), 3.9


def legend(keys: Iterable[Key], styles: Styles) -> Markup:
    """Its entries.

    Args:
        keys: what the figure tells apart.
        styles: collects the looks.
    """
    return Markup("").join(_entry(key, styles) for key in keys)


def _entry(key: Key, styles: Styles) -> Markup:
    style = f"stroke:{key.colour};stroke-width:2.5;fill:none"
    if isinstance(key.dash, tuple):
        style += ";stroke-dasharray:" + " ".join(f"{2 * length:g}" for length in key.dash[1])
    marker = Markup("")
    if key.marker:
        marker = MARKER.format(styles.name(f"fill:{key.colour};stroke:none"), outline(key.marker))
    return ITEM.format(LINE.format(styles.name(style), marker), plain(key.label, 60))


def outline(marker: str) -> str:
    """A marker of matplotlib as an SVG path in the middle of the legend's line."""
    shape = MarkerStyle(marker)
    path = shape.get_path().transformed(shape.get_transform())
    polygons = [np.asarray(points, dtype=float) for points in path.to_polygons()]
    size = RADIUS / max(float(np.abs(points).max()) for points in polygons)
    return "".join(f"M{'L'.join(_places(points * size))}Z" for points in polygons)


def _places(points: np.ndarray) -> list[str]:
    return [f"{CENTRE[0] + x:.4g} {CENTRE[1] - y:.4g}" for x, y in points.tolist()]

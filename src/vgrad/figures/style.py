"""The look that all figures share: colours, the sheet of panels, and how it is written.

Only matplotlib's object interface is used, and no mathematical typesetting: a `$` in a name is
a dollar. The colours are after Paul Tol's "muted" scheme, which is safe for colour-blind
readers, darkened where a thin line on white would be too pale.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

INK, MUTED, GRID, RAIL, PAPER = "#24292f", "#57606a", "#dfe3e8", "#f2f4f7", "#ffffff"
EARLY, MIDDLE, LATE = "#d98e04", "#c2417c", "#2c3e9e"  # the steps of one run
TRAIN, VALIDATION = "#8a94a0", "#0072b2"

ACTIVATION_COLOURS = {
    "sigmoid": "#cc6677",
    "tanh": "#332288",
    "relu": "#117733",
    "leaky_relu": "#2a9d8a",
    "elu": "#2f8fc9",
    "selu": "#882255",
    "gelu": "#aa4499",
    "swish": "#8a8a2b",
    "identity": "#7d8590",
}
SPARE_COLOURS = ("#d9731a", "#4477aa", "#a05a2c", "#6f4fb0", "#5b7f3a", "#b03a4a")
DASHES = ("solid", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)), (0, (7, 2, 1, 1, 1, 2)))
JOINERS = "\u200c\u200d"  # stand inside words and emoji
Dash = Any  # what matplotlib takes as a line style

CELL_WIDTH, CELL_HEIGHT = 3.75, 2.8  # inches, of one panel with its labels
LEFT, RIGHT, TOP, BOTTOM = 0.6, 0.15, 0.56, 0.5  # inches, from a panel's edge to its axes
TITLE_HEIGHT, KEY_HEIGHT = 0.36, 0.22  # inches, of the title and of one row of the legend
KEYS_IN_A_ROW = 5
POINTS = 72  # in an inch
PNG_DPI = 144

RC: Any = {
    "text.parse_math": False,
    "text.usetex": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "vgrad",
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "axes.unicode_minus": True,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 8.5,
    "axes.titlesize": 10,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlepad": 19,
    "axes.facecolor": PAPER,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "figure.facecolor": PAPER,
    "figure.autolayout": False,
    "figure.constrained_layout.use": False,
    "savefig.bbox": None,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.solid_capstyle": "round",
    "hatch.linewidth": 0.7,
    "image.composite_image": False,
}
LOOKS = {"axes", "figure", "font", "grid", "hatch", "image", "legend", "lines", "markers", "patch"}
LOOKS |= {"path", "savefig", "svg", "text", "xaxis", "xtick", "yaxis", "ytick"}
DEFAULTS = {  # so that a user's own settings of matplotlib change nothing
    name: value for name, value in mpl.rcParamsDefault.items() if name.split(".")[0] in LOOKS
}
styled = mpl.rc_context(DEFAULTS | RC)  # as a decorator: the body runs under this look


@dataclass(frozen=True)
class Key:
    """One entry of a legend."""

    label: str
    colour: str
    dash: Dash = "solid"
    marker: str = ""


def plain(text: object, most: int = 200) -> str:
    """Text that is safe to draw: what cannot be printed is shown escaped, what is long is cut."""
    shown = "".join(c if c.isprintable() or c in JOINERS else ascii(c)[1:-1] for c in str(text))
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def colours(activations: Iterable[str]) -> dict[str, str]:
    """A colour for each activation: always the same for the usual ones."""
    names = sorted(set(activations))
    others = [name for name in names if name not in ACTIVATION_COLOURS]
    spare = {name: SPARE_COLOURS[i % len(SPARE_COLOURS)] for i, name in enumerate(others)}
    return {name: ACTIVATION_COLOURS.get(name) or spare[name] for name in names}


def dashes(inits: Iterable[str]) -> dict[str, Dash]:
    """A line style for each initialisation, in alphabetical order."""
    return {name: DASHES[i % len(DASHES)] for i, name in enumerate(sorted(set(inits)))}


class Sheet(Figure):
    """A figure of panels in two columns, with a title and a legend above them.

    Each panel's artists have the group id `panel-0`, `panel-1` …, so that a page can lay the
    panels out anew, with a legend of its own made from `keys`.

    Attributes:
        panels: the axes, row by row.
        keys: the entries of the legend.
        boxes: the place of each panel in the figure's SVG: id → (x, y, width, height) in points.
    """

    def __init__(self, panels: int, title: str, keys: Sequence[Key] = ()) -> None:
        columns, rows = (2 if panels > 1 else 1), (panels + 1) // 2
        head = TITLE_HEIGHT + KEY_HEIGHT * -(-len(keys) // KEYS_IN_A_ROW)
        super().__init__(figsize=(columns * CELL_WIDTH, head + rows * CELL_HEIGHT))
        self.keys = tuple(keys)
        self.panels: list[Axes] = []
        self.boxes: dict[str, tuple[float, float, float, float]] = {}
        for index in range(panels):
            row, column = divmod(index, columns)
            self._add_panel(column * CELL_WIDTH, head + row * CELL_HEIGHT)
        self._write_head(plain(title, 36 * columns))

    def _add_panel(self, left: float, top: float) -> None:
        """One panel, its upper left corner in inches."""
        width, height = self.get_size_inches()
        axes = self.add_axes(
            (
                (left + LEFT) / width,
                (height - top - CELL_HEIGHT + BOTTOM) / height,
                (CELL_WIDTH - LEFT - RIGHT) / width,
                (CELL_HEIGHT - TOP - BOTTOM) / height,
            )
        )
        axes.set_gid(f"panel-{len(self.panels)}")
        self.boxes[f"panel-{len(self.panels)}"] = (
            left * POINTS,
            top * POINTS,
            CELL_WIDTH * POINTS,
            CELL_HEIGHT * POINTS,
        )
        self.panels.append(axes)

    def _write_head(self, title: str) -> None:
        width, height = self.get_size_inches()
        self.text(0.1 / width, 1 - 0.13 / height, title, va="top", size=11)
        if self.keys:
            self.legend(
                handles=[_handle(key) for key in self.keys],
                loc="upper left",
                bbox_to_anchor=(0.05 / width, 1 - (TITLE_HEIGHT - 0.1) / height),
                ncols=KEYS_IN_A_ROW,
                handlelength=2.4,
            )


def name_axes(axes: Axes, title: str, quantity: str) -> None:
    """The title of a panel and, below it, what goes up: read without turning one's head."""
    axes.set_title(title)
    axes.set_ylabel(quantity, rotation=0, ha="left", va="baseline")
    axes.yaxis.set_label_coords(0, 1 + 6 / POINTS / (CELL_HEIGHT - TOP - BOTTOM))


@styled
def svg(figure: Figure) -> str:
    """The figure as SVG, its text as text; the same figure gives the same bytes."""
    buffer = io.StringIO()
    with _any_glyph():
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": "vgrad"})
    return buffer.getvalue()


@styled
def png(figure: Figure) -> bytes:
    """The figure as PNG, for slides and mails."""
    buffer = io.BytesIO()
    with _any_glyph():
        figure.savefig(buffer, format="png", dpi=PNG_DPI, metadata={"Software": "vgrad"})
    return buffer.getvalue()


def _any_glyph() -> warnings.catch_warnings[Any]:
    """A name may hold letters that the font lacks; a box in their place is no reason to warn."""
    return warnings.catch_warnings(action="ignore", category=UserWarning)


def _handle(key: Key) -> Line2D:
    style: Mapping[str, Any] = {"color": key.colour, "linestyle": key.dash, "marker": key.marker}
    return Line2D([], [], label=plain(key.label, 32), markersize=3.5, linewidth=1.6, **style)

"""The look that all figures share: colours, the sheet of panels, and how it is written.

Only matplotlib's object interface is used, and no mathematical typesetting: a `$` in a name is
a dollar.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from vgrad.figures.live import Cells, Live
from vgrad.figures.palette import GRID, INK, MUTED, PAPER, Dash

JOINERS = "\u200c\u200d"  # stand inside words and emoji

CELL_WIDTH, CELL_HEIGHT = 3.75, 2.8  # inches, of one panel with its labels
LEFT, RIGHT, TOP, BOTTOM = 0.6, 0.15, 0.56, 0.5  # inches, from a panel's edge to its axes
TITLE_HEIGHT, KEY_HEIGHT = 0.36, 0.22  # inches, of the title and of one row of the legend
MOST_KEYS_IN_A_ROW = 6
LETTER, KEY_LINE = 0.078, 0.62  # inches, of a letter of the legend, and of a key's line
LONGEST_KEY = 40  # letters
TITLES = ((38, 10.0), (44, 8.6), (52, 7.4))  # letters of a panel's title → its size
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


class Sheet(Figure):
    """A figure of panels in two or three columns, with a title and a legend above them.

    Each panel's artists have the group id `panel-0`, `panel-1` …, so that a page can lay the
    panels out anew, with a legend of its own made from `keys`. In a figure of arms, the artists
    of one have the group id `arm-N`, its band has `band-N`, and a line through the points of
    several has `arms-N-M-…`, with the numbers of the arms.

    Attributes:
        panels: the axes, row by row.
        keys: the entries of the legend.
        boxes: the place of each panel in the figure's SVG: id → (x, y, width, height) in points.
        live: for each panel what a script must know to place values in it; None where it cannot.
        cells: the panels that are maps, by their place.
        table: what is drawn, as a table; None where it is the records themselves.
        caption: one sentence that says what to see.
        note: how to read what is drawn: means, bands, and what was left out.
    """

    def __init__(
        self,
        panels: int,
        title: str,
        keys: Sequence[Key] = (),
        *,
        across: int = 1,
        size: tuple[float, float] | None = None,
    ) -> None:
        """An empty sheet.

        Args:
            panels: how many.
            title: a heading.
            keys: the entries of the legend.
            across: panels that belong together and begin a new row; 1 = none do.
            size: inches, of the one panel that is not as large as all others.
        """
        columns = 1 if panels == 1 else 3 if across % 3 == 0 else 2
        block = -(-across // columns) if across > 1 else 1  # rows of panels that belong together
        rows = block * (panels // across) if across > 1 else -(-panels // columns)
        width, body = size or (columns * CELL_WIDTH, rows * CELL_HEIGHT)
        in_a_row = _keys_in_a_row(keys, width)
        head = TITLE_HEIGHT + KEY_HEIGHT * -(-len(keys) // in_a_row)
        super().__init__(figsize=(width, head + body))
        self.keys = tuple(keys)
        self.panels: list[Axes] = []
        self.boxes: dict[str, tuple[float, float, float, float]] = {}
        self.live: list[Live | None] = [None] * panels
        self.cells: dict[int, Cells] = {}
        self.table: pd.DataFrame | None = None
        self.caption = ""
        self.note = ""
        cell = (size or (CELL_WIDTH, CELL_HEIGHT)) if panels == 1 else (CELL_WIDTH, CELL_HEIGHT)
        for index in range(panels):
            group, within = divmod(index, across) if across > 1 else (0, index)
            row, column = divmod(within, columns)
            row += group * block
            self._add_panel(column * CELL_WIDTH, head + row * CELL_HEIGHT, *cell)
        self._write_head(plain(title, int(9.6 * width)), in_a_row)

    def place(self, axes: Axes) -> tuple[float, float, float, float]:
        """x, y, width and height of some axes inside the SVG, in points, y downwards."""
        width, height = self.get_size_inches()
        spot = axes.get_position()
        x, y = spot.x0 * width * POINTS, (1 - spot.y1) * height * POINTS
        shape = (spot.width * width * POINTS, spot.height * height * POINTS)
        return (round(x, 3), round(y, 3), round(shape[0], 3), round(shape[1], 3))

    def _add_panel(self, left: float, top: float, across: float, down: float) -> None:
        """One panel, its upper left corner and its size in inches."""
        width, height = self.get_size_inches()
        axes = self.add_axes(
            (
                (left + LEFT) / width,
                (height - top - down + BOTTOM) / height,
                (across - LEFT - RIGHT) / width,
                (down - TOP - BOTTOM) / height,
            )
        )
        gid = f"panel-{len(self.panels)}"
        axes.set_gid(gid)
        self.boxes[gid] = (left * POINTS, top * POINTS, across * POINTS, down * POINTS)
        self.panels.append(axes)

    def _write_head(self, title: str, in_a_row: int) -> None:
        width, height = self.get_size_inches()
        self.text(0.1 / width, 1 - 0.13 / height, title, va="top", size=11)
        if self.keys:
            self.legend(
                handles=[_handle(key) for key in _by_column(self.keys, in_a_row)],
                loc="upper left",
                bbox_to_anchor=(0.05 / width, 1 - (TITLE_HEIGHT - 0.1) / height),
                ncols=in_a_row,
                handlelength=2.8,
                columnspacing=1.2,
            )


def _keys_in_a_row(keys: Sequence[Key], width: float) -> int:
    """How many entries of a legend fit beside each other."""
    longest = max((min(len(key.label), LONGEST_KEY) for key in keys), default=1)
    fitting = int((width - 0.1) / (KEY_LINE + LETTER * longest))
    return max(1, min(fitting, MOST_KEYS_IN_A_ROW, len(keys) or 1))


def _by_column(keys: Sequence[Key], in_a_row: int) -> list[Key]:
    """The entries in the order in which a legend takes them, so that they read row by row."""
    return [key for column in range(in_a_row) for key in keys[column::in_a_row]]


def name_axes(axes: Axes, title: str, quantity: str, letters: int = 0) -> None:
    """The title of a panel and, below it, what goes up: read without turning one's head.

    Args:
        axes: the panel.
        title: its title.
        quantity: what goes up, with its unit.
        letters: of the longest title of the figure, so that all have one size.
    """
    letters = max(letters, len(title))
    size = next((size for most, size in TITLES if letters <= most), TITLES[-1][1])
    axes.set_title(plain(title, TITLES[-1][0]), size=size)
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
    return Line2D(
        [], [], label=plain(key.label, LONGEST_KEY), markersize=3.5, linewidth=1.6, **style
    )

"""What becomes of the gradient: a grid of two settings, in each cell a small profile and a word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from vgrad.arms import Arm, differing
from vgrad.figures.arm_profiles import at_end, number_of
from vgrad.figures.bands import draw_arm
from vgrad.figures.looks import Look
from vgrad.figures.palette import FATES, INK, MUTED, activation_colour
from vgrad.figures.quantities import Quantity
from vgrad.figures.scale import Scale
from vgrad.figures.series import Points, Rows, Series, banded, series, table
from vgrad.figures.settings import levels, said, shown
from vgrad.figures.split import spread
from vgrad.figures.style import CELL_WIDTH, Sheet, plain, styled

WORDS = {
    "healthy": "healthy",
    "vanishing": "vanishes",
    "exploding": "explodes",
    "diverged": "diverged",
    "unsure": "unsure",
}
GRAVITY = ("diverged", "exploding", "vanishing", "unsure", "healthy")  # the first of a tie
RELATIVE = Quantity("delta_rms", "Fate of the gradient", "δ / δ of last hidden layer  [1]", "log")
MOST_COLUMNS, MOST_ROWS, MOST_LINES = 6, 26, 5
LEFT, TOP, BOTTOM, CELL, STRIP = 1.45, 0.3, 0.42, 0.86, 0.27  # inches
MOST_NAMED = 6  # healthy cells in the caption
WIDE = 1.1  # inches of a cell that has room for a number
NAME = 14  # letters of a row's name


@dataclass(frozen=True)
class Fate:
    """What became of the gradient in one cell.

    Attributes:
        verdict: of most runs of the deepest nets, the gravest of a tie.
        agree, count: how many of them have it, and how many there are.
        since: the least depth from which on most runs have it; None where depths do not differ.
    """

    verdict: str
    agree: int
    count: int
    since: int | None = None

    @property
    def words(self) -> str:
        """The verdict as it stands in the cell."""
        share = "" if self.agree == self.count else f" {self.agree} of {self.count}"
        return f"{WORDS.get(self.verdict, plain(self.verdict, 12))}{share}"


@styled
def fates(runs: pd.DataFrame, layers: pd.DataFrame, arms: Sequence[Arm], title: str = "") -> Sheet:
    """A grid activation × init, in each cell the error signal by layer and what became of it.

    The profile is that of step 0, relative to the last hidden layer, over layer / depth; all
    cells have one axis. The word is the verdict of most runs of the deepest nets. Where one of
    the two settings does not differ, the next that does takes its place.

    Args:
        runs: a row per run.
        layers: the rows of all runs of `layers.parquet`.
        arms: what is compared.
        title: a heading.
    """
    by_row, by_column = _axes_of(arms)
    names = levels(arms, by_row), levels(arms, by_column) if by_column else [""]
    rows = [names[0][i] for i in spread(len(names[0]), MOST_ROWS)]
    columns = [names[1][i] for i in spread(len(names[1]), MOST_COLUMNS)]
    cells = {
        (r, c): [a for a in arms if shown(a, by_row) == r and (not c or shown(a, by_column) == c)]
        for r in rows
        for c in columns
    }
    drawn = _profiles(layers, cells)
    where = _where(cells, by_row, by_column)
    size = (2 * CELL_WIDTH, TOP + CELL * len(rows) + BOTTOM)
    figure = Sheet(1, title or f"What becomes of the gradient{where}", size=size)
    fate = {place: _fate(runs, members) for place, members in cells.items() if members}
    _draw(figure, rows, columns, drawn, fate, by_row, by_column)
    figure.caption = _caption(fate, where, by_row, by_column)
    left_out = len(names[0]) - len(rows), len(names[1]) - len(columns)
    figure.note = _note(cells, left_out)
    return figure


def _axes_of(arms: Sequence[Arm]) -> tuple[str, str | None]:
    """The settings of the rows and of the columns."""
    differ = differing(arms)
    both = [key for key in ("activation", "init") if key in differ]
    rest = [key for key in differ if key not in both]
    row, *others = [*both, *rest] or ["activation"]
    return row, others[0] if others else None


def _fate(runs: pd.DataFrame, arms: Sequence[Arm]) -> Fate:
    """The verdict of a cell."""
    told = runs["verdict"] if "verdict" in runs else pd.Series("unsure", index=runs.index)
    words = told.where(told.isin(list(WORDS)), "unsure")  # a run that was killed has none
    verdict_of = dict(zip(runs["run_id"], words, strict=True))
    by_depth: dict[int, list[str]] = {}
    for arm in arms:
        found = by_depth.setdefault(int(arm.settings["depth"]), [])
        found += [verdict_of[run_id] for run_id in arm.run_ids if run_id in verdict_of]
    depths = sorted(by_depth)
    most = {depth: _majority(by_depth[depth]) for depth in depths}
    verdict = most[depths[-1]]
    since = depths[-1]
    for depth in reversed(depths):
        if most[depth] != verdict:
            break
        since = depth
    votes = by_depth[depths[-1]]
    return Fate(verdict, votes.count(verdict), len(votes), since if len(depths) > 1 else None)


def _majority(verdicts: Sequence[str]) -> str:
    counts = Counter(verdicts)

    def weight(name: str) -> tuple[int, int]:
        return counts[name], -GRAVITY.index(name) if name in GRAVITY else -len(GRAVITY)

    return max(counts, key=weight, default="unsure")


def _profiles(
    layers: pd.DataFrame, cells: Mapping[tuple[str, str], Sequence[Arm]]
) -> dict[tuple[str, str], list[Series]]:
    """The profiles of each cell, the shallowest first, a few of them."""
    rows = Rows(at_end(layers, "first"))
    found = {}
    for place, arms in cells.items():
        ordered = sorted(arms, key=lambda arm: int(arm.settings["depth"]))
        by_depth = {int(arm.settings["depth"]): arm for arm in ordered}  # one for each depth
        picked = list(by_depth.values()) if len(by_depth) > 1 else ordered
        found[place] = series([picked[i] for i in spread(len(picked), MOST_LINES)], rows, _points)
    return found


def _points(rows: Rows, run_id: str) -> Points | None:
    layer, delta = rows.of(run_id, "layer")[:-1], rows.of(run_id, "delta_rms")[:-1]
    if not len(layer):
        return None
    with np.errstate(all="ignore"):
        return layer / layer[-1], delta / delta[-1]


def _draw(
    figure: Sheet,
    rows: Sequence[str],
    columns: Sequence[str],
    drawn: Mapping[tuple[str, str], Sequence[Series]],
    fate: Mapping[tuple[str, str], Fate],
    by_row: str,
    by_column: str | None,
) -> None:
    """Heads, cells and the axis below."""
    values = [one.recorded for found in drawn.values() for one in found]
    scale = RELATIVE.scale(np.concatenate(values or [np.empty(0)]))
    frame = _frame(figure)
    width = _inches(figure)[0]
    across = min((width - LEFT - 0.1) / len(columns), 3.0)
    tables = []
    for r, row in enumerate(rows):
        bottom = BOTTOM + CELL * (len(rows) - 1 - r)
        _write(frame, 0.1, bottom + CELL * 0.45, plain(said(by_row, row), NAME), weight="bold")
        for c, column in enumerate(columns):
            left = LEFT + c * across
            if r == 0 and by_column:
                head = plain(said(by_column, column), int(across / 0.085))
                _write(frame, left + 0.05, height_of(rows) + 0.07, head, weight="bold")
            if (row, column) not in fate:
                continue
            box = (left, bottom, across, CELL)
            axes = _cell(figure, frame, box, drawn[row, column], fate[row, column], scale)
            _ticks(axes, scale, first=c == 0)
            banded_rows = [(one, banded(one, scale)) for one in drawn[row, column]]
            named = said(by_row, row) + (f", {said(by_column, column)}" if by_column else "")
            tables.append(table(banded_rows, scale, named, "share"))
    filled = [part for part in tables if len(part)]
    figure.table = pd.concat(filled, ignore_index=True) if filled else None
    _write(frame, LEFT, 0.14, "layer / depth, input on the left  [each cell from 0 to 1]", MUTED)
    _write(frame, 0.1, height_of(rows) + 0.07, "δ / δ of last hidden layer", MUTED, size=7)


def height_of(rows: Sequence[str]) -> float:
    """Inches from the foot of the grid's panel to the top of its cells."""
    return BOTTOM + CELL * len(rows)


def _frame(figure: Sheet) -> Axes:
    """The axes of the whole panel in inches, without any line of its own."""
    frame = figure.panels[0]
    _, _, width, height = figure.boxes["panel-0"]
    whole = _inches(figure)
    frame.set_position(
        (0, 0, width / 72 / whole[0], height / 72 / whole[1])  # the panel is at the foot
    )
    frame.set_xlim(0, width / 72)
    frame.set_ylim(0, height / 72)
    frame.axis("off")
    frame.set_title("Fate of the gradient", alpha=0)
    return frame


def _inches(figure: Sheet) -> tuple[float, float]:
    width, height = figure.get_size_inches()
    return float(width), float(height)


def _cell(
    figure: Sheet,
    frame: Axes,
    box: tuple[float, float, float, float],
    drawn: Sequence[Series],
    fate: Fate,
    scale: Scale,
) -> Axes:
    """One cell: its tint, its words, its profile."""
    left, bottom, across, down = box
    gap = 0.035
    frame.add_patch(
        Rectangle(
            (left + gap / 2, bottom + gap / 2),
            across - gap,
            down - gap,
            facecolor=FATES.get(fate.verdict, FATES["unsure"]),
            edgecolor="none",
        )
    )
    kept = _kept(drawn)
    _write(frame, left + 0.08, bottom + down - 0.18, fate.words, weight="bold", size=8.5)
    small = f"× {number_of(kept)}" if 0 < kept < np.inf else ""
    beside = 0.085 * len(fate.words) + 0.062 * len(small) + 0.2 < across
    if beside or across > WIDE:
        height_in = bottom + (down - 0.18 if beside else 0.09)
        _write(frame, left + across - 0.08, height_in, small, size=7.5, ha="right")
    width, height = _inches(figure)
    axes = figure.add_axes(
        (
            (left + 0.08) / width,
            (bottom + 0.07) / height,
            (across - 0.16) / width,
            (down - STRIP - 0.1) / height,
        )
    )
    axes.set_gid(f"panel-0.{len(figure.axes)}")
    axes.patch.set_alpha(0)
    axes.set_xlim(0, 1.02)
    axes.set_ylim(*scale.limits)
    for i, one in enumerate(drawn):
        last = i == len(drawn) - 1
        look = Look(activation_colour(str(one.arm.settings.get("activation"))) if last else MUTED)
        draw_arm(axes, one, banded(one, scale), scale, look, many=1 if last else 13)
    return axes


def _ticks(axes: Axes, scale: Scale, *, first: bool) -> None:
    """A common axis, with labels at the left of the grid."""
    axes.spines[:].set_visible(False)
    axes.set_xticks([])
    ticks = scale.ticks(4)
    axes.set_yticks([place for place, _ in ticks], [label if first else "" for _, label in ticks])
    axes.tick_params(labelsize=7, pad=7, length=0)
    axes.axhline(0, color=MUTED, linewidth=0.6, linestyle=(0, (2, 2)), zorder=0.8)


def _kept(drawn: Sequence[Series]) -> float:
    """How much of δ reaches layer 1 of the deepest net, the geometric mean over seeds."""
    if not drawn:
        return float("nan")
    with np.errstate(all="ignore"):
        logs = np.log10(drawn[-1].values[:, 0])
    logs = logs[np.isfinite(logs)]
    return float(10.0 ** logs.mean()) if len(logs) else float("nan")


def _write(
    frame: Axes, x: float, y: float, text: str, colour: str = INK, size: float = 8.5, **more: Any
) -> None:
    frame.text(x, y, text, color=colour, size=size, va="baseline", **more)


def _where(
    cells: Mapping[tuple[str, str], Sequence[Arm]], by_row: str, by_column: str | None
) -> str:
    """At which depth the verdicts are, as part of a sentence; nothing where each cell has its own.

    Where the depth is a setting of the grid, its rows or columns say it.
    """
    deepest = {max(int(arm.settings["depth"]) for arm in arms) for arms in cells.values() if arms}
    if "depth" in (by_row, by_column) or not deepest:
        return ""
    return (
        f" at depth {deepest.pop()}" if len(deepest) == 1 else " in the deepest nets of each cell"
    )


def _caption(
    fate: Mapping[tuple[str, str], Fate], where: str, by_row: str, by_column: str | None
) -> str:
    """How many cells have each fate, and which are healthy."""
    counts = Counter(one.verdict for one in fate.values())
    healthy = [
        said(by_row, row) + (f" {said(by_column, column)}" if by_column else "")
        for (row, column), f in fate.items()
        if f.verdict == "healthy"
    ]
    names = f" ({', '.join(healthy)})" if 0 < len(healthy) <= MOST_NAMED else ""
    others = [f"{WORDS.get(v, v)} in {counts[v]}" for v in GRAVITY if counts[v] and v != "healthy"]
    cells = "combinations" if by_column else "cases"
    told = [f"is healthy in {len(healthy)} of {len(fate)} {cells}{names}", *others]
    place = f"{where.strip().capitalize()} the" if where else "The"
    return f"{place} gradient {', '.join(told)}."


def _note(cells: Mapping[tuple[str, str], Sequence[Arm]], left_out: tuple[int, int]) -> str:
    several = any(len({arm.settings["depth"] for arm in arms}) > 1 for arms in cells.values())
    parts = [
        "Each cell: the error signal at step 0 by layer, relative to the last hidden layer; "
        "the dotted line is 1, nothing lost; the number is what reaches layer 1.",
        "Words: the verdict of most runs" + (" of the deepest nets" if several else "") + ".",
        "Grey: shallower nets." if several else "",
        f"{left_out[0]} rows and {left_out[1]} columns are left out." if any(left_out) else "",
    ]
    return " ".join(filter(None, parts))

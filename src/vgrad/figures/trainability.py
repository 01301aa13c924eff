"""Trainability: the final accuracy over depth and the scale of the weights, and theory's line.

Figure 5 of Schoenholz et al. 2017, arXiv:1611.01232: networks train to about six depth scales.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from vgrad.arms import Arm, differing
from vgrad.figures.heatmaps import SIZES, scale_bar
from vgrad.figures.palette import INK, MUTED, PAPER, RAIL
from vgrad.figures.quantities import numbers
from vgrad.figures.scale import Numbers, Scale
from vgrad.figures.settings import levels, said, shown
from vgrad.figures.split import spread
from vgrad.figures.style import Key, Sheet, name_axes, styled
from vgrad.phrases import counted, is_number, percent

SCALES = ("init.gain", "init.std", "init.bias_std")  # the first of these that goes along x
FEWEST = 3  # values of the depth, and of that setting
MOST_PANELS = 4
MOST_TICKS = 12
ALONE = 5.4, 3.8  # inches, of a panel by itself
RESULT, LIMIT = "final_val_accuracy", "theory.trainable_depth"
LINE = Key("6 ξ, predicted", INK)
MARKS = {"diverged": "x", "no accuracy": "+"}  # what became of a run without a result


@dataclass(frozen=True)
class Grid:
    """One panel: values of the setting to the right, depths upwards.

    Attributes:
        title: what its runs have in common.
        values, depths: along the axes, by size.
        accuracy: mean over the runs of a cell that have one, [depths, values]; NaN without any.
        count: runs in each cell, likewise.
        odd: what became of a run without a result → how many of each cell.
        limit: 6 ξ of each value; infinite at criticality, NaN where nothing is predicted.
    """

    title: str
    values: Numbers
    depths: Numbers
    accuracy: Numbers
    count: Numbers
    odd: Mapping[str, Numbers]
    limit: Numbers


def scale_key(runs: pd.DataFrame, arms: Sequence[Arm]) -> str | None:
    """The setting along x; None where these runs have no such figure.

    They must differ in the depth and in one numeric setting of the init, and have an accuracy.
    """
    if RESULT not in runs or LIMIT not in runs or not np.isfinite(numbers(runs[RESULT])).any():
        return None
    if not (numbers(runs[LIMIT]) > 0.0).any() or len(levels(arms, "depth")) < FEWEST:
        return None
    for key in SCALES:
        found = [arm.settings[key] for arm in arms if key in arm.settings]
        if all(map(is_number, found)) and len(set(map(float, found))) >= FEWEST:
            return key
    return None


@styled
def trainability(
    runs: pd.DataFrame, arms: Sequence[Arm], key: str | None = None, title: str = ""
) -> Sheet:
    """A map of the final accuracy over depth and a setting of the init, with 6 ξ drawn over it.

    Args:
        runs: a row per run, with `theory.trainable_depth`.
        arms: what is compared.
        key: the setting along x; `scale_key` chooses it if not given.
        title: a heading.
    """
    key = key or scale_key(runs, arms) or SCALES[0]
    arms = [arm for arm in arms if is_number(arm.settings.get(key))]
    groups = _groups(arms, key)
    shown_groups = [groups[i] for i in spread(len(groups), MOST_PANELS)]
    grids = [_grid(runs, members, key, name) for name, members in shown_groups]
    size = ALONE if len(grids) == 1 else None
    figure = Sheet(len(grids), title or "How deep a network trains", [LINE], size=size)
    chance = _chance(runs)
    for axes, grid in zip(figure.panels, grids, strict=True):
        _draw(axes, grid, key, chance)
    figure.table = pd.concat([_table(grid, key) for grid in grids], ignore_index=True)
    figure.caption = _caption(grids, chance)
    figure.note = " ".join(_notes(grids, len(groups), key))
    return figure


def _groups(arms: Sequence[Arm], key: str) -> list[tuple[str, list[Arm]]]:
    """The arms of each panel: alike in all but the depth and the setting along x."""
    apart = [one for one in differing(arms) if one not in ("depth", key)]
    found: dict[str, list[Arm]] = {}
    for arm in arms:
        name = ", ".join(said(one, shown(arm, one)) for one in apart)
        found.setdefault(name, []).append(arm)
    return list(found.items())


def _grid(runs: pd.DataFrame, arms: Sequence[Arm], key: str, title: str) -> Grid:
    rows = runs.set_index("run_id")
    values = np.unique([float(arm.settings[key]) for arm in arms])
    depths = np.unique([float(arm.settings["depth"]) for arm in arms])
    shape = len(depths), len(values)
    total, there, count = (np.zeros(shape) for _ in range(3))
    odd = {name: np.zeros(shape) for name in MARKS}
    limits: list[list[float]] = [[] for _ in values]
    for arm in arms:
        column = int(np.searchsorted(values, float(arm.settings[key])))
        at = int(np.searchsorted(depths, float(arm.settings["depth"]))), column
        own = rows.loc[[run_id for run_id in arm.run_ids if run_id in rows.index]]
        accuracy, ended = numbers(own[RESULT]), own["status"].to_numpy() == "diverged"
        fine = np.isfinite(accuracy) & ~ended
        total[at] += accuracy[fine].sum()
        there[at] += fine.sum()
        count[at] += len(own)
        odd["diverged"][at] += ended.sum()
        odd["no accuracy"][at] += (~fine & ~ended).sum()
        told = numbers(own[LIMIT])
        limits[column] += told[~np.isnan(told)].tolist()
    with np.errstate(invalid="ignore"):
        accuracy = total / there
    limit = [float(np.median(found)) if found else np.nan for found in limits]
    return Grid(title, values, depths, accuracy, count, odd, np.array(limit))


def _draw(axes: Axes, grid: Grid, key: str, chance: float) -> None:
    """Cells of one size, in the order of their values."""
    heading = f"{grid.title}: accuracy" if grid.title else "Accuracy"
    name_axes(axes, f"{heading}  [%]", "depth  [hidden layers]")
    colours = mpl.colormaps[SIZES]
    share = np.clip((grid.accuracy - chance) / (1.0 - chance), 0.0, 1.0)
    image = colours(np.nan_to_num(share))
    image[np.isnan(share)] = (*mpl.colors.to_rgb(RAIL), 1.0)
    image[grid.count == 0] = (0.0, 0.0, 0.0, 0.0)
    rows, columns = grid.accuracy.shape
    axes.imshow(
        (255 * image).round().astype(np.uint8),
        origin="lower",
        aspect="auto",
        interpolation="none",
        extent=(-0.5, columns - 0.5, -0.5, rows - 0.5),
    )
    for name, marker in MARKS.items():
        y, x = np.nonzero(grid.odd[name])
        style: dict[str, Any] = {
            "linestyle": "none",
            "marker": marker,
            "markersize": 5.0,
            "zorder": 3,
        }
        axes.plot(x, y, color=MUTED, gid=f"cells {name}", **style)
    _draw_limit(axes, grid)
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(-0.5, rows - 0.5)
    _ticks(axes, grid, key)
    axes.spines[:].set_visible(False)
    ends = 100.0 * chance, 100.0
    scale_bar(axes, Scale("linear", *ends, {}), ends, colours)


def _draw_limit(axes: Axes, grid: Grid) -> None:
    """6 ξ of each value; where it is beyond the deepest network it leaves the panel."""
    rows = len(grid.depths)
    x = np.arange(len(grid.values), dtype=np.float64)
    y = places(np.minimum(grid.limit, 1e9), grid.depths)
    y = np.clip(y, -0.5, rows + 0.5)
    for colour, width in ((INK, 3.4), (PAPER, 1.7)):
        axes.plot(x, y, color=colour, linewidth=width, zorder=4)


def places(values: Numbers, known: Numbers) -> Numbers:
    """Where values stand on an axis on which the known ones are 0, 1, 2 …; beyond them likewise."""
    if len(known) < 2:
        return np.where(np.isnan(values), np.nan, np.sign(values - known[0]))
    found = np.interp(values, known, np.arange(len(known)))
    first, last = known[1] - known[0], known[-1] - known[-2]
    found = np.where(values < known[0], (values - known[0]) / first, found)
    found = np.where(values > known[-1], len(known) - 1 + (values - known[-1]) / last, found)
    return np.where(np.isnan(values), np.nan, found)


def _ticks(axes: Axes, grid: Grid, key: str) -> None:
    sides = ((axes.xaxis, grid.values), (axes.yaxis, grid.depths))
    for axis, values in sides:
        chosen = spread(len(values), MOST_TICKS)
        axis.set_ticks(chosen, labels=[f"{values[i]:g}" for i in chosen])
    axes.set_xlabel(f"{key}  [σ_w]" if key == "init.gain" else f"{key}  [1]")


def _chance(runs: pd.DataFrame) -> float:
    known = numbers(runs["chance"]) if "chance" in runs else np.empty(0)
    known = known[np.isfinite(known) & (known < 1.0)]
    return float(np.median(known)) if len(known) else 0.0


def _table(grid: Grid, key: str) -> pd.DataFrame:
    """What is drawn: a row per cell, then the line."""
    rows, columns = grid.accuracy.shape
    cells = {
        "label": [f"depth={depth:g}" for depth in grid.depths for _ in range(columns)],
        "x": np.tile(grid.values, rows),
        "value": grid.accuracy.flatten(),
        "runs": grid.count.flatten().astype(int),
        "diverged": grid.odd["diverged"].flatten().astype(int),
    }
    line: dict[str, Any] = {"label": "6 ξ, predicted", "x": grid.values, "value": grid.limit}
    line |= {"runs": 0, "diverged": 0}
    drawn = pd.concat([pd.DataFrame(cells), pd.DataFrame(line)], ignore_index=True)
    drawn.insert(0, "panel", grid.title or "Accuracy")
    drawn.insert(1, "along", key)
    return drawn


def _caption(grids: Sequence[Grid], chance: float) -> str:
    """How often the line says what came of it, over the cells of which both are known."""
    agree = count = 0
    best = max(float(np.nanmax(g.accuracy)) for g in grids if np.isfinite(g.accuracy).any())
    bar = chance + (best - chance) / 2.0
    for grid in grids:
        known = (grid.count > 0) & ~np.isnan(grid.limit)
        trained = np.nan_to_num(grid.accuracy) > bar
        foretold = grid.depths[:, None] < grid.limit
        agree += int((trained == foretold)[known].sum())
        count += int(known.sum())
    share = percent(agree / count) if count else "–"
    return (
        f"In {share} of {counted(count, 'cell')} accuracy gets beyond {percent(bar)}, or does "
        "not, as theory says: it should in networks of less than six depth scales."
    )


def _notes(grids: Sequence[Grid], groups: int, key: str) -> list[str]:
    """How to read it, and what is left out."""
    parts = [
        "Colour: the final validation accuracy in %, mean over the runs of a cell; half of the way "
        "from chance to the best counts as trained. Cells are of one size, whatever lies between "
        "their values."
    ]
    for name, marker in (("diverged", "×"), ("no accuracy", "+")):
        if any(grid.odd[name].any() for grid in grids):
            parts.append(
                f"{marker}: a run that {'diverged' if name == 'diverged' else f'has {name}'}."
            )
    if key == "init.gain":
        parts.append("σ_w is init.gain for lecun_normal and orthogonal weights.")
    if groups > len(grids):
        parts.append(f"So that it can be read, {len(grids)} of {groups} panels are drawn.")
    if any(np.isnan(grid.limit).any() for grid in grids):
        parts.append("Where there is no line, nothing is predicted.")
    return parts

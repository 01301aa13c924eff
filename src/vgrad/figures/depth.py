"""What a sweep found against depth, or against another number: the headline of many runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from vgrad.arms import Arm
from vgrad.figures.bands import titled
from vgrad.figures.depth_caption import caption
from vgrad.figures.facets import Facets, results_of
from vgrad.figures.lines import dress, guide, mark, stroke
from vgrad.figures.live import Live
from vgrad.figures.looks import Look, Looks, looks
from vgrad.figures.palette import GUIDE_DASH, MUTED
from vgrad.figures.quantities import ACCURACY, LOSS, Quantity, numbers
from vgrad.figures.scale import DIVERGED, Kind, Numbers, Scale, number
from vgrad.figures.series import Band, Series, banded, how_banded, table
from vgrad.figures.settings import shown
from vgrad.figures.split import Group, Split, lines, split
from vgrad.figures.style import Key, Sheet, name_axes, styled
from vgrad.phrases import counted, is_number

DECAY = Quantity(
    "grad_decay",
    "Gradient decay",
    "slope of log₁₀ δ, backwards  [decades per layer]",
    "auto",
)
REACH = Quantity(
    "reach",
    "Error signal that reaches layer 1",
    "δ of layer 1 / δ of last hidden layer  [1]",
    "log",
)
RESULTS = (("final_val_accuracy", ACCURACY), ("final_train_accuracy", ACCURACY))
LOSSES = (("final_val_loss", LOSS), ("final_train_loss", LOSS))
WHERE = {"final_val_accuracy": "Final accuracy", "final_val_loss": "Final loss"}
LOG_FROM = 7.9  # times that the largest x must be the least for a logarithmic axis
DODGE = 0.022  # of the axis, over which lines are moved apart so that their bars do not cover
MOST_TICKS = 9
MOST_GROUPS = 6  # panels of one result
MOST_IN_BRIEF = 16  # lines of a panel at the top of a page
UNITS = {"depth": "hidden layers", "width": "units", "batch_size": "examples", "steps": "updates"}


@dataclass(frozen=True)
class Along:
    """The x axis: a setting that is a number."""

    key: str
    kind: Kind
    values: Numbers

    def place(self, values: Numbers) -> Numbers:
        """Where they stand."""
        return np.log10(values) if self.kind == "log" else values

    @property
    def span(self) -> float:
        """The width of the axis, in placed units."""
        placed = self.place(self.values)
        return float(np.ptp(placed)) or 1.0


@dataclass(frozen=True)
class Curve:
    """One line.

    Attributes:
        arms: those along it.
        series: their results, values [S, X].
        lost: [X], where a run diverged, which has no result.
    """

    arms: Sequence[Arm]
    series: Series
    lost: NDArray[np.bool_]


@styled
def depth_curves(
    runs: pd.DataFrame,
    arms: Sequence[Arm],
    facets: Facets | None = None,
    title: str = "",
    *,
    brief: bool = False,
) -> Sheet:
    """Final accuracy, gradient decay and final loss against depth, a line per activation × init.

    Each seed is a dot, so that two peaks are not hidden by their mean; the bars are the 95 %
    interval of the mean. Where the depth does not differ, another number goes along x.

    Args:
        runs: a row per run.
        arms: what is compared.
        facets: which settings go along x, have the colours and the panels.
        title: a heading.
        brief: two panels, for the top of a page.
    """
    facets = facets or Facets(x="depth")
    along = _along(arms, facets.x or "depth")
    arms = [arm for arm in arms if is_number(arm.settings.get(along.key))]
    look = looks(arms, replace(facets, facet=None) if brief else facets, apart=[along.key])
    groups = split(arms, facets, look, [along.key], most_groups=MOST_GROUPS)
    if brief:
        groups = _best(runs, arms, along, facets.hue)
    drawn = runs[runs["run_id"].isin([run for arm in groups.arms for run in arm.run_ids])]
    quantities = _quantities(drawn, few=len(groups.groups) == 1)[: 2 if brief else None]
    across = len(groups.groups)
    keys = [*look.legend(groups.arms), *_guide_key(quantities)]
    heading = (title or f"What {along.key} does") + groups.common
    figure = Sheet(len(quantities) * across, heading, keys, across=across)
    results = runs.set_index("run_id")
    _fill(figure, results, quantities, groups, along, look)
    bars = how_banded(groups.arms).replace("bands", "bars")
    told = f"Lines are means over seeds, dots are seeds; {bars}."
    parts = [told, _on_diverged(drawn, quantities), groups.note]
    figure.note = " ".join(filter(None, parts))
    figure.caption = caption(results, groups.arms, along.key)
    return figure


def _best(runs: pd.DataFrame, arms: Sequence[Arm], along: Along, hue: str | None) -> Split:
    """One group: of each colour the line with the best result at its far end, then the next."""
    result = results_of(runs)
    of = dict(zip(runs["run_id"], result if result is not None else [], strict=False))
    found = lines(arms, along.key)
    ends = [max(line, key=lambda arm: float(arm.settings[along.key])) for line in found]
    scores = [float(np.mean([of.get(run, 0.0) for run in end.run_ids])) for end in ends]
    order = sorted(range(len(found)), key=lambda place: -scores[place])
    first = {shown(ends[place], hue): place for place in reversed(order)}  # the best of each
    ranked = list(dict.fromkeys([*sorted(first.values(), key=order.index), *order]))
    chosen = sorted(ranked[:MOST_IN_BRIEF])
    kept = [arm for place in chosen for arm in found[place]]
    note = f"{len(chosen)} of {len(found)} lines are drawn, those with the best results"
    note += f", the best of each {hue} among them." if hue else "."
    return Split([Group("", kept)], note if len(chosen) < len(found) else "")


def _fill(
    figure: Sheet,
    results: pd.DataFrame,
    quantities: Sequence[tuple[str, Quantity]],
    groups: Split,
    along: Along,
    look: Looks,
) -> None:
    tables = []
    places = iter(range(len(figure.panels)))
    letters = max(len(titled("Gradient decay", group.title)) for group in groups.groups)
    for column, quantity in quantities:
        curves = [list(_curves(results, column, group, along)) for group in groups.groups]
        scale = _scale(quantity, [curve for found in curves for curve in found])
        for group, found in zip(groups.groups, curves, strict=True):
            place = next(places)
            axes = figure.panels[place]
            title = titled(WHERE.get(column, quantity.title), group.title)
            drawn = [(one.series, banded(one.series, scale, ending=False)) for one in found]
            for i, (curve, (_, band)) in enumerate(zip(found, drawn, strict=True)):
                shift = DODGE * along.span * (i / max(len(found) - 1, 1) - 0.5)
                _draw(axes, curve, band, scale, along, look.of[curve.arms[0].number], shift)
            name_axes(axes, title, quantity.axis, letters)
            dress(axes, quantity, scale)
            _label(axes, along)
            _guide(axes, column, results, scale)
            if not found:
                _say_why_empty(axes, column, group)
            shown_arms = tuple(arm.number for curve in found for arm in curve.arms)
            figure.live[place] = Live(
                "depth",
                column,
                figure.place(axes),
                axes.get_xlim(),
                scale,
                moves=False,
                x_key=along.key,
                x_kind=along.kind,
                arms=shown_arms,
            )
            tables.append(_table(found, drawn, scale, title, along))
    filled = [rows for rows in tables if len(rows)]
    figure.table = pd.concat(filled, ignore_index=True) if filled else None


def _scale(quantity: Quantity, curves: Sequence[Curve]) -> Scale:
    """One scale for all panels, with a rail for the runs that have no result."""
    every = [curve.series.recorded for curve in curves]
    scale = quantity.scale(np.concatenate(every or [np.empty(0)]))
    return scale.with_diverged() if any(curve.lost.any() for curve in curves) else scale


def _on_diverged(runs: pd.DataFrame, quantities: Sequence[tuple[str, Quantity]]) -> str:
    """What became of the runs that have no result; empty where all have one."""
    count = int((runs["status"] == DIVERGED).sum())
    if not count or not any(_is_result(column) for column, _ in quantities):
        return ""
    have = "has" if count == 1 else "have"
    return (
        f"{counted(count, 'run')} that diverged {have} no result: ✕ on the lowest rail, "
        "and the means are of the others."
    )


def _is_result(column: str) -> bool:
    """Whether a run that diverged has none: what it was before training it has."""
    return column.startswith("final_")


def _say_why_empty(axes: Axes, column: str, group: Group) -> None:
    """In an empty panel, the reason."""
    shallow = all(int(arm.settings.get("depth", 0)) < 2 for arm in group.arms)
    slope = column in ("grad_decay", "reach")
    why = "no slope in less than two hidden layers" if slope and shallow else "not recorded"
    where: Any = {"transform": axes.transAxes, "ha": "center", "va": "center"}
    axes.text(0.5, 0.5, why, color=MUTED, **where)


def _along(arms: Sequence[Arm], key: str) -> Along:
    found = [arm.settings[key] for arm in arms if is_number(arm.settings.get(key))]
    values = np.unique(np.array(found, dtype=np.float64))
    wide = len(values) > 1 and values[0] > 0 and values[-1] >= LOG_FROM * values[0]
    return Along(key, "log" if wide else "linear", values)


def _quantities(runs: pd.DataFrame, *, few: bool) -> list[tuple[str, Quantity]]:
    """What is drawn: the result, the gradient and the loss, of what was measured."""

    def first(*columns: tuple[str, Quantity]) -> list[tuple[str, Quantity]]:
        there = [(name, q) for name, q in columns if name in runs and runs[name].notna().any()]
        return there[:1]

    decay, reach = ("grad_decay", DECAY), ("reach", REACH)
    found = [*first(*RESULTS), *first(decay), *first(*LOSSES), *(first(reach) if few else [])]
    return found or [decay]  # an empty panel says that there is nothing


def _guide_key(quantities: Sequence[tuple[str, Quantity]]) -> list[Key]:
    """What the lines to compare with are."""
    columns = {column for column, _ in quantities}
    words = ["chance"] if any("accuracy" in column for column in columns) else []
    words += ["nothing lost"] if columns & {"grad_decay", "reach"} else []
    return [Key(", or ".join(words), MUTED, GUIDE_DASH)] if words else []


def _curves(results: pd.DataFrame, column: str, group: Group, along: Along) -> Iterator[Curve]:
    values = dict(zip(results.index, numbers(results[column]), strict=True))
    status = results["status"] if _is_result(column) else pd.Series(dtype=object)
    diverged = set(status.index[status == DIVERGED])
    for line in lines(group.arms, along.key):
        members = sorted(line, key=lambda arm: float(arm.settings[along.key]))
        grid = np.full((max(len(arm.run_ids) for arm in members), len(members)), np.nan)
        for place, arm in enumerate(members):
            for seed, run_id in enumerate(arm.run_ids):
                if run_id not in diverged:
                    grid[seed, place] = values.get(run_id, np.nan)
        lost = np.array([not diverged.isdisjoint(arm.run_ids) for arm in members])
        x = np.array([float(arm.settings[along.key]) for arm in members])
        present = ~np.isnan(grid)  # NaN was not measured: a run that goes there has diverged
        if present.any() or lost.any():
            yield Curve(members, Series(members[0], x, grid, present), lost)


def _draw(
    axes: Axes, curve: Curve, band: Band, scale: Scale, along: Along, look: Look, shift: float
) -> None:
    x = along.place(curve.series.x) + shift
    middle = np.clip(band.middle, scale.low, scale.high)
    numbers_of = "-".join(str(arm.number) for arm in curve.arms)
    stroke(
        axes,
        x,
        middle,
        color=look.colour,
        linestyle=look.dash,
        linewidth=1.6,
        gid=f"arms-{numbers_of}",
        zorder=2.2,
    )
    placed = np.where(curve.series.present, scale.place(curve.series.values), np.nan)
    for i, arm in enumerate(curve.arms):
        gid, colour = f"arm-{arm.number}", look.colour
        if np.isfinite(middle[i]):
            stroke(
                axes,
                x[i : i + 1],
                middle[i : i + 1],
                color=colour,
                marker="^" if band.middle[i] > scale.high else look.marker or "o",
                markersize=3.6,
                markeredgewidth=0,
                gid=gid,
                zorder=2.3,
            )
        if np.isfinite(band.low[i]) and np.isfinite(band.high[i]):
            axes.plot(
                [x[i]] * 2,
                [band.low[i], band.high[i]],
                color=colour,
                linewidth=1,
                alpha=0.6,
                gid=gid,
            )
        seeds = placed[:, i][np.isfinite(placed[:, i]) & (placed[:, i] <= scale.high)]
        if len(seeds) > 1:
            style: Any = {"linestyle": "none", "marker": "o", "markersize": 2.6}
            style["markeredgewidth"] = 0
            stroke(
                axes,
                np.full(len(seeds), x[i]),
                seeds,
                color=colour,
                alpha=0.5,
                gid=gid,
                **style,
            )
        marks = band.marks | ({DIVERGED: curve.lost} if curve.lost.any() else {})
        for rail, mask in marks.items():
            if mask[i]:
                mark(axes, x[i : i + 1], scale, rail, colour, gid=gid)


def _label(axes: Axes, along: Along) -> None:
    """The values of the setting along x."""
    placed = along.place(along.values)
    margin = 0.05 * along.span
    axes.set_xlim(placed.min(initial=np.inf) - margin, placed.max(initial=-np.inf) + margin)
    kept: list[int] = []
    for i in range(len(placed)):
        if not kept or placed[i] - placed[kept[-1]] >= along.span / MOST_TICKS:
            kept.append(i)
    axes.set_xticks(placed[kept], [number(along.values[i]) for i in kept])
    axes.set_xlabel(f"{along.key}  [{UNITS.get(along.key, 'as set')}]")


def _guide(axes: Axes, column: str, results: pd.DataFrame, scale: Scale) -> None:
    """The line to compare with: chance, or nothing lost."""
    if "accuracy" in column and "chance" in results:
        chances = set(results["chance"].dropna())
        if len(chances) == 1:
            guide(axes, chances.pop())
    if column in ("grad_decay", "reach") and scale.low < 0 < scale.high:
        guide(axes, 0.0)


def _table(
    found: Sequence[Curve],
    drawn: Sequence[tuple[Series, Band]],
    scale: Scale,
    title: str,
    along: Along,
) -> pd.DataFrame:
    rows = table(drawn, scale, title, along.key)
    if len(rows):
        kept = [
            arm
            for curve, (_, band) in zip(found, drawn, strict=True)
            for arm, there in zip(curve.arms, band.told, strict=True)
            if there
        ]
        rows["arm"], rows["label"] = [a.number for a in kept], [a.label for a in kept]
    return rows

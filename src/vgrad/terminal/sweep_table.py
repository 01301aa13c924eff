"""The table that closes a sweep: what came of each setting, mean ± standard error over seeds.

The standard error is the sample's standard deviation over √n. A number that is not finite counts
for no mean; where no run of a row has a finite one, it is shown itself. What came of a run that
diverged counts for none either.
"""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.constrain import Constrain
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vgrad.diagnose import number
from vgrad.phrases import counted, sentence
from vgrad.store.document import decode
from vgrad.terminal.lines import literal
from vgrad.terminal.sweep_tally import MADE, SCORES, value_words

SEED = "seed"
MOST_ROWS = 50  # the canonical sweep has 48
WIDEST_NOTE = 100  # cells
ABSENT = "–"
VERDICTS = ("verdict", "diverged")  # the headings of what is told together where room is short
COLOURS = {"healthy": "green", "vanishing": "red", "exploding": "red", "diverged": "magenta"}
# What is given up, one after the other, until the table fits.
N_ELSEWHERE, SHORT_KEYS, VERDICT_LINES, NO_DIVERGED, BARE_DECAY, NO_DECAY, FOLDED = range(1, 8)


@dataclass(frozen=True)
class Row:
    """The runs that differ in their seed only.

    Attributes:
        values: their settings, by the swept keys.
        runs: their summaries, decoded, each with its run's `status`.
    """

    values: tuple[Any, ...]
    runs: tuple[Mapping[str, Any], ...]

    @property
    def diverged(self) -> int:
        """How many of the runs diverged."""
        return sum(run["status"] == "diverged" for run in self.runs)

    def numbers(self, name: str) -> list[float]:
        """A field's values, as far as they are numbers; of runs that diverged only `grad_decay`."""
        runs = self.runs
        if name != "grad_decay":
            runs = tuple(run for run in runs if run["status"] != "diverged")
        values = [run.get(name) for run in runs]
        return [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]

    def mean(self, name: str) -> float | None:
        """The mean of a field's finite values; None where there are none."""
        values = list(filter(math.isfinite, self.numbers(name)))
        return fmean(values) if values else None

    def estimate(self, name: str, show: Callable[[float, int], str], *, bare: bool = False) -> str:
        """The mean ± the standard error of a field; without the latter where n = 1 or `bare`."""
        values = self.numbers(name)
        held = list(filter(math.isfinite, values))
        if not held:
            return str(values[0]) if values else ABSENT
        mean = show(fmean(held), 3)
        if len(held) == 1 or bare:
            return mean
        return f"{mean} ± {show(stdev(held) / math.sqrt(len(held)), 2)}"

    def verdicts(self, *, diverged: bool) -> list[tuple[str, int]]:
        """The verdicts and how often, the commonest first; `diverged` among them or left out."""
        found = Counter(
            "diverged" if run["status"] == "diverged" else str(run.get("verdict") or "")
            for run in self.runs
        )
        kept = [pair for pair in found.most_common() if diverged or pair[0] != "diverged"]
        return [(literal(name), count) for name, count in kept if name]


@dataclass(frozen=True)
class Column:
    """One column: its heading and its cells."""

    heading: str
    cells: Sequence[Text]
    justify: Literal["left", "right"] = "right"


def closing(
    runs: Sequence[Mapping[str, Any]], keys: Sequence[str], folder: Path, console: Console
) -> RenderableType | None:
    """The table with its caption, as wide as the console at most; None where no run was made.

    Args:
        runs: what `run.json` holds of each run; those that did not come to an end are left out.
        keys: what was swept, in the order typed.
        folder: where the runs are.
        console: where it will be shown.
    """
    keys = [key for key in dict.fromkeys(keys) if key != SEED]
    rows = rows_of(runs, keys)
    if not rows:
        return None
    told = [i for i in range(len(keys)) if len({_same(row.values[i]) for row in rows}) > 1]
    common = [
        f"{literal(key)} {value_words(rows[0].values[i])}"
        for i, key in enumerate(keys)
        if i not in told
    ]
    shown, cut = _shortened(rows)
    table, given_up = _fitting(shown, [(keys[i], i) for i in told], cut, console)
    left_out = len(rows) - len(shown)
    lines = [
        *([_left_out(rows, left_out, folder)] if left_out else []),
        *([f"The same in all: {', '.join(common)}."] if common else []),
        _caption(rows, with_decay=given_up != NO_DECAY),
    ]
    notes = Text("\n".join(filter(None, lines)), style="dim")
    return Group(table, Text(), Constrain(notes, WIDEST_NOTE)) if notes else table


def rows_of(runs: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[Row]:
    """The runs that have ended, by their settings: numbers ascending, others as they first come."""
    groups: dict[tuple[Any, ...], tuple[tuple[Any, ...], list[dict[str, Any]]]] = {}
    for run in runs:
        if run.get("status") not in MADE:
            continue
        values = tuple(setting(run.get("config") or {}, key) for key in keys)
        summary = {**decode(dict(run.get("summary") or {})), "status": run["status"]}
        groups.setdefault(tuple(map(_same, values)), (values, []))[1].append(summary)
    rows = [Row(values, tuple(group)) for values, group in groups.values()]
    places = [_places([row.values[i] for row in rows]) for i in range(len(keys))]
    return sorted(
        rows, key=lambda row: [places[i][_same(value)] for i, value in enumerate(row.values)]
    )


def setting(config: Mapping[str, Any], key: str) -> Any:
    """The value of a dotted key; a choice is its name, what is not there is None."""
    value: Any = config
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value.get("name") if isinstance(value, Mapping) else value


def _same(value: Any) -> Any:
    """What tells a value from others: 1, 1.0 and true are three."""
    return type(value).__name__, str(value)


def _places(values: Sequence[Any]) -> dict[Any, int]:
    numeric = all(isinstance(value, int | float) for value in values)
    ordered = sorted(values) if numeric else values
    return {same: place for place, same in enumerate(dict.fromkeys(map(_same, ordered)))}


def _score(rows: Sequence[Row]) -> str | None:
    """The field by which runs are ranked: accuracy where any has one."""
    return next((name for name in SCORES if any(row.numbers(name) for row in rows)), None)


def _shortened(rows: list[Row]) -> tuple[list[Row], int | None]:
    """All rows, or the best and the worst and how many of these are the best ones."""
    score = _score(rows)
    if len(rows) <= MOST_ROWS:
        return rows, None
    if score is not None:
        worst = -math.inf * SCORES[score]

        def place(row: Row) -> float:
            mean = row.mean(score)
            return -SCORES[score] * (worst if mean is None else mean)

        rows = sorted(rows, key=place)
    half = MOST_ROWS // 2
    return [*rows[:half], *rows[-half:]], half


def _fitting(
    rows: Sequence[Row], keys: Sequence[tuple[str, int]], cut: int | None, console: Console
) -> tuple[RenderableType, int]:
    """The table with as much in it as fits beside each other, and what was given up for that."""
    for given_up in range(FOLDED):
        table = _table(_columns(rows, keys, given_up), cut)
        unlimited = console.options.update_width(10_000)
        if Measurement.get(console, unlimited, table).maximum <= console.width:
            return table, given_up
    return _folded(rows, keys, cut), FOLDED


def _columns(rows: Sequence[Row], keys: Sequence[tuple[str, int]], given_up: int) -> list[Column]:
    """The columns, without those that are given up."""
    counts = [len(row.runs) for row in rows]
    with_n = max(counts) > 1 and (len(set(counts)) > 1 or given_up < N_ELSEWHERE)
    diverged = [row.diverged for row in rows]
    apart = any(diverged) and given_up < NO_DIVERGED
    with_decay = given_up < NO_DECAY and any(row.numbers("grad_decay") for row in rows)
    bare = given_up >= BARE_DECAY
    headings = _headings([key for key, _ in keys], short=given_up >= SHORT_KEYS)
    columns = [
        _key_column(heading, [row.values[i] for row in rows])
        for heading, (_, i) in zip(headings, keys, strict=True)
    ]
    if with_n:
        columns.append(Column("n", [Text(str(count)) for count in counts]))
    columns += [
        Column(heading, [Text(row.estimate(name, show)) for row in rows])
        for name, heading, show in _scores(rows)
    ]
    if with_decay:
        decays = [row.estimate("grad_decay", _decades, bare=bare) for row in rows]
        columns.append(Column("grad_decay", [Text(decay) for decay in decays]))
    split = "\n" if given_up >= VERDICT_LINES else ", "
    verdicts = [_verdicts(row, split, diverged=not apart) for row in rows]
    if any(verdicts):
        columns.append(Column("verdict", verdicts, "left"))
    if apart:
        columns.append(Column("diverged", [Text(str(count or ABSENT)) for count in diverged]))
    return columns


def _headings(keys: Sequence[str], *, short: bool) -> list[str]:
    """The keys, or of each its last part where that is no other's: `lr` for `optimizer.lr`."""
    ends = [key.rpartition(".")[2] for key in keys]
    return [
        end if short and ends.count(end) == 1 else key for key, end in zip(keys, ends, strict=True)
    ]


def _key_column(heading: str, values: Sequence[Any]) -> Column:
    numeric = all(isinstance(value, int | float) for value in values)
    cells = [Text(ABSENT if value is None else value_words(value)) for value in values]
    return Column(literal(heading), cells, "right" if numeric else "left")


def _scores(rows: Sequence[Row]) -> list[tuple[str, str, Callable[[float, int], str]]]:
    """The fields that say how well it learned: the loss where a row has no accuracy."""
    with_accuracy = [bool(row.numbers("final_val_accuracy")) for row in rows]
    losses = any(
        row.numbers("final_val_loss") and not has
        for row, has in zip(rows, with_accuracy, strict=True)
    )
    found: list[tuple[str, str, Callable[[float, int], str]]] = []
    if any(with_accuracy):
        found.append(("final_val_accuracy", "accuracy %", lambda value, _: f"{100 * value:.1f}"))
    if losses:
        found.append(("final_val_loss", "val loss", number))
    return found


def _decades(value: float, digits: int) -> str:
    """Decades per layer: three decimals tell apart what matters."""
    return f"{round(value, 3) + 0.0:.3f}" if abs(value) < 100 else number(value, digits)


def _verdicts(row: Row, split: str, *, diverged: bool) -> Text:
    """How often each verdict: `vanishing 5/5`; of a single run the verdict alone."""
    n = len(row.runs)
    parts = [
        Text(name if n == 1 else f"{name} {count}/{n}", style=COLOURS.get(name, "yellow"))
        for name, count in row.verdicts(diverged=diverged)
    ]
    return Text(split).join(parts)


def _table(columns: Sequence[Column], cut: int | None) -> Table:
    """The columns beside each other; between the best rows and the worst an ellipsis."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(Text(column.heading), justify=column.justify, no_wrap=True)
    for place, cells in enumerate(zip(*(column.cells for column in columns), strict=True)):
        if place == cut:
            table.add_row("…")
        table.add_row(*cells)
    return table


def _folded(
    rows: Sequence[Row], keys: Sequence[tuple[str, int]], cut: int | None
) -> RenderableType:
    """For each row a line of its settings and, below it, one of what came of them."""
    lines: list[RenderableType] = []
    columns = [c for c in _columns(rows, [], N_ELSEWHERE) if c.heading not in VERDICTS]
    for place, row in enumerate(rows):
        if place == cut:
            lines.append(Text("…"))
        settings = (f"{literal(key)} {value_words(row.values[i])}" for key, i in keys)
        lines.append(Text(" · ".join(settings), style="bold"))
        results = [_result(column, place) for column in columns]
        results.append(_verdicts(row, ", ", diverged=True))
        lines.append(Padding(Text("   ").join(filter(None, results)), (0, 0, 0, 2)))
    return Group(*lines)


def _result(column: Column, place: int) -> Text:
    cell = column.cells[place]
    if column.heading.endswith(" %"):
        return Text(f"{column.heading[:-2]} {cell} %")
    return Text(f"{column.heading} {cell}")


def _left_out(rows: Sequence[Row], left_out: int, folder: Path) -> str:
    """Which rows are not shown, and what shows them all."""
    score = _score(rows)
    which = ("best", "worst") if score else ("first", "last")
    half = MOST_ROWS // 2
    sort = f" --sort {score}" if score else ""
    return (
        f"Of {len(rows)} rows the {half} {which[0]} and the {half} {which[1]} are shown, "
        f"{left_out} are left out.\nAll runs: vgrad ls {shlex.quote(literal(str(folder)))}{sort}"
    )


def _caption(rows: Sequence[Row], *, with_decay: bool) -> str:
    """What a reader has to know of the numbers."""
    counts = {len(row.runs) for row in rows}
    diverged = sum(row.diverged for row in rows)
    words = []
    if max(counts) > 1:
        seeds = f"{max(counts)} seeds" if len(counts) == 1 else "seeds"
        words.append(f"mean ± standard error over {seeds}")
    if with_decay and any(row.numbers("grad_decay") for row in rows):
        words.append("the grad_decay in decades per layer at the start, < 0 where it vanishes")
    if diverged:
        words.append(
            f"{counted(diverged, 'run')} diverged, and count in no mean of what came at the end"
        )
    return sentence("; ".join(words)) if words else ""

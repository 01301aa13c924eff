"""What a report says, whatever it is written as: page, Markdown or tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vgrad.arms import Arm
from vgrad.diagnose import number, percent
from vgrad.figures import plain
from vgrad.interval import Interval
from vgrad.phrases import counted, typed
from vgrad.report.anonymous import Veil
from vgrad.report.answer import Sentence, spread
from vgrad.report.arm_rows import ArmRow
from vgrad.report.naming import NONE, in_words
from vgrad.report.picture import Picture
from vgrad.report.run import Run, names

RESULT = "result."  # before the key of a column that is none of a setting: both may be `loss`
HEADINGS = {  # of the table of arms, beside the settings: key → heading, whether it is a number
    "runs": ("runs", True),
    "verdict": ("gradient", False),
    "slope": ("decades per layer", True),
    "accuracy": ("accuracy", True),
    "loss": ("validation loss", True),
    "finding": ("finding", False),
    "fix": ("try first", False),
}


@dataclass(frozen=True)
class Cell:
    """One cell of a table: what is read, and what it is sorted by."""

    text: str
    value: float | str | None = None
    words: str = ""  # of a verdict: its class


@dataclass(frozen=True)
class Content:
    """A report.

    Attributes:
        question, answer: at the top.
        claims: what was claimed beforehand: what became of it, and the sentence.
        keys: the settings in which the arms differ.
        rows: a row for each arm.
        runs: every run.
        problems: a line for each file or run that could not be read.
        headline: the picture at the top.
        themes: the pictures below it, by theme.
        own: the pictures of single runs, by run_id, then by theme.
        facets: how the settings were given their places, in a sentence.
        veil: what is left out.
    """

    question: str
    answer: Sequence[Sentence]
    keys: Sequence[str]
    rows: Sequence[ArmRow]
    runs: Sequence[Run]
    claims: Sequence[tuple[str, str]] = ()
    problems: Sequence[str] = ()
    headline: Picture | None = None
    themes: Mapping[str, Sequence[Picture]] = field(default_factory=dict)
    own: Mapping[str, Mapping[str, Picture]] = field(default_factory=dict)
    facets: str = ""
    veil: Veil = field(default_factory=Veil)

    @property
    def arms(self) -> list[Arm]:
        """The arms, in the order of their rows."""
        return [row.arm for row in self.rows]

    @property
    def pictures(self) -> list[Picture]:
        """Every picture, each once."""
        many = [*filter(None, [self.headline])]
        many += [picture for pictures in self.themes.values() for picture in pictures]
        many += [picture for pictures in self.own.values() for picture in pictures.values()]
        return many

    @property
    def moved(self) -> list[Picture]:
        """The pictures whose lines a reader may move: those of all runs together, or of the one."""
        alone = len(self.runs) == 1
        apart = {id(p) for own in self.own.values() for p in own.values() if not alone}
        return [picture for picture in self.pictures if id(picture) not in apart]

    def shown(self, theme: str) -> list[Picture]:
        """The pictures of a theme; of a page about one run its own are among them, and first."""
        own = next(iter(self.own.values()), {}) if len(self.runs) == 1 else {}
        return [*([own[theme]] if theme in own else []), *self.themes.get(theme, [])]

    def names(self) -> list[str]:
        """What each run is called."""
        return names(self.runs, hidden=not self.veil.key("name"))

    def settings(self, run: Run) -> dict[str, Any]:
        """A run's settings that may be shown."""
        return {
            key: self.veil.text(value) if isinstance(value, str) else value
            for key, value in run.settings.items()
            if self.veil.key(key)
        }


def columns(content: Content) -> dict[str, tuple[str, bool]]:
    """The columns of the table of arms: key → heading, whether it is a number.

    A setting goes by its own key, all else by RESULT and its key.
    """
    scored = any(row.accuracy for row in content.rows)
    shown = {key: (key, _numeric(content.rows, key)) for key in content.keys}
    left_out = {"loss"} if scored else {"accuracy"}
    if not any(row.finding for row in content.rows):
        left_out |= {"finding", "fix"}
    made = {f"{RESULT}{key}": told for key, told in HEADINGS.items() if key not in left_out}
    return shown | made


def cells(row: ArmRow, content: Content) -> dict[str, Cell]:
    """The cells of one arm."""
    settings = {key: row.settings.get(key, NONE) for key in content.keys}
    made = {
        key: Cell(plain(content.veil.text(in_words(value)), 60), _sortable(row.settings.get(key)))
        for key, value in settings.items()
    }
    finding = row.finding
    results = {
        "runs": Cell(str(len(row.runs)), float(len(row.runs))),
        "verdict": Cell(verdicts(row), row.verdict, row.verdict),
        "slope": Cell(spread(row.slope, number).replace("-", "−"), _value(row.slope)),
        "accuracy": Cell(spread(row.accuracy), _value(row.accuracy)),
        "loss": Cell(spread(row.loss, number), _value(row.loss)),
        "finding": Cell(finding.rule.replace("_", " ") if finding else ""),
        "fix": Cell(plain(row.fix, 80)),
    }
    return made | {f"{RESULT}{key}": cell for key, cell in results.items()}


def on_diverged(rows: Sequence[ArmRow]) -> str:
    """What stands below the table where runs diverged; empty where none did."""
    count = sum(row.diverged for row in rows)
    if not count:
        return ""
    has = "that diverged has" if count == 1 else "that diverged have"
    return f"The {counted(count, 'run')} {has} no result: accuracy and loss are of the others."


def _value(interval: Interval | None) -> float | None:
    """What a column of means is sorted by."""
    return None if interval is None or math.isnan(interval.value) else interval.value


def verdicts(row: ArmRow) -> str:
    """The verdict, with its counts where the seeds do not agree."""
    if len(row.verdicts) < 2:
        return row.verdict
    return ", ".join(f"{word} {count}" for word, count in row.verdicts.most_common())


def _numeric(rows: Sequence[ArmRow], key: str) -> bool:
    values = [row.settings[key] for row in rows if row.settings.get(key) is not None]
    return bool(values) and all(isinstance(_sortable(value), float) for value in values)


def _sortable(value: Any) -> float | str | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return None if value is None else typed(value)


def result_of(run: Run) -> dict[str, str]:
    """The numbers of a run in words and figures; an empty text where there is none."""
    summary = run.summary
    slope = summary["grad_decay"]
    return {
        "pace": "" if slope is None else f"× {number(10**slope, 3)}",
        "reach": "" if summary["reach"] is None else number(summary["reach"]),
        "accuracy": _shown(summary["final_val_accuracy"], percent),
        "best": _shown(summary["best_val_accuracy"], percent),
        "val_loss": _shown(summary["final_val_loss"], lambda value: number(value, 3)),
        "train_loss": _shown(summary["final_train_loss"], lambda value: number(value, 3)),
    }


def _shown(value: float | None, show: Any) -> str:
    return "" if value is None else str(show(value))

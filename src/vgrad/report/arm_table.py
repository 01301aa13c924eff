"""The table of arms for papers and programs: LaTeX with booktabs, and CSV with the intervals."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence

from vgrad.interval import Interval
from vgrad.report.arm_rows import ArmRow
from vgrad.report.content import RESULT, Content, on_diverged, verdicts
from vgrad.report.naming import NONE, in_words, settings_of
from vgrad.report.tables import FORMULA_STARTS

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{letter: f"\\{letter}" for letter in "#$%&_"},
}
VERDICTS = ("healthy", "vanishing", "exploding", "diverged", "unsure")
MEASURES = ("grad_decay", "accuracy", "val_loss")
TRAINS = {True: "true", False: "false", None: "not decided"}
LATEX_HEAD = "% Made by vgrad. Needs \\usepackage{booktabs}.\n"


def as_csv(content: Content) -> str:
    """A row for each arm: settings, runs, verdicts, and the means with their 95 % intervals."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head = ["runs", "verdict", *VERDICTS]
    head += [f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high")]
    head += ["trains", "finding", "remedy"]
    taken = {"arm", *content.keys}
    own = [f"{RESULT}{name}" if name in taken else name for name in head]
    writer.writerow(["arm", *content.keys, *own])
    for row in content.rows:
        settings = settings_of(row, content.keys)
        intervals = (row.slope, row.accuracy, row.loss)
        numbers = [number for interval in intervals for number in _limits(interval)]
        finding = row.finding.rule if row.finding else ""
        trains = TRAINS[row.trains] if row.is_judged else ""
        words = [row.arm.number, *map(content.veil.text, settings.values()), len(row.runs)]
        words += [row.verdict, *(row.verdicts[name] for name in VERDICTS), *numbers]
        writer.writerow([_safe(word) for word in [*words, trains, finding, row.fix]])
    return out.getvalue()


def as_latex(content: Content) -> str:
    """A booktabs table with a row for each arm; `±` is half the width of the 95 % interval."""
    scored = any(row.accuracy for row in content.rows)
    result = "accuracy [\\%]" if scored else "validation loss"
    heads = [*map(latex, content.keys), "runs", "gradient", "decades per layer", result]
    lines = [
        f"{LATEX_HEAD}\\begin{{tabular}}{{{'l' * len(content.keys)}rlrr}}",
        "\\toprule",
        f"{' & '.join(heads)} \\\\",
        "\\midrule",
        *(f"{' & '.join(_latex_cells(row, content, scored))} \\\\" for row in content.rows),
        "\\bottomrule",
        "\\end{tabular}",
        *filter(None, [on_diverged(content.rows) and f"% {on_diverged(content.rows)}"]),
    ]
    return "\n".join(lines) + "\n"


def latex(text: str) -> str:
    """Text as LaTeX prints it; what it could not print is left out."""
    kept = "".join(letter if letter.isprintable() else "?" for letter in text)
    return re.sub(r"[\\{}~^#$%&_]", lambda match: SPECIAL[match[0]], kept)


def _latex_cells(row: ArmRow, content: Content, scored: bool) -> Sequence[str]:
    settings = [in_words(row.settings.get(key, NONE)) for key in content.keys]
    result = _plus_minus(row.accuracy, 100, 1) if scored else _plus_minus(row.loss, 1, 3)
    return [
        *(latex(content.veil.text(value)) for value in settings),
        str(len(row.runs)),
        verdicts(row),
        _plus_minus(row.slope, 1, 3),
        result,
    ]


def _plus_minus(interval: Interval | None, factor: float, digits: int) -> str:
    """A mean and half the width of its interval, in mathematical typesetting."""
    if interval is None:
        return "--"
    if not math.isfinite(interval.value):
        return "$\\infty$" if interval.value > 0 else "--"
    half = factor * (interval.high - interval.low) / 2
    value = f"{factor * interval.value:.{digits}f}"
    return f"${value} \\pm {half:.{digits}f}$" if math.isfinite(half) else f"${value}$"


def _limits(interval: Interval | None) -> Sequence[float | str]:
    if interval is None:
        return ["", "", ""]
    limits = (interval.value, interval.low, interval.high)
    return ["" if math.isnan(number) else number for number in limits]


def _safe(word: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    text = isinstance(word, str) and word.startswith(FORMULA_STARTS)
    return f"'{word}" if text else word

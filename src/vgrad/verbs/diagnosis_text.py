"""The words of `vgrad diagnose`: one run in full, many by arm and by finding."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vgrad.diagnose import foretold, number, percent
from vgrad.diagnose.finding import UNSURE, Diagnosis, Finding, Slope
from vgrad.terminal.lines import VERDICTS, heading, literal
from vgrad.verbs.diagnosis_tables import CUT_SHORT, DIVERGED, PLAIN, by_arm, by_finding

if TYPE_CHECKING:
    from vgrad.store import Frames

COLOURS = {"healthy": "green", "vanishing": "red", "exploding": "red", "diverged": "magenta"}
MARK = {"sure": "", "likely": "likely", UNSURE: "unsure"}
BAD_STEP = "the first bad step"  # is told as the step since when
HANGING = 3  # cells


def told(frames: Frames, found: Sequence[Diagnosis], width: int) -> RenderableType:
    """What is to be said of some runs: of one all, of many a table by arm and each rule once."""
    if len(found) == 1:
        return one(_row(frames), found[0], reached(frames))
    return Group(by_arm(frames, found, width), *by_finding(frames, found))


def one(row: Mapping[str, Any], diagnosis: Diagnosis, last_step: int | None) -> RenderableType:
    """One run: its verdict, then each finding with what to do.

    Args:
        row: of `.runs`.
        diagnosis: of it.
        last_step: of its records; None where it has none.
    """
    path = literal(str(row["path"]))
    parts: list[RenderableType] = [
        Text(path, "bold"),
        Text(_heading(row), "dim"),
        *_early_end(row, last_step),
        verdict_line(diagnosis),
    ]
    told_at: dict[tuple[str, ...], int] = {}
    for place, finding in enumerate(diagnosis.findings, 1):
        parts += ["", _finding(place, finding, told_at)]
    if not diagnosis.findings:
        parts.append(Text("No rule has found anything wrong."))
    return Group(*parts, *_how_to_mend(row, diagnosis))


def _heading(row: Mapping[str, Any]) -> str:
    """What was trained, as far as its run.json makes sense."""
    steps = _number(row, "steps")
    known = {"depth", "width"} <= row.keys() and steps is not None and math.isfinite(steps)
    return heading(row, int(steps)) if known and steps is not None else ""


def _early_end(row: Mapping[str, Any], last_step: int | None) -> Iterator[Text]:
    """That a run was cut short, or runs still: a line, or none."""
    words = CUT_SHORT.get(str(row["status"]))
    if words is None:
        return
    steps = _number(row, "steps")
    of_all = "" if steps is None or not math.isfinite(steps) else f" of {int(steps)}"
    until = "nothing" if last_step is None else f"what it recorded up to step {last_step}{of_all}"
    yield Text(f"It {words}: judged by {until}.", "yellow")


def verdict_line(diagnosis: Diagnosis) -> Text:
    """The verdict with the slope that it goes with: `vanishing: −0.63 decades a layer …`."""
    word = diagnosis.verdict
    about = VERDICTS.get(word, "the run diverged")
    if word == "unsure" and diagnosis.grad_decay.value is None:
        about = "the records do not tell what became of the gradient"
    line = Text.assemble((word, f"bold {COLOURS.get(word, 'yellow')}"), f": {about}")
    return line.append(slope_words(diagnosis.grad_decay))


def slope_words(slope: Slope) -> str:
    """`; log₁₀ δ changes by −0.63 a layer (95 % interval −0.65 to −0.6, R² 0.998)`."""
    if slope.value is None:
        return "."
    details = []
    if slope.low is not None and slope.high is not None:
        details.append(f"95 % interval {signed(slope.low)} to {signed(slope.high)}")
    if slope.r2 is not None:
        details.append(f"R² {slope.r2:.2f}")
    beside = f" ({', '.join(details)})" if details else ""
    return f"; δ changes by {signed(slope.value)} decades a layer at the start{beside}."


def signed(value: float) -> str:
    """A number with a true minus sign."""
    return number(value).replace("-", "−", 1) if value < 0 else number(value)


def where(finding: Finding) -> str:
    """Where, since when and how strong: `layers 1 to 5, since step 0, −5.7 decades …`."""
    words = []
    if finding.layers is not None:
        first, last = finding.layers
        words.append(f"layer {first}" if first == last else f"layers {first} to {last}")
    if finding.since_step is not None:
        words.append(f"since step {finding.since_step}")
    if finding.unit != BAD_STEP:
        words.append(strength(finding))
    return ", ".join(words)


def strength(finding: Finding) -> str:
    """The value with its unit, shares as percentages: `95 % of a layer's units`."""
    unit = finding.unit
    if unit.startswith("share "):
        return f"{percent(finding.value)} {unit.removeprefix('share ')}"
    if "accuracy" in unit:
        return f"{percent(finding.value)} {unit}"
    if "cosine" in unit:  # what counts is how far it is from 1
        return f"{unit} {finding.value:.5f}"
    return f"{signed(finding.value)} {unit}"


def _finding(place: int, finding: Finding, told_at: dict[tuple[str, ...], int]) -> RenderableType:
    """One finding; remedies that an earlier one has are named once."""
    mark = MARK.get(finding.confidence, finding.confidence)
    head = Text.assemble(
        (f"{place}. ", "bold"),
        (finding.rule, "bold" if finding.confidence != UNSURE else "bold dim"),
        f" ({mark})" if mark else "",
        f": {where(finding)}",
    )
    body = [Text(literal(finding.why))]
    if words := foretold.told(finding):
        body.append(Text(words))
    if finding.remedies in told_at:
        body.append(Text(f"What to do: as for {told_at[finding.remedies]}."))
    elif finding.remedies:
        told_at[finding.remedies] = place
        body += [
            Text.assemble("Try " if first == 0 else " or ", (fix, "cyan"))
            for first, fix in enumerate(finding.remedies)
        ]
    return Group(head, Padding(Group(*body), (0, 0, 0, HANGING)))


def _how_to_mend(row: Mapping[str, Any], diagnosis: Diagnosis) -> Iterator[RenderableType]:
    """The best fix as a command, and how to see what it does."""
    from vgrad.brief import brief
    from vgrad.command import command
    from vgrad.verbs import fixing

    fix = next((found.remedies[0] for found in diagnosis.findings if found.remedies), None)
    if fix is None:
        return
    settings = {key: value for key, value in _settings(row).items() if key != "name"}
    words = brief(fixing.mended(settings, fix))
    yield ""
    yield Text("The first fix as a command, and the same with before and after side by side:")
    for line in (
        command(words),
        shlex.join(["vgrad", "diagnose", literal(str(row["path"])), "--apply-fix"]),
    ):
        yield Text(f"  {literal(line)}", no_wrap=True, overflow="ignore")


def _settings(row: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run as its run.json has them."""
    from vgrad import store

    return dict(store.read_run(str(row["path"])).settings)


def nothing_to_fix(diagnosis: Diagnosis) -> RenderableType:
    """Why no fix is made."""
    if diagnosis.findings:
        rules = ", ".join(found.rule for found in diagnosis.findings)
        return Text(f"Nothing to fix: no remedy is known for {rules}.")
    return Group(verdict_line(diagnosis), Text("Nothing to fix: no rule has found anything wrong."))


def compared(
    before: tuple[Frames, Diagnosis], after: tuple[Frames, Diagnosis], finding: Finding
) -> RenderableType:
    """A run without and with a fix, side by side."""
    table = Table(box=PLAIN, pad_edge=False)
    for title in ("", "before", "after"):
        table.add_column(title, overflow="fold")
    columns = [_outcome(frames, diagnosis) for frames, diagnosis in (before, after)]
    for key in columns[0]:
        values = [column[key] for column in columns]
        if any(value != "–" for value in values):
            table.add_row(key, *(Text(value) for value in values))
    return Group(
        Text.assemble("\nFor ", (finding.rule, "bold"), ": ", (finding.remedies[0], "cyan")),
        table,
    )


def _outcome(frames: Frames, diagnosis: Diagnosis) -> dict[str, str]:
    row = _row(frames)
    slope, reach = diagnosis.grad_decay.value, _number(row, "reach")
    accuracy, loss = (_number(row, f"final_val_{name}") for name in ("accuracy", "loss"))
    if row["status"] == DIVERGED:
        accuracy = loss = None  # those of the last record before
    return {
        "run": literal(str(row["path"])),
        "status": str(row["status"]),
        "verdict": diagnosis.verdict,
        "grad_decay, decades a layer": "–" if slope is None else signed(slope),
        "δ of layer 1 over δ of the last": "–" if reach is None else number(reach),
        "final validation accuracy": "–" if accuracy is None else percent(accuracy),
        "final validation loss": "–" if loss is None else number(loss, digits=3),
        "findings": ", ".join(found.rule for found in diagnosis.findings) or "none",
    }


def reached(frames: Frames) -> int | None:
    """The last step that the one run recorded."""
    return None if frames.steps.empty else int(frames.steps["step"].max())


def _row(frames: Frames) -> dict[str, Any]:
    """The settings and the results of the one run."""
    (row,) = frames.runs[:1].to_dict("records")  # with Python's own numbers
    return {str(key): value for key, value in row.items()}


def _number(row: Mapping[str, Any], key: str) -> float | None:
    """A result; None where it is absent."""
    value = row.get(key)
    known = isinstance(value, int | float) and not math.isnan(value)
    return float(value) if known and value is not None else None


def thresholds(limits: Mapping[str, float]) -> RenderableType:
    """Every threshold: its name and value as typed, its unit, its meaning and its source."""
    from vgrad.diagnose import THRESHOLDS

    parts: list[RenderableType] = []
    for name, threshold in THRESHOLDS.items():
        unit = f"  {threshold.unit}"
        parts.append(Text.assemble((f"{name}={limits[name]:g}", "bold"), (unit, "dim")))
        parts.append(Padding(Text(f"{threshold.meaning}\n{threshold.source}"), (0, 0, 0, HANGING)))
    return Group(*parts)

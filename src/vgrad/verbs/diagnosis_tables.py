"""Many diagnoses: a table with a row per arm, then each rule once with its arms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vgrad.arms import Arm, arms
from vgrad.diagnose import RULES, foretold, number
from vgrad.diagnose.finding import UNSURE, Diagnosis, Finding
from vgrad.interval import of_mean
from vgrad.phrases import counted
from vgrad.terminal.lines import literal

if TYPE_CHECKING:
    from vgrad.store import Frames

PLAIN = SIMPLE_HEAD
MOST_ARMS = 60  # rows of the table
MOST_NAMED = 4  # arms, or fixes, that are named of a finding
DIVERGED = "diverged"
CUT_SHORT = {"running": "is still running", "interrupted": "was interrupted", "failed": "failed"}
# A column → the width of the terminal from which on there is room for it.
COLUMNS = {"runs": 70, "verdict": 0, "decades a layer": 60, "accuracy, %": 80, "finding": 45}


def by_arm(frames: Frames, found: Sequence[Diagnosis], width: int) -> RenderableType:
    """A row per arm: its verdicts, its slope, its accuracy and its gravest finding."""
    by_id = {one.run_id: one for one in found}
    scores = dict(zip(frames.runs["run_id"], _scores(frames), strict=True))
    every = arms(frames.runs)
    table = Table(box=PLAIN, pad_edge=False)
    table.add_column("arm", overflow="fold")
    shown = [title for title in COLUMNS if width >= COLUMNS[title]]
    for title in shown:
        right = title in ("runs", "accuracy, %")
        table.add_column(title, justify="right" if right else "left", overflow="fold")
    for arm in every[:MOST_ARMS]:
        members = [by_id[run_id] for run_id in arm.run_ids if run_id in by_id]
        rules = _common_rules(members)
        cells = {
            "runs": str(len(members)),
            "verdict": _tally([one.verdict for one in members]),
            "decades a layer": _mean([one.grad_decay.value for one in members]),
            "accuracy, %": _mean([scores[one.run_id] for one in members], percent=True),
            "finding": rules[0] + (f" + {len(rules) - 1}" if rules[1:] else "") if rules else "–",
        }
        table.add_row(Text(literal(arm.label)), *(Text(cells[title]) for title in shown))
    more = len(every) - MOST_ARMS
    notes = ["± is half of the 95 % interval over the seeds."] if _has_seeds(every) else []
    notes += _on_ends([str(status) for status in frames.runs["status"]])
    notes += [f"There are {more} arms more; --json has them."] if more > 0 else []
    return Group(table, *(Text(note, "dim") for note in notes))


def _on_ends(statuses: Sequence[str]) -> list[str]:
    """What is to be said of runs that did not come to their end as others did."""
    counts = Counter(statuses)
    notes = []
    if counts[DIVERGED]:
        verb = "counts" if counts[DIVERGED] == 1 else "count"
        runs = counted(counts[DIVERGED], "run")
        notes.append(f"{runs} diverged, and {verb} in no mean accuracy.")
    short = [f"{counts[status]} {status}" for status in CUT_SHORT if counts[status]]
    if short:
        notes.append(f"{', '.join(short)}: judged by what was recorded so far.")
    return notes


def _has_seeds(every: Sequence[Arm]) -> bool:
    return any(len(arm.run_ids) > 1 for arm in every)


def by_finding(frames: Frames, found: Sequence[Diagnosis]) -> Iterator[RenderableType]:
    """Each rule that found anything, once, the gravest first."""
    every = arms(frames.runs)
    any_found = False
    for rule in RULES:
        seen = {
            one.run_id: finding for one in found for finding in one.findings if finding.rule == rule
        }
        if seen:
            any_found = True
            yield from ("", _rule(rule, seen, every, len(found)))
    yield ""
    last = "`vgrad diagnose` of one run's folder says all of it, with the command to try."
    yield Text(last if any_found else "No rule has found anything wrong in any of them.")


def _rule(rule: str, seen: dict[str, Finding], every: Sequence[Arm], runs: int) -> RenderableType:
    sure = {run: finding for run, finding in seen.items() if finding.confidence != UNSURE}
    concerned = [arm for arm in every if any(run in (sure or seen) for run in arm.run_ids)]
    doubtful = len(seen) - len(sure)
    counts = [f"in {len(sure)} of {counted(runs, 'run')}"] if sure else []
    counts += [f"{'perhaps in ' if doubtful else ''}{doubtful}"] if doubtful else []
    head = Text.assemble((rule, "bold" if sure else "bold dim"), f": {', '.join(counts)}")
    strongest = max((sure or seen).values(), key=_strength)
    body = [
        Text(f"Arms: {_named([literal(arm.label) for arm in concerned])}"),
        Text(literal(strongest.why)),
        *_by_theory((sure or seen).values()),
    ]
    fixes = Counter(one.remedies[0] for one in (sure or seen).values() if one.remedies)
    if fixes:
        total = sum(fixes.values())
        words = [
            f"{fix} ({counted(times, 'run')})" if times < total else fix
            for fix, times in fixes.most_common(MOST_NAMED)
        ]
        body.append(Text.assemble("Try ", ("; ".join(words), "cyan")))
    return Group(head, Padding(Group(*body), (0, 0, 0, 3)))


def _by_theory(found: Collection[Finding]) -> Iterator[Text]:
    """In how many of the runs theory foretold it; nothing where it says nothing of it."""
    told = [one for one in found if one.expected_by_theory is not None]
    words = set(map(foretold.told, told))
    if len(words) == 1:
        yield Text(words.pop())
    elif told:
        count = sum(1 for one in told if one.expected_by_theory)
        yield Text(f"Theory foretold it in {count} of {counted(len(told), 'run')}.")


def _strength(finding: Finding) -> float:
    return abs(finding.value) if finding.value == finding.value else 0.0


def _named(labels: Sequence[str]) -> str:
    """A few labels, and how many more there are."""
    more = len(labels) - MOST_NAMED
    return "; ".join(labels[:MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")


def _common_rules(members: Sequence[Diagnosis]) -> list[str]:
    """The rules that found something in at least half of an arm's runs, the gravest first."""
    counts = Counter(
        finding.rule for one in members for finding in one.findings if finding.confidence != UNSURE
    )
    return [rule for rule in RULES if counts[rule] and counts[rule] >= len(members) / 2]


def _tally(words: Sequence[str]) -> str:
    """`vanishing`, or `4 vanishing, 1 unsure`."""
    counts = Counter(words).most_common()
    if len(counts) == 1:
        return counts[0][0]
    return ", ".join(f"{count} {word}" for word, count in counts)


def _mean(values: Sequence[float | None], *, percent: bool = False) -> str:
    """The mean over the seeds with half of its interval: `−0.63 ± 0.02`."""
    held = [value for value in values if value is not None and value == value]
    if not held:
        return "–"
    interval = of_mean(held)
    half = max(interval.high - interval.value, interval.value - interval.low)
    if percent:
        beside = f" ± {100 * min(half, 1.0):.1f}" if interval.is_known else ""
        return f"{100 * interval.value:.1f}{beside}"
    beside = f" ± {number(half)}" if interval.is_known else ""
    return number(interval.value).replace("-", "−", 1) + beside


def _scores(frames: Frames) -> list[float | None]:
    """The final validation accuracy of each run; None where it has none, or diverged."""
    if "final_val_accuracy" not in frames.runs:
        return [None] * len(frames.runs)
    accuracies = frames.runs["final_val_accuracy"].astype(float)
    statuses = frames.runs["status"]
    return [
        None if status == DIVERGED else float(accuracy)
        for accuracy, status in zip(accuracies, statuses, strict=True)
    ]

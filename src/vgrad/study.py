"""Studies carried out: their sweeps, the page about these, and what became of their claims."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from vgrad import store
from vgrad.arms import APART
from vgrad.claims import VERDICTS, Claim, Judged, Measured, judge
from vgrad.compose import Request
from vgrad.interrupt import Interrupted
from vgrad.phrases import counted
from vgrad.report import build
from vgrad.store.disk import aside, writing
from vgrad.study_file import Study
from vgrad.sweep import sweep
from vgrad.terminal import SweepView, View

HOW_LONG = ("steps", "epochs")  # of these, one is given
ANSWER = "study.json"  # in the folder of the runs: what a page about them says later
NO_CHANGE = ("hydra", *(f"{key}=" for key in APART))  # what changes nothing in a run begins so


@dataclass(frozen=True)
class Answer:
    """What came of a study.

    Attributes:
        study: the study.
        folder: of its runs.
        page: about them.
        runs: how many there are.
        judged: its claims.
        problems: a line for each run that could not be read.
    """

    study: Study
    folder: Path
    page: Path
    runs: int
    judged: tuple[Judged, ...]
    problems: tuple[str, ...]

    @property
    def summary(self) -> str:
        """How many of the claims hold, in words."""
        counts = {word: sum(one.verdict == word for one in self.judged) for word in VERDICTS}
        holds, fails, unsure = counts.values()
        if not self.judged:
            return "This study claims nothing."
        if holds == len(self.judged):
            return f"All {counted(holds, 'claim')} hold." if holds > 1 else "The claim holds."
        parts = [
            f"{holds or 'none'} {'hold' if holds > 1 else 'holds'}",
            f"{fails} {'fail' if fails != 1 else 'fails'}" if fails else "",
            f"{unsure} {'are' if unsure != 1 else 'is'} not decided by these seeds"
            if unsure
            else "",
        ]
        return f"Of {counted(len(self.judged), 'claim')} {', '.join(filter(None, parts))}."


def carry_out(
    study: Study,
    request: Request,
    make_view: Callable[[], View],
    make_sweep_view: Callable[[], SweepView],
    warn: Callable[[str], None] = lambda text: None,
) -> Answer:
    """Make what is missing of a study's runs and its page, and judge its claims.

    Args:
        study: the study.
        request: the overrides, which come before those of the study, and the user's config files.
        make_view: shows one run, where Hydra's own launchers make it.
        make_sweep_view: shows a sweep; how it ended is left out unless it was cut short.
        warn: hears what is there and how to go on, where it is cut short after the last run.

    Raises:
        VgradError: the runs cannot be made, or a claim speaks of what they do not have.
        Interrupted: it was asked to end before its last run.
    """
    folder = Path()
    for lines in grids_of(study, request.overrides):
        one = Request(lines, request.config_name, request.config_dir)
        with _end_if_cut_short(make_sweep_view) as make:
            folder = sweep(one, make_view, make)
    with _said_that_runs_are_whole(folder, warn):
        frames = store.load(folder)
        judged = tuple(judge(study.claims, frames))
        claims = [(one.verdict, one.claim.says) for one in judged]
        _keep(folder, study.question, claims)
        page = build([folder], question=study.question, claims=claims, frames=frames)
    return Answer(study, folder, page, len(frames.runs), judged, tuple(frames.problems))


def grids_of(study: Study, overrides: Sequence[str]) -> list[list[str]]:
    """The overrides of each sweep: the user's stand in the place of the study's for the same key.

    All go to one folder. Its name is made from what is varied, but for the seeds: more of these
    are made beside those that are there.
    """
    given = {line.partition("=")[0].lstrip("+"): line for line in overrides}
    gone = {*given, *(HOW_LONG if given.keys() & set(HOW_LONG) else ())}
    grids = [
        [*(line for line in grid if line.partition("=")[0] not in gone), *overrides]
        for grid in study.grids
    ]
    if any(line.startswith("name=") for grid in grids for line in grid):
        return grids
    name = f"study-{study.name}-{_digest(grids)}"
    return [[*grid, f"name={name}"] for grid in grids]


def document(answer: Answer) -> dict[str, Any]:
    """What came of a study, as plain data."""
    return {
        "study": answer.study.name,
        "question": answer.study.question,
        "answer": answer.summary,
        "folder": str(answer.folder),
        "page": str(answer.page),
        "runs": answer.runs,
        "claims": [
            {
                "says": one.claim.says,
                "verdict": one.verdict,
                "is": one.claim.side,
                "value": _value(one.claim),
                "why": one.why,
                "measured": [_measured(arm) for arm in one.measured],
            }
            for one in answer.judged
        ],
        "problems": list(answer.problems),
    }


def _measured(one: Measured) -> dict[str, Any]:
    interval = one.interval
    return {
        "arm": one.arm,
        "against": one.against or None,
        "verdict": one.verdict,
        "value": interval.value,
        "low": interval.low,
        "high": interval.high,
        "count": interval.count,
        "why": one.why,
    }


def _value(claim: Claim) -> float | list[float]:
    return list(claim.bounds) if len(claim.bounds) > 1 else claim.bounds[0]


def _digest(grids: Sequence[Sequence[str]]) -> str:
    lines = [
        "\n".join(sorted(line for line in grid if not line.startswith(NO_CHANGE))) for grid in grids
    ]
    return hashlib.sha256("\n\n".join(lines).encode("utf-8", "backslashreplace")).hexdigest()[:6]


def _keep(folder: Path, question: str, claims: Sequence[tuple[str, str]]) -> None:
    """Leave the question and its answer beside the runs, so that any page about them has these."""
    path = folder / ANSWER
    with writing(path), aside(path) as file:
        file.write(store.dumps({"question": question, "claims": claims}).encode())


@contextmanager
def _said_that_runs_are_whole(folder: Path, warn: Callable[[str], None]) -> Iterator[None]:
    """That nothing is lost, where somebody ends the program while the page is drawn."""
    try:
        yield
    except (KeyboardInterrupt, Interrupted):
        warn(
            "Stopped before the page was drawn. The runs are whole: the same command draws it, and "
            f"so does `vgrad report {shlex.quote(str(folder))}`."
        )
        raise


@contextmanager
def _end_if_cut_short(
    make_view: Callable[[], SweepView],
) -> Iterator[Callable[[], SweepView]]:
    """Views that say how a sweep ended only where it was cut short: a study closes with claims."""
    held: list[Callable[[], None]] = []

    def made() -> SweepView:
        view = make_view()
        finish = view.finish

        def hold(runs: Sequence[Mapping[str, Any]], keys: Sequence[str], folder: Path) -> None:
            held.append(partial(finish, runs, keys, folder))

        view.finish = hold  # type: ignore[method-assign]
        return view

    try:
        yield made
    except BaseException:  # an interruption too
        for say in held:
            say()
        raise

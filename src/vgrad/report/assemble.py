"""Runs → what the report says and shows of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from vgrad.arms import Arm, differing
from vgrad.arms import arms as arms_of
from vgrad.diagnose import diagnose
from vgrad.figures import facets
from vgrad.report import words
from vgrad.report.anonymous import Veil, refuse_names, veil
from vgrad.report.answer import answer
from vgrad.report.arm_rows import ArmRow, arm_rows
from vgrad.report.content import Content
from vgrad.report.distributed import distributed
from vgrad.report.picture import TOP, Material, Picture, Teller, headline, of_arms, of_run
from vgrad.report.run import Run, names
from vgrad.store import Frames

MAPPED = ("healthy", "vanishing", "exploding", "diverged")
MOST_MAPPED = 3
MOST_DRAWN = 8  # runs that get pictures of their own beside those of all runs together


@dataclass(frozen=True)
class Wishes:
    """What the user asks of a report beside the runs.

    Attributes:
        question: what stands at the top instead of what the data give.
        claims: what was claimed beforehand: what became of it, and the sentence.
        anonymous: whether user, machine and folders are left out.
        x, hue, facet: settings that go along x, into the colours, into panels of their own.
        paths: where the runs come from.
    """

    question: str | None = None
    claims: Sequence[tuple[str, str]] = ()
    anonymous: bool = False
    x: str | None = None
    hue: str | None = None
    facet: str | None = None
    paths: Sequence[str | Path] = ()


def only(frames: Frames, runs: Sequence[Run], refused: Sequence[str]) -> Frames:
    """The frames of these runs alone, with a line for each that was refused."""
    problems = [*frames.problems, *refused]
    if not refused:
        return replace(frames, problems=problems)
    ids = {run.file.run_id for run in runs}
    runs_kept, steps, layers, theory = (
        frame[frame["run_id"].isin(ids)].reset_index(drop=True)
        for frame in (frames.runs, frames.steps, frames.layers, frames.theory)
    )
    return Frames(runs_kept, steps, layers, problems, theory)


def content_of(
    frames: Frames, runs: Sequence[Run], wishes: Wishes, drawn: Collection[str], tell: Teller
) -> Content:
    """What the report says.

    Args:
        frames: the runs' records.
        runs: the runs.
        wishes: what the user asks for.
        drawn: the formats that show pictures; without any, none is drawn.
        tell: hears what is being done.
    """
    shield = veil(wishes.anonymous, wishes.paths)
    refuse_names([wishes.question or "", *(says for _, says in wishes.claims)], shield)
    keys = differing(frames.runs)
    placed = facets.choose(frames.runs, wishes.x, wishes.hue, wishes.facet)
    tell("judging the runs")
    rows = arm_rows(_arms(frames, shield), runs, diagnose(frames), keys)
    several = len(runs) > 1
    told = [*words.on_ends(runs), *answer(rows, keys)] if several else words.of_one(runs[0])
    top: Picture | None = None
    themes: dict[str, list[Picture]] = {}
    own = {}
    refused: list[str] = []
    called = names(runs, hidden=not shield.key("name"))
    if drawn:
        arms = [row.arm for row in rows]
        chance = _common_chance(runs)
        parts = (frames.runs, frames.steps, frames.layers)
        mapped = _telling(rows)
        spread = distributed(runs, arms, mapped)
        refused += spread.problems
        material = Material(*parts, arms, placed, chance, mapped, frames.theory, spread)
        themes = of_arms(material, tell)
        top = next(iter(themes.pop(TOP, [])), None) if several else headline(runs[0], called[0])
        own = _own_pictures(runs, called, frames.theory)
    return Content(
        question=wishes.question or words.question(runs, keys),
        answer=told,
        claims=wishes.claims,
        keys=keys,
        rows=rows,
        runs=runs,
        problems=[*frames.problems, *refused],
        headline=top,
        themes=themes,
        own=own,
        facets=placed.why if several else "",
        veil=shield,
    )


def _arms(frames: Frames, shield: Veil) -> list[Arm]:
    """The arms, without what is left out of their settings."""
    return [
        replace(
            arm,
            label=shield.text(arm.label),
            settings={
                key: shield.text(value) if isinstance(value, str) else value
                for key, value in arm.settings.items()
            },
        )
        for arm in arms_of(frames.runs)
    ]


def _telling(rows: Sequence[ArmRow]) -> list[Arm]:
    """An arm for each verdict, the deepest: what a healthy and an ill one look like over time."""
    found: dict[str, ArmRow] = {}
    for row in sorted(rows, key=lambda row: -int(row.arm.settings["depth"])):
        found.setdefault(row.verdict, row)
    return [found[word].arm for word in MAPPED if word in found][:MOST_MAPPED]


def _own_pictures(
    runs: Sequence[Run], called: Sequence[str], theory: pd.DataFrame
) -> dict[str, dict[str, Picture]]:
    """The pictures of each run by itself, if there are not too many."""
    if len(runs) > MOST_DRAWN:
        return {}
    alone = len(runs) == 1
    return {
        run.file.run_id: of_run(run, name, "" if alone else f"run-{number}-", theory)
        for number, (run, name) in enumerate(zip(runs, called, strict=True), 1)
    }


def _common_chance(runs: Sequence[Run]) -> float | None:
    chances = {run.chance for run in runs}
    return chances.pop() if len(chances) == 1 else None

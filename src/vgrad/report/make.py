"""A report made: the runs are read, judged, drawn, and written in each format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vgrad.errors import StoreError
from vgrad.report.assemble import Wishes, content_of, only
from vgrad.report.claimed import Claimed, claimed
from vgrad.report.folder import made_aside
from vgrad.report.formats import check_formats, write
from vgrad.report.picture import Teller
from vgrad.report.run import collect
from vgrad.store import Frames, load


def build(
    paths: Sequence[str | Path],
    out: Path | None = None,
    *,
    question: str | None = None,
    claims: Sequence[tuple[str, str]] = (),
    anonymous: bool = False,
    x: str | None = None,
    hue: str | None = None,
    facet: str | None = None,
    formats: Sequence[str] = ("html",),
    frames: Frames | None = None,
    tell: Teller = lambda what: None,
    warn: Teller = lambda problem: None,
) -> Path:
    """Write a report on one or more runs.

    Args:
        paths: run folders, or folders of runs.
        out: the folder to write to; `report/` in the first of the paths if not given.
        question: what the page answers, instead of one made from what differs.
        claims: what was claimed of the runs beforehand: what became of it, and the sentence.
            Without question and claims, those stand on the page that a study left in the folder.
        anonymous: leave out user, machine and folders.
        x: the setting that goes along x.
        hue: the setting that has the colours.
        facet: the setting that has panels of its own.
        formats: some of FORMATS.
        frames: what `vgrad.store.load` gives for the same paths, where that is there already.
        tell: hears what is being done.
        warn: hears of each file that could not be read.

    Returns:
        what was written for the first of the formats: `index.html`, `report.md`,
        `tables/arms.tex` or `tables/arms.csv`. `tables/` holds the numbers as CSV; beside a page
        or a Markdown file `figures/` holds each figure as PNG and SVG.

    Raises:
        ConfigError: a format is not known, or a setting does not differ among the runs.
        StoreError: there is no run to be read, or the folder cannot be written.
        WriteError: the disk failed; an earlier report is still there.
    """
    check_formats(formats)
    tell("reading the runs")
    frames = load(*paths) if frames is None else frames
    runs, refused = collect(frames)
    if not runs:
        raise StoreError(" ".join(refused))
    left = Claimed(question, claims) if question is not None or claims else claimed(paths)
    frames = only(frames, runs, [*refused, *filter(None, [left.problem])])
    for problem in frames.problems:
        warn(problem)
    out = Path(paths[0]) / "report" if out is None else Path(out)
    wishes = Wishes(left.question, left.claims, anonymous, x, hue, facet, paths)
    content = content_of(frames, runs, wishes, drawn={"html", "md"} & {*formats}, tell=tell)
    with made_aside(out) as folder:
        tell("writing")
        return out / write(folder, content, frames, formats)

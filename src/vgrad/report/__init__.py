"""The report: one self-contained page, its figures as files, and the numbers as tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vgrad.errors import StoreError
from vgrad.report.assemble import Wishes, content_of, only
from vgrad.report.folder import made_aside
from vgrad.report.formats import FORMATS, check_formats, write
from vgrad.report.picture import Teller
from vgrad.report.run import collect
from vgrad.store import load, read_runs

__all__ = ["FORMATS", "Teller", "build"]


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
    tell: Teller = lambda what: None,
) -> Path:
    """Write a report on one or more runs.

    Args:
        paths: run folders, or folders of runs.
        out: the folder to write to; `report/` in the first of the paths if not given.
        question: what the page answers, instead of one made from what differs.
        claims: what was claimed of the runs beforehand: what became of it, and the sentence.
        anonymous: leave out user, machine and folders.
        x: the setting that goes along x.
        hue: the setting that has the colours.
        facet: the setting that has panels of its own.
        formats: some of FORMATS.
        tell: hears what is being done.

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
    frames = load(*paths)
    runs, refused = collect(frames, read_runs(*paths)[0])
    if not runs:
        raise StoreError(" ".join(refused))
    frames = only(frames, runs, refused)
    out = Path(paths[0]) / "report" if out is None else Path(out)
    wishes = Wishes(question, claims, anonymous, x, hue, facet)
    content = content_of(frames, runs, wishes, drawn={"html", "md"} & {*formats}, tell=tell)
    with made_aside(out) as folder:
        tell("writing")
        return out / write(folder, content, frames, formats)

"""The report: one self-contained page, its figures as files, and the numbers as tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vgrad import figures
from vgrad.errors import StoreError
from vgrad.report.folder import PAGE, made_aside
from vgrad.report.page import render
from vgrad.report.picture import Picture, headline, of_run, of_runs
from vgrad.report.run import Run, collect
from vgrad.report.tables import write_tables
from vgrad.store import load, read_runs

MOST_DRAWN = 8  # runs that get pictures of their own beside those of all runs together


def build(paths: Sequence[str | Path], out: Path | None = None) -> Path:
    """Write a report on one or more runs.

    Args:
        paths: run folders, or folders of runs.
        out: the folder to write to; `report/` in the first of the paths if not given.

    Returns:
        the page, `index.html`; beside it `figures/` holds each figure as PNG and SVG and
        `tables/` the numbers as CSV.

    Raises:
        StoreError: there is no run to be read, or the folder cannot be written.
        WriteError: the disk failed; an earlier report is still there.
    """
    frames = load(*paths)
    runs, refused = collect(frames, read_runs(*paths)[0])
    if not runs:
        raise StoreError(" ".join(refused))
    own = _own_pictures(runs)
    top = headline(runs)
    themes = of_runs(runs) if len(runs) > 1 else {}
    out = Path(paths[0]) / "report" if out is None else Path(out)
    with made_aside(out) as folder:
        text = render(runs, [*frames.problems, *refused], top, themes, own)
        (folder / PAGE).write_text(text, encoding="utf-8", errors="backslashreplace")
        pictures = [picture for by_theme in own.values() for picture in by_theme.values()]
        _write_figures(folder / "figures", [*filter(None, [top]), *themes.values(), *pictures])
        tables = {"runs": frames.runs, "steps": frames.steps, "layers": frames.layers}
        write_tables(folder / "tables", tables)
    return out / PAGE


def _own_pictures(runs: Sequence[Run]) -> dict[str, dict[str, Picture]]:
    """The pictures of each run by itself, if there are not too many."""
    if len(runs) > MOST_DRAWN:
        return {}
    alone = len(runs) == 1
    return {
        run.file.run_id: of_run(run, "" if alone else f"run-{number}-")
        for number, run in enumerate(runs, 1)
    }


def _write_figures(folder: Path, pictures: Sequence[Picture]) -> None:
    folder.mkdir()
    for picture in pictures:
        (folder / f"{picture.slug}.svg").write_text(picture.svg, encoding="utf-8")
        (folder / f"{picture.slug}.png").write_bytes(figures.png(picture.sheet))

"""What a report can be written as, and the files that it then consists of."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from vgrad import figures
from vgrad.errors import ConfigError, did_you_mean
from vgrad.report.arm_table import as_csv, as_latex
from vgrad.report.compact import pack_profiles
from vgrad.report.content import Content
from vgrad.report.folder import PAGE, TEXT
from vgrad.report.maps import pack_maps
from vgrad.report.markdown import as_markdown
from vgrad.report.page import moving, render
from vgrad.report.picture import Picture
from vgrad.report.tables import tables, write_tables
from vgrad.store import Frames

FORMATS = {"html": PAGE, "md": TEXT, "latex": "tables/arms.tex", "csv": "tables/arms.csv"}


def check_formats(formats: Collection[str]) -> None:
    """Refuse a format that is not known.

    Raises:
        ConfigError: one is not.
    """
    for name in formats:
        if name not in FORMATS:
            raise ConfigError(f"No format is named {name!r}.{did_you_mean(name, FORMATS)}")
    if not formats:
        raise ConfigError(f"No format is given.{did_you_mean('', FORMATS)}")


def write(folder: Path, content: Content, frames: Frames, formats: Sequence[str]) -> str:
    """Write a report into an empty folder.

    Returns:
        where the first of the formats stands in it.
    """
    write_tables(folder / "tables", tables(frames, content))
    _put(folder / FORMATS["csv"], as_csv(content))
    if content.pictures:
        write_figures(folder / "figures", content.pictures, svg="html" in formats)
    if "html" in formats:
        profiles = pack_profiles(frames.layers, content.arms, moving(content.moved))
        _put(folder / PAGE, render(content, profiles, pack_maps(content.pictures)))
    if "md" in formats:
        _put(folder / TEXT, as_markdown(content))
    if "latex" in formats:
        _put(folder / FORMATS["latex"], as_latex(content))
    return FORMATS[formats[0]]


def write_figures(folder: Path, pictures: Sequence[Picture], *, svg: bool) -> None:
    """Each picture as PNG, and as SVG where that is wanted."""
    folder.mkdir()
    for picture in pictures:
        if svg:
            _put(folder / f"{picture.slug}.svg", picture.svg)
        (folder / f"{picture.slug}.png").write_bytes(figures.png(picture.sheet))


def _put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", errors="backslashreplace")

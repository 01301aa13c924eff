"""A figure as a file of its own, of the kind that its ending says."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from vgrad.errors import ConfigError, StoreError
from vgrad.figures.activations import FORMATS
from vgrad.store.disk import aside, writing


def check(path: Path) -> None:
    """Refuse a file that `save` could not write, before anything is computed.

    Raises:
        ConfigError: it has an ending that is none of FORMATS.
        StoreError: it is in no folder.
    """
    if path.suffix.lower() not in FORMATS:
        *first, last = FORMATS
        raise ConfigError(
            f"A picture goes into a file that ends in {', '.join(first)} or {last}, "
            f"not {str(path)!r}."
        )
    if not path.parent.is_dir():
        raise StoreError(f"{path} cannot be written: there is no folder {str(path.parent)!r}.")


def save(figure: Figure, path: Path) -> None:
    """Write a figure; the file is there whole or not at all.

    Raises:
        StoreError: it cannot be written.
        WriteError: the disk failed.
    """
    image = FORMATS[path.suffix.lower()](figure)
    with writing(path), aside(path) as file:
        file.write(image)

"""The cells of all heat maps in little room, for the note beside the pointer.

They are written as the profiles are (`compact`): 16-bit codes, as differences from record to
record, all low bytes before all high ones, gzipped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vgrad.figures.live import Cells
from vgrad.figures.scale import special
from vgrad.report.compact import codes_of, packed, units
from vgrad.report.picture import Picture


@dataclass(frozen=True)
class Maps:
    """The packed maps.

    Attributes:
        packed: the codes, [layers, steps] of one map after the other, in base64.
        of_panel: (slug, panel) → what the script must know of it.
    """

    packed: str
    of_panel: Mapping[tuple[str, int], dict[str, Any]]


def pack_maps(pictures: Sequence[Picture]) -> Maps:
    """The cells of every heat map."""
    found: list[np.ndarray] = []
    of_panel: dict[tuple[str, int], dict[str, Any]] = {}
    start = 0
    for picture in pictures:
        for place, cells in picture.sheet.cells.items():
            codes = _codes(cells)
            offset, unit = units(cells.scale)
            of_panel[picture.slug, place] = {
                "box": [round(n, 2) for n in cells.box],
                "steps": list(cells.steps),
                "layers": len(codes),
                "start": start,
                "offset": offset,
                "unit": unit,
                "scale": cells.scale.kind,
                "output": cells.has_output,
            }
            found.append(np.diff(codes, axis=1, prepend=np.int16(0)).ravel())
            start += codes.size
    if not found:
        return Maps("", {})
    pairs = np.concatenate(found).astype("<i2").view(np.uint8).reshape(-1, 2)
    return Maps(packed(pairs[:, 0].tobytes() + pairs[:, 1].tobytes()), of_panel)


def _codes(cells: Cells) -> np.ndarray:
    """The codes of one map, [layers, steps]."""
    marks = {
        name: mask & cells.present for name, mask in special(cells.values, cells.scale.kind).items()
    }
    placed = np.where(cells.present, cells.scale.place(cells.values), np.nan)
    return codes_of(placed, marks, cells.scale)

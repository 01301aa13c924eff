"""The curves of each activation, and the picture of them all: `vgrad list activations --plot`.

An activation that is not elementwise is shown by its first unit, while one z moves and all others
are 0.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vgrad.figures.activations import REACH, Portrait, activations
from vgrad.figures.file import check, save
from vgrad.figures.style import styled
from vgrad.parts.activations import ACTIVATIONS, kinks, size_of
from vgrad.registry import Entry

POINTS = 241  # of a curve without kinks
NEXT_TO = 1e-9  # of a kink: how near to it the curves go
NEIGHBOURS = 3  # units beside the one that is shown, where they act on each other


def draw(path: Path) -> None:
    """Draw every activation into a file.

    Args:
        path: where to; its ending says whether as PNG, SVG or PDF.

    Raises:
        ConfigError: it has another ending.
        StoreError: it cannot be written.
    """
    check(path)
    save(picture(), path)


def picture() -> Figure:
    """All activations, in the order in which they are listed."""
    return activations([portrait(entry) for entry in ACTIVATIONS.values()])


@styled
def write_small(path: Path, dpi: int) -> None:
    """The picture as a PNG of few bytes; its description names the activations."""
    about = {"Description": " ".join(ACTIVATIONS), "Software": "vgrad"}
    picture().savefig(path, format="png", dpi=dpi, metadata=about, pil_kwargs={"optimize": True})


def portrait(entry: Entry) -> Portrait:
    """The curves of one activation at its default settings."""
    equal = [0.0] if _pieces(entry) > 1 else []  # where the pieces are
    places = [*kinks(entry, entry.settings), *equal]
    seen = sorted({float(place) for place in places if abs(place) < REACH})
    ends = [-REACH, *seen, REACH]
    parts = [_between(low, high) for low, high in pairwise(ends)]
    curves = [_curve(entry, part) for part in parts]
    return Portrait(
        name=entry.name,
        notes=_notes(entry),
        z=_joined(parts),
        values=_joined([values for values, _ in curves]),
        slopes=_joined([slopes for _, slopes in curves]),
        kinks=tuple(seen),
    )


def _between(low: float, high: float) -> NDArray[np.float64]:
    """The points of one smooth piece, short of the kinks at its ends."""
    count = 2 + round((high - low) / (2 * REACH) * POINTS)
    z = np.linspace(low, high, count)
    z[0], z[-1] = low + NEXT_TO, high - NEXT_TO
    return z


def _joined(parts: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The pieces one after another, NaN between them."""
    gap = np.full((1, *parts[0].shape[1:]), np.nan)
    return np.concatenate([piece for part in parts for piece in (part, gap)][:-1])


def _curve(
    entry: Entry, points: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """h and ∂h/∂z of the first unit's outputs, [N, K] each, where its first z takes the points."""
    z = torch.tensor(points, requires_grad=True)
    units = 1 + _neighbours(entry)
    still = torch.zeros(len(points), units * _pieces(entry) - 1, dtype=z.dtype)
    h = entry.function(torch.cat([z[:, None], still], dim=1), **entry.own(entry.settings))
    outputs = h[:, ::units]
    slopes = [torch.autograd.grad(output.sum(), z, retain_graph=True)[0] for output in outputs.T]
    return outputs.detach().numpy(), torch.stack(slopes, dim=1).numpy()


def _pieces(entry: Entry) -> int:
    """The z of each unit."""
    return size_of(entry, entry.settings)[0]


def _neighbours(entry: Entry) -> int:
    """Units beside the one shown: where each has one z and one h, they must act on each other."""
    alone = entry.elementwise or size_of(entry, entry.settings) != (1, 1)
    return 0 if alone else NEIGHBOURS


def _notes(entry: Entry) -> str:
    notes = [f"init {entry.matched}"]
    if entry.trainable:
        notes.append(f"{entry.trainable} {entry.settings[entry.trainable]:g}")
    if entry.noisy:
        notes.append("in evaluation")
    if _pieces(entry) > 1:
        notes.append("other pieces 0")
    if _neighbours(entry):
        notes.append(f"{NEIGHBOURS} others at 0")
    return ", ".join(notes)

"""What a rule is, what it says, and the two questions that most of them ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vgrad.diagnose.thresholds import Limits
from vgrad.diagnose.trace import Flags, Floats, Trace


@dataclass(frozen=True)
class Sign:
    """What a rule saw in one run: a `Finding` without its remedies and the other seeds' vote.

    Attributes:
        cause: a word for what brought it about, by which its remedies are chosen.
    """

    layers: tuple[int, int] | None
    since_step: int | None
    value: float
    unit: str
    confidence: str
    why: str
    cause: str = ""


@dataclass(frozen=True)
class Rule:
    """A rule by its name.

    Attributes:
        name: as in the findings.
        look: one run's records and the thresholds → what is wrong, None where nothing is or
            nothing can be told.
    """

    name: str
    look: Callable[[Trace, Limits], Sign | None]


def since(when: NDArray[np.int64], holds: Flags) -> int:
    """The first recorded step at which something held.

    Args:
        when: the steps, [T].
        holds: whether it held, [T]; at one of them at least.
    """
    return int(when[int(np.argmax(holds))])


def span(flags: Flags) -> tuple[int, int]:
    """The first and the last of the layers that are flagged, counted from 1; one at least is."""
    places = np.flatnonzero(flags)
    return int(places[0]) + 1, int(places[-1]) + 1


def middle(values: Floats) -> Floats:
    """The median over the records, [T, …] → […]; NaN where nothing was measured."""
    empty = np.isnan(values).all(axis=0)
    filled = np.where(empty, 0.0, values)
    return np.where(empty, np.nan, np.nanmedian(filled, axis=0))

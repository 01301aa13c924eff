"""Where a function of one variable changes its sign."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

Function = Callable[[float], float]

MOST_STEPS = 200


def root(f: Function, a: float, b: float, tolerance: float = 1e-13) -> float:
    """Where f is 0 between a and b, at which its signs differ.

    Regula falsi with the weights of Anderson & Björck 1973, doi:10.1007/BF01951936, and a
    bisection wherever three steps have not halved the interval. SciPy's `brentq` does the same,
    but importing it takes longer than all that is computed here.
    """
    fa, fb = f(a), f(b)
    width = abs(b - a)
    for step in range(1, MOST_STEPS):
        if fa == 0.0:
            return a
        if fb == 0.0 or abs(b - a) <= tolerance * max(1.0, abs(b)):
            break
        x = b - fb * (b - a) / (fb - fa)
        if step % 3 == 0:
            if abs(b - a) > width / 2.0:
                x = (a + b) / 2.0
            width = abs(b - a)
        fx = f(x)
        if (fx > 0.0) != (fb > 0.0):
            a, fa = b, fb
        else:
            share = 1.0 - fx / fb
            fa *= share if share > 0.0 else 0.5
        b, fb = x, fx
    return b


def changes(f: Function, points: Iterable[float]) -> Iterator[tuple[float, float]]:
    """Neighbouring points between which f changes its sign; where it is 0 it has none."""
    before = None
    for x in points:
        value = f(x)
        if value == 0.0 or math.isnan(value):
            continue
        if before is not None and (value > 0.0) != before[1]:
            yield before[0], x
        before = (x, value > 0.0)

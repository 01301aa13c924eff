"""φ of a normal pre-activation: its moments, those of its slope, and what two examples share."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from torch import Tensor

from vgrad.config import Choice
from vgrad.gaussian import expect
from vgrad.nonlinearity import differentiate
from vgrad.parts.activations import ACTIVATIONS, kinks
from vgrad.theory.plane import overlap

Function = Callable[[Tensor], Tensor]

ORIGIN, FAR = 1e-24, 1e24  # variances that stand for those that vanish and that grow for ever
HUGE = 1e100  # beyond it φ is bounded or goes on in straight lines, and φ² would overflow
WIDE = 1e20  # likewise for two examples, to 1e-10


@dataclass(frozen=True, eq=False)
class Phi:
    """φ(z) for z ~ N(mean, v); every method takes the variance v, above 0 or 0.

    Attributes:
        function: φ, elementwise, of float64 tensors.
        kinks: where φ is not differentiable.
        mean: of z.
    """

    function: Function
    kinks: tuple[float, ...] = ()
    mean: float = 0.0
    _known: dict[tuple[Any, ...], float] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, choice: Choice) -> Phi:
        """The activation that a run chose; a trained parameter is what it starts from."""
        entry = ACTIVATIONS[choice.name]
        settings = entry.own(choice.settings)
        return cls(partial(entry.function, **settings), kinks(entry, settings))

    def about(self, mean: float) -> Phi:
        """The same φ, of pre-activations with another mean."""
        return self if mean == self.mean else replace(self, mean=mean, _known={})

    def act_mean(self, v: float) -> float:
        """E[φ]."""
        if v > HUGE:
            return _beyond(self.act_mean(HUGE), v, 0.5)
        return self._expect("mean", self._phi, v)

    def act_ms(self, v: float) -> float:
        """E[φ²]."""
        if v > HUGE:
            return _beyond(self.act_ms(HUGE), v, 1.0)
        return self._expect("square", lambda u: self._phi(u).square(), v)

    def gate_ms(self, v: float) -> float:
        """E[φ′²]; at v = 0 half of what both sides of a kink have."""
        return self._expect("gate", lambda u: self._slope(u).square(), min(v, HUGE) or ORIGIN)

    def growth(self, v: float) -> float:
        """dE[φ²]/dv = E[φ φ′ u]/v, u = z − mean (by parts); at v = 0 its limit."""
        v = v or ORIGIN
        return self._expect("growth", lambda u: self._phi(u) * self._slope(u) * u, v) / v

    def act_overlap(self, v: float, c: float) -> float:
        """E[φ(z₁) φ(z₂)] for two examples of correlation c."""
        if v == 0.0:
            return self.act_ms(v)
        if v > WIDE:
            return _beyond(self.act_overlap(WIDE, c), v, 1.0, WIDE)
        return self._overlap("act", self._phi, v, c, self.act_ms(v))

    def gate_overlap(self, v: float, c: float) -> float:
        """E[φ′(z₁) φ′(z₂)]."""
        v = min(v, WIDE) or ORIGIN
        return self._overlap("gate", self._slope, v, c, self.gate_ms(v))

    def _phi(self, u: Tensor) -> Tensor:
        return self.function(u + self.mean if self.mean else u)

    def _slope(self, u: Tensor) -> Tensor:
        z = u + self.mean if self.mean else u
        return differentiate(lambda z: self.function(z).sum(), [z])[0]  # with a g torch loads sympy

    @property
    def _kinks(self) -> list[float]:
        return [kink - self.mean for kink in self.kinks]

    def _expect(self, what: str, f: Function, v: float) -> float:
        if (what, v) not in self._known:
            self._known[what, v] = expect(f, v, self._kinks)
        return self._known[what, v]

    def _overlap(self, what: str, f: Function, v: float, c: float, square: float) -> float:
        key = (what, v, c)
        if key not in self._known:
            self._known[key] = overlap(f, v, c, square, self._kinks)
        return self._known[key]

    @property
    def at_origin(self) -> float:
        """φ at the mean of z."""
        return self.act_mean(0.0)

    @property
    def odd(self) -> bool:
        """Whether E[φ] is 0 whatever v is, as for an odd φ; tried at three."""
        tried = [(self.act_mean(v), self.act_ms(v)) for v in (0.01, 1.0, 100.0)]
        return self.mean == 0.0 and all(abs(m) <= 1e-10 * math.sqrt(ms) for m, ms in tried)


def _beyond(value: float, v: float, power: float, edge: float = HUGE) -> float:
    """An expectation at v, from that at an edge beyond which φ is straight or bounded."""
    return value if abs(value) < edge ** (power / 2.0) else value * (v / edge) ** power

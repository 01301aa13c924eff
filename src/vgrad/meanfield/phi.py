"""φ of a normal pre-activation: its moments, those of its slope, and what two examples share."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vgrad.config import Choice
from vgrad.gaussian import expect, expect_each
from vgrad.meanfield.plane import overlap
from vgrad.nonlinearity import differentiate
from vgrad.parts.activations import ACTIVATIONS, kinks

Function = Callable[[Tensor], Tensor]
What = Callable[[Function, Tensor], Tensor]  # (φ, z) → what is averaged

ORIGIN, FAR = 1e-24, 1e24  # variances that stand for those that vanish and that grow for ever
HUGE = 1e100  # beyond it φ is bounded or goes on in straight lines, and φ² would overflow
WIDE = 1e10  # likewise for two examples, to 1e-5: the bend is 1e-5 of what the nodes span
SHARED = 64  # activations that are remembered, with what is known of each
DRAWS = 6  # values of the noise: exact for what is a polynomial of it, to degree 11
MOST_KNOWN = 20_000  # numbers of each: some megabytes


@dataclass(frozen=True, eq=False)
class Phi:
    """φ(z) for z ~ N(mean, v); every method takes the variance v, above 0 or 0.

    An activation may consist of several such functions: one with noise is each of them for a share
    of the (example, unit) pairs, one with copies gives them all for each z. Expectations are then
    means over them.

    Attributes:
        function: φ, elementwise, of float64 tensors; where it has parts, their mean.
        kinks: where φ is not differentiable.
        mean: of z.
        parts: the functions that φ consists of and the share of each; none where it is one.
        noisy: whether two examples have different parts.
    """

    function: Function
    kinks: tuple[float, ...] = ()
    mean: float = 0.0
    parts: tuple[tuple[float, Function], ...] = ()
    noisy: bool = False
    _known: dict[tuple[Any, ...], float] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, choice: Choice) -> Phi:
        """The activation that a run chose; a trained parameter is what it starts from."""
        entry = ACTIVATIONS[choice.name]
        own = tuple(sorted(entry.own(choice.settings).items()))
        places = kinks(entry, dict(own))
        return _of(entry.function, own, places, bool(entry.noisy), int(entry.copies))

    def about(self, mean: float) -> Phi:
        """The same φ, of pre-activations with another mean."""
        return self if mean == self.mean else _about(self, mean)

    def act_mean(self, v: float) -> float:
        """E[φ]."""
        if v > HUGE:
            return _beyond(self.act_mean(HUGE), v, 0.5)
        return self._expect("mean", lambda u: self._over_parts(u, _value), v)

    def act_ms(self, v: float) -> float:
        """E[φ²]."""
        if v > HUGE:
            return _beyond(self.act_ms(HUGE), v, 1.0)
        return self._expect("square", lambda u: self._over_parts(u, _square), v)

    def gate_ms(self, v: float) -> float:
        """E[φ′²]; at v = 0 half of what both sides of a kink have."""
        v = min(v, HUGE) or ORIGIN
        return self._expect("gate", lambda u: self._over_parts(u, _gate), v)

    def learn(self, v: float) -> None:
        """Work out E[φ], E[φ²] and E[φ′²] at once, which is quicker than one after the other."""
        names = ("mean", "square", "gate")
        if 0.0 < v < HUGE and not self.parts and ("gate", v) not in self._known:
            for name, value in zip(names, expect_each(self._moments, v, self._kinks), strict=True):
                self._keep((name, v), value)

    def _moments(self, u: Tensor) -> Tensor:
        value, slope = self.at(u)
        return torch.stack([value, value.square(), slope.square()])

    def growth(self, v: float) -> float:
        """dE[φ²]/dv = E[φ φ′ u]/v, u = z − mean (by parts); at v = 0 its limit."""
        v = v or ORIGIN
        return self._expect("growth", lambda u: self._over_parts(u, _rise) * u, v) / v

    def act_overlap(self, v: float, c: float) -> float:
        """E[φ(z₁) φ(z₂)] for two examples of correlation c."""
        if v == 0.0:
            return self.act_ms(v) if not self.noisy else self.act_mean(v) ** 2
        if v > WIDE:
            wide = self.act_ms(WIDE)  # E[φ²] at v goes with it: a correlation stays one
            return self.act_ms(v) * self.act_overlap(WIDE, c) / wide if wide else 0.0
        return self._overlap("act", _value, v, c)

    def gate_overlap(self, v: float, c: float) -> float:
        """E[φ′(z₁) φ′(z₂)]."""
        if v > WIDE and c != 0.0:
            wide = self.gate_ms(WIDE)  # where φ is bounded both z must be near a bend of it
            share = self.gate_ms(v) / wide if wide else 0.0
            return share**2 * self.gate_overlap(WIDE, c)
        return self._overlap("gate", _slope, min(v, HUGE) or ORIGIN, c)

    def at(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """φ and φ′ where z is u more than its mean; of φ that has no parts."""
        return _value(self.function, u + self.mean), _slope(self.function, u + self.mean)

    def _over_parts(self, u: Tensor, what: What) -> Tensor:
        z = u + self.mean if self.mean else u
        if not self.parts:
            return what(self.function, z)
        return torch.stack([share * what(f, z) for share, f in self.parts]).sum(0)

    def _overlap(self, name: str, what: What, v: float, c: float) -> float:
        key = (name, v, c)
        if key not in self._known:
            several = self.parts if not self.noisy else ()
            functions = several or ((1.0, self.function),)
            found = [share * self._shared(name, what, f, v, c) for share, f in functions]
            self._keep(key, sum(found))
        return self._known[key]

    def _shared(self, name: str, what: What, f: Function, v: float, c: float) -> float:
        """Of one function alone."""

        def g(u: Tensor) -> Tensor:
            return what(f, u + self.mean if self.mean else u)

        if c == 0.0:
            return self._expect((name, f), g, v) ** 2
        if self.parts:
            square = self._expect((name, f, "square"), lambda u: g(u).square(), v)
        else:
            square = self.act_ms(v) if what is _value else self.gate_ms(v)
        return overlap(g, v, c, square, self._kinks)

    @property
    def _kinks(self) -> list[float]:
        return [kink - self.mean for kink in self.kinks]

    def _expect(self, what: Hashable, f: Function, v: float) -> float:
        key = (what, v)
        if key not in self._known:
            self._keep(key, expect(f, v, self._kinks))
        return self._known[key]

    def _keep(self, key: tuple[Any, ...], value: float) -> None:
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[key] = value

    @property
    def copies(self) -> int:
        """How many h there are for each z."""
        return len(self.parts) if self.parts and not self.noisy else 1

    @property
    def at_origin(self) -> float:
        """φ at the mean of z."""
        return self.act_mean(0.0)

    @property
    def odd(self) -> bool:
        """Whether E[φ] is 0 whatever v is, as for an odd φ; tried at three."""
        tried = [(self.act_mean(v), self.act_ms(v)) for v in (0.01, 1.0, 100.0)]
        return self.mean == 0.0 and all(abs(m) <= 1e-10 * math.sqrt(ms) for m, ms in tried)


@lru_cache(maxsize=SHARED)
def _of(
    phi: Callable[..., Tensor],
    settings: tuple[tuple[str, Any], ...],
    places: tuple[float, ...],
    noisy: bool,
    copies: int,
) -> Phi:
    """One φ for all runs that chose it, so that what is known of it is computed once."""
    function = partial(phi, **dict(settings))
    if noisy:
        at, weight = np.polynomial.legendre.leggauss(DRAWS)
        shares = [(float(w) / 2.0, float(x + 1.0) / 2.0) for w, x in zip(weight, at, strict=True)]
        parts = tuple((w, partial(_drawn, function, u)) for w, u in shares)
        return Phi(partial(_mean, parts), places, parts=parts, noisy=True)
    if copies > 1:
        parts = tuple((1.0 / copies, partial(_copy, function, i)) for i in range(copies))
        return Phi(partial(_mean, parts), places, parts=parts)
    return Phi(function, places)


@lru_cache(maxsize=SHARED)
def _about(phi: Phi, mean: float) -> Phi:
    return replace(phi, mean=mean, _known={})


def _beyond(value: float, v: float, power: float) -> float:
    """An expectation at v, from that at HUGE, beyond which φ is straight or bounded."""
    return value if abs(value) < HUGE ** (power / 2.0) else value * (v / HUGE) ** power


def _value(f: Function, z: Tensor) -> Tensor:
    return f(z)


def _slope(f: Function, z: Tensor) -> Tensor:
    return differentiate(lambda z: f(z).sum(), [z])[0]  # with a g torch loads sympy


def _square(f: Function, z: Tensor) -> Tensor:
    return f(z).square()


def _gate(f: Function, z: Tensor) -> Tensor:
    return _slope(f, z).square()


def _rise(f: Function, z: Tensor) -> Tensor:
    return f(z) * _slope(f, z)


def _mean(parts: tuple[tuple[float, Function], ...], z: Tensor) -> Tensor:
    return torch.stack([share * f(z) for share, f in parts]).sum(0)


def _drawn(function: Callable[..., Tensor], uniform: float, z: Tensor) -> Tensor:
    """φ with the noise that takes one value everywhere."""
    return function(z, torch.full_like(z, uniform))


def _copy(function: Function, place: int, z: Tensor) -> Tensor:
    """One of the h that φ gives for each z."""
    return function(z[..., None])[..., place]

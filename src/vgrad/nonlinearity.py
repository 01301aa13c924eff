"""An activation as the engine uses it: φ, the way back through it, and how steep it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from vgrad.config import Choice
from vgrad.layout import Parameters
from vgrad.parts.activations import ACTIVATIONS, Kernel
from vgrad.registry import Entry


@dataclass(frozen=True)
class Bound:
    """φ on certain layers of a span of runs, its trainable parameter and its noise at hand.

    Attributes:
        phi: z → h.
        forward: (z, out) → writes h.
        backward: (g, z, h, out) → writes ∂ℓ/∂z for g = ∂ℓ/∂h.
        slopes: (z, h, out) → writes φ′(z); where φ is not elementwise, the length of ∂h/∂z_j.
    """

    phi: Callable[[Tensor], Tensor]
    forward: Callable[[Tensor, Tensor], object]
    backward: Callable[[Tensor, Tensor, Tensor, Tensor], object]
    slopes: Callable[[Tensor, Tensor, Tensor], object]


@dataclass(frozen=True)
class Nonlinearity:
    """An activation with its settings, chosen by neighbouring runs of a stack.

    Attributes:
        runs: which runs.
        entry, settings: what they chose.
        learned: how many trainable parameters a layer has: 0, 1, or one per unit.
    """

    runs: slice
    entry: Entry
    settings: Mapping[str, Any]
    learned: int = 0

    @classmethod
    def of(cls, choice: Choice, runs: slice, width: int) -> Nonlinearity:
        """The activation that some runs chose, in layers of `width` units."""
        entry = ACTIVATIONS[choice.name]
        settings = entry.own(choice.settings)
        learned = 0
        if entry.trainable and settings.get("trained", True):
            learned = width if settings.get("per_unit", False) else 1
        return cls(runs, entry, settings, learned)

    @property
    def members(self) -> range:
        """The numbers of the runs."""
        return range(self.runs.start, self.runs.stop)

    @property
    def noisy(self) -> bool:
        """Whether φ takes random numbers in training."""
        return bool(self.entry.noisy)

    @property
    def kernel(self) -> Kernel | None:
        """The fused forms, unless φ takes tensors that they know nothing of."""
        kernel: Kernel | None = self.entry.kernel
        return None if self.learned or self.noisy else kernel

    @property
    def needs_z(self) -> bool:
        """Whether the way back reads z; where it does not, h may overwrite z."""
        return self.kernel is None or not self.entry.elementwise or self.kernel.needs_z

    @property
    def start(self) -> float:
        """What the trainable parameter starts from."""
        return float(self.settings[self.entry.trainable])

    def learned_in(self, parameters: Parameters, layers: int | slice) -> Tensor | None:
        """Its trainable parameters in some layers, or their gradients, [… R, 1, 1 or D]."""
        if not self.learned:
            return None
        return parameters.named["activation"][layers][..., self.runs, :, : self.learned]

    def bind(self, learned: Tensor | None = None, noise: Tensor | None = None) -> Bound:
        """φ with its trainable parameter and its noise, tensors that broadcast against z.

        Without noise it is φ as it is at evaluation.
        """
        settings = self._with(learned)
        inner = partial(self.entry.function, **settings)
        phi = partial(_noisy, inner, noise) if self.noisy else inner
        kernel = self.kernel
        if kernel is None:
            forward: Any = partial(_forward, phi)
            backward: Any = partial(_backward, phi)
        else:
            forward = partial(kernel.forward, **settings)
            backward = partial(kernel.backward, **settings)
        if self.entry.elementwise:
            slopes: Any = partial(_slopes, backward)
        elif self.entry.slopes is not None:
            slopes = partial(self.entry.slopes, **settings)
        else:
            slopes = partial(_lengths, phi)
        return Bound(phi, forward, backward, slopes)

    def steepest(self, learned: Tensor | None = None) -> float | Tensor:
        """sup |φ′|: as the entry says, else the largest that is found by sampling."""
        if self.entry.steepest is not None:
            steepest: float | Tensor = self.entry.steepest(**self._with(learned))
            return steepest
        if not self.entry.elementwise:
            raise TypeError(f"{self.entry.name!r} is not elementwise: it must say how steep it is.")
        return _sampled(partial(self.entry.function, **self.settings))

    def _with(self, learned: Tensor | None) -> dict[str, Any]:
        """The settings, with trainable parameters in place of the value that they start from."""
        if not self.learned or learned is None:
            return dict(self.settings)
        return {**self.settings, self.entry.trainable: learned}


def differentiate(
    phi: Callable[..., Tensor], inputs: Sequence[Tensor], g: Tensor | None = None
) -> tuple[Tensor, ...]:
    """Σ g ∂φ/∂x for each x of `inputs`, by autograd on that one operation; no g for a number φ."""
    with torch.enable_grad():
        leaves = [x.detach().requires_grad_() for x in inputs]
        return torch.autograd.grad(phi(*leaves), leaves, g)


def _noisy(
    phi: Callable[[Tensor, Tensor | None], Tensor], noise: Tensor | None, z: Tensor
) -> Tensor:
    return phi(z, noise)


def _forward(phi: Callable[[Tensor], Tensor], z: Tensor, out: Tensor) -> None:
    out.copy_(phi(z))


def _backward(
    phi: Callable[[Tensor], Tensor], g: Tensor, z: Tensor, h: Tensor, out: Tensor
) -> None:
    out.copy_(differentiate(phi, [z], g)[0])


def _slopes(backward: Callable[..., object], z: Tensor, h: Tensor, out: Tensor) -> None:
    backward(torch.ones((), dtype=z.dtype, device=z.device).expand_as(z), z, h, out)


def _lengths(phi: Callable[[Tensor], Tensor], z: Tensor, h: Tensor, out: Tensor) -> None:
    """√Σᵢ (∂hᵢ/∂z_j)², one output i at a time."""
    out.zero_()
    for unit in range(h.shape[-1]):
        pick = torch.zeros_like(h)
        pick[..., unit] = 1.0
        out.add_(differentiate(phi, [z], pick)[0].square_())
    out.sqrt_()


def _sampled(phi: Callable[[Tensor], Tensor]) -> float:
    """sup |φ′|, the largest slope found at 0 and at 40,000 points from ±1e−12 to ±1e6."""
    ray = torch.logspace(-12, 6, 20_000, dtype=torch.float64)
    z = torch.cat([-ray, torch.zeros(1, dtype=torch.float64), ray])
    (slope,) = differentiate(phi, [z], torch.ones_like(z))
    return float(slope.abs().nan_to_num(0.0).max())

"""Where the parameters of a stack stand: one flat tensor, seen as blocks of equal layers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from vgrad.parts.models import Architecture

WEIGHTS = ("first", "hidden", "last")
FACTORS = ("first_factor", "hidden_factor", "last_factor")
PENALISED = (*WEIGHTS, *FACTORS, "gate", "head")  # what counts as a weight to a penalty

Shape = tuple[int, int, int, int]


@dataclass(frozen=True)
class Layout:
    """The sizes of a stack's parameters.

    Attributes:
        runs: R.
        input_dim, width, depth, output_dim: of every run alike.
        architecture: likewise.
        pieces: numbers z per unit.
        copies: numbers h per unit.
        learned: trainable parameters of the activation per layer, the most of any run.
    """

    runs: int
    input_dim: int
    width: int
    depth: int
    output_dim: int
    architecture: Architecture = field(default_factory=Architecture)
    pieces: int = 1
    copies: int = 1
    learned: int = 0

    @property
    def preact_width(self) -> int:
        """The number of z of a hidden layer."""
        return self.width * self.pieces

    @property
    def act_width(self) -> int:
        """The number of h of a hidden layer."""
        return self.width * self.copies

    @cached_property
    def blocks(self) -> dict[str, Shape]:
        """The shape [K, R, rows, columns] of each block: K layers of one shape.

        `first`, `hidden` and `last` are the weights [fan_in, fan_out]; with a bottleneck they
        read the q units that the `…_factor` of the same layer makes. A block that the architecture
        does not have has K = 0.
        """
        runs, depth, z, h = self.runs, self.depth, self.preact_width, self.act_width
        plan = self.architecture
        top, inner = h if depth else self.input_dim, plan.bottleneck
        norm_width = z if plan.norm_at == "before" else h
        norms = depth if plan.norm != "none" else 0
        gates = max(depth - 1, 0) if plan.shortcut.kind == "highway" else 0
        scales = len(plan.branches(depth)) if plan.shortcut.kind == "rezero" else 0
        one, rest = min(depth, 1), max(depth - 1, 0)
        return {
            "first": (one, runs, inner or self.input_dim, z),
            "hidden": (rest, runs, inner or h, z),
            "last": (1, runs, inner or top, self.output_dim),
            "first_factor": (one if inner else 0, runs, self.input_dim, inner),
            "hidden_factor": (rest if inner else 0, runs, h, inner),
            "last_factor": (1 if inner else 0, runs, top, inner),
            "hidden_bias": (depth if plan.bias else 0, runs, 1, z),
            "last_bias": (1 if plan.bias else 0, runs, 1, self.output_dim),
            "norm_gain": (norms, runs, 1, norm_width),
            "norm_shift": (norms if plan.norm != "rms" else 0, runs, 1, norm_width),
            "gate": (gates, runs, h, h),
            "gate_bias": (gates, runs, 1, h),
            "branch_scale": (scales, runs, 1, 1),
            "head": (plan.aux_heads, runs, h, self.output_dim),
            "head_bias": (plan.aux_heads if plan.bias else 0, runs, 1, self.output_dim),
            "activation": (depth if self.learned else 0, runs, 1, self.learned),
        }

    @property
    def size(self) -> int:
        """The number of parameters of all runs."""
        return sum(math.prod(shape) for shape in self.blocks.values())

    def view(self, flat: Tensor) -> Parameters:
        """A flat tensor of `size` numbers, seen as blocks and layers."""
        return Parameters(self, flat)


class Parameters:
    """One flat tensor, and views of it as blocks and layers.

    A block holds K layers of one shape as [K, R, rows, columns], so that a number per run
    broadcasts against it as [R, 1, 1].

    Attributes:
        flat: [layout.size].
        named: each block by its name.
        weights: layer 1 … L + 1, each [R, fan_in, fan_out].
        factors: likewise, the inner factor of each; empty without a bottleneck.
        biases: likewise, each [R, 1, fan_out]; empty without biases.
    """

    def __init__(self, layout: Layout, flat: Tensor) -> None:
        self.flat = flat
        shapes = layout.blocks
        pieces = torch.split(flat, [math.prod(shape) for shape in shapes.values()])
        self.named = {
            name: piece.view(shape)
            for (name, shape), piece in zip(shapes.items(), pieces, strict=True)
        }
        self.weights = self._layers(*WEIGHTS)
        self.factors = self._layers(*FACTORS)
        self.biases = self._layers("hidden_bias", "last_bias")

    @property
    def blocks(self) -> list[Tensor]:
        """All blocks, in their order."""
        return list(self.named.values())

    def _layers(self, *names: str) -> list[Tensor]:
        return [layer for name in names for layer in self.named[name]]

    def pairs(self, other: Parameters, names: tuple[str, ...]) -> Iterator[tuple[Tensor, Tensor]]:
        """The blocks of some names, each with that of `other`; those of no layers are left out."""
        for name in names:
            if len(self.named[name]):
                yield self.named[name], other.named[name]

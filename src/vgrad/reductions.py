"""One step's tensors → sums, one row of a table each, all layers of a kind in one call.

A small call costs as much as its tensors do, so every quantity is a reduction of a block
[K, R, rows, columns] over its last two dimensions, into room that is made once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vgrad.layout import FACTORS, WEIGHTS
from vgrad.net import Call
from vgrad.stack import Stack

Floats = npt.NDArray[np.float64]

CHUNK = 500_000  # elements that are worked on at a time: a few MB, so that they stay in cache
SATURATED = 0.05  # the share of sup |φ′| below which a gate counts as shut

UNIT_ROWS = (
    "preact_mean",
    "preact",  # the norm of the deviations from the mean
    "act_mean",
    "act",  # likewise
    "delta",
    "resultant",
    "gate",
    "saturated",
    "dead",
)
WEIGHT_ROWS = (
    "gradient",
    "weight",
    "update",
    "moved",
    "stuck",
    "balance",
    "alive",
    "bias_gradient",
)


@dataclass(frozen=True)
class Units:
    """What K layers of one width left of a step, [K, R, B, Z or H] each, and where to write.

    Attributes:
        rows: the layers' part of each row of the table, [K, R].
        lengths: room for ‖h‖ of every example, [K, R, B].
        scratch, act_scratch: room for one number per z and per h; the two share their memory.
        slopes: write φ′(z) into `scratch`, an activation each; none where no φ follows z.
        thresholds: below which a gate counts as shut, [K, R, 1, 1 or D].
    """

    preacts: Tensor
    acts: Tensor
    deltas: Tensor
    rows: Mapping[str, Tensor]
    lengths: Tensor
    scratch: Tensor
    act_scratch: Tensor
    slopes: Sequence[Call] = ()
    thresholds: Tensor | None = None


@dataclass(frozen=True)
class Weights:
    """K layers' W before the update and ∂L/∂W, [K, R, fan_in, fan_out] each, and where to write.

    Attributes:
        change, mask: these layers' part of the room for one number per weight.
        moved, balance, alive: these layers' part of the room for one number per unit,
            [K, R, fan_out].
        rows: these layers' part of each row of the table, [K, R].
    """

    before: Tensor
    gradient: Tensor
    change: Tensor
    mask: Tensor
    moved: Tensor
    balance: Tensor
    alive: Tensor
    rows: Mapping[str, Tensor]


class Reductions:
    """The sums of one step of a stack, for the probe to make columns of.

    Attributes:
        shape: (L + 1, R).
        sizes, act_sizes: how many z and h a layer has, [L + 1, 1].
        before: the parameters as they were before the update.
        sources: where each norm comes from, a tensor [R, …] for each layer.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        layout = stack.layout
        self.shape = (layout.depth + 1, layout.runs)
        self._kinds = (WEIGHTS, FACTORS) if stack.parameters.factors else (WEIGHTS,)
        self._names = (*UNIT_ROWS, *WEIGHT_ROWS)
        matrices = len(self._kinds) * self.shape[0]  # the second half is the inner factors
        self._table = stack.outputs.new_zeros(len(self._names), matrices, layout.runs)
        self._rows = dict(zip(self._names, self._table, strict=True))
        self._lengths = stack.outputs.new_empty(*self.shape, stack.outputs.shape[1])
        self._tiny = torch.finfo(stack.dtype).tiny
        self._every = torch.ones_like(self._lengths[0, 0])
        self.before = layout.view(stack.parameters.flat.clone())
        learned = max(1, layout.learned)
        self._thresholds = stack.outputs.new_empty(layout.depth, layout.runs, 1, learned)
        self._set_thresholds(learned=False)
        units = max(stack.acts[:1].numel(), stack.preacts[:1].numel())
        self._chunk = max(1, CHUNK // max(1, units))  # layers at a time
        weights = stack.parameters.flat.numel()
        self._room = stack.outputs.new_empty(max(self._chunk * units, weights))
        self._change = self._room[:weights]  # weights first, then units
        self._mask = torch.empty_like(stack.parameters.flat)
        shapes = [layout.blocks[name] for kind in self._kinds for name in kind]
        fan_outs = sum(layers * columns for layers, _, _, columns in shapes)
        self._per_unit = stack.outputs.new_empty(3, layout.runs * fan_outs)
        self._units = self._unit_blocks()
        self._weights = self._weight_blocks()
        self.sizes = self._numbers_each([*stack.preacts, stack.outputs])
        self.act_sizes = self._numbers_each([*stack.acts, stack.outputs])
        self.sources = self._tensors()

    @staticmethod
    def _numbers_each(tensors: Sequence[Tensor]) -> Floats:
        return np.array([[x[0].numel()] for x in tensors], dtype=float)

    def _set_thresholds(self, *, learned: bool) -> None:
        """5 % of sup |φ′|, of all activations or of those alone whose shape is learned."""
        for phi in self._stack.nonlinearities:
            if phi.learned or not learned:
                value = phi.steepest(phi.learned_in(self.before, slice(None)))
                self._thresholds[:, phi.runs] = SATURATED * value

    def _rows_of(self, layers: slice) -> dict[str, Tensor]:
        return {name: row[layers] for name, row in self._rows.items()}

    def _unit_blocks(self) -> list[Units]:
        """The hidden layers in chunks that fit the cache, then the output layer."""
        stack, depth = self._stack, self._stack.layout.depth
        blocks = []
        for start in range(0, depth, self._chunk):
            layers = slice(start, min(start + self._chunk, depth))
            tensors = (stack.preacts[layers], stack.acts[layers], stack.deltas[layers])
            scratch, act_scratch = (self._room[: x.numel()].view(x.shape) for x in tensors[:2])
            room = (self._lengths[layers], scratch, act_scratch)
            gates = (self.slopes(layers, scratch), self._thresholds[layers])
            blocks.append(Units(*tensors, self._rows_of(layers), *room, *gates))
        outputs, errors = stack.outputs[None], stack.output_deltas[None]
        scratch = torch.empty_like(outputs)
        last = slice(depth, depth + 1)
        room = (self._lengths[last], scratch, scratch)
        return [*blocks, Units(outputs, outputs, errors, self._rows_of(last), *room)]

    def slopes(self, layers: slice, out: Tensor) -> Sequence[Call]:
        """Write φ′(z) of some layers into `out` [K, R, B, Z], each activation on its own runs."""
        stack = self._stack
        calls: list[Call] = []
        for phi in stack.nonlinearities:
            noise = stack.noise.uniform
            bound = phi.bind(
                phi.learned_in(self.before, layers),
                None if noise is None else noise[layers, phi.runs],
            )
            z, h = (x[layers, phi.runs] for x in (stack.preacts, stack.acts))
            calls.append(partial(bound.slopes, z, h, out[:, phi.runs]))
        return calls

    def _weight_blocks(self) -> list[Weights]:
        """The first, the hidden and the last weights, where there are any; then their factors."""
        depth, layout = self._stack.layout.depth, self._stack.layout
        change, mask = layout.view(self._change), layout.view(self._mask)
        layers = (slice(0, 1), slice(1, depth), slice(depth, depth + 1))
        found, used = [], 0
        for index, kind in enumerate(self._kinds):
            for name, own in zip(kind, layers, strict=True):
                count, runs, _, fan_out = layout.blocks[name]
                size = count * runs * fan_out
                if not size:
                    continue
                room = self._per_unit[:, used : used + size].view(3, count, runs, fan_out)
                used += size
                shift = index * (depth + 1)
                rows = self._rows_of(slice(own.start + shift, own.stop + shift))
                before, gradient = self.before.named[name], self._stack.gradients.named[name]
                own_room = (change.named[name], mask.named[name], room[0], room[1], room[2])
                found.append(Weights(before, gradient, *own_room, rows))
        return found

    def _tensors(self) -> dict[str, Sequence[Tensor]]:
        """Where each norm comes from: a tensor [R, …] for each layer."""
        stack, before = self._stack, self.before
        return {
            "preact": [*stack.preacts, stack.outputs],
            "act": [*stack.acts, stack.outputs],
            "delta": [*stack.deltas, stack.output_deltas],
            "gradient": [*stack.gradients.weights, *stack.gradients.factors],
            "weight": [*before.weights, *before.factors],
            "now": [*stack.parameters.weights, *stack.parameters.factors],
            "bias_gradient": stack.gradients.biases,
        }

    def look(self) -> None:
        """Remember the weights as they are before the update."""
        self.before.flat.copy_(self._stack.parameters.flat)

    def take(self, *, updated: bool) -> dict[str, Floats]:
        """All sums of this step, after its update if it has one, by name: [matrices, R].

        There are L + 1 matrices, and as many again where weights have inner factors; what is not
        of weights stands in the first L + 1.
        """
        self._measure_weights()  # first, as the update has left them in the cache
        if updated:
            self._measure_update()
        self._set_thresholds(learned=True)
        for units in self._units:
            self._measure_units(units)
        if self._stack.parameters.biases:
            hidden, last = (self._stack.gradients.named[k] for k in ("hidden_bias", "last_bias"))
            depth = self._stack.layout.depth
            _norms(hidden, self._rows["bias_gradient"][:depth])
            _norms(last, self._rows["bias_gradient"][depth : depth + 1])
        return dict(zip(self._names, self._table.cpu().double().numpy(), strict=True))

    def weight_gradients(self) -> Floats:
        """L2 norm of ∂L/∂W of every matrix, [matrices, R]."""
        for weights in self._weights:
            _norms(weights.gradient, weights.rows["gradient"])
        return np.asarray(self._rows["gradient"].cpu().double().numpy())

    def lengths(self) -> Floats:
        """‖h‖ of every example, [L + 1, R, B]."""
        return np.asarray(self._lengths.cpu().double().numpy())

    def act_deviations(self) -> tuple[Floats, Floats]:
        """Mean of h, and the L2 norm of the deviations from it, centred before they are squared."""
        for units in self._units:
            _moments(units.acts, units.rows["act_mean"], units.rows["act"], units.act_scratch)
        mean, norm = (self._rows[name][: self.shape[0]] for name in ("act_mean", "act"))
        return mean.cpu().double().numpy(), norm.cpu().double().numpy()

    def _measure_units(self, units: Units) -> None:
        rows = units.rows
        _norms(units.deltas, rows["delta"])
        self._measure_cosines(units)
        _moments(units.preacts, rows["preact_mean"], rows["preact"], units.scratch)
        torch.mean(units.acts, (2, 3), out=rows["act_mean"])
        if units.slopes:
            self._measure_gates(units)

    def _measure_cosines(self, units: Units) -> None:
        """‖h‖ of every example, and the length of the sum of their directions."""
        torch.linalg.vector_norm(units.acts, dim=3, out=units.lengths)
        inverse = units.lengths.clamp_min(self._tiny).reciprocal_().flatten(0, 1)  # 0 stays 0
        total = torch.bmm(inverse[:, None], units.acts.flatten(0, 1))
        resultant = units.rows["resultant"]
        torch.linalg.vector_norm(total.view(*resultant.shape, -1), dim=2, out=resultant)

    def _measure_gates(self, units: Units) -> None:
        rows, scratch = units.rows, units.scratch
        for call in units.slopes:
            call()
        scratch.abs_()
        if self._stack.layout.pieces > 1:  # a unit is as open as its pieces are together
            groups = scratch.view(*scratch.shape[:-1], -1, self._stack.layout.pieces)
            scratch = torch.linalg.vector_norm(groups, dim=-1)
        slopes = scratch.flatten(0, 1)
        _norms(scratch, rows["gate"])
        openness = torch.bmm(self._every.expand(len(slopes), 1, -1), slopes)
        shut = (openness == 0).view(*rows["dead"].shape, -1)
        torch.mean(shut, 2, dtype=scratch.dtype, out=rows["dead"])
        assert units.thresholds is not None
        torch.lt(scratch, units.thresholds, out=scratch)
        torch.mean(scratch, (2, 3), out=rows["saturated"])

    def _measure_weights(self) -> None:
        """Norms, and per unit │Σ sign g│ over the number of g ≠ 0: all layers in one call a step.

        A small call costs as much as its tensors do, so what is elementwise works on all layers.
        """
        gradient = self._stack.gradients.flat
        torch.ne(gradient, 0, out=self._mask)
        torch.sign(gradient, out=self._change)
        for weights in self._weights:
            _norms(weights.gradient, weights.rows["gradient"])
            _norms(weights.before, weights.rows["weight"])
            torch.sum(weights.mask, 2, out=weights.moved)
            torch.sum(weights.change, 2, out=weights.balance)
        moved, balance, alive = self._per_unit
        torch.ne(moved, 0, out=alive)
        balance.abs_().div_(moved.clamp_min(1.0))
        for weights in self._weights:
            torch.sum(weights.moved, 2, out=weights.rows["moved"])
            torch.sum(weights.balance, 2, out=weights.rows["balance"])
            torch.sum(weights.alive, 2, out=weights.rows["alive"])

    def _measure_update(self) -> None:
        """‖ΔW‖, and how many weights with a gradient it leaves as they are."""
        torch.sub(self._stack.parameters.flat, self.before.flat, out=self._change)
        for weights in self._weights:
            _norms(weights.change, weights.rows["update"])
        torch.eq(self._change, 0, out=self._change).mul_(self._mask)
        for weights in self._weights:
            torch.sum(weights.change, (2, 3), out=weights.rows["stuck"])


def _moments(x: Tensor, mean: Tensor, deviation: Tensor, scratch: Tensor) -> None:
    """Mean, and L2 norm of the deviations from it, of each matrix of a block: centred first."""
    torch.mean(x, (2, 3), out=mean)
    torch.sub(x, mean[:, :, None, None], out=scratch)
    _norms(scratch, deviation)


def _norms(block: Tensor, out: Tensor) -> None:
    """The L2 norm of each matrix of a block [K, R, rows, columns]."""
    torch.linalg.vector_norm(block.flatten(2), dim=2, out=out)

"""One step's tensors → a number per run, layer and quantity, without touching the run.

Every quantity is a reduction of a block [K, R, rows, columns] over its last two dimensions, into
one row of a table [L + 1, R] that goes to the host once. Two things make a plain reduction wrong
where vgrad is most needed, and both are mended on the host's side, layer by layer, in float64:
squares leave the range of the format (a 40-layer sigmoid net has δ near 1e−25, whose square float32
cannot hold), and a mean far larger than the deviations from it eats their digits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vgrad import exact
from vgrad.stack import Stack
from vgrad.store import LAYER_COLUMNS

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Columns = dict[str, tuple[Floats, Mask | bool]]  # values [L + 1, R], and where they are null

CHUNK = 500_000  # elements that are worked on at a time: a few MB, so that they stay in cache
SATURATED = 0.05  # the share of sup |φ′| below which a gate counts as shut

# A norm's square must fit: beyond these, it is taken again in float64.
SAFE = {torch.float32: (1e-16, 1e16), torch.float64: (1e-140, 1e140)}
WIDE = 0.2  # variance over mean square, above which the one follows from the other in float64
# Variance over squared mean, below which centring is done again in float64.
FLAT = {torch.float32: 1e-7, torch.float64: 1e-22}

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
    """What K layers of one width left of a step, [K, R, B, D] each, and where to write.

    Attributes:
        rows: the layers' part of each row of the table, [K, R].
        lengths: room for ‖h‖ of every example, [K, R, B].
        scratch: room for one number per unit, [K, R, B, D].
        gated: whether a φ stands between z and h.
    """

    preacts: Tensor
    acts: Tensor
    deltas: Tensor
    rows: Mapping[str, Tensor]
    lengths: Tensor
    scratch: Tensor
    gated: bool


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


class Probe:
    """Measures one step of a stack: `look` before the update, `read` after it."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        layout = stack.layout
        self._shape = (layout.depth + 1, layout.runs)
        self._names = (*UNIT_ROWS, *WEIGHT_ROWS)
        self._table = torch.zeros(
            len(self._names), *self._shape, dtype=stack.dtype, device=stack.device
        )
        self._rows = dict(zip(self._names, self._table, strict=True))
        self._lengths = stack.outputs.new_empty(*self._shape, stack.outputs.shape[1])
        self._tiny = torch.finfo(stack.dtype).tiny
        self._every = torch.ones_like(self._lengths[0, 0])
        self._before = layout.view(torch.empty_like(stack.parameters.flat))
        self._ones = torch.ones((), dtype=stack.dtype, device=stack.device)
        self._thresholds = torch.empty(layout.runs, 1, 1, dtype=stack.dtype, device=stack.device)
        for phi in stack.nonlinearities:
            self._thresholds[phi.runs] = SATURATED * phi.steepest
        self._chunk = max(1, CHUNK // max(1, stack.acts[:1].numel()))  # layers at a time
        units, weights = stack.acts[: self._chunk].numel(), stack.parameters.flat.numel()
        self._room = stack.outputs.new_empty(max(units, weights))  # weights first, then units
        self._change = self._room[:weights]
        self._mask = torch.empty_like(stack.parameters.flat)
        fan_outs = layout.depth * layout.width + layout.output_dim
        self._per_unit = stack.outputs.new_empty(3, layout.runs * fan_outs)
        self._units = self._unit_blocks()
        self._weights = self._weight_blocks()
        self._sizes = np.array(
            [[u.preacts[0, 0].numel()] for u in self._units for _ in u.preacts], dtype=float
        )
        self._is_output = np.zeros(self._shape, dtype=bool)
        self._is_output[-1] = True
        self._sources = self._tensors()

    def _rows_of(self, layers: slice) -> dict[str, Tensor]:
        return {name: row[layers] for name, row in self._rows.items()}

    def _unit_blocks(self) -> list[Units]:
        """The hidden layers in chunks that fit the cache, then the output layer."""
        stack, depth = self._stack, self._stack.layout.depth
        step, some = self._chunk, stack.acts[: self._chunk]
        scratch = self._room[: some.numel()].view(some.shape)
        blocks = []
        for start in range(0, depth, step):
            layers = slice(start, min(start + step, depth))
            tensors = (stack.preacts[layers], stack.acts[layers], stack.deltas[layers])
            room = (self._lengths[layers], scratch[: layers.stop - start])
            blocks.append(Units(*tensors, self._rows_of(layers), *room, gated=True))
        outputs, errors, last = stack.outputs[None], stack.output_deltas[None], slice(depth, None)
        room = (self._lengths[last], torch.empty_like(outputs))
        return [*blocks, Units(outputs, outputs, errors, self._rows_of(last), *room, gated=False)]

    def _weight_blocks(self) -> list[Weights]:
        """The first, the hidden and the last weights, where there are any."""
        depth, layout = self._stack.layout.depth, self._stack.layout
        change, mask = layout.view(self._change), layout.view(self._mask)
        shapes = [block[:2] + block[3:] for block in layout.blocks[:3]]
        per_unit = [torch.split(room, [*map(math.prod, shapes)]) for room in self._per_unit]
        layers = (slice(0, 1), slice(1, depth), slice(depth, None))
        found = []
        for index in (index for index in range(3) if shapes[index][0]):
            moved, balance, alive = (room[index].view(shapes[index]) for room in per_unit)
            before, gradient = self._before.blocks[index], self._stack.gradients.blocks[index]
            room = (change.blocks[index], mask.blocks[index], moved, balance, alive)
            found.append(Weights(before, gradient, *room, self._rows_of(layers[index])))
        return found

    def _tensors(self) -> dict[str, Sequence[Tensor]]:
        """Where each norm comes from: a tensor [R, …] for each layer."""
        stack = self._stack
        return {
            "preact": [*stack.preacts, stack.outputs],
            "act": [*stack.acts, stack.outputs],
            "delta": [*stack.deltas, stack.output_deltas],
            "gradient": stack.gradients.weights,
            "weight": self._before.weights,
            "bias_gradient": stack.gradients.biases,
        }

    def look(self) -> None:
        """Remember the weights as they are before the update."""
        self._before.flat.copy_(self._stack.parameters.flat)

    def read(self, *, updated: bool) -> tuple[Floats, Mask]:
        """The record of this step, after its update if it has one.

        Returns:
            values [R, L + 1, columns] and a mask of the same shape, True where a value is null;
            columns in the order of `LAYER_COLUMNS`. NaN where the mask is False is a measurement.
        """
        self._measure_weights()  # first, as the update has left them in the cache
        if updated:
            self._measure_update()
        for units in self._units:
            self._measure_units(units)
        if self._stack.layout.bias:
            hidden, last = self._stack.gradients.blocks[3:]
            _norms(hidden, self._rows["bias_gradient"][:-1])
            _norms(last, self._rows["bias_gradient"][-1:])
        raw = dict(zip(self._names, self._table.double().cpu().numpy(), strict=True))
        with np.errstate(all="ignore"):  # what is undefined here is null or a NaN that is kept
            return _arrange(self._unit_columns(raw) | self._weight_columns(raw, updated=updated))

    def gradient_norms(self) -> Floats:
        """L2 norm of ∂L/∂W over all weights of a run, [R]."""
        for weights in self._weights:
            _norms(weights.gradient, weights.rows["gradient"])
        norms = self._rows["gradient"].double().cpu().numpy()
        return np.asarray(np.linalg.norm(self._mend(norms, "gradient"), axis=0))

    def _measure_units(self, units: Units) -> None:
        rows = units.rows
        _norms(units.deltas, rows["delta"])
        self._measure_cosines(units)
        _moments(units.preacts, rows["preact_mean"], rows["preact"], units.scratch)
        torch.mean(units.acts, (2, 3), out=rows["act_mean"])
        if units.gated:
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
        self._write_slopes(units.preacts, units.acts, scratch)
        slopes = scratch.abs_().flatten(0, 1)
        _norms(scratch, rows["gate"])
        openness = torch.bmm(self._every.expand(len(slopes), 1, -1), slopes)
        shut = (openness == 0).view(*rows["dead"].shape, -1)
        torch.mean(shut, 2, dtype=scratch.dtype, out=rows["dead"])
        torch.lt(scratch, self._thresholds, out=scratch)
        torch.mean(scratch, (2, 3), out=rows["saturated"])

    def _write_slopes(self, z: Tensor, h: Tensor, out: Tensor) -> None:
        """φ′(z) of K layers, [K, R, B, D], each activation on its own runs."""
        for phi in self._stack.nonlinearities:
            z_, h_, out_ = z[:, phi.runs], h[:, phi.runs], out[:, phi.runs]
            phi.backward(self._ones.expand_as(z_), z_, h_, out_)

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
        torch.sub(self._stack.parameters.flat, self._before.flat, out=self._change)
        for weights in self._weights:
            _norms(weights.change, weights.rows["update"])
        torch.eq(self._change, 0, out=self._change).mul_(self._mask)
        for weights in self._weights:
            torch.sum(weights.change, (2, 3), out=weights.rows["stuck"])

    def _unit_columns(self, raw: dict[str, Floats]) -> Columns:
        lengths = self._lengths.double().cpu().numpy()
        self._add_act_deviations(raw, lengths)
        self._mend_moments(raw, "preact")
        self._mend_moments(raw, "act")
        self._mend(raw["delta"], "delta")
        self._mend_gates(raw["gate"])
        mean, variance = raw["preact_mean"], raw["preact"] ** 2 / self._sizes
        output = self._is_output
        return {
            "preact_mean": (mean, False),
            "preact_var": (variance, False),
            "preact_ms": (variance + mean**2, False),
            "act_mean": (raw["act_mean"], False),
            "act_var": (raw["act"] ** 2 / self._sizes, False),
            "delta_rms": (raw["delta"] / np.sqrt(self._sizes), False),
            "gate_ms": (raw["gate"] ** 2 / self._sizes, output),
            "saturated": (raw["saturated"], output),
            "dead": (raw["dead"], output),
            "correlation": self._correlation(raw["resultant"], lengths),
        }

    def _weight_columns(self, raw: dict[str, Floats], *, updated: bool) -> Columns:
        weight = self._mend(raw["weight"], "weight")
        still = raw["moved"] == 0
        columns: Columns = {
            "weight_grad_norm": (self._mend(raw["gradient"], "gradient"), False),
            "weight_norm": (weight, False),
            "sign_coherence": (raw["balance"] / raw["alive"], still),
        }
        if self._stack.layout.bias:
            columns["bias_grad_norm"] = (self._mend(raw["bias_gradient"], "bias_gradient"), False)
        if updated:
            self._mend_updates(raw["update"])
            columns["update_ratio"] = (raw["update"] / weight, weight == 0)
            columns["lost_updates"] = (raw["stuck"] / raw["moved"], still)
        return columns

    def _unsafe(self, norms: Floats) -> list[tuple[int, int]]:
        """The (layer, run) whose squares may have left the format's range."""
        low, high = SAFE[self._stack.dtype]
        return _where((norms < low) | (norms > high))

    def _mend(self, norms: Floats, name: str) -> Floats:
        for layer, run in self._unsafe(norms):
            norms[layer, run] = exact.norm(self._sources[name][layer][run])
        return norms

    def _mend_moments(self, raw: dict[str, Floats], name: str) -> None:
        mean, deviation = raw[f"{name}_mean"], raw[name]
        flat = deviation**2 / self._sizes < FLAT[self._stack.dtype] * mean**2
        low, high = SAFE[self._stack.dtype]
        for layer, run in _where(flat | ~((deviation >= low) & (deviation <= high))):
            x = self._sources[name][layer][run]
            mean[layer, run], deviation[layer, run] = exact.moments(x)

    def _mend_gates(self, norms: Floats) -> None:
        for layer, run in self._unsafe(norms[:-1]):
            z, h = (self._sources[name][layer][None] for name in ("preact", "act"))
            slopes = torch.empty_like(z)
            self._write_slopes(z, h, slopes)
            norms[layer, run] = exact.norm(slopes[0, run])

    def _mend_updates(self, norms: Floats) -> None:
        now = self._stack.parameters.weights
        for layer, run in self._unsafe(norms):
            change = now[layer][run].double() - self._before.weights[layer][run].double()
            norms[layer, run] = exact.norm(change)

    def _add_act_deviations(self, raw: dict[str, Floats], lengths: Floats) -> None:
        """The deviations of h from its mean: from the ‖h‖ at hand, unless they are far smaller."""
        squares = np.square(lengths).sum(2)
        deviations = squares - self._sizes * raw["act_mean"] ** 2
        if (deviations > WIDE * squares).all():
            raw["act"] = np.sqrt(deviations)
            return
        for units in self._units:
            _moments(units.acts, units.rows["act_mean"], units.rows["act"], units.scratch)
        for name in ("act_mean", "act"):
            raw[name] = self._rows[name].double().cpu().numpy()

    def _correlation(self, resultant: Floats, lengths: Floats) -> tuple[Floats, Mask]:
        """Mean cosine between different examples: (‖Σ h/‖h‖‖² − n) / (n (n − 1))."""
        low, high = SAFE[self._stack.dtype]
        shortest = lengths.min(2)
        live = np.full(self._shape, float(lengths.shape[2]))
        if not shortest.all():
            live = np.count_nonzero(lengths, axis=2).astype(float)
        for layer, run in _where((shortest < low) | (lengths.max(2) > high)):
            h = self._sources["act"][layer][run]
            resultant[layer, run], live[layer, run] = exact.cosines(h)
        cosine = (resultant**2 - live) / (live * (live - 1))
        return np.minimum(cosine, 1.0), live < 2


def _moments(x: Tensor, mean: Tensor, deviation: Tensor, scratch: Tensor) -> None:
    """Mean, and L2 norm of the deviations from it, of each matrix of a block: centred first."""
    torch.mean(x, (2, 3), out=mean)
    torch.sub(x, mean[:, :, None, None], out=scratch)
    _norms(scratch, deviation)


def _norms(block: Tensor, out: Tensor) -> None:
    """The L2 norm of each matrix of a block [K, R, rows, columns]."""
    torch.linalg.vector_norm(block.flatten(2), dim=2, out=out)


def _where(mask: Mask) -> list[tuple[int, int]]:
    if not mask.any():
        return []
    return [(int(layer), int(run)) for layer, run in np.argwhere(mask)]


def _arrange(columns: Columns) -> tuple[Floats, Mask]:
    """Columns → values and mask, [R, L + 1, columns]; a column that is not there is null."""
    shape = (len(LAYER_COLUMNS), *columns["preact_ms"][0].shape)
    values, absent = np.full(shape, np.nan), np.ones(shape, dtype=bool)
    for index, name in enumerate(LAYER_COLUMNS):
        if name in columns:
            values[index], absent[index] = columns[name]
    return values.transpose(2, 1, 0), absent.transpose(2, 1, 0)

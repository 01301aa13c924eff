"""One step's tensors → a number per run, layer and quantity, without touching the run.

The sums go to the host once. Two things make a plain sum wrong where vgrad is most needed, and both
are mended on the host's side, layer by layer, in float64: squares leave the range of the format (a
40-layer sigmoid net has δ near 1e−25, whose square float32 cannot hold), and a mean far larger than
the deviations from it eats their digits.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vgrad import exact
from vgrad.reductions import CHUNK, UNIT_ROWS, Floats, Reductions
from vgrad.stack import Stack
from vgrad.store import LAYER_COLUMNS, QUANTILES

Mask = npt.NDArray[np.bool_]
Columns = dict[str, tuple[Floats, Mask | bool]]  # values [L + 1, R], and where they are null

# A norm's square must fit: beyond these, it is taken again in float64.
SAFE = {torch.float32: (1e-16, 1e16), torch.float64: (1e-140, 1e140)}
WIDE = 0.2  # variance over mean square, above which the one follows from the other in float64
# Variance over squared mean, below which centring is done again in float64.
FLAT = {torch.float32: 1e-7, torch.float64: 1e-22}
EXAMPLES = 16  # of a batch, whose h are put in order at a run's first and last record


class Probe:
    """Measures one step of a stack: `look` before the update, `read` after it."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._sums = Reductions(stack)
        self._shape = self._sums.shape
        self._is_output = np.zeros(self._shape, dtype=bool)
        self._is_output[-1] = True

    def look(self) -> None:
        """Remember the parameters as they are before the update."""
        self._sums.look()

    def read(self, *, updated: bool, first: bool = False) -> tuple[Floats, Mask]:
        """The record of this step, after its update if it has one.

        Args:
            updated: whether there was one.
            first: whether it is step 0, where the realised gain is recorded.

        Returns:
            values [R, L + 1, columns] and a mask of the same shape, True where a value is null;
            columns in the order of `LAYER_COLUMNS`. NaN where the mask is False is a measurement.
        """
        raw = self._sums.take(updated=updated)
        with np.errstate(all="ignore"):  # what is undefined here is null or a NaN that is kept
            columns = self._unit_columns({name: raw[name][: self._shape[0]] for name in UNIT_ROWS})
            columns |= self._weight_columns(raw, updated=updated)
            if self._stack.layout.learned:
                columns |= self._learned_columns()
            if first:
                columns["weight_gain"] = (self._gains(), False)
            return _arrange(columns)

    def gradient_norms(self) -> Floats:
        """L2 norm of ∂L/∂W over all weights of a run, [R]."""
        norms = self._mend(self._sums.weight_gradients(), "gradient")
        return np.asarray(np.linalg.norm(norms, axis=0))

    def quantiles(self) -> Floats:
        """How h is distributed in each layer, [R, L + 1, QUANTILES], from smallest to largest.

        Of all units for the first `EXAMPLES` examples of the batch, some layers at a time, so
        that no room is needed that is worth counting. NaN where one of them is not finite.
        """
        hidden = self._stack.acts
        at_once = max(1, CHUNK // max(1, hidden[:1, :, :EXAMPLES].numel()))
        starts = range(0, len(hidden), at_once)
        parts = [_quantiles(hidden[start : start + at_once]) for start in starts]
        every = np.concatenate([*parts, _quantiles(self._stack.outputs[None])])
        return np.asarray(every.swapaxes(0, 1))

    def _unit_columns(self, raw: dict[str, Floats]) -> Columns:
        lengths = self._sums.lengths()
        self._add_act_deviations(raw, lengths)
        self._mend_moments(raw, "preact")
        self._mend_moments(raw, "act")
        self._mend(raw["delta"], "delta")
        self._mend_gates(raw["gate"])
        mean, variance = raw["preact_mean"], raw["preact"] ** 2 / self._sums.sizes
        output, pieces = self._is_output, self._stack.layout.pieces
        lost = ~(
            output | np.isfinite(mean + raw["gate"])
        )  # a comparison with NaN would count as open
        raw["saturated"][lost] = raw["dead"][lost] = np.nan
        return {
            "preact_mean": (mean, False),
            "preact_var": (variance, False),
            "preact_ms": (variance + mean**2, False),
            "act_mean": (raw["act_mean"], False),
            "act_var": (raw["act"] ** 2 / self._sums.act_sizes, False),
            "delta_rms": (raw["delta"] / np.sqrt(self._sums.sizes), False),
            "gate_ms": (raw["gate"] ** 2 / (self._sums.sizes / pieces), output),
            "saturated": (raw["saturated"], output),
            "dead": (raw["dead"], output),
            "correlation": self._correlation(raw["resultant"], lengths),
        }

    def _weight_columns(self, raw: dict[str, Floats], *, updated: bool) -> Columns:
        weight = self._joined_norm(self._mend(raw["weight"], "weight"))
        gradient = self._joined_norm(self._mend(raw["gradient"], "gradient"))
        moved = self._joined(raw["moved"])
        still = moved == 0
        coherence = self._joined(raw["balance"]) / self._joined(raw["alive"])
        coherence[~np.isfinite(gradient)] = np.nan  # NaN has no sign
        columns: Columns = {
            "weight_grad_norm": (gradient, False),
            "weight_norm": (weight, False),
            "sign_coherence": (coherence, still),
        }
        if self._stack.parameters.biases:
            biases = self._mend(raw["bias_gradient"][: self._shape[0]], "bias_gradient")
            columns["bias_grad_norm"] = (biases, False)
        if updated:
            self._mend_updates(raw["update"])
            update = self._joined_norm(raw["update"])
            columns["update_ratio"] = (update / weight, weight == 0)
            columns["lost_updates"] = (self._joined(raw["stuck"]) / moved, still)
        return columns

    def _joined(self, counts: Floats) -> Floats:
        """A layer's sum over its factors, [factors · (L + 1), R] → [L + 1, R]."""
        return np.asarray(counts.reshape(-1, *self._shape).sum(0))

    def _joined_norm(self, norms: Floats) -> Floats:
        """Likewise the norm of all factors together."""
        factors = norms.reshape(-1, *self._shape)
        return np.asarray(factors[0] if len(factors) == 1 else np.hypot(*factors))

    def _learned_columns(self) -> Columns:
        """The mean over the units of an activation's trainable parameter, and of its gradient."""
        columns: Columns = {}
        sources = (self._sums.before, self._stack.gradients)
        names = ("activation_param", "activation_param_grad")
        for name, source in zip(names, sources, strict=True):
            values, absent = np.full(self._shape, np.nan), np.ones(self._shape, dtype=bool)
            for phi in self._stack.nonlinearities:
                learned = phi.learned_in(source, slice(None))
                if learned is not None:
                    values[:-1, phi.runs] = learned.cpu().double().mean((2, 3)).numpy()
                    absent[:-1, phi.runs] = False
            columns[name] = (values, absent)
        return columns

    def _gains(self) -> Floats:
        """√(fan_in · Var W) of every layer, of the product where W has two factors."""
        gains = np.empty(self._shape)
        weights, factors = self._sums.before.weights, self._sums.before.factors
        for layer, weight in enumerate(weights):
            for run in range(self._shape[1]):
                w = weight[run].cpu().double()
                w = factors[layer][run].cpu().double() @ w if factors else w
                deviation = exact.moments(w)[1]
                gains[layer, run] = deviation * math.sqrt(len(w) / w.numel())
        return gains

    def _unsafe(self, norms: Floats) -> list[tuple[int, int]]:
        """The (layer, run) whose squares may have left the format's range."""
        low, high = SAFE[self._stack.dtype]
        return _where((norms < low) | (norms > high))

    def _mend(self, norms: Floats, name: str) -> Floats:
        for layer, run in self._unsafe(norms):
            norms[layer, run] = exact.norm(self._sums.sources[name][layer][run])
        return norms

    def _mend_moments(self, raw: dict[str, Floats], name: str) -> None:
        mean, deviation = raw[f"{name}_mean"], raw[name]
        sizes = self._sums.sizes if name == "preact" else self._sums.act_sizes
        flat = deviation**2 / sizes < FLAT[self._stack.dtype] * mean**2
        low, high = SAFE[self._stack.dtype]
        for layer, run in _where(flat | ~((deviation >= low) & (deviation <= high))):
            x = self._sums.sources[name][layer][run]
            mean[layer, run], deviation[layer, run] = exact.moments(x)

    def _mend_gates(self, norms: Floats) -> None:
        for layer, run in self._unsafe(norms[:-1]):
            slopes = torch.empty_like(self._stack.preacts[layer : layer + 1])
            for call in self._sums.slopes(slice(layer, layer + 1), slopes):
                call()
            norms[layer, run] = exact.norm(slopes[0, run])

    def _mend_updates(self, norms: Floats) -> None:
        now, before = self._sums.sources["now"], self._sums.sources["weight"]
        for layer, run in self._unsafe(norms):
            new, old = (x[layer][run].cpu().double() for x in (now, before))
            norms[layer, run] = exact.norm(new - old)

    def _add_act_deviations(self, raw: dict[str, Floats], lengths: Floats) -> None:
        """The deviations of h from its mean: from the ‖h‖ at hand, unless they are far smaller."""
        squares = np.square(lengths).sum(2)
        deviations = squares - self._sums.act_sizes * raw["act_mean"] ** 2
        if (deviations > WIDE * squares).all():
            raw["act"] = np.sqrt(deviations)
            return
        raw["act_mean"], raw["act"] = self._sums.act_deviations()

    def _correlation(self, resultant: Floats, lengths: Floats) -> tuple[Floats, Mask]:
        """Mean cosine between different examples: (‖Σ h/‖h‖‖² − n) / (n (n − 1))."""
        low, high = SAFE[self._stack.dtype]
        shortest = lengths.min(2)
        live = np.full(self._shape, float(lengths.shape[2]))
        if not shortest.all():
            live = np.count_nonzero(lengths, axis=2).astype(float)
        for layer, run in _where((shortest < low) | (lengths.max(2) > high)):
            h = self._sums.sources["act"][layer][run]
            resultant[layer, run], live[layer, run] = exact.cosines(h)
        cosine = (resultant**2 - live) / (live * (live - 1))
        return np.minimum(cosine, 1.0), live < 2


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


def _quantiles(acts: Tensor) -> Floats:
    """Evenly spaced quantiles of h [K, R, B, H] over examples and units, [K, R, QUANTILES].

    Between two values in their order they are interpolated, as `numpy.quantile` has it by default.
    """
    values = np.sort(acts[:, :, :EXAMPLES].flatten(2).cpu().numpy())  # NaN goes last
    places = np.linspace(0, values.shape[-1] - 1, QUANTILES)
    below = places.astype(int)
    above = np.minimum(below + 1, values.shape[-1] - 1)
    low, high = (values[..., index].astype(np.float64) for index in (below, above))
    with np.errstate(all="ignore"):
        found = low + (places - below) * (high - low)
    found[~np.isfinite(values[..., [0, -1]]).all(-1)] = np.nan
    return np.asarray(found)

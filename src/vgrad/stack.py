"""R runs as one model: stacked parameters, the forward pass, and the walk back.

Shapes: R runs, B examples, D units, L hidden layers, C outputs. A weight is [R, fan_in, fan_out],
an activation [R, B, D]. The backward pass is a walk over the layers made of local steps, so the
pre-activations z, the activations h and the error signals δ = ∂ℓ/∂z are there to be measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import numpy as np
import torch
from torch import Generator, Tensor

from vgrad.config import Choice, RunConfig, resolved_init
from vgrad.parts.activations import ACTIVATIONS, Kernel
from vgrad.parts.inits import INITS
from vgrad.parts.losses import LOSSES
from vgrad.parts.models import MODELS, Architecture

Call = Callable[[], object]

WEIGHTS, BIASES, BATCHES = range(3)  # the random streams of a run


def generator(seed: int, stream: int) -> Generator:
    """A run's own generator for one purpose, on the CPU; streams are independent."""
    state = np.random.SeedSequence([seed, stream]).generate_state(1, np.uint64)[0]
    return Generator().manual_seed(int(state) >> 1)


@dataclass(frozen=True)
class Span:
    """Neighbouring runs of a stack that made the same choice."""

    choice: Choice
    runs: slice


def spans(choices: Sequence[Choice]) -> list[Span]:
    """The stretches of equal choices, in order."""
    found, start = [], 0
    for choice, group in groupby(choices):
        stop = start + len(list(group))
        found.append(Span(choice, slice(start, stop)))
        start = stop
    return found


@dataclass(frozen=True)
class Layout:
    """The sizes of a stack's parameters.

    Attributes:
        runs: R.
        input_dim, width, depth, output_dim: of every run alike.
        bias: whether layers have biases.
    """

    runs: int
    input_dim: int
    width: int
    depth: int
    output_dim: int
    bias: bool

    @property
    def blocks(self) -> list[tuple[int, int, int, int]]:
        """Five shapes [K, R, rows, columns]: first, hidden, last weights, hidden, last biases."""
        runs, width, depth = self.runs, self.width, self.depth
        return [
            (min(depth, 1), runs, self.input_dim, width),
            (max(depth - 1, 0), runs, width, width),
            (1, runs, width if depth else self.input_dim, self.output_dim),
            (depth if self.bias else 0, runs, 1, width),
            (1 if self.bias else 0, runs, 1, self.output_dim),
        ]

    @property
    def size(self) -> int:
        """The number of parameters of all runs."""
        return sum(math.prod(block) for block in self.blocks)

    def view(self, flat: Tensor) -> Parameters:
        """A flat tensor of `size` numbers, seen as blocks and layers."""
        return Parameters(self, flat)


class Parameters:
    """One flat tensor, and views of it as blocks and layers.

    A block holds K layers of one shape as [K, R, rows, columns], so that a number per run
    broadcasts against it as [R, 1, 1].

    Attributes:
        flat: [layout.size].
        blocks: the five blocks of `layout.blocks`, the last two of them biases.
        hidden_weights: [L − 1, R, D, D]; hidden_biases: [L, R, 1, D].
        weights: layer 1 … L + 1, each [R, fan_in, fan_out].
        biases: likewise, each [R, 1, fan_out]; empty without biases.
    """

    def __init__(self, layout: Layout, flat: Tensor) -> None:
        self.flat = flat
        pieces = torch.split(flat, [math.prod(block) for block in layout.blocks])
        self.blocks = [p.view(shape) for p, shape in zip(pieces, layout.blocks, strict=True)]
        first, self.hidden_weights, last, self.hidden_biases, last_bias = self.blocks
        self.weights = [*first, *self.hidden_weights, *last]
        self.biases = [*self.hidden_biases, *last_bias]


@dataclass(frozen=True)
class Nonlinearity:
    """An activation with its settings, as the walk uses it on the runs of one span.

    Attributes:
        forward: (z, out) → writes φ(z).
        backward: (g, z, h, out) → writes g · φ′(z).
        needs_z: whether `backward` reads z.
        steepest: sup |φ′|.
    """

    runs: slice
    forward: Callable[[Tensor, Tensor], object]
    backward: Callable[[Tensor, Tensor, Tensor, Tensor], object]
    needs_z: bool
    steepest: float

    @classmethod
    def of(cls, span: Span) -> Nonlinearity:
        """Bind the entry that the span's runs chose: its kernel, else autograd on the entry."""
        entry = ACTIVATIONS[span.choice.name]
        settings = span.choice.settings
        phi = partial(entry.function, **settings)
        kernel: Kernel | None = entry.kernel
        steepest = _steepest(phi)
        if kernel is None:
            return cls(span.runs, partial(_forward, phi), partial(_backward, phi), True, steepest)
        forward = partial(kernel.forward, **settings)
        backward = partial(kernel.backward, **settings)
        return cls(span.runs, forward, backward, kernel.needs_z, steepest)


def _forward(phi: Callable[[Tensor], Tensor], z: Tensor, out: Tensor) -> None:
    out.copy_(phi(z))


def _backward(
    phi: Callable[[Tensor], Tensor], g: Tensor, z: Tensor, h: Tensor, out: Tensor
) -> None:
    with torch.enable_grad():
        leaf = z.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(phi(leaf), leaf, g)
    out.copy_(gradient)


def _loss_backward(
    loss: Callable[[Tensor, Tensor], Tensor], outputs: Tensor, targets: Tensor, out: Tensor
) -> None:
    with torch.enable_grad():
        leaf = outputs.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(leaf, targets).sum(), leaf)
    out.copy_(gradient)


def _steepest(phi: Callable[[Tensor], Tensor]) -> float:
    """sup |φ′|, the largest slope found at 0 and at 40,000 points from ±1e−12 to ±1e6."""
    ray = torch.logspace(-12, 6, 20_000, dtype=torch.float64)
    z = torch.cat([-ray, torch.zeros(1, dtype=torch.float64), ray])
    slope = torch.empty_like(z)
    _backward(phi, torch.ones_like(z), z, z, slope)
    return float(slope.abs().nan_to_num(0.0).max())


class Stack:
    """R runs that share data, depth, width, batch size and architecture.

    Args:
        configs: one per run; runs that share an activation or a loss should be neighbours.
        input_dim: features of an example.
        output_dim: C.

    Attributes:
        parameters: all weights and biases.
        gradients: ∂L/∂ of them after `backward`, L the mean loss of the batch.
        inputs: [R, B, input_dim]; targets: [R, B, C]: to be filled before `forward`.
        preacts: z of the hidden layers, [L, R, B, D]; only after `forward(keep=True)`.
        acts: h of the hidden layers, [L, R, B, D].
        deltas: ∂ℓ/∂z of the hidden layers, [L, R, B, D], ℓ the loss of one example.
        outputs: the output layer's z, [R, B, C]; output_deltas: ∂ℓ/∂z, likewise.
    """

    def __init__(self, configs: Sequence[RunConfig], input_dim: int, output_dim: int) -> None:
        first = configs[0]
        self.configs = configs
        self.device = torch.device(first.device)
        self.dtype: torch.dtype = getattr(torch, first.dtype)
        architecture: Architecture = MODELS[first.model.name].function(**first.model.settings)
        self.layout = Layout(
            len(configs), input_dim, first.width, first.depth, output_dim, architecture.bias
        )
        self.nonlinearities = [
            Nonlinearity.of(span) for span in spans([c.activation for c in configs])
        ]
        self.loss_spans = spans([c.loss for c in configs])
        self.parameters = self.layout.view(self._empty(self.layout.size))
        self.gradients = self.layout.view(self._empty(self.layout.size).zero_())
        for run, config in enumerate(configs):
            self._draw(run, config)
        assert first.batch_size is not None, "the config is not resolved"
        self._make_room(first.batch_size)

    def _empty(self, *shape: int) -> Tensor:
        return torch.empty(shape, dtype=self.dtype, device=self.device)

    def _draw(self, run: int, config: RunConfig) -> None:
        """Draw a run's parameters in float64, so that both precisions start from the same."""
        weights, biases = generator(config.seed, WEIGHTS), generator(config.seed, BIASES)
        init = resolved_init(config)
        settings = dict(init.settings)
        bias, bias_std = settings.pop("bias"), settings.pop("bias_std")
        fill = INITS[init.name].function
        for layer in self.parameters.weights:
            draft = torch.empty(layer.shape[1:], dtype=torch.float64)
            fill(draft, weights, **settings)
            layer[run].copy_(draft)
        for layer in self.parameters.biases:
            draft = torch.empty(layer.shape[2], dtype=torch.float64)
            layer[run, 0].copy_(draft.normal_(generator=biases).mul_(bias_std).add_(bias))

    def _make_room(self, batch: int) -> None:
        runs, depth, width = self.layout.runs, self.layout.depth, self.layout.width
        self.inputs = self._empty(runs, batch, self.layout.input_dim)
        self.targets = self._empty(runs, batch, self.layout.output_dim)
        self.outputs = torch.empty_like(self.targets)
        self.output_deltas = torch.empty_like(self.targets)
        self.acts = self._empty(depth, runs, batch, width)
        self.preacts = torch.empty_like(self.acts)
        self.deltas = torch.empty_like(self.acts)
        self._upstream = self._empty(runs, batch, width)
        self._kept = self._walk(self.preacts)
        self._errors = [self._error_call(span) for span in self.loss_spans]
        in_place = not any(phi.needs_z for phi in self.nonlinearities)
        self._lean = self._walk(self.acts) if in_place else self._kept

    def _walk(self, preacts: Tensor) -> _Walk:
        """Prepare every step's calls on their tensors, so that a step costs no more than those."""
        forward: list[Call] = []
        backward: list[Call] = []
        weights, biases = self.parameters.weights, self.parameters.biases or None
        below, above = self.inputs, self.output_deltas
        for index in range(self.layout.depth):
            z, h = preacts[index], self.acts[index]
            forward.append(_affine(below, weights[index], biases and biases[index], z))
            for phi in self.nonlinearities:
                z_, h_ = z[phi.runs], h[phi.runs]
                forward.append(partial(phi.forward, z_, z_ if preacts is self.acts else h_))
            below = h
        forward.append(_affine(below, weights[-1], biases and biases[-1], self.outputs))
        for index in reversed(range(self.layout.depth)):
            z, h, d, g = preacts[index], self.acts[index], self.deltas[index], self._upstream
            backward.append(partial(torch.bmm, above, weights[index + 1].transpose(1, 2), out=g))
            for phi in self.nonlinearities:
                r = phi.runs
                backward.append(partial(phi.backward, g[r], z[r], h[r], d[r]))
            above = d
        return _Walk(forward, [*backward, *self._gradient_calls()])

    def _gradient_calls(self) -> Iterator[Call]:
        """∂L/∂W, all hidden layers in one call, and ∂L/∂b, from h and δ."""
        batch, into, depth = self.inputs.shape[1], self.gradients, self.layout.depth
        yield _product(self.top, self.output_deltas, into.weights[-1], batch)
        if depth > 0:
            yield _product(self.inputs, self.deltas[0], into.weights[0], batch)
        if depth > 1:
            acts, deltas = self.acts[:-1].flatten(0, 1), self.deltas[1:].flatten(0, 1)
            yield _product(acts, deltas, into.hidden_weights.flatten(0, 1), batch)
        if self.layout.bias:
            yield partial(_mean, self.output_deltas, into.biases[-1])
            yield partial(_mean, self.deltas, into.hidden_biases)

    def _error_call(self, span: Span) -> Call:
        """∂ℓ/∂z of the output layer of a span's runs: in closed form, else by autograd on ℓ."""
        entry, settings = LOSSES[span.choice.name], span.choice.settings
        tensors = [x[span.runs] for x in (self.outputs, self.targets, self.output_deltas)]
        if entry.gradient is not None:
            return partial(entry.gradient, *tensors, **settings)
        return partial(_loss_backward, partial(entry.function, **settings), *tensors)

    @property
    def top(self) -> Tensor:
        """What the output layer reads: the last hidden h, or the inputs at depth 0."""
        return self.acts[-1] if self.layout.depth else self.inputs

    def forward(self, *, keep: bool) -> None:
        """Inputs → z and h of every layer; z is left in `preacts` only where `keep` is set."""
        for call in (self._kept if keep else self._lean).forward:
            call()

    def output_error(self) -> None:
        """Outputs and targets → ∂ℓ/∂z of the output layer."""
        for call in self._errors:
            call()

    def backward(self, *, kept: bool) -> None:
        """The walk back: δ of every layer, then ∂L/∂W and ∂L/∂b; `kept` as in `forward`."""
        for call in (self._kept if kept else self._lean).backward:
            call()

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """ℓ of each example, [R, B], for outputs [R, B, C]; targets are the same or [B, C]."""
        targets = targets.expand_as(outputs)
        parts = []
        for span in self.loss_spans:
            entry, settings = LOSSES[span.choice.name], span.choice.settings
            parts.append(entry.function(outputs[span.runs], targets[span.runs], **settings))
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def silence(self, runs: Sequence[int]) -> None:
        """Set some runs' parameters to 0, which makes their numbers finite, and no one else's."""
        for block in self.parameters.blocks:
            block[:, runs] = 0.0

    def predict(self, inputs: Tensor) -> Tensor:
        """Outputs [R, N, C] for inputs [N, input_dim] that all runs share."""
        h = inputs.expand(self.layout.runs, -1, -1)
        weights, biases = self.parameters.weights, self.parameters.biases or None
        shape = (self.layout.runs, len(inputs))
        for index in range(self.layout.depth):
            z = h.new_empty(*shape, self.layout.width)
            _affine(h, weights[index], biases and biases[index], z)()
            h = torch.empty_like(z)
            for phi in self.nonlinearities:
                phi.forward(z[phi.runs], h[phi.runs])
        outputs = h.new_empty(*shape, self.layout.output_dim)
        _affine(h, weights[-1], biases and biases[-1], outputs)()
        return outputs


@dataclass(frozen=True)
class _Walk:
    """The calls of one pass over the layers, and of the pass back."""

    forward: Sequence[Call]
    backward: Sequence[Call]


def _affine(x: Tensor, weight: Tensor, bias: Tensor | None, out: Tensor) -> Call:
    """out = x W + b."""
    if bias is None:
        return partial(torch.bmm, x, weight, out=out)
    return partial(torch.baddbmm, bias, x, weight, out=out)


def _product(acts: Tensor, deltas: Tensor, out: Tensor, batch: int) -> Call:
    """out = hᵀ δ, meaned over the examples."""
    return partial(out.baddbmm_, acts.transpose(1, 2), deltas, beta=0.0, alpha=1.0 / batch)


def _mean(deltas: Tensor, out: Tensor) -> None:
    """out = δ, meaned over the examples, [… , B, D] → [… , 1, D]."""
    torch.mean(deltas, -2, keepdim=True, out=out)

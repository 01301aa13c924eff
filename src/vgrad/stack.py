"""R runs as one model: stacked parameters, the forward pass, and the walk back.

Shapes: R runs, B examples, D units, L hidden layers, C outputs. A weight is [R, fan_in, fan_out],
an activation [R, B, D]. The backward pass is a walk over the layers made of local steps, so the
pre-activations z, the activations h and the error signals δ = ∂ℓ/∂z are there to be measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import Any

import torch
from torch import Generator, Tensor

from vgrad.config import Choice, RunConfig
from vgrad.draw import NOISE, Draw, generator, rescale
from vgrad.evaluation import evaluate
from vgrad.layout import PENALISED, WEIGHTS, Layout
from vgrad.net import Call, Net
from vgrad.nonlinearity import Nonlinearity, differentiate
from vgrad.norm import Statistics
from vgrad.parts.activations import ACTIVATIONS, size_of
from vgrad.parts.inits import INITS
from vgrad.parts.losses import LOSSES
from vgrad.parts.models import Architecture
from vgrad.state import State, of_generators, of_parameters, to_generators, to_parameters
from vgrad.walk import Noise, Pass, UpdateOf, Walk

_SELU = ACTIVATIONS["selu"].settings
SELU_FLOOR = -_SELU["scale"] * _SELU["alpha"]  # −λα, what alpha-dropout sets to


@dataclass(frozen=True)
class Span:
    """Neighbouring runs of a stack that made the same choice."""

    choice: Choice
    runs: slice


def stretches(keys: Sequence[Any]) -> Iterator[slice]:
    """The stretches of equal keys, in order."""
    start = 0
    for _, group in groupby(keys):
        stop = start + len(list(group))
        yield slice(start, stop)
        start = stop


def spans(choices: Sequence[Choice]) -> list[Span]:
    """The stretches of equal choices, in order."""
    return [Span(choices[runs.start], runs) for runs in stretches(choices)]


def form(config: RunConfig) -> tuple[int, int]:
    """How many z and h one unit has: runs of one stack must agree in it."""
    return size_of(ACTIVATIONS[config.activation.name], config.activation.settings)


class Stack:
    """R runs that share data, depth, width, batch size and architecture.

    Args:
        configs: one per run; runs that share an activation or a loss should be neighbours.
        input_dim: features of an example.
        output_dim: C.
        drawn: whether the parameters are drawn; without, they are for `load` to set.

    Attributes:
        layout: the sizes of it all.
        parameters: all weights and biases, and what remedies and activations learn.
        gradients: ∂L/∂ of them after `backward`, L the mean loss of the batch.
        inputs: [R, B, input_dim]; targets: [R, B, C]: to be filled before `forward`.
        preacts: z of the hidden layers, [L, R, B, Z]; only after `forward(keep=True)`.
        acts: h of the hidden layers, [L, R, B, H].
        deltas: ∂ℓ/∂z of the hidden layers, [L, R, B, Z], ℓ the loss of one example.
        outputs: the output layer's z, [R, B, C]; output_deltas: ∂ℓ/∂z, likewise.
        noise: what is drawn anew for every step.
    """

    def __init__(
        self,
        configs: Sequence[RunConfig],
        input_dim: int,
        output_dim: int,
        *,
        drawn: bool = True,
    ) -> None:
        first = configs[0]
        self.configs = configs
        self.device = torch.device(first.device)
        self.dtype: torch.dtype = getattr(torch, first.dtype)
        pieces, copies = form(first)
        assert all(form(config) == (pieces, copies) for config in configs), "not of one form"
        self.nonlinearities = [
            Nonlinearity.of(span.choice, span.runs, first.width)
            for span in spans([c.activation for c in configs])
        ]
        self.layout = Layout(
            len(configs),
            input_dim,
            first.width,
            first.depth,
            output_dim,
            Architecture.of(first.model.name, first.model.settings),
            pieces,
            copies,
            max(phi.learned for phi in self.nonlinearities),
        )
        self.loss_spans = spans([c.loss for c in configs])
        self.parameters = self.layout.view(self._empty(self.layout.size))
        self.gradients = self.layout.view(self._empty(self.layout.size).zero_())
        if drawn:
            self._draw()
        assert first.batch_size is not None, "the config is not resolved"
        self._make_room(first.batch_size)

    def _empty(self, *shape: int) -> Tensor:
        return torch.empty(shape, dtype=self.dtype, device=self.device)

    def _draw(self) -> None:
        for phi in self.nonlinearities:
            for run in phi.members:
                Draw(self.configs[run]).into(self.parameters, run, phi)
        self.parameters.named["gate_bias"].fill_(self.layout.architecture.shortcut.gate_bias)

    def _make_room(self, batch: int) -> None:
        runs = self.layout.runs
        self.inputs = self._empty(runs, batch, self.layout.input_dim)
        self.targets = self._empty(runs, batch, self.layout.output_dim)
        self.noise = self._noise(batch)
        self._running = self._statistics()
        self._net = Net(
            self.layout, self.parameters, self.gradients, self.nonlinearities, self._running
        )
        self._pass = there = Pass(self._net, self.inputs, self.noise)
        self.acts, self.preacts, self.deltas = there.acts, there.preacts, there.deltas
        self.outputs, self.output_deltas = there.outputs, there.output_deltas
        self._norms = there.norms
        self._kept = there.walk(keep=True)
        self._lean = there.walk(keep=False) if self._in_place else self._kept
        self._errors = list(self._error_calls(there))
        self._penalties = list(self._penalty_calls())
        self._draws = [generator(config.seed, NOISE) for config in self.configs]

    @property
    def _in_place(self) -> bool:
        """Whether h may overwrite z."""
        one_each = self.layout.pieces == self.layout.copies == 1
        return one_each and not any(phi.needs_z for phi in self.nonlinearities)

    @property
    def trains_weights_alone(self) -> bool:
        """Whether nothing but weights and biases is learned, and by the loss alone."""
        plain = {*WEIGHTS, "hidden_bias", "last_bias"}
        blocks = {name for name, shape in self.layout.blocks.items() if math.prod(shape)}
        return blocks <= plain and not self._penalties

    def streamed(self, update: UpdateOf) -> Walk:
        """A walk that updates each layer on the way back, `walk` says how; keeps no gradients."""
        return self._pass.walk(keep=not self._in_place, update=update)

    def _noise(self, batch: int) -> Noise:
        """Room for the random numbers of a step, where there are any."""
        layout, plan = self.layout, self.layout.architecture
        shape = (layout.depth, layout.runs, batch)
        noise = Noise()
        if plan.dropout or plan.alpha_dropout:
            noise.mask = self._empty(*shape, layout.act_width)
        if plan.alpha_dropout:
            noise.shift = self._empty(*shape, layout.act_width)
        if any(phi.noisy for phi in self.nonlinearities):
            noise.uniform = self._empty(*shape, layout.preact_width)
        return noise

    def _statistics(self) -> list[Statistics]:
        if self.layout.architecture.norm != "batch":
            return []
        shape = self.layout.blocks["norm_gain"]
        pairs = zip(self._empty(*shape).zero_(), self._empty(*shape).fill_(1.0), strict=True)
        return [Statistics(mean, variance) for mean, variance in pairs]

    def _error_calls(self, there: Pass) -> Iterator[Call]:
        """∂ℓ/∂z of the outputs of a span's runs: in closed form, else by autograd on ℓ."""
        outputs = [(self.outputs, self.output_deltas)]
        outputs += zip(there.head_outputs, there.head_deltas, strict=True)
        for z, delta in outputs:
            for span in self.loss_spans:
                entry = LOSSES[span.choice.name]
                settings = entry.own(span.choice.settings)
                tensors = [x[span.runs] for x in (z, self.targets, delta)]
                if entry.gradient is not None:
                    yield partial(entry.gradient, *tensors, **settings)
                else:
                    yield partial(_loss_backward, partial(entry.function, **settings), *tensors)
        for delta in there.head_deltas:
            yield partial(delta.mul_, self.layout.architecture.aux_weight)

    def _penalty_calls(self) -> Iterator[Call]:
        """The gradients of l1 Σ|W| and l2 ΣW², added to those of the loss."""
        l1, l2 = (
            self.inputs.new_tensor([config.loss.settings[key] for config in self.configs])
            for key in ("l1", "l2")
        )
        for weight, gradient in self.parameters.pairs(self.gradients, PENALISED):
            if l1.any():
                yield partial(_add_signs, gradient, weight, l1[:, None, None])
            if l2.any():
                yield partial(gradient.addcmul_, weight, 2.0 * l2[:, None, None])

    @property
    def needs_settling(self) -> bool:
        """Whether a run's weights depend on its data, and `settle` is to be called."""
        return any(self._layerwise(config) for config in self.configs)

    @staticmethod
    def _layerwise(config: RunConfig) -> bool:
        return bool(INITS[config.init.name].layerwise)

    def settle(self, inputs: Tensor) -> None:
        """Rescale the weights of the runs whose init asks for it, layer after layer.

        Batch norm takes the statistics of these inputs; nothing is dropped.

        Args:
            inputs: [R, N, input_dim], each run's own examples.
        """
        runs = [run for run, config in enumerate(self.configs) if self._layerwise(config)]

        def look(layer: int, a: Tensor, again: Call) -> None:
            for run in runs:
                bias = self.parameters.biases[layer][run] if self.parameters.biases else None
                rescale(self.parameters.weights[layer][run], a[run], bias)
            again()

        evaluate(replace(self._net, running=()), inputs, look)

    def refresh(self) -> None:
        """Draw the noise of the next step, each run from its own generator."""
        plan, noise = self.layout.architecture, self.noise
        if noise.mask is not None:
            kept = 1.0 - (plan.dropout or plan.alpha_dropout)
            for run in range(self.layout.runs):
                _redraw(noise.mask[:, run], partial(Tensor.bernoulli_, p=kept), self._draws[run])
            self._weigh_masks(noise.mask)
        if noise.uniform is not None:
            for run in (run for phi in self.nonlinearities if phi.noisy for run in phi.members):
                _redraw(noise.uniform[:, run], Tensor.uniform_, self._draws[run])

    def _weigh_masks(self, mask: Tensor) -> None:
        """0 and 1 → what keeps the mean, for alpha-dropout mean 0 and variance 1 as well.

        h → a (h · mask + floor (1 − mask)) + b: Klambauer et al. 2017, arXiv:1706.02515, "New
        dropout technique".
        """
        plan = self.layout.architecture
        if self.noise.shift is None:
            mask.div_(1.0 - plan.dropout)
            return
        q = 1.0 - plan.alpha_dropout
        a = (q + SELU_FLOOR**2 * q * (1.0 - q)) ** -0.5
        b = -a * SELU_FLOOR * (1.0 - q)
        torch.mul(1.0 - mask, a * SELU_FLOOR, out=self.noise.shift).add_(b)
        mask.mul_(a)

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
        for call in self._penalties:
            call()

    def state(self) -> State:
        """All that changes while the runs train, the very tensors."""
        state = dict(of_parameters("parameters", self.parameters))
        state["noise"] = of_generators(self._draws)
        for layer, running in enumerate(self._running):
            state[f"running.{layer}.mean"] = running.mean
            state[f"running.{layer}.variance"] = running.variance
        return state

    def load(self, state: State) -> None:
        """Go on from a state of runs with these configs."""
        to_parameters(state, "parameters", self.parameters)
        to_generators(state["noise"], self._draws)
        for layer, running in enumerate(self._running):
            running.mean.copy_(state[f"running.{layer}.mean"])
            running.variance.copy_(state[f"running.{layer}.variance"])

    def remember(self) -> None:
        """Let the batch of the last `forward` count in batch norm's running statistics."""
        for layer, running in enumerate(self._running):
            self._norms[layer].remember(running)

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """ℓ of each example, [R, B], for outputs [R, B, C]; targets are the same or [B, C]."""
        targets = targets.expand_as(outputs)
        parts = []
        for span in self.loss_spans:
            entry = LOSSES[span.choice.name]
            settings = entry.own(span.choice.settings)
            parts.append(entry.function(outputs[span.runs], targets[span.runs], **settings))
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def silence(self, runs: Sequence[int]) -> None:
        """Set some runs' parameters to 0, which makes their numbers finite, and no one else's."""
        for block in self.parameters.blocks:
            block[:, runs] = 0.0

    def predict(self, inputs: Tensor) -> Tensor:
        """Outputs [R, N, C] at evaluation for inputs [N, input_dim] that all runs share."""
        return evaluate(self._net, inputs.expand(self.layout.runs, -1, -1))


def _redraw(room: Tensor, fill: Callable[..., Tensor], draws: Generator) -> None:
    """Fill a run's part of a block: in one piece, as its layout in memory steers the draws."""
    room.copy_(fill(torch.empty(room.shape), generator=draws))


def _loss_backward(
    loss: Callable[[Tensor, Tensor], Tensor], outputs: Tensor, targets: Tensor, out: Tensor
) -> None:
    out.copy_(differentiate(lambda z: loss(z, targets).sum(), [outputs])[0])


def _add_signs(gradient: Tensor, weight: Tensor, l1: Tensor) -> None:
    gradient.addcmul_(weight.sign(), l1)

"""The way of one batch through a stack, and back: calls prepared once, on tensors made once.

Every hidden layer is a chain of stages, each with its way back: the weights, a norm, φ, a norm,
dropout, the shortcut, an auxiliary head (`vgrad.parts.models` has the formula). g is ∂ℓ/∂ of what
a stage gave to the one above; it is passed down in one tensor that every stage overwrites.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from vgrad.layout import FACTORS, WEIGHTS, Layout
from vgrad.net import Call, Net, affine, mean, products, scaling
from vgrad.nonlinearity import Nonlinearity, differentiate
from vgrad.norm import Norm

UpdateOf = Callable[[str, slice, Tensor], Iterable[Call]]  # block, layers, gradient → calls


class Room:
    """Where a pass keeps its tensors: blocks [L, R, B, units], made when first asked for."""

    def __init__(self, like: Tensor, depth: int) -> None:
        self._like, self._depth = like, depth
        self.blocks: dict[str, Tensor] = {}

    def __call__(self, kind: str, layer: int, units: int) -> Tensor:
        """The layer's part of the kind's block."""
        return self.block(kind, units)[layer]

    def block(self, kind: str, units: int) -> Tensor:
        """All layers of a kind."""
        if kind not in self.blocks:
            self.blocks[kind] = self._like.new_empty(self._depth, *self._like.shape[:2], units)
        return self.blocks[kind]


@dataclass(frozen=True)
class Stage:
    """Part of a layer: its calls on the way forward, and those on the way back."""

    forward: Sequence[Call]
    backward: Sequence[Call] = ()


@dataclass
class Noise:
    """What is drawn anew for every step in training; None where nothing is.

    Attributes:
        mask, shift: dropout is y · mask + shift, [L, R, B, units] each; without shift it is 0.
        uniform: U(0, 1) for the activations that take it, [L, R, B, units].
    """

    mask: Tensor | None = None
    shift: Tensor | None = None
    uniform: Tensor | None = None


@dataclass
class Walk:
    """The prepared calls of a pass in training.

    Attributes:
        forward: inputs → z and h of every layer.
        backward: ∂ℓ/∂z of the outputs → δ of every layer, then every gradient.
    """

    forward: list[Call] = field(default_factory=list)
    backward: list[Call] = field(default_factory=list)


class Pass:
    """A batch's tensors in training, and the walks over them.

    Args:
        net: what it goes through.
        inputs: [R, B, input_dim].
        noise: read anew in every step.

    Attributes:
        preacts: z, [L, R, B, Z]; only after a walk that keeps it.
        acts: h = φ(z), [L, R, B, H].
        deltas: ∂ℓ/∂z, [L, R, B, Z].
        outputs, output_deltas: z of the output layer, [R, B, C], and ∂ℓ/∂z.
        head_outputs, head_deltas: those of each auxiliary head.
        norms: the norm of each hidden layer, by its number.
    """

    def __init__(self, net: Net, inputs: Tensor, noise: Noise) -> None:
        self._net, self._inputs, self._noise = net, inputs, noise
        layout = net.layout
        runs, batch = inputs.shape[:2]
        self._room = Room(inputs, layout.depth)
        self.preacts = self._room.block("z", layout.preact_width)
        self.acts = self._room.block("h", layout.act_width)
        self.deltas = self._room.block("delta", layout.preact_width)
        self.outputs = inputs.new_empty(runs, batch, layout.output_dim)
        self.output_deltas = torch.empty_like(self.outputs)
        heads = range(layout.architecture.aux_heads)
        self.head_outputs = [torch.empty_like(self.outputs) for _ in heads]
        self.head_deltas = [torch.empty_like(self.outputs) for _ in heads]
        self._upstream = inputs.new_empty(runs, batch, layout.act_width)
        self._skipped = torch.empty_like(self._upstream)
        self._output_factors = [
            inputs.new_empty(runs, batch, layout.architecture.bottleneck) for _ in range(2)
        ]
        self.norms: dict[int, Norm] = {}
        self._out: list[Tensor] = []  # what each hidden layer gives to the next
        self._update: UpdateOf | None = None

    def walk(self, *, keep: bool, update: UpdateOf | None = None) -> Walk:
        """Prepare the calls.

        Args:
            keep: without it, z shares its memory with h.
            update: makes the calls that update a layer's part of a block from its gradient. With
                it the way back updates each layer as soon as nothing reads it any more: δ and
                the gradients stay in the cache, and are of one layer only. It is for nets that
                train weights and biases alone.
        """
        walk = Walk()
        self._out, self._update = [], update
        x, stages = self._inputs, []
        for layer in range(self._net.layout.depth):
            chain = list(self._hidden(layer, x, keep=keep))
            walk.forward += [call for stage in chain for call in stage.forward]
            stages.append(chain)
            x = self._out[-1]
        last = self._weights(len(stages), x, self.outputs, self.output_deltas)
        walk.forward += last.forward
        for chain in reversed([*stages, [last]]):
            walk.backward += [call for stage in reversed(chain) for call in stage.backward]
        if update is None:
            walk.backward += [*self._weight_gradients(), *self._other_gradients()]
        return walk

    def _hidden(self, layer: int, x: Tensor, *, keep: bool) -> Iterator[Stage]:
        """The stages of one hidden layer, the first of them reading x."""
        net, room, plan = self._net, self._room, self._net.layout.architecture
        z_width, h_width = net.layout.preact_width, net.layout.act_width
        h, delta = room("h", layer, h_width), room("delta", layer if self._keeps else 0, z_width)
        z = room("z", layer, z_width) if keep else h
        before, after = (plan.norm != "none" and plan.norm_at == at for at in ("before", "after"))
        a, a_delta = z, delta
        if before:
            a, a_delta = room("a", layer, z_width), room("a_delta", layer, z_width)
        yield self._weights(layer, x, a, a_delta)
        if before:
            rule = self._norm(layer, a)
            yield Stage([partial(rule.forward, a, z)], [partial(rule.backward, delta, a_delta)])
        yield self._activation(layer, z, h, delta)
        y = h
        if after:
            y, g = room("normed", layer, h_width), self._upstream
            rule = self._norm(layer, h)
            yield Stage([partial(rule.forward, h, y)], [partial(rule.backward, g, g)])
        if self._noise.mask is not None:
            dropped = room("dropped", layer, h_width)
            yield self._dropout(layer, y, dropped)
            y = dropped
        if plan.shortcut.kind != "none":
            out = room("out", layer, h_width)
            yield self._shortcut(layer, x, y, out)
            y = out
        self._out.append(y)
        for head in (i for i, at in enumerate(plan.heads(net.layout.depth)) if at == layer):
            yield self._head(head, y)

    def _weights(self, layer: int, x: Tensor, out: Tensor, delta: Tensor) -> Stage:
        """out = x W + b, W perhaps a product; back to what the layer below gave."""
        layout, parameters = self._net.layout, self._net.parameters
        weight = parameters.weights[layer]
        bias = parameters.biases[layer] if parameters.biases else None
        below = self._upstream
        if not parameters.factors:
            forward = [affine(x, weight, bias, out)]
            backward: list[Call] = [partial(torch.bmm, delta, weight.mT, out=below)]
            backward = backward if layer else []
        else:
            factor = parameters.factors[layer]
            inner, inner_delta = self._inner(layer)
            forward = [partial(torch.bmm, x, factor, out=inner), affine(inner, weight, bias, out)]
            backward = [partial(torch.bmm, delta, weight.mT, out=inner_delta)]
            if layer:
                backward.append(partial(torch.bmm, inner_delta, factor.mT, out=below))
        if self._starts_shortcut(layer, layout):
            backward.append(partial(below.add_, self._skipped))
        if self._update is not None:
            backward += self._updates(self._update, layer, x, delta)
        return Stage(forward, backward)

    @property
    def _keeps(self) -> bool:
        """Whether every layer has a δ and a gradient of its own."""
        return self._update is None

    def _updates(self, update: UpdateOf, layer: int, x: Tensor, delta: Tensor) -> Iterator[Call]:
        """The gradient of a layer's weight, and its update; those of all biases at the end."""
        layout, batch = self._net.layout, self._inputs.shape[1]
        named, last = self._net.gradients.named, layer == layout.depth
        block, place = ("last", 0) if last else ("hidden", layer - 1) if layer else ("first", 0)
        into = named[block][:1]
        yield from products(x[None], delta[None], into, batch)
        yield from update(block, slice(place, place + 1), into)
        if layout.architecture.bias:
            bias = named["last_bias" if last else "hidden_bias"]
            yield partial(mean, delta, bias[0 if last else layer])
            if layer == 0:
                for block in ("hidden_bias", "last_bias"):
                    yield from update(block, slice(None), named[block])

    def _inner(self, layer: int) -> Sequence[Tensor]:
        """What the inner factor of a layer's weight makes of x, and ∂ℓ/∂ of it."""
        layout = self._net.layout
        if layer == layout.depth:
            return self._output_factors
        width = layout.architecture.bottleneck
        return [self._room(kind, layer, width) for kind in ("inner", "inner_delta")]

    @staticmethod
    def _starts_shortcut(layer: int, layout: Layout) -> bool:
        """Whether what the layer reads also passes it by."""
        plan = layout.architecture
        if plan.shortcut.kind == "highway":
            return 1 <= layer < layout.depth
        return any(branch.start == layer for branch in plan.branches(layout.depth))

    def _norm(self, layer: int, x: Tensor) -> Norm:
        """The layer's norm, the same for every walk."""
        if layer not in self.norms:
            own, gradient = (scaling(p, layer) for p in (self._net.parameters, self._net.gradients))
            self.norms[layer] = Norm(self._net.layout.architecture.norm, own, gradient, x)
        return self.norms[layer]

    def _activation(self, layer: int, z: Tensor, h: Tensor, delta: Tensor) -> Stage:
        forward: list[Call] = []
        backward: list[Call] = []
        g, batch = self._upstream, z.shape[1]
        for phi in self._net.nonlinearities:
            r = phi.runs
            noise = None if self._noise.uniform is None else self._noise.uniform[layer, r]
            learned = phi.learned_in(self._net.parameters, layer)
            bound = phi.bind(learned, noise)
            z_ = z[r]
            h_ = z_ if h is z else h[r]  # one object, so that a kernel can tell
            forward.append(partial(bound.forward, z_, h_))
            backward.append(partial(bound.backward, g[r], z_, h_, delta[r]))
            into = phi.learned_in(self._net.gradients, layer)
            if learned is not None and into is not None:
                backward.append(partial(_learn, phi, learned, noise, g[r], z_, into, batch))
        return Stage(forward, backward)

    def _dropout(self, layer: int, y: Tensor, out: Tensor) -> Stage:
        assert self._noise.mask is not None
        mask, shift = self._noise.mask[layer], self._noise.shift
        back = [partial(self._upstream.mul_, mask)]
        if shift is None:
            return Stage([partial(torch.mul, y, mask, out=out)], back)
        return Stage([partial(torch.addcmul, shift[layer], y, mask, out=out)], back)

    def _shortcut(self, layer: int, x: Tensor, y: Tensor, out: Tensor) -> Stage:
        """What the layer gives to the next: y, and where a shortcut ends here, what it carried."""
        plan, depth = self._net.layout.architecture, self._net.layout.depth
        if plan.shortcut.kind == "highway" and layer:
            return self._highway(layer, x, y, out)
        branches = plan.branches(depth)
        for index, branch in enumerate(branches):
            if branch.stop - 1 == layer:
                start = self._out[branch.start - 1]
                return self._residual(index, len(branches), start, y, out)
        return Stage([partial(out.copy_, y)])

    def _residual(self, branch: int, branches: int, start: Tensor, y: Tensor, out: Tensor) -> Stage:
        """out = start + α y."""
        g, kind = self._upstream, self._net.layout.architecture.shortcut.kind
        keep = partial(self._skipped.copy_, g)
        if kind == "rezero":
            scale = self._net.parameters.named["branch_scale"][branch]
            into = self._net.gradients.named["branch_scale"][branch]
            learn, back = partial(_learn_scale, g, y, into), partial(g.mul_, scale)
            return Stage([partial(torch.addcmul, start, y, scale, out=out)], [keep, learn, back])
        if kind == "identity":
            return Stage([partial(torch.add, start, y, out=out)], [keep])
        share = branches**-0.5
        return Stage(
            [partial(torch.add, start, y, alpha=share, out=out)], [keep, partial(g.mul_, share)]
        )

    def _highway(self, layer: int, x: Tensor, y: Tensor, out: Tensor) -> Stage:
        """out = x + t (y − x), t = σ(x W_t + b_t)."""
        units = self._net.layout.act_width
        weight, bias = (self._net.parameters.named[k][layer - 1] for k in ("gate", "gate_bias"))
        t, delta = (self._room(kind, layer, units) for kind in ("gate", "gate_delta"))
        g, skipped = self._upstream, self._skipped

        def back() -> None:
            torch.sub(y, x, out=delta)
            delta.mul_(g)
            torch.ops.aten.sigmoid_backward.grad_input(delta, t, grad_input=delta)
            torch.sub(g, g * t, out=skipped)
            skipped.baddbmm_(delta, weight.mT)
            g.mul_(t)

        forward: list[Call] = [
            affine(x, weight, bias, t),
            partial(torch.sigmoid, t, out=t),
            partial(torch.lerp, x, y, t, out=out),
        ]
        return Stage(forward, [back])

    def _head(self, head: int, x: Tensor) -> Stage:
        """An auxiliary output and its error, which joins the one that comes from above."""
        named = self._net.parameters.named
        weight, bias = named["head"][head], named["head_bias"][head : head + 1]
        delta = self.head_deltas[head]
        forward = affine(x, weight, bias[0] if len(bias) else None, self.head_outputs[head])
        return Stage([forward], [partial(self._upstream.baddbmm_, delta, weight.mT)])

    @property
    def _stream(self) -> Tensor:
        """What the hidden layers give to the next ones, [L, R, B, H]."""
        blocks = self._room.blocks
        kinds = ("out", "dropped", "normed", "h")
        return next(blocks[kind] for kind in kinds if kind in blocks)

    @property
    def _errors(self) -> Tensor:
        """∂ℓ/∂(x W + b) of the hidden layers, [L, R, B, Z]."""
        return self._room.blocks.get("a_delta", self.deltas)

    def _weight_gradients(self) -> Iterator[Call]:
        """∂L/∂W, all hidden layers in one call, from what each layer read and its error."""
        blocks, into, batch = self._room.blocks, self._net.gradients.named, self._inputs.shape[1]
        errors = [self._errors[:1], self._errors[1:], self.output_deltas[None]]
        top = self._stream[-1:] if self._net.layout.depth else self._inputs[None]
        reads = [self._inputs[None], self._stream[:-1], top]
        if self._net.parameters.factors:
            inner, inner_delta = (x[None] for x in self._output_factors)
            hidden, hidden_delta = (
                blocks.get(kind, inner[:0]) for kind in ("inner", "inner_delta")
            )
            below = [hidden_delta[:1], hidden_delta[1:], inner_delta]
            for name, x, error in zip(FACTORS, reads, below, strict=True):
                yield from products(x, error, into[name], batch)
            reads = [hidden[:1], hidden[1:], inner]
        for name, x, error in zip(WEIGHTS, reads, errors, strict=True):
            yield from products(x, error, into[name], batch)

    def _other_gradients(self) -> Iterator[Call]:
        """∂L/∂ of biases, gates and heads."""
        blocks, into, batch = self._room.blocks, self._net.gradients.named, self._inputs.shape[1]
        plan, depth = self._net.layout.architecture, self._net.layout.depth
        if plan.bias:
            yield partial(mean, self.output_deltas, into["last_bias"][0])
            if not (plan.norm == "batch" and plan.norm_at == "before"):
                # Else it is 0, as the norm takes a constant away: its rounding must not train.
                yield partial(mean, self._errors, into["hidden_bias"])
        if len(into["gate"]):
            errors = blocks["gate_delta"][1:]
            yield from products(self._stream[:-1], errors, into["gate"], batch)
            yield partial(mean, errors, into["gate_bias"])
        for head, layer in enumerate(plan.heads(depth)):
            x, error = self._out[layer][None], self.head_deltas[head][None]
            yield from products(x, error, into["head"][head : head + 1], batch)
            if plan.bias:
                yield partial(mean, error, into["head_bias"][head : head + 1])


def _learn(
    phi: Nonlinearity,
    learned: Tensor,
    noise: Tensor | None,
    g: Tensor,
    z: Tensor,
    into: Tensor,
    batch: int,
) -> None:
    """The gradient of the trainable parameters of an activation."""

    def of(parameter: Tensor) -> Tensor:
        return phi.bind(parameter, noise).phi(z)

    (gradient,) = differentiate(of, [learned], g)
    torch.div(gradient, batch, out=into)


def _learn_scale(g: Tensor, y: Tensor, into: Tensor) -> None:
    """The gradient of a branch's α."""
    torch.mean((g * y).sum(-1, keepdim=True), -2, keepdim=True, out=into)

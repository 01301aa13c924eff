"""A stack's outputs at evaluation: running statistics, no dropout, the final output alone."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vgrad import norm
from vgrad.net import Net, affine, scaling

Look = Callable[[int, Tensor, Callable[[], object]], object]


def _ignore(layer: int, a: Tensor, again: Callable[[], object]) -> None:
    """Look at nothing."""


def evaluate(net: Net, inputs: Tensor, look: Look = _ignore) -> Tensor:
    """Outputs [R, N, C] for inputs [R, N, input_dim].

    Args:
        net: what the inputs go through.
        inputs: may be an expanded view where all runs share them.
        look: is given each layer's number from 0, its x W + b, and a call that makes this again,
            should `look` have changed W.
    """
    layout = net.layout
    plan, x, passing = layout.architecture, inputs, inputs
    branches = plan.branches(layout.depth)
    starts = {branch.start for branch in branches}
    ends = {branch.stop - 1: index for index, branch in enumerate(branches)}
    for layer in range(layout.depth):
        if layer in starts:
            passing = x
        y = _normed(net, layer, "before", _affine(net, layer, x, look))
        y = _normed(net, layer, "after", _activated(net, layer, y))
        if plan.shortcut.kind == "highway" and layer:
            gate, bias = (net.parameters.named[k][layer - 1] for k in ("gate", "gate_bias"))
            y = torch.lerp(x, y, torch.sigmoid(torch.baddbmm(bias, x, gate)))
        if layer in ends:
            y = passing + _scale(net, ends[layer], len(ends)) * y
        x = y
    return _affine(net, layout.depth, x, look)


def _affine(net: Net, layer: int, x: Tensor, look: Look) -> Tensor:
    """X W + b."""
    parameters = net.parameters
    weight = parameters.weights[layer]
    bias = parameters.biases[layer] if parameters.biases else None
    if parameters.factors:
        x = torch.bmm(x, parameters.factors[layer])
    out = x.new_empty(*x.shape[:2], weight.shape[-1])
    again = affine(x, weight, bias, out)
    again()
    look(layer, out, again)
    return out


def _normed(net: Net, layer: int, at: str, x: Tensor) -> Tensor:
    plan = net.layout.architecture
    if plan.norm == "none" or plan.norm_at != at:
        return x
    out = torch.empty_like(x)
    running = net.running[layer] if net.running else None
    norm.evaluate(plan.norm, x, scaling(net.parameters, layer), running, out)
    return out


def _activated(net: Net, layer: int, z: Tensor) -> Tensor:
    h = z.new_empty(*z.shape[:2], net.layout.act_width)
    for phi in net.nonlinearities:
        bound = phi.bind(phi.learned_in(net.parameters, layer))
        bound.forward(z[phi.runs], h[phi.runs])
    return h


def _scale(net: Net, branch: int, branches: int) -> float | Tensor:
    kind = net.layout.architecture.shortcut.kind
    if kind == "rezero":
        return net.parameters.named["branch_scale"][branch]
    return branches**-0.5 if kind == "scaled" else 1.0

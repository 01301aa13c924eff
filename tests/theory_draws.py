"""Many small networks in plain torch at step 0: what the theory's spread is held against."""

from __future__ import annotations

import math

import numpy as np
import torch

from vgrad.parts.activations import ACTIVATIONS

CLASSES = 10


def weights(seeds, fan_in, fan_out, gain, draws, *, orthogonal):
    """[seeds, fan_in, fan_out] with σ_w = gain; orthogonal ones for fan_in = fan_out or more."""
    drawn = torch.randn(seeds, fan_in, fan_out, generator=draws)
    if not orthogonal:
        return drawn * (gain / math.sqrt(fan_in))
    q, r = torch.linalg.qr(drawn)
    return gain * q * torch.sign(torch.diagonal(r, dim1=1, dim2=2))[:, None]


def lengths(name, gain, width, depth, seeds):
    """E[z²] of the hidden layers for one white input each, [seeds, depth]."""
    draws, entry = torch.Generator().manual_seed(6), ACTIVATIONS[name]
    x, found = torch.randn(seeds, 1, width, generator=draws), []
    for _ in range(depth):
        z = torch.bmm(x, weights(seeds, width, width, gain, draws, orthogonal=False))
        found.append(z.double().square().mean((1, 2)))
        x = entry.function(z, **entry.own(entry.settings))
    return torch.stack(found, 1).numpy()


def spread(name, gain, width, depth, batch, seeds, *, orthogonal=False):
    """Standard deviations over seeds, in decades: of δ against the last hidden layer, and of E[z²].

    White inputs of `width` dimensions, random labels, cross-entropy; the output layer comes last.
    """
    draws, entry = torch.Generator().manual_seed(5), ACTIVATIONS[name]
    x = torch.randn(seeds, batch, width, generator=draws)
    labels = torch.randint(CLASSES, (seeds * batch,), generator=draws)
    zs = []
    for layer in range(depth + 1):
        units = width if layer < depth else CLASSES
        matrix = weights(seeds, width, units, gain, draws, orthogonal=orthogonal)
        z = torch.bmm(x, matrix).requires_grad_()
        z.retain_grad()
        zs.append(z)
        x = entry.function(z, **entry.own(entry.settings))
    torch.nn.functional.cross_entropy(z.flatten(0, 1), labels, reduction="sum").backward()

    def logs(tensors):
        return np.log10(torch.stack([x.double().square().mean((1, 2)) for x in tensors], 1).numpy())

    deltas = logs([z.grad for z in zs]) / 2.0
    relative = deltas - deltas[:, [depth - 1]]
    return relative.std(0, ddof=1), logs([z.detach() for z in zs]).std(0, ddof=1)

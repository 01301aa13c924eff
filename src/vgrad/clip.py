"""Gradient clipping in a stack: by value and by norm, each run by its own limits."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

WITHIN = (0, 2, 3)  # the axes of a block [K, R, rows, columns] that belong to one run
EPSILON = 1e-6  # what torch.nn.utils.clip_grad_norm_ adds to the norm


def clip_value(blocks: Sequence[Tensor], limits: Tensor) -> Tensor:
    """Bring every derivative into ±limit.

    Source: Mikolov 2012, Statistical Language Models Based on Neural Networks (thesis, Brno).

    Args:
        blocks: the gradients of some runs, [K, R, rows, columns] each; changed in place.
        limits: of the runs, [R], above 0.

    Returns:
        in which runs a derivative was beyond the limit, [R].
    """
    over = _largest(blocks) > limits
    bounds = limits[:, None, None]
    for block in blocks:
        block.clamp_(-bounds, bounds)
    return over


def clip_norm(blocks: Sequence[Tensor], limits: Tensor) -> Tensor:
    """Scale a run's gradient down to where the L2 norm over all its parameters is the limit.

    The norm is taken of g / scale, whose squares cannot overflow. Those that underflow are of a
    norm that is nothing beside `EPSILON`.

    Source: Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063, algorithm 1.

    Args:
        blocks: as for `clip_value`.
        limits: likewise.

    Returns:
        in which runs the norm was beyond the limit, [R].
    """
    scale = _largest(blocks).clamp_(min=1.0)
    parts = [_norm(block / scale[:, None, None]) for block in blocks]
    norm = torch.linalg.vector_norm(torch.stack(parts), dim=0)
    factor: Tensor = (limits / scale) / (norm + EPSILON / scale)
    for block in blocks:
        block.mul_(factor.clamp(max=1.0)[:, None, None])
    return factor < 1.0


def _largest(blocks: Sequence[Tensor]) -> Tensor:
    """max |x| of each run, [R]."""
    return torch.stack([block.abs().amax(WITHIN) for block in blocks]).amax(0)


def _norm(block: Tensor) -> Tensor:
    """The L2 norm of each run, [R]; in two steps, which is faster than over three axes at once."""
    layers = torch.linalg.vector_norm(block.flatten(2), dim=2)
    norm: Tensor = torch.linalg.vector_norm(layers, dim=0)
    return norm

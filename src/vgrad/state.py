"""The state of runs in training: all that is needed to go on, tensors whose first axis is the run.

So a run can be taken out of one stack and go on in another, and a stack can be written down.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Generator, Tensor

from vgrad.layout import Parameters

State = dict[str, Tensor]


def of_generators(generators: Sequence[Generator]) -> Tensor:
    """The state of each run's generator, [R, bytes]."""
    return torch.stack([generator.get_state() for generator in generators])


def to_generators(state: Tensor, generators: Sequence[Generator]) -> None:
    """Set each run's generator to its state."""
    for generator, own in zip(generators, state.cpu(), strict=True):
        generator.set_state(own.clone())


def of_parameters(name: str, parameters: Parameters) -> Iterator[tuple[str, Tensor]]:
    """Each block that has layers, [R, K, rows, columns]: the very numbers, not a copy of them."""
    for block, values in parameters.named.items():
        if values.numel():
            yield f"{name}.{block}", values.transpose(0, 1)


def to_parameters(state: Mapping[str, Tensor], name: str, parameters: Parameters) -> None:
    """Set each block.

    Runs that learn nothing more than others did may have left columns of the block `activation`
    behind: these are of no run that is still there.
    """
    for block, values in parameters.named.items():
        if values.numel():
            values.copy_(state[f"{name}.{block}"].transpose(0, 1)[..., : values.shape[-1]])


def copied(state: Mapping[str, Tensor], room: Mapping[str, Tensor]) -> State:
    """A copy of a state, each tensor contiguous.

    Args:
        state: what is copied.
        room: an earlier copy that is no longer needed, or nothing. Where its tensors fit they
            are written over, many times faster than new memory is had from the system.
    """
    copies: State = {}
    for name, values in state.items():
        old = room.get(name)
        if old is None or old.shape != values.shape:
            old = torch.empty(values.shape, dtype=values.dtype, device=values.device)
        copies[name] = old.copy_(values)
    return copies


def selected(state: Mapping[str, Tensor], runs: Sequence[int]) -> State:
    """A copy of the state of some of the runs, each tensor contiguous."""
    return {name: values[list(runs)].contiguous() for name, values in state.items()}

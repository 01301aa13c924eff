"""The optimizers of a stack: one update of all parameters, with settings per run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from vgrad.config import Choice
from vgrad.parts.optimizers import OPTIMIZERS
from vgrad.stack import Stack


@dataclass(frozen=True)
class _Piece:
    """Some parameters of some runs: what one call of an optimizer works on."""

    apply: Callable[..., None]
    param: Tensor
    gradient: Tensor
    state: Mapping[str, Tensor]


class Update:
    """Applies each run's optimizer to its own parameters.

    Neighbouring runs with the same optimizer are updated together. Where one choice holds for all
    runs, all parameters are one flat tensor; else a setting that differs is a tensor [R, 1, 1].

    Args:
        stack: its gradients are read and its parameters changed.
    """

    def __init__(self, stack: Stack) -> None:
        choices = [config.optimizer for config in stack.configs]
        names = {name for c in choices for name in OPTIMIZERS[c.name].state}
        self._state = {name: torch.zeros_like(stack.parameters.flat) for name in sorted(names)}
        if all(choice == choices[0] for choice in choices):
            self._pieces = [self._flat(stack, choices[0])]
        else:
            self._pieces = self._by_run(stack, choices)

    def _flat(self, stack: Stack, choice: Choice) -> _Piece:
        entry = OPTIMIZERS[choice.name]
        state = {name: self._state[name] for name in entry.state}
        apply = partial(entry.function, **choice.settings)
        return _Piece(apply, stack.parameters.flat, stack.gradients.flat, state)

    def _by_run(self, stack: Stack, choices: Sequence[Choice]) -> list[_Piece]:
        pieces, start = [], 0
        states = {name: stack.layout.view(flat) for name, flat in self._state.items()}
        for _, group in groupby(choices, key=_kind):
            same = list(group)
            entry, runs = OPTIMIZERS[same[0].name], slice(start, start + len(same))
            settings = _together([c.settings for c in same], stack.parameters.flat)
            for index, block in enumerate(stack.parameters.blocks):
                state = {name: states[name].blocks[index][:, runs] for name in entry.state}
                gradient = stack.gradients.blocks[index][:, runs]
                apply = partial(entry.function, **settings)
                pieces.append(_Piece(apply, block[:, runs], gradient, state))
            start = runs.stop
        return pieces

    def __call__(self, step: int) -> None:
        """Make update number `step`, counted from 1."""
        for piece in self._pieces:
            piece.apply(piece.param, piece.gradient, piece.state, step)


def _kind(choice: Choice) -> tuple[Any, ...]:
    """What runs must share to be updated by one call: the optimizer, its switches and words."""
    fixed = {k: v for k, v in choice.settings.items() if not _is_number(v)}
    return choice.name, *sorted(fixed.items())


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _together(settings: Sequence[Mapping[str, Any]], like: Tensor) -> dict[str, Any]:
    """Each setting as one value where the runs agree, else as a tensor [R, 1, 1]."""
    merged: dict[str, Any] = {}
    for name in settings[0]:
        values = [s[name] for s in settings]
        alike = all(v == values[0] for v in values)
        merged[name] = values[0] if alike else like.new_tensor(values)[:, None, None]
    return merged

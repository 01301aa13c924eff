"""The optimizers of a stack: one update of all parameters, with settings per run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Generator, Tensor

from vgrad.clip import clip_norm, clip_value
from vgrad.config import Choice
from vgrad.draw import GRADIENT_NOISE, generator
from vgrad.layout import Parameters
from vgrad.net import Call
from vgrad.noise import AnnealedNoise
from vgrad.parts import schedules
from vgrad.parts.gradients import SETTINGS as GRADIENT_SETTINGS
from vgrad.parts.optimizers import OPTIMIZERS
from vgrad.phrases import is_number
from vgrad.stack import Stack, stretches
from vgrad.state import State, of_generators, of_parameters, to_generators, to_parameters

Piece = tuple[Tensor, Tensor, Mapping[str, Tensor]]  # parameters, their gradients, their state


@dataclass(frozen=True)
class _Group:
    """Neighbouring runs that are updated together.

    Attributes:
        apply: their optimizer, with its settings but for the lr.
        one_rate: whether they have one lr throughout.
        state: the names of what it remembers.
        pieces: what one call of it works on.
    """

    apply: Callable[..., None]
    runs: slice
    one_rate: bool
    state: Sequence[str]
    pieces: Sequence[Piece]


@dataclass(frozen=True)
class _Clip:
    """How the gradients of some runs are clipped, and how often that has been."""

    runs: slice
    steps: Sequence[Callable[[], Tensor]]
    counts: Tensor

    def __call__(self) -> None:
        over = [step() for step in self.steps]
        self.counts.add_(torch.stack(over).any(0))


class Update:
    """Applies each run's optimizer to its own parameters.

    Neighbouring runs with the same optimizer are updated together. Where one choice holds for all
    runs, all parameters are one flat tensor; else a setting that differs is a tensor [R, 1, 1].

    Where a run clips its gradient or adds noise to it, that is done to a copy: first clipped by
    value, then by norm, then the noise.

    Args:
        stack: its gradients are read and its parameters changed.
    """

    def __init__(self, stack: Stack) -> None:
        choices = [config.optimizer for config in stack.configs]
        self._settings = [choice.settings for choice in choices]
        self._updates = stack.configs[0].steps
        self._layout, self._parameters = stack.layout, stack.parameters
        self._device = stack.device
        self._measured = self._gradients = stack.gradients
        if any(s["clip_norm"] or s["clip_value"] or s["noise"] for s in self._settings):
            self._gradients = stack.layout.view(torch.zeros_like(stack.gradients.flat))
        self._clips = list(_clips(self._gradients, self._settings))
        self._noises = dict(_noises(self._gradients, stack))
        names = {name for c in choices for name in OPTIMIZERS[c.name].state}
        self._state = {name: torch.zeros_like(stack.parameters.flat) for name in sorted(names)}
        if all(_without_gradient(choice) == _without_gradient(choices[0]) for choice in choices):
            self._groups = [self._flat(stack, choices[0])]
        else:
            self._groups = list(self._by_run(stack, choices))
        self._constant: list[float | Tensor] | None = None
        if all(schedules.is_constant(settings) for settings in self._settings):
            self._constant = self._lr(1)

    def _flat(self, stack: Stack, choice: Choice) -> _Group:
        entry = OPTIMIZERS[choice.name]
        state = {name: self._state[name] for name in entry.state}
        apply = partial(entry.function, **_without_rate(choice))
        piece = (stack.parameters.flat, self._gradients.flat, state)
        return _Group(apply, slice(0, stack.layout.runs), True, entry.state, [piece])

    def _by_run(self, stack: Stack, choices: Sequence[Choice]) -> Iterator[_Group]:
        states = {name: stack.layout.view(flat).blocks for name, flat in self._state.items()}
        pairs = list(zip(stack.parameters.blocks, self._gradients.blocks, strict=True))
        for runs in stretches([_kind(choice) for choice in choices]):
            same = choices[runs]
            entry = OPTIMIZERS[same[0].name]
            settings = _together([_without_rate(choice) for choice in same], stack.device)
            one_rate = all(_rate(choice) == _rate(same[0]) for choice in same)
            pieces = [
                (param[:, runs], gradient[:, runs], {n: states[n][i][:, runs] for n in entry.state})
                for i, (param, gradient) in enumerate(pairs)
                if param.numel()
            ]
            apply = partial(entry.function, **settings)
            yield _Group(apply, runs, one_rate, entry.state, pieces)

    def __call__(self, step: int) -> None:
        """Make update number `step`, counted from 1."""
        if self._gradients is not self._measured:
            self._gradients.flat.copy_(self._measured.flat)
            for clip in self._clips:
                clip()
            for noise in self._noises.values():
                noise(step)
        for group, lr in zip(self._groups, self._constant or self._lr(step), strict=True):
            for param, gradient, state in group.pieces:
                group.apply(param, gradient, state, step, lr=lr)

    @property
    def is_streamable(self) -> bool:
        """Whether a gradient may be used up as soon as it is known."""
        return self._gradients is self._measured

    def of(self, block: str, layers: slice, gradient: Tensor) -> Iterator[Call]:
        """The calls that update some layers of a block; `begin` says of which update they are.

        Args:
            block: its name in the layout.
            layers: which of it.
            gradient: [K, R, rows, columns].
        """
        param = self._parameters.named[block][layers]
        states = {
            name: self._layout.view(flat).named[block][layers] for name, flat in self._state.items()
        }
        for number, group in enumerate(self._groups):
            runs = group.runs
            state = {name: states[name][:, runs] for name in group.state}
            yield partial(self._apply, number, param[:, runs], gradient[:, runs], state)

    def begin(self, step: int) -> None:
        """Say that the calls of `of` are of update number `step`, counted from 1."""
        self._step, self._rates = step, self._constant or self._lr(step)

    def _apply(
        self, number: int, param: Tensor, gradient: Tensor, state: Mapping[str, Tensor]
    ) -> None:
        self._groups[number].apply(param, gradient, state, self._step, lr=self._rates[number])

    def state(self) -> State:
        """What the optimizers remember, and how often each run's gradient was clipped."""
        state: State = {}
        for name, flat in self._state.items():
            state |= of_parameters(f"optimizer.{name}", self._layout.view(flat))
        counts = torch.zeros(len(self._settings), dtype=torch.int64)
        for clip in self._clips:
            counts[clip.runs] = clip.counts.cpu()
        state["clipped"] = counts
        idle = Generator()
        draws = [self._noises[run].generator if run in self._noises else idle for run in self._runs]
        state["gradient_noise"] = of_generators(draws)
        return state

    def load(self, state: State) -> None:
        """Go on from a state of runs with these settings."""
        for name, flat in self._state.items():
            to_parameters(state, f"optimizer.{name}", self._layout.view(flat))
        for clip in self._clips:
            clip.counts.copy_(state["clipped"][clip.runs])
        for run, noise in self._noises.items():
            to_generators(state["gradient_noise"][run : run + 1], [noise.generator])

    @property
    def remembered(self) -> Tensor | float:
        """The sum of all that the optimizers remember: finite unless something in it is not."""
        return sum((flat.sum() for flat in self._state.values()), 0.0)

    @property
    def _runs(self) -> range:
        return range(len(self._settings))

    def _lr(self, step: int) -> list[float | Tensor]:
        """The learning rate of each group: one number, or a tensor [R, 1, 1]."""
        rates = self.rates(step)
        return [
            rates[group.runs.start] if group.one_rate else _by_run(rates[group.runs], self._device)
            for group in self._groups
        ]

    def rates(self, step: int) -> list[float]:
        """The learning rate of each run in update number `step`."""
        return [
            settings["lr"] * schedules.factor(step, self._updates, settings)
            for settings in self._settings
        ]

    def noise_std(self, step: int) -> list[float | None]:
        """The deviation of the noise in update number `step`; None for a run without."""
        return [self._noises[run].std(step) if run in self._noises else None for run in self._runs]

    @property
    def clipped(self) -> list[int | None]:
        """How many updates each run's gradient was clipped in so far; None if it never is."""
        counts: list[int | None] = [None] * len(self._settings)
        for clip in self._clips:
            counts[clip.runs] = clip.counts.tolist()
        return counts


def _clips(gradients: Parameters, settings: Sequence[Mapping[str, Any]]) -> Iterator[_Clip]:
    """What clips the gradients of each stretch of runs that clip in the same way."""
    for runs in stretches([(s["clip_value"] > 0, s["clip_norm"] > 0) for s in settings]):
        blocks = [block[:, runs] for block in gradients.blocks if block.numel()]
        steps: list[Callable[[], Tensor]] = []
        for name, clip in (("clip_value", clip_value), ("clip_norm", clip_norm)):
            if settings[runs.start][name]:
                limits = blocks[0].new_tensor([s[name] for s in settings[runs]])
                steps.append(partial(clip, blocks, limits))
        if steps:
            counts = torch.zeros(runs.stop - runs.start, dtype=torch.int64, device=blocks[0].device)
            yield _Clip(runs, steps, counts)


def _noises(gradients: Parameters, stack: Stack) -> Iterator[tuple[int, AnnealedNoise]]:
    """What adds noise to the gradients of each run that has some."""
    for phi in stack.nonlinearities:
        for run in phi.members:
            config = stack.configs[run]
            settings = config.optimizer.settings
            if settings["noise"]:
                blocks = _own(gradients, run, phi.learned)
                draws = generator(config.seed, GRADIENT_NOISE)
                yield run, AnnealedNoise(blocks, settings["noise"], settings["noise_decay"], draws)


def _own(of: Parameters, run: int, learned: int) -> list[Tensor]:
    """A run's part of each block, without what only other runs' activations learn."""
    parts = {name: block[:, run] for name, block in of.named.items()}
    parts["activation"] = parts["activation"][..., :learned]
    return [part for part in parts.values() if part.numel()]


def _without_gradient(choice: Choice) -> tuple[str, dict[str, Any]]:
    """What makes the update once the gradient is clipped and noisy."""
    settings = {k: v for k, v in choice.settings.items() if k not in GRADIENT_SETTINGS}
    return choice.name, settings


def _without_rate(choice: Choice) -> dict[str, Any]:
    """What the entry's function takes beside the lr, which may change from update to update."""
    own = OPTIMIZERS[choice.name].own(choice.settings)
    return {name: value for name, value in own.items() if name != "lr"}


def _rate(choice: Choice) -> list[Any]:
    """What the lr of every update follows from."""
    return [choice.settings[name] for name in ("lr", *schedules.SETTINGS)]


def _kind(choice: Choice) -> tuple[Any, ...]:
    """What runs must share to be updated by one call: the optimizer, its switches and words."""
    fixed = {k: v for k, v in _without_rate(choice).items() if not is_number(v)}
    return choice.name, *sorted(fixed.items())


def _together(settings: Sequence[Mapping[str, Any]], device: torch.device) -> dict[str, Any]:
    """Each setting as one value where the runs agree, else as a tensor [R, 1, 1]."""
    merged: dict[str, Any] = {}
    for name in settings[0]:
        values = [s[name] for s in settings]
        alike = all(v == values[0] for v in values)
        merged[name] = values[0] if alike else _by_run(values, device)
    return merged


def _by_run(values: Sequence[float], device: torch.device) -> Tensor:
    """A number per run as a tensor [R, 1, 1]: in float64, where 1 − β keeps its digits.

    The mps device has no float64.
    """
    dtype = torch.float32 if device.type == "mps" else torch.float64
    return torch.tensor(values, dtype=dtype, device=device)[:, None, None]

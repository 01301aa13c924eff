"""What a run starts from: its parameters, each drawn from generators of its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Generator, Tensor

from vgrad.config import Choice, RunConfig, resolved_init
from vgrad.gaussian import gain
from vgrad.layout import Parameters
from vgrad.meanfield.edge import Edge, edge
from vgrad.nonlinearity import Nonlinearity
from vgrad.parts.activations import ACTIVATIONS
from vgrad.parts.inits import INITS
from vgrad.parts.models import Architecture

# The random streams of a run: one more in use changes none of the others.
WEIGHTS, BIASES, BATCHES, REMEDIES, NOISE, GRADIENT_NOISE, EXAMPLES = range(7)

INNER = partial(INITS["lecun_normal"].function, gain=1.0)  # of a bottleneck: keeps the variance


def generator(seed: int, stream: int) -> Generator:
    """A run's own generator for one purpose, on the CPU; streams are independent."""
    state = np.random.SeedSequence([seed, stream]).generate_state(1, np.uint64)[0]
    return Generator().manual_seed(int(state) >> 1)


def drawn_init(config: RunConfig) -> Choice:
    """The init that weights are drawn with: `matched`, `critical` and `gain=auto` resolved.

    Raises:
        ConfigError: there is no such gain.
    """
    init = resolved_init(config)
    if init.name == "critical":
        return _critical(config)
    if init.settings.get("gain") != "auto":
        return init
    entry = ACTIVATIONS[config.activation.name]
    return Choice(init.name, {**init.settings, "gain": gain(entry, config.activation.settings)})


def _critical(config: RunConfig) -> Choice:
    """The init that `critical` stands for."""
    asked = config.init.settings
    biases = {name: asked[name] for name in INITS.common}
    name = "orthogonal" if asked["distribution"] == "orthogonal" else "lecun_normal"
    return Choice(name, {**biases, "gain": edge_of(config).sigma_w})


def edge_of(config: RunConfig) -> Edge:
    """What a config with `init=critical` draws; a layer without biases has σ_b = 0.

    Raises:
        ConfigError: there is no such σ_w.
    """
    asked = config.init.settings
    biases = {name: asked[name] for name in INITS.common}
    biased = Architecture.of(config.model.name, config.model.settings).bias
    return edge(
        config.activation,
        **(biases if biased else dict.fromkeys(biases, 0.0)),
        depth=config.depth,
        limit=asked["limit"],
    )


class Draw:
    """Draws one run's parameters in float64, so that both precisions start from the same.

    Weights are drawn by the run's init. The inner factor of a bottleneck keeps the variance
    (lecun_normal). Gates and heads are drawn like weights, from a stream of their own, so that the
    weights are the same with remedies and without.
    """

    def __init__(self, config: RunConfig) -> None:
        self._init = drawn_init(config)
        self._entry = INITS[self._init.name]
        self._own = partial(self._entry.function, **self._entry.own(self._init.settings))
        self._weights, self._biases, self._remedies = (
            generator(config.seed, stream) for stream in (WEIGHTS, BIASES, REMEDIES)
        )

    def into(self, parameters: Parameters, run: int, phi: Nonlinearity) -> None:
        """Fill the run's part of every block."""
        named = parameters.named
        for weight in parameters.weights:
            _fill(weight[run], self._own, self._weights)
        for weight, bias in zip(parameters.weights, parameters.biases, strict=False):
            self._fill_bias(bias[run, 0], weight.shape[1], self._biases)
        for factor in parameters.factors:
            _fill(factor[run], INNER, self._remedies)
        for name in ("gate", "head"):
            for weight in named[name]:
                _fill(weight[run], self._own, self._remedies)
        named["norm_gain"][:, run] = 1.0
        for bias in named["head_bias"]:
            self._fill_bias(bias[run, 0], named["head"].shape[2], self._remedies)
        for name in ("norm_shift", "branch_scale"):
            named[name][:, run] = 0.0
        named["activation"][:, run] = 0.0
        if phi.learned:
            named["activation"][:, run, :, : phi.learned] = phi.start

    def _fill_bias(self, bias: Tensor, fan_in: int, draws: Generator) -> None:
        settings = self._init.settings
        if self._entry.bias is None and not settings["bias_std"]:  # nothing is drawn
            bias.fill_(settings["bias"])
            return
        draft = torch.zeros(bias.shape, dtype=torch.float64)
        if self._entry.bias is not None:
            self._entry.bias(draft, fan_in, draws)
        noise = torch.empty_like(draft).normal_(generator=draws)
        bias.copy_(draft + settings["bias"] + noise * settings["bias_std"])


def _fill(weight: Tensor, init: Callable[[Tensor, Generator], object], draws: Generator) -> None:
    draft = torch.empty(weight.shape, dtype=torch.float64)
    init(draft, draws)
    weight.copy_(draft)


def rescale(weight: Tensor, a: Tensor, bias: Tensor | None) -> None:
    """Scale one run's W so that the variance of x W is 1.

    Layer-sequential unit variance: Mishkin & Matas 2016, arXiv:1511.06422, algorithm 1. What is
    linear in W needs no second round. Weights whose x W has no finite variance stay as they are.

    Args:
        weight: W of one run, changed in place.
        a: its x W + b, [N, fan_out].
        bias: b, [1, fan_out], or None.
    """
    a = a.cpu().double()
    variance = float((a if bias is None else a - bias.cpu().double()).var(correction=0))
    if 0.0 < variance < math.inf:
        weight.div_(variance**0.5)

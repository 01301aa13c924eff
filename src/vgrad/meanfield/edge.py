"""The σ_w that `init=critical` stands for: of the critical point, or of the depth that a run has.

At a critical point δ keeps its size in every layer once lengths have settled (Poole et al. 2016,
arXiv:1606.05340). Some activations have none, and of others, as tanh and elu without biases, it is
a limit: lengths shrink for ever, and χ₁ nears 1 only as they vanish. What a network of L layers
needs is δ_1 = δ_L, Π χ₁(q_l) = 1 over its own lengths q_l (Schoenholz et al. 2017,
arXiv:1611.01232, eq. 9). That has a solution nearly always, and goes to the critical point with L.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from numpy.polynomial import Chebyshev
from numpy.typing import NDArray

from vgrad.config import Choice
from vgrad.errors import ConfigError
from vgrad.meanfield.critical import critical, gains
from vgrad.meanfield.phi import Phi
from vgrad.parts.activations import ACTIVATIONS

Numbers = NDArray[np.float64]

INSTEAD = "Write init=matched, or init=lecun_normal init.gain=NUMBER"
DECADES = (-4.0, 3.0)  # of lengths: what networks of up to thousands of layers have
DEGREE = 44  # of the polynomials that stand for ln E[φ²] and ln E[φ′²] there: to 1e-5 or better
SIGMAS = np.geomspace(0.2, 30.0, 200)  # of weights, that are tried
TINY = 1e-300
ROUNDS = 4  # of finer and finer tries: to 1e-9


@dataclass(frozen=True)
class Edge:
    """What `init=critical` draws.

    Attributes:
        sigma_w: σ_w = √(fan_in · Var W).
        kind: `point`: of the critical point; `limit`: of one at which lengths vanish; `depth`: δ
            keeps its size over the run's own depth; `length`: E[z²] = 1 is kept.
        why: what `vgrad.meanfield.critical` says of the critical point.
    """

    sigma_w: float
    kind: str
    why: str


def edge(activation: Choice, bias: float, bias_std: float, depth: int, *, limit: bool) -> Edge:
    """The σ_w for an activation between layers whose biases are drawn from N(bias, bias_std²).

    Norms, shortcuts and dropout are left out of account, and the inputs have E[x²] = 1.

    Args:
        activation: the run's.
        bias: the mean of its biases.
        bias_std: their standard deviation.
        depth: its hidden layers.
        limit: whether a point at which lengths vanish counts.

    Raises:
        ConfigError: the theory does not speak of the activation, or it has no such σ_w.
    """
    entry = ACTIVATIONS[activation.name]
    if not entry.elementwise and int(entry.copies) == 1:  # of one that copies, each has its own z
        raise _no_edge(activation, "it is a function of several pre-activations, not of one alone")
    try:
        found = _edge(Phi.of(activation).about(bias), bias, bias_std, max(2, depth), limit)
    except ArithmeticError:
        raise _no_edge(
            activation, "it oscillates too fast for its expectations to be worked out"
        ) from None
    if found is None:
        raise _no_edge(activation, "no σ_w keeps the size of its signal or of its gradient")
    return found


@lru_cache(maxsize=256)
def _edge(phi: Phi, bias: float, bias_std: float, depth: int, limit: bool) -> Edge | None:
    point = critical(phi, math.hypot(bias, bias_std), largest=math.inf)
    if point.sigma_w is not None and (limit or point.q):
        return Edge(point.sigma_w, "point" if point.q else "limit", point.why)
    kept = _kept_over(phi, bias_std**2, depth)
    if kept is not None:
        return Edge(kept, "depth", point.why)
    length = gains(phi).preserves_q1
    return None if length is None else Edge(length, "length", point.why)


def _kept_over(phi: Phi, bias_var: float, depth: int) -> float | None:
    """The smallest σ_w with Π σ_w² E[φ′(z_l)²] = 1 over layers 1 … depth − 1."""
    sigmas = SIGMAS
    for _ in range(ROUNDS):
        gained = _gained(phi, bias_var, depth, sigmas)
        (rises,) = np.nonzero((gained[:-1] < 0.0) & (gained[1:] >= 0.0))
        if not len(rises):
            return None
        sigmas = np.linspace(sigmas[rises[0]], sigmas[rises[0] + 1], 100)
    return float(sigmas[0])


def _gained(phi: Phi, bias_var: float, depth: int, sigma_S: Numbers) -> Numbers:
    """ln δ_1² − ln δ_L² of networks with these σ_w, [S]."""
    log_act, log_gate = _logarithms(phi)
    log_v = np.log10(sigma_S**2 + bias_var)
    gained = np.zeros(len(sigma_S))
    for _ in range(depth - 1):
        log_v = np.clip(log_v, *DECADES)
        gained += 2.0 * np.log(sigma_S) + log_gate(log_v)
        log_v = np.log10(sigma_S**2 * np.exp(log_act(log_v)) + bias_var)
    return gained


@lru_cache(maxsize=64)
def _logarithms(phi: Phi) -> tuple[Chebyshev, Chebyshev]:
    """ln E[φ²] and ln E[φ′²] over log₁₀ of the variance."""

    def of(f: Callable[[float], float], log_v: Numbers) -> Numbers:
        lengths = (10.0**log_v).tolist()
        for v in lengths:
            phi.learn(v)
        return np.log([max(f(v), TINY) for v in lengths])

    act, gate = (
        Chebyshev.interpolate(partial(of, f), DEGREE, DECADES) for f in (phi.act_ms, phi.gate_ms)
    )
    return act, gate


def _no_edge(activation: Choice, why: str) -> ConfigError:
    instead = f"{INSTEAD}."
    if ACTIVATIONS[activation.name].mean_square is not None:
        instead = f"{INSTEAD}; init.gain=auto keeps E[h²] = 1."
    return ConfigError(
        f"init=critical has no answer for activation={activation.name}: {why}. {instead}"
    )

"""A config into its prediction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from vgrad.config import Choice, RunConfig
from vgrad.draw import drawn_init
from vgrad.meanfield.critical import Critical, Gains, critical, gains
from vgrad.meanfield.fixed_point import FixedPoint, settle
from vgrad.meanfield.phi import Phi
from vgrad.meanfield.scale import Scale
from vgrad.parts.activations import ACTIVATIONS, size_of
from vgrad.parts.inits import INITS
from vgrad.parts.models import Architecture
from vgrad.theory.backward import Fans, Returned, go_back
from vgrad.theory.batch import batch_of
from vgrad.theory.forward import Passed, Signal, go_forward
from vgrad.theory.inputs import Inputs, inputs_of
from vgrad.theory.prediction import (
    DepthScales,
    Layer,
    Prediction,
    scales_of,
    size,
    trainable,
)
from vgrad.theory.scope import not_predicted, of_activation, spread_known
from vgrad.theory.spread import spreads
from vgrad.theory.steady import steady
from vgrad.theory.weights import scale_of
from vgrad.threads import at_most

ROUNDING = 1e-14  # decades per layer
NO_GAINS = Gains(None, None, None)
UNASKED = Critical(None, 0.0, None, "it was not asked for")


@at_most(1)
def predict(config: RunConfig, *, whole: bool = True) -> Prediction:
    """What mean-field theory says of a run at step 0, for wide layers.

    Args:
        config: the run's.
        whole: whether the critical point and the gains are wanted, which are of no run in
            particular.

    Raises:
        VgradError: its data cannot be had, or its init has no such gain.
    """
    init, inputs = drawn_init(config), inputs_of(config)
    plan = Architecture.of(config.model.name, config.model.settings)
    sizes = _sizes(config, inputs)
    scales = [scale_of(init, *pair, bias=plan.bias) for pair in sizes]
    hidden = scale_of(init, *_square(config), bias=plan.bias)
    reason = not_predicted(config)
    try:
        return _predict(config, init, inputs, plan, sizes, scales, hidden, reason, whole)
    except ArithmeticError:
        name = config.activation.name
        reason = f"activation={name} oscillates too fast for its expectations to be worked out"
        return _nothing(sizes, scales, hidden, reason, init)


def _predict(
    config: RunConfig,
    init: Choice,
    inputs: Inputs,
    plan: Architecture,
    sizes: Sequence[tuple[int, int]],
    scales: Sequence[Scale],
    hidden: Scale,
    reason: str | None,
    whole: bool,
) -> Prediction:
    if of_activation(config.activation.name):
        return _nothing(sizes, scales, hidden, str(reason), init)
    phi = Phi.of(config.activation)
    equalised = bool(INITS[init.name].layerwise)
    if equalised:
        hidden = Scale(1.0 / phi.act_ms(1.0), hidden.bias_var, hidden.bias_mean)
    if reason is not None:
        edge = _critical(phi, hidden, inputs, plan)
        return _nothing(sizes, scales, hidden, reason, init, edge, gains(phi))
    signal = Signal(inputs.square, 0.0, inputs.overlap)
    passed = go_forward(phi, signal, scales[:-1], plan, equalised=equalised)
    last = passed[-1].gives if passed else signal
    if equalised:
        scales = [
            *(one.scale for one in passed),
            Scale(1.0 / last.square) if last.square else scales[-1],
        ]
    fans = [
        Fans(*pair, scale.sigma_w2 * pair[1] / pair[0])
        for pair, scale in zip(sizes, scales, strict=True)
    ]
    back = go_back(passed, last, fans, plan)
    point = _far(phi, hidden, inputs, plan)
    depths = scales_of(point)
    rows = _layers(sizes, scales, passed, last, back)
    return Prediction(
        layers=_with_spread(config, rows, phi, inputs, passed, (last, scales[-1])),
        fixed_point=point,
        depth_scale=depths,
        critical=_critical(phi, hidden, inputs, plan) if whole else UNASKED,
        gain=gains(phi) if whole else NO_GAINS,
        grad_decay=_slope([one.delta for one in back[:-1]]),
        trainable_depth=trainable(depths),
        not_predicted=None,
        sigma_w=math.sqrt(hidden.sigma_w2),
        init=init.name,
        bias_mean=hidden.bias_mean,
    )


def _sizes(config: RunConfig, inputs: Inputs) -> list[tuple[int, int]]:
    """fan_in and the number of pre-activations of every layer, the output layer last."""
    fan_in, fan_out = _square(config)
    if config.depth == 0:
        return [(inputs.dim, inputs.outputs)]
    middle = [(fan_in, fan_out)] * (config.depth - 1)
    return [(inputs.dim, fan_out), *middle, (fan_in, inputs.outputs)]


def _square(config: RunConfig) -> tuple[int, int]:
    """Those of a hidden layer that reads another one."""
    entry = ACTIVATIONS[config.activation.name]
    pieces, copies = size_of(entry, entry.own(config.activation.settings))
    return config.width * copies, config.width * pieces


def _far(phi: Phi, hidden: Scale, inputs: Inputs, plan: Architecture) -> FixedPoint | None:
    """Where the network ends up; nowhere with shortcuts, which add to lengths for ever."""
    if plan.shortcut.kind != "none":
        return None
    if plan.norm != "none" or plan.alpha_dropout:
        return steady(phi, hidden, plan)
    start = hidden.sigma_w2 * inputs.square + hidden.bias_var
    return settle(phi, hidden, start, 1.0 - plan.dropout)


def _with_spread(
    config: RunConfig,
    rows: tuple[Layer, ...],
    phi: Phi,
    inputs: Inputs,
    passed: Sequence[Passed],
    last: tuple[Signal, Scale],
) -> tuple[Layer, ...]:
    """The rows with how far single networks scatter, where that is known."""
    output = rows[-1].preact_ms
    if not passed or not output or math.isinf(output) or not spread_known(config):
        return rows
    batch = batch_of(config, inputs, output, rows[-1].correlation or 0.0)
    sizes = [(row.fan_in, row.fan_out) for row in rows]
    rigid = drawn_init(config).name == "orthogonal"
    found = spreads(phi, passed, last, sizes, batch, orthogonal=rigid)
    return tuple(
        replace(row, delta_spread=one.delta, preact_spread=one.preact)
        for row, one in zip(rows, found, strict=True)
    )


def _critical(phi: Phi, hidden: Scale, inputs: Inputs, plan: Architecture) -> Critical:
    sigma_b = math.sqrt(hidden.sigma_b2)
    if plan.norm != "none":
        why = f"with model.norm={plan.norm} the size of the weights does not matter"
        return Critical(None, sigma_b, None, why)
    if plan.shortcut.kind != "none":
        return Critical(None, sigma_b, None, "with shortcuts no σ_w keeps lengths: χ₁ is above 1")
    if plan.dropout or plan.alpha_dropout or phi.noisy:
        noise = "random slopes" if phi.noisy else "dropout"
        why = f"with {noise} examples never become alike, and there is no critical point"
        return Critical(None, sigma_b, None, why)
    return critical(phi.about(hidden.bias_mean), sigma_b, inputs.square)


def _layers(
    sizes: Sequence[tuple[int, int]],
    scales: Sequence[Scale],
    passed: Sequence[Passed],
    last: Signal,
    back: Sequence[Returned],
) -> tuple[Layer, ...]:
    """The rows: hidden layers, then the output layer."""
    unit = back[-2] if passed else None
    rows = []
    for place, ((fan_in, fan_out), scale, own) in enumerate(zip(sizes, scales, back, strict=True)):
        row = Layer(place + 1, fan_in, fan_out, scale.sigma_w2, scale.sigma_b2)
        if unit is not None:
            delta, gradient = size(own.delta, unit.delta), size(own.gradient, unit.gradient)
            row = replace(row, delta_rms=delta, weight_grad_norm=gradient)
        hidden = place < len(passed)
        rows.append(_hidden_row(row, passed[place]) if hidden else _output_row(row, scale, last))
    return tuple(rows)


def _hidden_row(row: Layer, own: Passed) -> Layer:
    return replace(
        row,
        preact_ms=own.preact_ms,
        act_mean=own.act_mean,
        act_var=max(0.0, own.act_ms - own.act_mean**2),
        gate_ms=own.gate_ms,
        chi1=own.chi1,
        correlation=own.correlation,
    )


def _output_row(row: Layer, scale: Scale, last: Signal) -> Layer:
    """The outputs are their own activations, and have no gates."""
    var = scale.sigma_w2 * last.square + scale.bias_var
    square, shared = var + scale.bias_mean**2, scale.sigma_w2 * last.overlap + scale.sigma_b2
    return replace(
        row,
        preact_ms=square,
        act_mean=scale.bias_mean,
        act_var=var,
        correlation=shared / square if 0.0 < square < math.inf else None,
    )


def _slope(logs: Sequence[float]) -> float | None:
    """Decades of δ per layer, from the output towards the input, by least squares."""
    points = [(i, log / 2.0 / math.log(10.0)) for i, log in enumerate(logs) if math.isfinite(log)]
    if len(points) < 2:
        return None
    middle, level = (sum(values) / len(points) for values in zip(*points, strict=True))
    rise = sum((x - middle) * (y - level) for x, y in points)
    slope = float(0.0 - rise / sum((x - middle) ** 2 for x, _ in points))
    return 0.0 if abs(slope) < ROUNDING else slope


def _nothing(
    sizes: Sequence[tuple[int, int]],
    scales: Sequence[Scale],
    hidden: Scale,
    reason: str,
    init: Choice,
    point: Critical | None = None,
    known: Gains = NO_GAINS,
) -> Prediction:
    """What is left where the layers are not predicted."""
    rows = [
        Layer(number, *pair, scale.sigma_w2, scale.sigma_b2)
        for number, (pair, scale) in enumerate(zip(sizes, scales, strict=True), 1)
    ]
    none = Critical(None, math.sqrt(hidden.sigma_b2), None, reason)
    return Prediction(
        layers=tuple(rows),
        fixed_point=None,
        depth_scale=DepthScales(),
        critical=point or none,
        gain=known,
        grad_decay=None,
        trainable_depth=None,
        not_predicted=reason,
        sigma_w=math.sqrt(hidden.sigma_w2),
        init=init.name,
        bias_mean=hidden.bias_mean,
    )

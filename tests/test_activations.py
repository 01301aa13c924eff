"""Activations: formulas, torch's own functions, kernels and kinks."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional

from activation_cases import (
    ELEMENTWISE,
    OF_SEVERAL,
    TOLERANCE,
    UNITS,
    assert_near,
    by_autograd,
    every_dtype,
    every_variant,
    function,
    points,
    stating,
    upstream,
    variants,
)
from activation_formulas import FORMULAS
from vgrad.parts.activations import ACTIVATIONS, kinks
from vgrad.parts.inits import INITS

every_kernel = variants(stating("kernel"))


def by_kernel(name, settings, z, g, h):
    """The same by the kernel, into tensors that hold rubbish before."""
    kernel = ACTIVATIONS[name].kernel
    h, delta = torch.full_like(h, math.nan), torch.full_like(z, math.nan)
    kernel.forward(z, h, **settings)
    kernel.backward(g, z, h, delta, **settings)
    return h, delta


@every_dtype
@variants(FORMULAS)
def test_values_and_slopes_equal_the_formula(name, settings, dtype):
    z = points(name, dtype)
    h, slope = by_autograd(function(name, settings), z)
    expected = FORMULAS[name](z.double().numpy(), **settings)
    for ours, true in zip((h, slope), expected, strict=True):
        true = np.broadcast_to(true, z.shape)
        assert np.isfinite(true).all()
        assert_near(ours, torch.tensor(true).to(dtype), TOLERANCE[dtype])


@every_variant
def test_slopes_equal_central_differences_away_from_kinks(name, settings):
    z, step = torch.linspace(-6.0, 6.0, 402, dtype=torch.float64) + 0.0137, 1e-5
    for kink in kinks(ACTIVATIONS[name], settings):
        z = z[(z - kink).abs() > 2 * step]
    assert len(z) == 402
    phi = function(name, settings)
    if name in OF_SEVERAL:
        z = z[torch.randperm(402, generator=torch.Generator().manual_seed(1))].view(-1, UNITS)
    h, delta = by_autograd(phi, z, g := upstream(phi(z)))
    assert h.dtype == z.dtype
    for unit in range(UNITS if name in OF_SEVERAL else 1):
        move = torch.zeros_like(z)
        if name in OF_SEVERAL:
            move[:, unit] = step
            differences = (g * (phi(z + move) - phi(z - move))).sum(-1) / (2 * step)
            assert_near(delta[:, unit], differences, 1e-8)
        else:
            assert_near(delta, g * (phi(z + step) - phi(z - step)) / (2 * step), 1e-8)


TORCH = {
    "identity": torch.nn.Identity(),
    "sigmoid": functional.sigmoid,
    "tanh": functional.tanh,
    "softsign": functional.softsign,
    "hard_tanh": functional.hardtanh,
    "hard_sigmoid": functional.hardsigmoid,
    "relu": functional.relu,
    "relu6": functional.relu6,
    "leaky_relu": functional.leaky_relu,
    "prelu": lambda z: functional.prelu(z, torch.tensor([0.25], dtype=z.dtype)),
    "rrelu": functional.rrelu,
    "elu": functional.elu,
    "celu": functional.celu,
    "selu": functional.selu,
    "gelu": functional.gelu,
    "swish": functional.silu,
    "hard_swish": functional.hardswish,
    "mish": functional.mish,
    "softplus": functional.softplus,
    "softmax": partial(functional.softmax, dim=-1),
}
# In float64 torch's are not exact: beyond 20 it takes z for softplus, 2e-9 too little there, and
# the slope of its hardsigmoid is float32's 1/6.
LOOSE = {"softplus": 3e-9, "hard_sigmoid": 3e-8}


@every_dtype
@pytest.mark.parametrize("name", TORCH)
def test_defaults_equal_what_torch_offers_under_that_name(name, dtype):
    z = points(name, dtype)
    g = upstream(z)
    h, delta = by_autograd(function(name, ACTIVATIONS[name].settings), z, g)
    expected_h, expected_delta = by_autograd(TORCH[name], z, g)
    tolerance = max(TOLERANCE[dtype], LOOSE.get(name, 0.0))
    assert_near(h, expected_h, tolerance)
    assert_near(delta, expected_delta, tolerance)


@every_dtype
@every_kernel
def test_a_kernel_equals_the_function_and_autograd_on_it(name, settings, dtype):
    z = points(name, dtype)
    phi = function(name, settings)
    g = upstream(phi(z))
    expected_h, expected_delta = by_autograd(phi, z, g)
    h, delta = by_kernel(name, settings, z, g, expected_h)
    assert h.isfinite().all()
    assert delta.isfinite().all()
    assert_near(h, expected_h, TOLERANCE[dtype])
    assert_near(delta, expected_delta, TOLERANCE[dtype])


@every_kernel
def test_a_kernel_changes_neither_z_nor_the_upstream_gradient(name, settings):
    z = points(name)
    h = function(name, settings)(z)
    g = upstream(h)
    by_kernel(name, settings, z, g, h)
    assert torch.equal(z, points(name))
    assert torch.equal(g, upstream(h))


@every_dtype
@every_kernel
def test_h_may_overwrite_z_and_delta_the_upstream_gradient(name, settings, dtype):
    """Where their shapes agree; where the way back reads z, z is kept."""
    entry = ACTIVATIONS[name]
    z = points(name, dtype)
    g = upstream(h := function(name, settings)(z))
    if h.shape != z.shape:
        assert entry.kernel.needs_z
        return
    h, delta = by_kernel(name, settings, z, g, h)
    for alias in (lambda t: t, lambda t: t[:]):  # one tensor, or another view of its numbers
        both, back = z.clone(), g.clone()
        entry.kernel.forward(both, alias(both), **settings)
        kept = z if entry.kernel.needs_z else both
        entry.kernel.backward(back, kept, alias(both), alias(back), **settings)
        assert torch.equal(both, h)
        assert torch.equal(back, delta)


@every_kernel
def test_a_kernel_works_on_some_runs_of_a_stack_of_layers(name, settings):
    """There z is a slice of [L, R, B, Z], with gaps, and g may be one number for all."""
    z = torch.randn(2, 3, 5, UNITS, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    z = z[:, 1:]
    phi = function(name, settings)
    expected_h, expected_delta = by_autograd(phi, z)
    h = z.new_full((2, 3, *expected_h.shape[2:]), math.nan)[:, 1:]
    delta = torch.full((2, 3, 5, UNITS), math.nan, dtype=z.dtype)[:, 1:]
    kernel = ACTIVATIONS[name].kernel
    kernel.forward(z, h, **settings)
    kernel.backward(z.new_ones(()).expand_as(h), z, h, delta, **settings)
    assert_near(h, expected_h, 1e-12)
    assert_near(delta, expected_delta, 1e-12)


@variants([name for name in ACTIVATIONS if name in ELEMENTWISE or ACTIVATIONS[name].kinks])
def test_the_slope_jumps_at_the_declared_kinks_and_nowhere_else(name, settings):
    gap = 1e-7
    z = torch.linspace(-8.0, 8.0, 1601, dtype=torch.float64).round(decimals=2)
    phi = function(name, settings)
    jumps = torch.zeros_like(z)
    outputs = phi(z[:1, None]).shape[-1]  # crelu has two
    for pick in torch.eye(outputs, dtype=z.dtype):
        left, right = (
            by_autograd(phi, x[:, None], pick.expand(len(x), -1))[1] for x in (z - gap, z + gap)
        )
        jumps = jumps.maximum((right - left).abs().squeeze(1))
    assert tuple(z[jumps > 1e-3].tolist()) == kinks(ACTIVATIONS[name], settings)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_matched_init_exists_and_is_itself_no_matched_one(name):
    assert ACTIVATIONS[name].matched in INITS
    assert ACTIVATIONS[name].matched != "matched"


@every_dtype
def test_mish_neither_overflows_nor_loses_its_slope(dtype):
    z = torch.tensor([45.0, 1e4, -45.0, -1e4], dtype=dtype)
    h, slope = by_autograd(function("mish", {}), z)
    assert torch.equal(h[:2], z[:2])
    assert slope.tolist()[:2] == [1.0, 1.0]
    assert h[2].item() == pytest.approx(-45.0 * math.exp(-45.0), rel=1e-5)
    assert slope[2].item() == pytest.approx(-44.0 * math.exp(-45.0), rel=1e-5)
    assert h[3] == slope[3] == 0.0


@every_dtype
def test_the_tail_of_squareplus_keeps_its_digits(dtype):
    z = torch.tensor([-1e4, -1e6], dtype=dtype)
    h, slope = by_autograd(function("squareplus", {"b": 4.0}), z)
    assert_near(h * -z, torch.ones_like(z), 1e-6)
    assert_near(slope * z.square(), torch.ones_like(z), 1e-6)


def test_the_constants_of_selu_keep_mean_zero_and_variance_one():
    z = torch.linspace(-12.0, 12.0, 240_001, dtype=torch.float64)
    weight = torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
    h = ACTIVATIONS["selu"].function(z)
    assert torch.trapezoid(weight * h, z).item() == pytest.approx(0.0, abs=1e-8)
    assert torch.trapezoid(weight * h.square(), z).item() == pytest.approx(1.0, abs=1e-8)


def test_the_constants_of_selu_are_those_of_the_paper_and_of_torch():
    settings = ACTIVATIONS["selu"].settings
    assert settings["alpha"] == pytest.approx(1.6732632423543772848170429916717, abs=1e-15)
    assert settings["scale"] == pytest.approx(1.0507009873554804934193349852946, abs=1e-15)


def test_the_slope_of_the_sigmoid_is_a_quarter_at_zero_and_less_elsewhere():
    z = torch.linspace(-30.0, 30.0, 6001, dtype=torch.float64)
    _, slope = by_autograd(function("sigmoid", {}), z)
    assert slope.max().item() == 0.25
    assert slope.argmax() == 3000
    assert (slope > 0).all()


@every_dtype
def test_tanh_is_a_sigmoid_stretched_and_shifted(dtype):
    z = points("tanh", dtype)
    assert_near(
        function("tanh", {})(z), 2.0 * function("sigmoid", {})(2.0 * z) - 1.0, TOLERANCE[dtype]
    )


def test_scaled_tanh_takes_one_to_one():
    z = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    assert_near(function("scaled_tanh", {})(z), z, 1e-5)


def test_rrelu_draws_its_slopes_in_training_and_takes_the_middle_in_evaluation():
    z = -torch.ones(100_000, dtype=torch.float64)
    uniform = torch.rand(z.shape, dtype=z.dtype, generator=torch.Generator().manual_seed(0))
    phi = function("rrelu", ACTIVATIONS["rrelu"].settings)
    slopes = -phi(z, uniform)
    assert 0.125 <= slopes.min() < 0.126
    assert 0.332 < slopes.max() <= 1 / 3
    assert slopes.mean().item() == pytest.approx(-phi(z)[0].item(), abs=1e-3)
    assert torch.equal(phi(-z, uniform), -z)
    _, derivative = by_autograd(lambda x: phi(x, uniform), z)
    assert_near(slopes, 0.125 + uniform * (1 / 3 - 0.125), 1e-12)
    assert_near(derivative, slopes, 1e-12)


# An activation added as a reader would: one decorated function.


def test_an_activation_needs_no_more_than_a_function_and_a_source(monkeypatch):
    monkeypatch.setattr(ACTIVATIONS, "_entries", dict(ACTIVATIONS._entries))

    @ACTIVATIONS.entry(source="here")
    def bent(z, *, scale: float = 1.0):
        """φ(z) = z / (scale + |z|)."""
        return z / (scale + z.abs())

    entry = ACTIVATIONS["bent"]
    assert entry.elementwise
    assert (entry.pieces, entry.copies, entry.kinks) == (1, 1, ())
    assert {entry.kernel, entry.trainable, entry.noisy} == {None, False}
    z = points("tanh")
    assert_near(by_autograd(function("bent", {}), z)[1], (1.0 + z.abs()).pow(-2), 1e-12)

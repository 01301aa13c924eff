"""Activations: kernels against autograd, values against torch's own, slopes, kinks, and additions.

Whatever is parametrised by `VARIANTS` holds for every entry at its default settings, and with each
numeric setting halved, doubled and negated.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

import networks
from vgrad.config import Choice
from vgrad.parts.activations import ACTIVATIONS
from vgrad.parts.inits import INITS
from vgrad.stack import Nonlinearity, Span, Stack

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-6}
EXTREMES = [0.0, 1e-8, -1e-8, 1.0, -1.0, 20.0, -20.0, 100.0, -100.0, 1e4, -1e4]


def varied(name):
    """The defaults, then each number among them halved, doubled and negated."""
    defaults = dict(ACTIVATIONS[name].settings)
    yield defaults
    for setting, default in defaults.items():
        if isinstance(default, float):
            yield from ({**defaults, setting: default * factor} for factor in (0.5, 2.0, -1.0))


VARIANTS = [(name, settings) for name in ACTIVATIONS for settings in varied(name)]
every_variant = pytest.mark.parametrize(
    ("name", "settings"), VARIANTS, ids=[f"{n}-{list(s.values())}" for n, s in VARIANTS]
)
every_dtype = pytest.mark.parametrize("dtype", TOLERANCE, ids=str)


def points(dtype=torch.float64):
    """The extremes and kinks of all entries, and a grid between them."""
    kinks = [kink for entry in ACTIVATIONS.values() for kink in entry.kinks]
    grid = torch.linspace(-9.0, 9.0, 1001, dtype=torch.float64)
    return torch.cat([torch.tensor(EXTREMES + kinks, dtype=torch.float64), grid]).to(dtype)


def upstream(z):
    """An error signal to be multiplied by φ′(z)."""
    return torch.randn(z.shape, dtype=z.dtype, generator=torch.Generator().manual_seed(0))


def nonlinearity(name, settings):
    """The activation as a stack uses it."""
    return Nonlinearity.of(Span(Choice(name, settings), slice(0, 1)))


def by_autograd(function, z, g):
    """φ(z) and g · φ′(z)."""
    leaf = z.clone().requires_grad_()
    h = function(leaf)
    (gradient,) = torch.autograd.grad(h, leaf, g)
    return h.detach(), gradient


def by_walk(phi, z, g):
    """φ(z) and g · φ′(z) as the walk computes them, into tensors that hold rubbish before."""
    h, delta = torch.full_like(z, math.nan), torch.full_like(z, math.nan)
    phi.forward(z, h)
    phi.backward(g, z, h, delta)
    return h, delta


def assert_near(ours, theirs, tolerance):
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


@every_dtype
@every_variant
def test_what_the_walk_uses_equals_the_entry_and_autograd_on_it(name, settings, dtype):
    z = points(dtype)
    g = upstream(z)
    h, delta = by_walk(nonlinearity(name, settings), z, g)
    expected_h, expected_delta = by_autograd(
        lambda leaf: ACTIVATIONS[name].function(leaf, **settings), z, g
    )
    assert_near(h, expected_h, TOLERANCE[dtype])
    assert_near(delta, expected_delta, TOLERANCE[dtype])


@every_variant
def test_the_walk_changes_neither_z_nor_the_upstream_gradient(name, settings):
    z = points()
    g = upstream(z)
    by_walk(nonlinearity(name, settings), z, g)
    assert torch.equal(z, points())
    assert torch.equal(g, upstream(z))


@every_dtype
@every_variant
def test_h_may_overwrite_z_unless_the_way_back_needs_it(name, settings, dtype):
    z = points(dtype)
    g = upstream(z)
    phi = nonlinearity(name, settings)
    h, delta = by_walk(phi, z, g)
    for alias in (lambda t: t, lambda t: t[:]):  # one tensor, or another view of its numbers
        both, delta_in_place = z.clone(), torch.full_like(z, math.nan)
        phi.forward(both, alias(both))
        kept = z if phi.needs_z else both
        phi.backward(g, kept, alias(both), delta_in_place)
        assert torch.equal(both, h)
        assert torch.equal(delta_in_place, delta)


@every_dtype
@every_variant
def test_values_and_slopes_are_finite_at_the_extremes(name, settings, dtype):
    z = torch.tensor(EXTREMES, dtype=dtype)
    h, slope = by_walk(nonlinearity(name, settings), z, torch.ones_like(z))
    assert h.isfinite().all()
    assert slope.isfinite().all()


@every_variant
def test_slopes_equal_central_differences_away_from_kinks(name, settings):
    z, step = torch.linspace(-6.0, 6.0, 401, dtype=torch.float64) + 0.0137, 1e-5
    for kink in ACTIVATIONS[name].kinks:
        z = z[(z - kink).abs() > 2 * step]

    def function(x):
        return ACTIVATIONS[name].function(x, **settings)

    differences = (function(z + step) - function(z - step)) / (2 * step)
    _, slope = by_walk(nonlinearity(name, settings), z, torch.ones_like(z))
    assert_near(slope, differences, 1e-8)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_slope_jumps_at_the_declared_kinks_and_nowhere_else(name):
    """At some settings at least: the kink of elu is gone at α = 1."""
    gap = 1e-7
    z = torch.linspace(-4.0, 4.0, 801, dtype=torch.float64).round(decimals=2)
    jumps = torch.zeros_like(z)
    for settings in varied(name):
        phi, one = nonlinearity(name, settings), torch.ones_like(z)
        (_, left), (_, right) = by_walk(phi, z - gap, one), by_walk(phi, z + gap, one)
        jumps = jumps.maximum((right - left).abs())
    assert tuple(z[jumps > 1e-3].tolist()) == ACTIVATIONS[name].kinks


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_matched_init_exists_and_is_itself_no_matched_one(name):
    assert ACTIVATIONS[name].matched in INITS
    assert ACTIVATIONS[name].matched != "matched"


TORCH = {
    "identity": torch.nn.Identity(),
    "sigmoid": functional.sigmoid,
    "tanh": functional.tanh,
    "relu": functional.relu,
    "leaky_relu": functional.leaky_relu,
    "elu": functional.elu,
    "selu": functional.selu,
    "gelu": functional.gelu,
    "swish": functional.silu,
}

FORMULAS = {
    "identity": lambda z: 1.0 * z,
    "sigmoid": lambda z: 1.0 / (1.0 + torch.exp(-z)),
    "tanh": lambda z: -torch.expm1(-2.0 * z.abs()) / (1.0 + torch.exp(-2.0 * z.abs())) * z.sign(),
    "relu": lambda z: torch.where(z > 0, z, 0.0),
    "leaky_relu": lambda z, slope: torch.where(z > 0, z, slope * z),
    "elu": lambda z, alpha: torch.where(z > 0, z, alpha * torch.expm1(z.clamp(max=0.0))),
    "selu": lambda z, alpha, scale: (
        scale * torch.where(z > 0, z, alpha * torch.expm1(z.clamp(max=0.0)))
    ),
    "gelu": lambda z: z * torch.special.ndtr(z),
    "swish": lambda z, beta: functional.silu(beta * z) / beta,
}


@every_dtype
@pytest.mark.parametrize("name", TORCH)
def test_defaults_equal_what_torch_offers_under_that_name(name, dtype):
    z = points(dtype)
    g = upstream(z)
    h, delta = by_walk(nonlinearity(name, ACTIVATIONS[name].settings), z, g)
    expected_h, expected_delta = by_autograd(TORCH[name], z, g)
    assert_near(h, expected_h, TOLERANCE[dtype])
    assert_near(delta, expected_delta, TOLERANCE[dtype])


@pytest.mark.parametrize(
    ("name", "settings"), [(n, s) for n, s in VARIANTS if n in FORMULAS], ids=str
)
def test_values_equal_the_formula_in_the_docstring(name, settings):
    z = points()
    h, _ = by_walk(nonlinearity(name, settings), z, torch.ones_like(z))
    assert_near(h, FORMULAS[name](z, **settings), 1e-12)


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
    _, slope = by_walk(nonlinearity("sigmoid", {}), z, torch.ones_like(z))
    assert slope.max().item() == 0.25
    assert slope.argmax() == 3000
    assert (slope > 0).all()


STEEPEST = [
    ("identity", {}, 1.0),
    ("sigmoid", {}, 0.25),
    ("tanh", {}, 1.0),
    ("relu", {}, 1.0),
    ("leaky_relu", {"slope": 0.01}, 1.0),
    ("leaky_relu", {"slope": 2.0}, 2.0),
    ("elu", {"alpha": 1.0}, 1.0),
    ("elu", {"alpha": 2.5}, 2.5),
    ("selu", ACTIVATIONS["selu"].settings, 1.7580993408473766),  # λα, just below 0
    ("gelu", {}, 0.5 * (1.0 + math.erf(1.0)) + math.exp(-1.0) / math.sqrt(math.pi)),  # at √2
    *[("swish", {"beta": beta}, 1.0998393194) for beta in (1e-3, 0.5, 1.0, 3.0, 1e3)],
]


@pytest.mark.parametrize(("name", "settings", "steepest"), STEEPEST, ids=str)
def test_the_steepest_slope_is_the_known_one(name, settings, steepest):
    assert nonlinearity(name, settings).steepest == pytest.approx(steepest, rel=1e-5)


@every_variant
def test_no_slope_is_steeper_than_the_steepest(name, settings):
    phi, z = nonlinearity(name, settings), points()
    _, slope = by_walk(phi, z, torch.ones_like(z))
    assert slope.abs().max().item() <= phi.steepest * (1 + 1e-5)


@pytest.fixture
def softsign(monkeypatch):
    """An activation added as a reader would: one decorated function, no kernel."""
    monkeypatch.setattr(ACTIVATIONS, "_entries", dict(ACTIVATIONS._entries))

    @ACTIVATIONS.entry(source="Bergstra et al. 2009")
    def softsign(z, *, scale: float = 1.0):
        """φ(z) = z / (scale + |z|)."""
        return z / (scale + z.abs())

    return "softsign"


def test_one_decorated_function_without_a_kernel_is_enough(softsign):
    z = points()
    g = upstream(z)
    phi = nonlinearity(softsign, {"scale": 2.0})
    h, delta = by_walk(phi, z, g)
    assert phi.needs_z
    assert phi.steepest == pytest.approx(0.5)
    assert_near(h, z / (2.0 + z.abs()), 1e-12)
    assert_near(delta, g * 2.0 / (2.0 + z.abs()).square(), 1e-12)


def test_an_entry_without_a_kernel_works_where_gradients_are_switched_off(softsign):
    z = points()
    with torch.no_grad():
        _, delta = by_walk(nonlinearity(softsign, {}), z, torch.ones_like(z))
    assert_near(delta, (1.0 + z.abs()).pow(-2), 1e-12)


def test_a_stack_trains_with_an_activation_that_has_no_kernel(softsign):
    data = networks.classification()
    stack = Stack(
        [networks.config(activation=softsign, dtype="float64")], data.input_dim, data.output_dim
    )
    networks.fill(stack, data)
    stack.forward(keep=False)
    stack.output_error()
    stack.backward(kept=False)
    model = networks.sequential(stack, 0)
    functional.cross_entropy(model(stack.inputs[0]), stack.targets[0]).backward()
    for index, linear in enumerate(m for m in model if isinstance(m, torch.nn.Linear)):
        assert_near(stack.gradients.weights[index][0].T, linear.weight.grad, 1e-12)

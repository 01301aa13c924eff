"""Activations: those of several units, and what the entries state about themselves."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import integrate
from scipy.special import ndtr

from activation_cases import (
    OF_SEVERAL,
    TOLERANCE,
    UNITS,
    assert_near,
    by_autograd,
    every_dtype,
    function,
    points,
    stating,
    upstream,
    variants,
)
from vgrad.errors import ConfigError
from vgrad.gaussian import gain
from vgrad.parts.activations import ACTIVATIONS, size_of
from vgrad.parts.inits import INITS


@pytest.mark.parametrize("pieces", [1, 2, 3])
def test_each_unit_of_maxout_takes_the_largest_of_its_own_pieces(pieces):
    z = upstream(torch.empty(4, 5, 2 * pieces))
    h = function("maxout", {"pieces": pieces})(z)
    assert h.shape == (4, 5, 2)
    assert torch.equal(h[..., 0], z[..., :pieces].amax(-1))
    assert torch.equal(h[..., 1], z[..., pieces:].amax(-1))


def test_crelu_gives_both_halves_of_z():
    z = upstream(torch.empty(4, 5, 3))
    h = function("crelu", {})(z)
    assert h.shape == (4, 5, 6)
    assert torch.equal(h[..., :3] - h[..., 3:], z)
    assert (h >= 0).all()


def test_softmax_shares_one_among_the_units():
    h = function("softmax", {})(points("softmax"))
    assert (h >= 0).all()
    assert_near(h.sum(-1), torch.ones(len(h), dtype=h.dtype), 1e-12)


def lengths(phi, z):
    """√Σᵢ(∂hᵢ/∂z_j)² of each row of z, from the whole Jacobian."""
    return torch.stack([torch.linalg.vector_norm(torch.func.jacrev(phi)(row), dim=0) for row in z])


@every_dtype
@variants(OF_SEVERAL)
def test_slopes_are_the_lengths_of_the_columns_of_the_jacobian(name, settings, dtype):
    z, phi = points(name, dtype), function(name, settings)
    slopes = torch.full_like(z, math.nan)
    ACTIVATIONS[name].slopes(z, phi(z), slopes, **settings)
    assert_near(slopes, lengths(phi, z), TOLERANCE[dtype])


def test_slopes_of_softmax_keep_their_digits_where_one_unit_has_nearly_all():
    z = torch.tensor([[12.0, 0.0, -1.0]])
    phi = function("softmax", {})
    slopes = torch.empty_like(z)
    ACTIVATIONS["softmax"].slopes(z, phi(z), slopes)
    torch.testing.assert_close(slopes, lengths(phi, z.double()).float(), rtol=1e-5, atol=0.0)


# What entries state about themselves.


def slopes_found(name, settings):
    """Slopes at many points, of a layer of two units where they depend on each other."""
    entry, generator = ACTIVATIONS[name], torch.Generator().manual_seed(3)
    each, _ = size_of(entry, settings)
    z = torch.randn(20_001, 2 * each, dtype=torch.float64, generator=generator)
    z *= torch.linspace(0.0, 5.0, len(z), dtype=torch.float64)[:, None]
    uniform = torch.rand(z.shape, dtype=z.dtype, generator=generator)
    phi = function(name, settings)
    if entry.elementwise:
        _, slope = by_autograd(lambda x: phi(x, uniform) if entry.noisy else phi(x), z)
        return slope.abs()
    slopes = torch.empty_like(z)
    entry.slopes(z, phi(z), slopes, **settings)
    return slopes


@variants(stating("steepest"))
def test_no_slope_is_steeper_than_is_stated_and_some_are_nearly_as_steep(name, settings):
    found = slopes_found(name, settings).max().item()
    stated = float(ACTIVATIONS[name].steepest(**settings))
    assert found <= stated * (1 + 1e-12)
    assert found == pytest.approx(stated, rel=1e-3)


def test_who_must_state_the_steepest_slope_does():
    assert {*stating("trainable"), *stating("noisy"), *OF_SEVERAL} <= {*stating("steepest")}
    assert set(OF_SEVERAL) <= {*stating("slopes")}


def test_swish_that_is_switched_off_is_half_as_steep_as_a_line():
    assert ACTIVATIONS["swish"].steepest(beta=0.0, trained=False) == 0.5


@pytest.mark.parametrize("name", stating("trainable"))
def test_the_steepest_slope_follows_a_trained_setting_run_by_run(name):
    entry = ACTIVATIONS[name]
    values = torch.tensor([-3.0, 0.0, 0.5, 2.0], dtype=torch.float64).view(4, 1, 1)
    stated = entry.steepest(**{**entry.settings, entry.trainable: values})
    alone = [
        float(entry.steepest(**{**entry.settings, entry.trainable: value}))
        for value in values.flatten().tolist()
    ]
    assert stated.shape == (4, 1, 1)
    assert stated.flatten().tolist() == pytest.approx(alone)


STEEPEST = [
    ("identity", {}, 1.0),
    ("sigmoid", {}, 0.25),
    ("tanh", {}, 1.0),
    ("scaled_tanh", {}, 1.7159 * 2.0 / 3.0),
    ("softsign", {}, 1.0),
    ("gaussian", {}, math.sqrt(2.0 / math.e)),
    ("sine", {"omega": 3.0}, 3.0),
    ("hard_sigmoid", {}, 1.0 / 6.0),
    ("hard_swish", {}, 1.5),
    ("leaky_relu", {"slope": 2.0}, 2.0),
    ("elu", {"alpha": 2.5}, 2.5),
    ("celu", {"alpha": 2.5}, 1.0),
    ("selu", ACTIVATIONS["selu"].settings, 1.7580993408473766),  # λα, just below 0
    ("gelu", {}, 0.5 * (1.0 + math.erf(1.0)) + math.exp(-1.0) / math.sqrt(math.pi)),  # at √2
    ("softplus", {"beta": 2.0}, 1.0),
    ("squareplus", {"b": 4.0}, 1.0),
    *[("swish", {"beta": beta}, 1.0998393194) for beta in (0.5, 1.0, 3.0)],
]


@pytest.mark.parametrize(("name", "settings", "steepest"), STEEPEST, ids=str)
def test_the_steepest_slope_is_the_known_one(name, settings, steepest):
    z = torch.linspace(-12.0, 12.0, 240_001, dtype=torch.float64)
    ends = torch.tensor([-1e4, -1e-12, 1e-12, 1e4], dtype=torch.float64)
    _, slope = by_autograd(function(name, settings), torch.cat([z, ends]))
    assert slope.abs().max().item() == pytest.approx(steepest, rel=1e-4)


@variants(stating("mean_square"))
def test_the_mean_square_is_what_a_large_sample_has(name, settings):
    entry, generator = ACTIVATIONS[name], torch.Generator().manual_seed(4)
    z = torch.randn(400_000, UNITS, generator=generator)
    noise = [torch.rand(z.shape, generator=generator)] if entry.noisy else []
    h = function(name, settings)(z, *noise)
    assert h.square().mean().item() == pytest.approx(entry.mean_square(**settings), rel=5e-3)


@pytest.mark.parametrize("pieces", [1, 2, 3, 10, 1000])
def test_the_mean_square_of_maxout_is_the_integral(pieces):
    def density(x):
        return math.exp(-x * x / 2) / math.sqrt(2 * math.pi) * pieces * ndtr(x) ** (pieces - 1)

    expected, _ = integrate.quad(lambda x: x * x * density(x), -12, 12, limit=200, epsabs=1e-12)
    assert ACTIVATIONS["maxout"].mean_square(pieces=pieces) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("name", [n for n in ACTIVATIONS if n != "softmax"])
def test_size_of_says_how_many_h_come_of_how_many_z(name):
    entry = ACTIVATIONS[name]
    before, after = size_of(entry, entry.settings)
    assert function(name, entry.settings)(torch.ones(4, 3 * before)).shape == (4, 3 * after)


# The init that the literature asks for, at the activation's settings


def drawn_for(name, **settings):
    """A weight of the matched init for these settings."""
    entry = ACTIVATIONS[name]
    init = INITS[entry.matched]
    own = entry.matched_settings(**{**entry.settings, **settings})
    assert own.keys() <= init.settings.keys()
    weight = torch.empty(400, 300, dtype=torch.float64)
    init.function(weight, torch.Generator().manual_seed(6), **own)
    return weight


@variants(stating("matched_settings"))
def test_the_settings_of_the_matched_init_are_in_its_ranges(name, settings):
    entry = ACTIVATIONS[name]
    assert drawn_for(name, **settings).isfinite().all()
    for setting, value in entry.matched_settings(**settings).items():
        low, high = INITS[entry.matched].ranges[setting]
        assert low <= value <= high


@pytest.mark.parametrize("name", ["leaky_relu", "prelu", "rrelu"])
@pytest.mark.parametrize("slope", [0.0, 0.01, 0.5, -2.0])
def test_he_weights_make_up_for_the_slope_below_zero(name, slope):
    settings = {"lower": slope, "upper": slope} if name == "rrelu" else {"slope": slope}
    variance = drawn_for(name, **settings).var().item()
    assert variance == pytest.approx(2.0 / 400 / (1.0 + slope**2), rel=0.02)


@pytest.mark.parametrize("bounds", [(1.0 / 8.0, 1.0 / 3.0), (-2.0, 1.0), (0.5, 0.5)])
def test_the_matched_init_of_rrelu_keeps_the_mean_square_of_its_random_slopes(bounds):
    lower, upper = bounds
    slope = ACTIVATIONS["rrelu"].matched_settings(lower=lower, upper=upper)["slope"]
    mean, _ = integrate.quad(lambda x: (lower + (upper - lower) * x) ** 2, 0.0, 1.0)
    assert slope == pytest.approx(math.sqrt(mean), rel=1e-12)


@pytest.mark.parametrize("omega", [0.5, 1.0, 30.0])
def test_the_matched_init_of_sine_fills_the_interval_of_siren(omega):
    bound = math.sqrt(6.0 / 400) / omega
    weight = drawn_for("sine", omega=omega).abs()
    assert 0.999 * bound < weight.max().item() <= bound
    assert weight.mean().item() == pytest.approx(bound / 2.0, rel=0.01)


def test_the_slowest_sine_still_has_finite_weights():
    slowest, _ = ACTIVATIONS["sine"].ranges["omega"]
    assert slowest > 0.0
    assert drawn_for("sine", omega=slowest).isfinite().all()


def test_slopes_too_large_to_be_squared_have_no_gain():
    with pytest.raises(ConfigError, match=r"E\[h²\] = inf"):
        gain(ACTIVATIONS["rrelu"], {"lower": -1e200, "upper": 1e200})


DERIVATIVES = {
    "prelu": lambda z, slope: torch.where(z > 0, 0.0, z),
    "swish": lambda z, beta: z.square() * torch.sigmoid(beta * z) * torch.sigmoid(-beta * z),
}


@every_dtype
@pytest.mark.parametrize("shape", [(), (2, 1, 1), (2, 1, UNITS), (3, 2, 1, 1)], ids=str)
@pytest.mark.parametrize("name", DERIVATIVES)
def test_a_trained_setting_may_be_a_tensor_and_has_its_derivative(name, shape, dtype):
    """One number for all, a number per run, per run and unit, per layer and run."""
    entry = ACTIVATIONS[name]
    z = upstream(torch.empty(3, 2, 5, UNITS, dtype=dtype))
    z[0, 0, 0] = torch.tensor([0.0, 1e4, -1e4, 20.0, -20.0, 1e-8], dtype=dtype)
    g = upstream(z.flip(0))
    generator = torch.Generator().manual_seed(5)
    value = (0.25 + torch.rand(shape, generator=generator)).to(dtype).requires_grad_()
    leaf = z.clone().requires_grad_()
    h = entry.function(leaf, **{**entry.settings, entry.trainable: value})
    assert h.shape == z.shape
    by_z, by_value = torch.autograd.grad(h, [leaf, value], g)

    each, numbers = value.detach().expand_as(z).flatten().tolist(), z.flatten()
    settings = [{**entry.settings, entry.trainable: number} for number in each]
    alone = [by_autograd(function(name, s), x) for s, x in zip(settings, numbers, strict=True)]
    assert_near(h.flatten(), torch.stack([x for x, _ in alone]), TOLERANCE[dtype])
    assert_near(by_z.flatten(), g.flatten() * torch.stack([x for _, x in alone]), TOLERANCE[dtype])
    true = (g * DERIVATIVES[name](z, value.detach())).sum_to_size(shape)
    torch.testing.assert_close(by_value, true, rtol=10 * TOLERANCE[dtype], atol=1e-5)

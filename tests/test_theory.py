"""The theory: figures of the literature, closed forms, other quadratures, and its own maps."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import integrate

from activation_formulas import FORMULAS
from networks import config
from vgrad.config import Choice
from vgrad.gaussian import expect
from vgrad.meanfield import Phi, Scale, critical, gains, settle
from vgrad.parts.activations import ACTIVATIONS, kinks
from vgrad.theory import predict

ELEMENTWISE = [name for name, e in ACTIVATIONS.items() if e.elementwise and not e.noisy]
CORRELATIONS = [-0.7, 0.0, 0.3, 0.9, 0.999, 1.0 - 1e-9]


def phi_of(name, **settings):
    return Phi.of(Choice(name, {**ACTIVATIONS[name].settings, **settings}))


def settled(name, sigma_w2, sigma_b2=0.0):
    return settle(phi_of(name), Scale(sigma_w2, sigma_b2), sigma_w2 + sigma_b2)


# --- figures that the literature and the issue give


def test_selu_keeps_unit_variance_and_its_gradient_grows_slowly():
    known = gains(phi_of("selu"))
    assert known.preserves_q1 == pytest.approx(1.0, rel=1e-10)
    assert known.chi1_at_q1 == pytest.approx(1.071575, abs=5e-7)


def test_sigmoid_without_biases_loses_most_of_the_gradient_in_a_layer():
    assert settled("sigmoid", 1.0).chi1 == pytest.approx(0.0557207, abs=5e-8)


@pytest.mark.parametrize(
    ("name", "gain"), [("gelu", 1.5335304), ("swish", 1.6765325), ("mish", 1.4868476)]
)
def test_the_gains_that_keep_q_at_one_are_the_known_ones(name, gain):
    assert gains(phi_of(name)).preserves_q1 == pytest.approx(gain, abs=5e-8)


@pytest.mark.parametrize(
    ("name", "sigma_w", "q"), [("tanh", 1.0, 0.0), ("relu", math.sqrt(2.0), 2.0)]
)
def test_known_critical_points_come_out(name, sigma_w, q):
    found = critical(phi_of(name), 0.0)
    assert found.sigma_w == pytest.approx(sigma_w, rel=1e-12)
    assert found.q == pytest.approx(q)


@pytest.mark.parametrize("name", ["sigmoid", "gelu", "swish", "mish", "softplus", "identity"])
def test_an_activation_without_a_critical_point_says_why(name):
    found = critical(phi_of(name), 0.3 if name == "identity" else 0.0)
    assert found.sigma_w is None
    assert found.q is None
    assert found.why


# --- expectations


@pytest.mark.parametrize("c", CORRELATIONS)
@pytest.mark.parametrize("q", [1e-4, 1.0, 100.0])
def test_what_two_examples_share_after_relu_is_the_arc_cosine_kernel(q, c):
    angle = math.acos(c)  # Cho & Saul 2009, equations 4 and 6
    phi = phi_of("relu")
    kernel = q / (2.0 * math.pi) * (math.sin(angle) + (math.pi - angle) * c)
    assert phi.act_overlap(q, c) == pytest.approx(kernel, rel=1e-9)
    assert phi.gate_overlap(q, c) == pytest.approx((math.pi - angle) / (2.0 * math.pi), rel=1e-9)


@pytest.mark.parametrize("c", CORRELATIONS)
@pytest.mark.parametrize("q", [1e-4, 1.0, 100.0])
def test_what_two_examples_share_after_erf_is_the_arc_sine_kernel(q, c):
    phi = Phi(torch.erf)  # Williams 1997
    kernel = 2.0 / math.pi * math.asin(2.0 * q * c / (1.0 + 2.0 * q))
    slopes = 4.0 / math.pi / math.sqrt((1.0 + 2.0 * q) ** 2 - (2.0 * q * c) ** 2)
    assert phi.act_overlap(q, c) == pytest.approx(kernel, rel=1e-9, abs=1e-14)
    assert phi.gate_overlap(q, c) == pytest.approx(slopes, rel=1e-9)


def by_hermite(name, q, c, terms=60):
    """E[φ φ̃] = Σ cⁿ aₙ², aₙ = E[φ(√q z) Heₙ(z)] / √n!, Mehler's formula."""
    entry, total = ACTIVATIONS[name], 0.0
    for n in range(terms):
        norm = np.zeros(n + 1)
        norm[n] = 1.0 / math.sqrt(math.factorial(n))

        def term(z, norm=norm):
            he = torch.from_numpy(np.polynomial.hermite_e.hermeval(z.numpy() / math.sqrt(q), norm))
            return entry.function(z, **entry.settings) * he

        total += c**n * expect(term, q, kinks(entry, entry.settings)) ** 2
    return total


@pytest.mark.parametrize(
    "name",
    ["tanh", "gelu", "relu6", "hard_swish", "sine", "gaussian"]
    + [pytest.param(name, marks=pytest.mark.slow) for name in ELEMENTWISE],
)
@pytest.mark.parametrize("q", [0.02, 3.0, 40.0])
def test_what_two_examples_share_agrees_with_mehlers_series(name, q):
    for c in (-0.5, 0.3):
        known = by_hermite(name, q, c)
        square = phi_of(name).act_ms(q)
        assert phi_of(name).act_overlap(q, c) == pytest.approx(known, rel=1e-8, abs=1e-9 * square)


def by_quad(f, q, places):
    """E[f(z)] by QUADPACK on pieces of half a standard deviation, cut at the kinks as well."""
    scale = math.sqrt(q)
    grid = [*np.arange(-12.0, 12.5, 0.5), *(place / scale for place in places)]
    edges = sorted(edge for edge in grid if abs(edge) <= 12.0)

    def density(x):
        return float(f(np.array(scale * x))) * math.exp(-x * x / 2.0) / math.sqrt(2.0 * math.pi)

    return sum(
        integrate.quad(density, a, b, epsabs=0.0, epsrel=1e-11)[0]
        for a, b in itertools.pairwise(edges)
        if b > a and any(density(x) for x in np.linspace(a, b, 5)[1:-1])
    )


@pytest.mark.parametrize(
    ("name", "q"),
    [("elu", 1e-4), ("mish", 2.0), ("relu6", 100.0), ("softsign", 1.0)]
    + [
        pytest.param(name, q, marks=pytest.mark.slow)
        for name in ELEMENTWISE
        for q in (1e-4, 1e-2, 1.0, 10.0, 100.0)
    ],
)
@pytest.mark.filterwarnings("ignore::scipy.integrate.IntegrationWarning")
def test_moments_of_every_activation_agree_with_quadpack_and_formulas_of_their_own(name, q):
    entry, phi = ACTIVATIONS[name], phi_of(name)
    own = entry.own(entry.settings)
    places = [*kinks(entry, own), 0.0]

    def value(z):
        return FORMULAS[name](z, **own)[0]

    def slope(z):
        return FORMULAS[name](z, **own)[1]

    square = by_quad(lambda z: value(z) ** 2, q, places)
    assert phi.act_ms(q) == pytest.approx(square, rel=1e-8)
    mean = by_quad(value, q, places)
    assert phi.act_mean(q) == pytest.approx(mean, rel=1e-8, abs=1e-9 * math.sqrt(square))
    assert phi.gate_ms(q) == pytest.approx(by_quad(lambda z: slope(z) ** 2, q, places), rel=1e-8)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_the_mean_square_grows_as_its_differences_do(name):
    phi, v, step = phi_of(name), 1.3, 1e-4
    rise = (phi.act_ms(v + step) - phi.act_ms(v - step)) / (2.0 * step)
    assert phi.growth(v) == pytest.approx(rise, rel=1e-6, abs=1e-7)


def test_moments_hold_where_squares_would_overflow():
    phi = phi_of("relu")
    assert phi.act_ms(1e200) == pytest.approx(5e199, rel=1e-9)
    assert phi_of("tanh").act_ms(1e200) == pytest.approx(1.0)
    assert phi.act_ms(math.inf) == math.inf


# --- fixed points


@pytest.mark.parametrize("sigma_b2", [0.0, 0.05])
@pytest.mark.parametrize("sigma_w2", [1.0, 1.7, 3.0])
@pytest.mark.parametrize(
    "name", ["tanh", "sigmoid", "selu", "relu", "gelu", "softsign", "gaussian"]
)
def test_iterating_the_maps_ends_at_the_fixed_point(name, sigma_w2, sigma_b2):
    phi, point = phi_of(name), settled(name, sigma_w2, sigma_b2)
    v = sigma_w2 + sigma_b2
    for _ in range(120):
        v = sigma_w2 * phi.act_ms(v) + sigma_b2
    if point.q in (0.0, math.inf):
        assert v < 6e-3 if point.q == 0.0 else v > 20.0
        return
    if abs(point.dq) < 0.8:
        assert v == pytest.approx(point.q, rel=1e-9)
    c = 0.4
    for _ in range(60):
        c = (sigma_w2 * phi.act_overlap(point.q, c) + sigma_b2) / point.q
    if point.chi_c < 0.8:
        assert c == pytest.approx(point.c, abs=1e-6)


def test_the_slopes_at_a_fixed_point_are_those_of_the_maps():
    phi, point, step = phi_of("tanh"), settled("tanh", 3.0, 0.05), 1e-5

    def correlation(c):
        return (3.0 * phi.act_overlap(point.q, c) + 0.05) / point.q

    rise = (correlation(point.c + step) - correlation(point.c - step)) / (2.0 * step)
    assert point.chi_c == pytest.approx(rise, rel=1e-6)
    lengths = [3.0 * phi.act_ms(point.q + d) + 0.05 for d in (step, -step)]
    assert point.dq == pytest.approx((lengths[0] - lengths[1]) / (2.0 * step), rel=1e-6)
    assert correlation(point.c) == pytest.approx(point.c, rel=1e-9)


def test_a_signal_that_dies_or_explodes_is_said_to():
    assert settled("relu", 1.0).q == 0.0
    assert settled("relu", 3.0).q == math.inf
    assert settled("gelu", 1.0).q == 0.0


@pytest.mark.parametrize("sigma_b", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_the_critical_point_of_every_activation_is_critical(name, sigma_b):
    found = critical(phi_of(name), sigma_b)
    if found.sigma_w is None:
        return
    point = settle(phi_of(name), Scale(found.sigma_w**2, sigma_b**2), found.q)
    assert point.q == pytest.approx(found.q, rel=1e-6, abs=1e-12)
    assert point.chi1 == pytest.approx(1.0, abs=1e-7)
    assert abs(point.dq) <= 1.0 + 1e-9


# --- layers


def test_unequal_layers_have_a_scale_of_their_own_each_way():
    run = config(activation="relu", init="xavier_normal", depth=2, width=100, data__dim=784)
    first, second, last = predict(run).layers
    assert [first.sigma_w2, second.sigma_w2, last.sigma_w2] == pytest.approx(
        [2 * 784 / 884, 1.0, 2 * 100 / 110]
    )
    assert first.preact_ms == pytest.approx(2 * 784 / 884)
    assert second.preact_ms == pytest.approx(first.preact_ms / 2.0)
    assert last.preact_ms == pytest.approx(second.preact_ms / 2.0 * 200 / 110)
    assert first.delta_rms == pytest.approx(math.sqrt(0.5))
    assert second.delta_rms == 1.0
    assert last.delta_rms == pytest.approx(1.0 / math.sqrt(0.5 * 10 * 2 / 110))
    assert first.weight_grad_norm == pytest.approx(
        math.sqrt(784 * 1.0 * 0.5 / (100 * first.preact_ms / 2.0))
    )
    assert last.gate_ms is None


def test_the_error_signal_changes_by_the_depth_scale():
    prediction = predict(config(activation="tanh", init="lecun_normal", depth=200, width=64))
    assert prediction.grad_decay == pytest.approx(0.0, abs=0.01)
    sigmoid = predict(config(activation="sigmoid", init="lecun_normal", depth=20, width=64))
    rate = math.log10(sigmoid.fixed_point.chi1) / 2.0
    assert sigmoid.grad_decay == pytest.approx(rate, rel=1e-2)
    assert sigmoid.depth_scale.gradient == pytest.approx(-1.0 / math.log(0.0557207), rel=1e-6)
    assert sigmoid.trainable_depth == pytest.approx(6.0 * sigmoid.depth_scale.c)


def test_the_depth_may_be_one_or_none():
    assert predict(config(depth=0)).layers[0].delta_rms is None
    one = predict(config(depth=1))
    assert one.layers[0].delta_rms == 1.0
    assert one.grad_decay is None


def test_a_gradient_that_leaves_every_float_is_followed():
    prediction = predict(config(activation="sigmoid", depth=600))
    assert prediction.layers[0].delta_rms == 0.0
    assert prediction.grad_decay == pytest.approx(-0.627, abs=0.01)
    exploding = predict(config(activation="relu", init__gain=5.0, depth=600))
    assert exploding.layers[0].delta_rms > 1e300
    assert exploding.layers[-1].preact_ms == math.inf


def test_constant_biases_shift_the_pre_activations():
    run = config(activation="relu", init__gain=0.0, init__bias=0.5, depth=1)
    row = predict(run).layers[0]
    assert (row.preact_ms, row.act_mean, row.act_var) == (0.25, 0.5, 0.0)
    assert row.sigma_b2 == 0.25


UNPREDICTED = {
    "maxout": {"activation": "maxout"},
    "softmax": {"activation": "softmax"},
    "constant": {"init": "constant"},
    "identity": {"init": "identity"},
    "highway": {"model": "highway"},
    "rezero": {"model__residual": "rezero"},
    "bottleneck": {"model__bottleneck": 4},
}


@pytest.mark.parametrize("settings", UNPREDICTED.values(), ids=UNPREDICTED)
def test_what_the_theory_does_not_cover_is_named_and_left_out(settings):
    prediction = predict(config(**settings))
    (named,) = settings.values()
    assert str(named) in prediction.not_predicted or "bottleneck" in prediction.not_predicted
    assert all(row.preact_ms is None and row.fan_in for row in prediction.layers)
    assert prediction.fixed_point is None


def test_norms_keep_the_length_whatever_the_weights():
    for norm in ("layer", "rms", "batch"):
        run = config(activation="relu", init="lecun_normal", depth=8, width=64, model__norm=norm)
        larger = replace(run, init=Choice("lecun_normal", {"gain": 5.0}))
        one, other = predict(run), predict(larger)
        assert one.layers[5].preact_ms == pytest.approx(1.0, abs=1e-4)
        assert one.grad_decay == pytest.approx(other.grad_decay, abs=1e-3)


def test_batch_norm_makes_the_gradient_of_relu_explode_as_known():
    run = config(activation="relu", depth=12, width=64, model__norm="batch")
    rows = predict(run).layers  # π / (π − 1): Yang et al. 2019, arXiv:1902.08129
    assert (rows[4].delta_rms / rows[5].delta_rms) ** 2 == pytest.approx(
        math.pi / (math.pi - 1.0), rel=1e-4
    )


def test_tanh_of_huge_weights_is_the_sign():
    phi = phi_of("tanh")
    assert phi.act_overlap(1e12, 0.5) == pytest.approx(1.0 / 3.0, rel=1e-4)  # (2/π) asin c
    assert 1e12 * phi.gate_overlap(1e12, 0.0) == pytest.approx(2.0 / math.pi, rel=1e-4)
    slope = 2.0 / math.pi / math.sqrt(1.0 - 0.5**2)
    assert 1e12 * phi.gate_overlap(1e12, 0.5) == pytest.approx(slope, rel=1e-4)

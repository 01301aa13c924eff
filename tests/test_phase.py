"""The plane of σ_w and σ_b: against one fixed point at a time, closed forms, and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vgrad.config import Choice
from vgrad.meanfield import Phi, Scale, critical, settle
from vgrad.meanfield.length_map import length_map
from vgrad.meanfield.phase import Moments, critical_line, diagram, fixed_points
from vgrad.parts.activations import ACTIVATIONS

GRID_W, GRID_B = np.array([0.5, 1.02, 1.3, 1.9, 3.1]), np.array([0.0, 0.03, 0.4, 1.1])
SMOOTH_AND_KINKED = ("tanh", "relu", "sigmoid", "gelu", "selu", "elu", "hard_tanh", "gaussian")


def phi_of(name: str) -> Phi:
    """An activation with its default settings."""
    return Phi.of(Choice(name, {k: v for k, v in ACTIVATIONS[name].settings.items()}))


@pytest.fixture
def no_correlations(monkeypatch):
    """Fixed points without c*, which takes most of their time and has no part in the plane."""
    monkeypatch.setattr("vgrad.meanfield.fixed_point._settled_correlation", lambda *_: (1.0, 0.0))


@pytest.mark.parametrize("name", SMOOTH_AND_KINKED)
def test_what_is_found_in_the_plane_are_fixed_points_with_their_slopes(name):
    phi = phi_of(name)
    plane = diagram(phi, GRID_W, GRID_B, square=0.7)
    for (row, column), q in np.ndenumerate(plane.q):
        if 1e-7 < q < np.inf:
            sigma_w2, bias_var = GRID_W[column] ** 2, GRID_B[row] ** 2
            assert sigma_w2 * phi.act_ms(q) + bias_var == pytest.approx(q, rel=1e-5)
            assert plane.chi1[row, column] == pytest.approx(sigma_w2 * phi.gate_ms(q), rel=1e-5)


@pytest.mark.parametrize("name", ["tanh", "gelu", "selu"])
def test_a_point_of_the_plane_is_the_one_that_a_network_comes_to(name, no_correlations):
    phi = phi_of(name)
    plane = diagram(phi, GRID_W[1:4], GRID_B[:2], square=0.7)
    for (row, column), q in np.ndenumerate(plane.q):
        scale = Scale(plane.sigma_w[column] ** 2, plane.sigma_b[row] ** 2)
        alone = settle(phi, scale, 0.7 * scale.sigma_w2 + scale.bias_var)
        assert q == pytest.approx(alone.q, rel=1e-4, abs=1e-7)
        assert plane.chi1[row, column] == pytest.approx(alone.chi1, rel=1e-4)


def test_relu_settles_where_its_closed_form_says():
    sigma_w, sigma_b = np.array([0.4, 1.0, 1.4, 1.5]), np.array([0.2, 1.0])
    plane = diagram(phi_of("relu"), sigma_w, sigma_b)
    share = 1.0 - sigma_w**2 / 2.0
    exact = np.where(share > 0.0, sigma_b[:, None] ** 2 / np.abs(share), np.inf)
    assert plane.q == pytest.approx(exact, rel=1e-5)
    assert plane.chi1 == pytest.approx(np.tile(sigma_w**2 / 2.0, (2, 1)), rel=1e-5)


def test_relu_is_critical_at_one_point_alone():
    (stretch,) = diagram(phi_of("relu"), [1.0, 3.0], [0.0, 1.0]).line
    assert stretch.sigma_w == pytest.approx(math.sqrt(2.0))
    assert stretch.sigma_b == pytest.approx(0.0, abs=1e-6)


def test_with_a_mean_of_all_biases_a_point_is_the_same_as_alone(no_correlations):
    phi = phi_of("tanh").about(0.3)
    plane = diagram(phi, [0.8, 1.6], [0.5], square=1.0)
    for column, sigma_w in enumerate(plane.sigma_w):
        scale = Scale(sigma_w**2, 0.5**2 - 0.3**2, 0.3)
        alone = settle(phi_of("tanh"), scale, sigma_w**2 + scale.bias_var)
        assert plane.q[0, column] == pytest.approx(alone.q, rel=1e-4)
        assert plane.chi1[0, column] == pytest.approx(alone.chi1, rel=1e-4)


@pytest.mark.parametrize("name", ["tanh", "hard_tanh", "elu", "sigmoid"])
@pytest.mark.parametrize("sigma_b", [0.1, 0.5])
def test_the_critical_line_goes_through_the_critical_points(name, sigma_b):
    phi = phi_of(name)
    point = critical(phi, sigma_b)
    line = critical_line(Moments.of(phi, 16.0, 1.0))
    found = [
        np.interp(sigma_b, one.sigma_b, one.sigma_w)
        for one in line
        if one.sigma_b.min() <= sigma_b <= one.sigma_b.max()
    ]
    if point.sigma_w is None:
        assert all(sigma_w > 10.0 for sigma_w in found)
    else:
        assert min(found) == pytest.approx(point.sigma_w, rel=1e-3)


def test_the_line_of_tanh_begins_at_one():
    (stretch,) = critical_line(Moments.of(phi_of("tanh"), 4.0, 1.0))
    assert stretch.sigma_w[0] == pytest.approx(1.0, abs=1e-6)
    assert stretch.sigma_b[0] == pytest.approx(0.0, abs=1e-6)
    assert (np.diff(stretch.sigma_w) > 0.0).all()


def test_gelu_without_biases_has_no_critical_point_on_its_line():
    line = critical_line(Moments.of(phi_of("gelu"), 4.0, 1.0))
    assert min(one.sigma_b.min() for one in line) > 0.2


def test_the_line_of_sigmoid_begins_where_the_gates_are_all_but_shut():
    # χ₁ = 1 at σ_b = 0 is at σ_w = 10.15: docs/theory.md, from `critical`.
    (stretch,) = critical_line(Moments.of(phi_of("sigmoid"), 16.0, 1.0))
    assert stretch.sigma_w[0] == pytest.approx(10.15, abs=0.01)


def test_between_the_points_of_the_table_moments_are_right():
    phi = phi_of("gelu")
    moments = Moments.of(phi, 3.0, 1.0)
    for v in (3.3e-7, 0.0123, 0.77, 31.0):
        at = np.log([v])
        assert moments.act(at)[0] == pytest.approx(phi.act_ms(v), rel=1e-6)
        assert moments.gate(at)[0] == pytest.approx(phi.gate_ms(v), rel=1e-5)


def test_all_fixed_points_are_found_with_their_slopes():
    # By bisection on E[gelu²] with scipy.integrate.quad: q = σ_w² E[gelu(z)²] at σ_w = 1.5335304
    # is 1, and lengths grow away from it.
    phi = phi_of("gelu")
    found = fixed_points(Moments.of(phi, 1.5335304, 0.0), 1.5335304**2, 0.0)
    (q, slope), *_ = found
    assert q == pytest.approx(1.0, rel=1e-4)
    assert slope > 1.0
    assert slope == pytest.approx(1.5335304**2 * phi.growth(q), rel=1e-4)


def test_a_signal_goes_along_the_map(no_correlations):
    phi, scale = phi_of("tanh"), Scale(1.5**2, 0.1**2)
    reached = settle(phi, scale, 1.5**2 + 0.01).q
    way = length_map(phi, scale, 1.0, 30, reached)
    assert way.path[0] == pytest.approx(1.5**2 + 0.01)
    for one, after in zip(way.path[:-1], way.path[1:], strict=True):
        assert after == pytest.approx(1.5**2 * phi.act_ms(one) + 0.01)
        assert after == pytest.approx(np.interp(one, way.q, way.next_q), rel=1e-3)
    assert way.path[-1] == pytest.approx(reached, rel=1e-2)
    assert [round(q, 6) for q, _ in way.points] == [pytest.approx(reached, rel=1e-4)]
    assert way.q[0] == 0.0
    assert way.q[-1] > way.path[0]


def test_a_way_over_decades_has_axes_of_decades(no_correlations):
    phi, scale = phi_of("tanh"), Scale(1.01**2, 1e-4)
    far = length_map(phi, scale, 400.0, 20, settle(phi, scale, 400.0).q)
    assert far.logarithmic
    assert far.q[0] < far.reached < far.path[0] < far.q[-1]


def test_a_length_that_grows_without_end_leaves_the_axis():
    phi, scale = phi_of("relu"), Scale(4.0, 0.0)
    way = length_map(phi, scale, 1.0, 40, math.inf)
    assert way.path == pytest.approx([4.0 * 2.0**n for n in range(len(way.path))])
    assert max(way.path) <= way.q[-1]
    assert way.points == ()

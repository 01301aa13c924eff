"""Fixed points with norms, dropout and activations of several functions: deep networks reach them.

The layers of a prediction go through the maps one by one; the fixed point is found by roots.
"""

from __future__ import annotations

import math

import pytest

import vgrad
from networks import config
from vgrad.config import Choice
from vgrad.meanfield import Phi, Scale, gains, settle
from vgrad.parts.activations import ACTIVATIONS
from vgrad.theory import predict

DEPTH = 120
REMEDIES = {
    "layer norm": {"activation": "tanh", "init__gain": 1.7, "model__norm": "layer"},
    "layer norm, relu": {"activation": "relu", "model__norm": "layer", "init__bias_std": 0.3},
    "rms norm": {"activation": "gelu", "init__gain": 1.4, "model__norm": "rms"},
    "layer norm after": {"activation": "gelu", "model__norm": "layer", "model__norm_at": "after"},
    "rms norm after": {
        "activation": "elu",
        "init__gain": 2.0,
        "model__norm": "rms",
        "model__norm_at": "after",
    },
    "batch norm": {"activation": "relu", "model__norm": "batch"},
    "dropout": {"activation": "tanh", "init__gain": 1.2, "model__dropout": 0.1},
    "dropout, biases": {
        "activation": "sigmoid",
        "init__gain": 3.0,
        "model__dropout": 0.2,
        "init__bias_std": 0.2,
    },
    "norm and dropout": {"activation": "relu", "model__norm": "layer", "model__dropout": 0.2},
    "alpha dropout": {"activation": "selu", "model__alpha_dropout": 0.05},
    "rrelu": {"activation": "rrelu", "init__gain": 1.2, "init__bias_std": 0.3},
    "crelu": {"activation": "crelu", "init__gain": 1.2, "init__bias_std": 0.3},
}


@pytest.mark.parametrize("settings", REMEDIES.values(), ids=REMEDIES)
def test_a_deep_network_comes_to_the_fixed_point(settings):
    prediction = predict(config(depth=DEPTH, width=64, data__dim=64, **settings))
    point, rows = prediction.fixed_point, prediction.layers
    assert rows[DEPTH - 2].preact_ms == pytest.approx(point.q, rel=1e-4)
    if point.chi1 < 10.0:
        factor = (rows[DEPTH - 3].delta_rms / rows[DEPTH - 2].delta_rms) ** 2
        assert factor == pytest.approx(point.chi1, rel=1e-3)
    phi = Phi.of(Choice(settings["activation"], ACTIVATIONS[settings["activation"]].settings))
    if settings.get("model__norm") != "batch":
        h = phi.act_overlap(point.q, point.c) / phi.act_ms(point.q)
        assert rows[DEPTH - 2].correlation == pytest.approx(h, abs=2e-3)


def test_the_slope_of_the_correlation_map_with_layer_norm_is_that_of_its_differences():
    settings = {**REMEDIES["layer norm"], "init__bias_std": 0.5}
    prediction = predict(config(depth=400, width=64, **settings))
    point, far = prediction.fixed_point, prediction.layers[-3].correlation
    gaps = [prediction.layers[place].correlation - far for place in (120, 121)]
    assert gaps[1] / gaps[0] == pytest.approx(point.chi_c, rel=0.005)
    assert prediction.depth_scale.c == pytest.approx(-1.0 / math.log(point.chi_c))


def test_batch_norm_leaves_examples_uncorrelated_and_the_gradient_of_relu_exploding():
    prediction = predict(config(activation="relu", depth=8, width=64, model__norm="batch"))
    point = prediction.fixed_point
    assert (point.c, point.chi_c) == (0.0, None)
    assert point.chi1 == pytest.approx(math.pi / (math.pi - 1.0), rel=1e-4)  # Yang et al. 2019
    assert prediction.depth_scale.c is None
    assert prediction.trainable_depth == pytest.approx(6.0 * prediction.depth_scale.gradient)


def test_dropout_keeps_examples_apart_and_makes_the_depth_scale_finite():
    without = settle(Phi.of(Choice("tanh")), Scale(1.2, 0.05), 1.0)
    dropped = settle(Phi.of(Choice("tanh")), Scale(1.2, 0.05), 1.0, kept=0.9)
    assert without.c == pytest.approx(1.0, abs=1e-6) or without.chi1 > 1.0
    assert dropped.c < 1.0
    assert dropped.chi_c < 1.0
    again = settle(Phi.of(Choice("tanh")), Scale(1.2, 0.05), 1.0, kept=1.0 - 1e-9)
    assert again.q == pytest.approx(without.q, rel=1e-6)


def test_shortcuts_have_no_fixed_point():
    for residual in ("identity", "scaled"):
        run = config(activation="relu", depth=8, model__residual=residual)
        assert predict(run).fixed_point is None
        assert predict(run).trainable_depth is None


def test_crelu_counts_as_relu_and_its_mirror_image():
    relu, crelu = (Phi.of(Choice(name, ACTIVATIONS[name].settings)) for name in ("relu", "crelu"))
    assert crelu.act_ms(2.0) == pytest.approx(relu.act_ms(2.0))
    assert crelu.gate_ms(2.0) == pytest.approx(0.5)
    assert gains(crelu).preserves_q1 == pytest.approx(math.sqrt(2.0))
    here, there = relu.about(0.4), relu.about(-0.4)
    mean = (here.act_overlap(2.0, 0.3) + there.act_overlap(2.0, 0.3)) / 2.0
    assert crelu.about(0.4).act_overlap(2.0, 0.3) == pytest.approx(mean)


def test_rrelu_counts_as_its_slopes_mean_square_alone_and_as_their_mean_between_examples():
    low, high = 0.1, 0.5
    phi = Phi.of(Choice("rrelu", {"lower": low, "upper": high}))
    square = 0.3**2 + 0.4**2 / 12.0
    assert phi.act_ms(2.0) == pytest.approx(1.0 + square)
    assert phi.gate_ms(2.0) == pytest.approx((1.0 + square) / 2.0)
    leaky = Phi.of(Choice("leaky_relu", {"slope": 0.3}))
    assert phi.act_mean(2.0) == pytest.approx(leaky.act_mean(2.0))
    assert phi.act_overlap(2.0, 0.7) == pytest.approx(leaky.act_overlap(2.0, 0.7))


def test_alpha_dropout_keeps_the_length_of_selu():
    point = predict(config(activation="selu", model__alpha_dropout=0.1, depth=3)).fixed_point
    assert point.q == pytest.approx(1.0, rel=1e-6)  # Klambauer et al. 2017
    assert point.c < 1.0


def test_the_mean_of_an_odd_activation_is_zero_and_not_rounding():
    rows = predict(config(activation="tanh", depth=4)).layers
    assert [row.act_mean for row in rows] == [0.0] * 5


@pytest.mark.parametrize("name", ["gelu", "swish", "mish", "elu", "softplus"])
def test_with_dropout_what_grows_for_ever_comes_to_the_correlation_of_relu(name):
    words = ("data=white", "model.dropout=0.3", "init=lecun_normal", "init.gain=1.9", "depth=3")
    found = vgrad.theory(f"activation={name}", *words)
    like = vgrad.theory("activation=relu", *words)
    assert found.not_predicted is None
    assert found.fixed_point is not None
    assert like.fixed_point is not None
    assert found.fixed_point.q == like.fixed_point.q == math.inf
    assert found.fixed_point.c == pytest.approx(like.fixed_point.c, abs=1e-4)
    assert found.fixed_point.chi_c == pytest.approx(like.fixed_point.chi_c, abs=1e-4)

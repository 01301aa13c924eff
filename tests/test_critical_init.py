"""init=critical: the weights of the edge of chaos, against SciPy's own quadrature of the maps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import erf, expit

import networks
from vgrad.config import Choice
from vgrad.draw import drawn_init
from vgrad.errors import ConfigError
from vgrad.meanfield.edge import edge
from vgrad.parts.activations import ACTIVATIONS
from vgrad.stack import Stack
from vgrad.theory.scope import of_activation

SELU = 1.0507009873554805, 1.6732632423543772


def selu(z):
    scale, alpha = SELU
    return scale * np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0.0)))


PHI = {
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "softsign": (lambda z: z / (1 + np.abs(z)), lambda z: 1 / (1 + np.abs(z)) ** 2),
    "elu": (
        lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0.0))),
        lambda z: np.where(z > 0, 1.0, np.exp(np.minimum(z, 0.0))),
    ),
    "sigmoid": (expit, lambda z: expit(z) * expit(-z)),
    "swish": (
        lambda z: z * expit(z),
        lambda z: expit(z) * (1 + z * expit(-z)),
    ),
    "gelu": (
        lambda z: z * (1 + erf(z / math.sqrt(2))) / 2,
        lambda z: (
            (1 + erf(z / math.sqrt(2))) / 2 + z * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
        ),
    ),
}


def expect(f, q):
    """E[f(z)], z ~ N(0, q), by QUADPACK."""

    def weighed(x):
        return f(math.sqrt(q) * x) * math.exp(-x * x / 2) / math.sqrt(2 * math.pi)

    return sum(quad(weighed, *part, epsabs=1e-12)[0] for part in ((-12, 0), (0, 12)))


def settled(phi, sigma_w, sigma_b):
    """Where the length map settles; these rise from 0 and stay below q for large q."""

    def rise(q):
        return sigma_w**2 * expect(lambda z: phi(z) ** 2, q) + sigma_b**2 - q

    return brentq(rise, sigma_b**2, 50.0, xtol=1e-11)


def gain(activation, **settings):
    """What `init=critical` draws with."""
    depth = settings.pop("depth", 3)
    keys = {"depth": depth} | {f"init__{key}": value for key, value in settings.items()}
    return drawn_init(networks.config(activation=activation, init="critical", **keys)).settings


@pytest.mark.parametrize(
    ("activation", "sigma_b"), [("tanh", 0.3), ("softsign", 0.5), ("elu", 0.3)]
)
def test_at_its_gain_the_error_keeps_its_size_where_the_length_settles(activation, sigma_b):
    phi, slope = PHI[activation]
    sigma_w = gain(activation, bias_std=sigma_b)["gain"]
    q = settled(phi, sigma_w, sigma_b)
    assert sigma_w**2 * expect(lambda z: slope(z) ** 2, q) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("activation", "sigma_w"), [("tanh", 1.0), ("relu", math.sqrt(2.0)), ("crelu", math.sqrt(2.0))]
)
def test_without_biases_the_limit_of_tanh_is_gain_one_and_relu_has_that_of_he(activation, sigma_w):
    assert gain(activation, limit=True)["gain"] == pytest.approx(sigma_w, rel=1e-9)


@pytest.mark.parametrize("activation", ["tanh", "softsign", "elu", "gelu", "swish"])
@pytest.mark.parametrize("depth", [2, 8])
def test_where_no_point_is_reached_the_error_keeps_its_size_over_the_depth(activation, depth):
    phi, slope = PHI[activation]
    sigma_w = gain(activation, depth=depth)["gain"]
    q, product = sigma_w**2, 1.0
    for _ in range(depth - 1):
        product *= sigma_w**2 * expect(lambda z: slope(z) ** 2, q)
        q = sigma_w**2 * expect(lambda z: phi(z) ** 2, q)
    assert product == pytest.approx(1.0, abs=1e-3)


def test_with_depth_it_goes_to_the_limit():
    gains = [gain("tanh", depth=depth)["gain"] for depth in (10, 40, 1000)]
    assert gains == sorted(gains, reverse=True)
    assert gains[-1] == pytest.approx(1.0, abs=0.06)


def test_the_point_of_sigmoid_is_taken_however_far_it_is():
    assert gain("sigmoid")["gain"] == pytest.approx(10.1493, rel=1e-4)


def test_a_constant_bias_counts_in_the_bias_of_the_edge():
    shifted = gain("tanh", bias=0.4)
    assert (shifted["bias"], shifted["bias_std"]) == (0.4, 0.0)
    assert shifted["gain"] > gain("tanh", limit=True)["gain"] + 0.05


def test_a_network_without_biases_has_the_edge_of_none():
    config = networks.config(
        activation="tanh",
        init="critical",
        init__limit=True,
        init__bias_std=0.5,
        model__bias=False,
    )
    assert drawn_init(config).settings["gain"] == pytest.approx(1.0, rel=1e-9)


def built(*configs):
    return Stack([networks.config(**keys, dtype="float64") for keys in configs], 6, 4).parameters


def test_in_a_stack_its_weights_are_those_of_the_run_alone_and_of_the_right_size():
    keys = [
        {"activation": "tanh", "init": "critical", "init__bias_std": 0.3},
        {"activation": "tanh", "init": "he_normal"},
        {"activation": "elu", "init": "critical", "seed": 3},
        {"activation": "elu", "init": "critical", "init__distribution": "orthogonal"},
    ]
    keys = [{**one, "width": 128} for one in keys]
    together = built(*keys)
    for run, one in enumerate(keys):
        alone = built(one)
        pairs = list(zip(together.weights, alone.weights, strict=True))
        assert all(torch.equal(ours[run], theirs[0]) for ours, theirs in pairs)
        drawn = drawn_init(networks.config(**one))
        if one["init"] == "critical":
            weight = together.weights[1][run]
            size = math.sqrt(128 * weight.square().mean().item())
            assert size == pytest.approx(drawn.settings["gain"], rel=0.02)


def test_an_orthogonal_one_scales_a_rotation():
    drawn = built({"activation": "relu", "init": "critical", "init__distribution": "orthogonal"})
    weight = drawn.weights[1][0]
    torch.testing.assert_close(weight.T @ weight, 2.0 * torch.eye(8, dtype=torch.float64))


def test_of_relu_it_draws_the_weights_of_the_gain_that_he_derived():
    ours = built({"activation": "relu", "init": "critical"})
    theirs = built({"activation": "relu", "init": "lecun_normal", "init__gain": math.sqrt(2.0)})
    torch.testing.assert_close(ours.flat, theirs.flat)


@pytest.mark.parametrize("activation", ["maxout", "softmax"])
def test_an_activation_that_theory_does_not_speak_of_is_refused_before_anything_is_written(
    typed, tmp_path, activation
):
    ended = typed("run", "init=critical", f"activation={activation}")
    assert (ended.status, ended.out) == (2, "")
    assert f"init=critical has no answer for activation={activation}: it " in ended.err
    assert "Write init=matched, or init=lecun_normal init.gain=NUMBER" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_an_activation_that_gives_nothing_has_no_such_gain():
    with pytest.raises(ConfigError, match="init=critical has no answer for activation=relu: no"):
        edge(Choice("relu"), -1e6, 0.0, 3, limit=False)


def test_every_activation_that_theory_speaks_of_has_a_gain():
    for name, entry in ACTIVATIONS.items():
        if of_activation(name) is None:
            found = edge(Choice(name, entry.settings), 0.0, 0.0, 40, limit=False)
            assert 0.1 < found.sigma_w < 100.0
            assert found.why


def test_what_it_stands_for_is_told_and_recorded(typed):
    words = (
        "run",
        "init=critical",
        "init.limit=true",
        "activation=tanh",
        "depth=2",
        "width=8",
        "steps=1",
    )
    ended = typed(*words, "data=white", "name=edge")
    assert ended.status == 0
    assert "init=critical stands for init=lecun_normal init.gain=1 here." in ended.out
    assert typed("diagnose", "runs/edge").status == 0


def test_its_config_is_shown_as_it_was_typed(typed):
    shown = typed("run", "init=critical", "init.distribution=orthogonal", "--cfg", "job").out
    assert "name: critical" in shown
    assert "distribution: orthogonal" in shown
    assert typed("run", "init=critical", "init.distribution=uniform").status == 2

"""The theory against what is drawn: the inits' own weights, and wide networks at step 0."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import vgrad
from networks import config
from vgrad.config import Choice
from vgrad.parts.inits import INITS
from vgrad.theory.weights import RULES, scale_of

SIZES = [(300, 200), (100, 400)]
DRAWN = [name for name in INITS if not INITS[name].resolved]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("name", DRAWN)
def test_the_scale_of_every_init_is_that_of_weights_it_draws(name, sizes):
    entry = INITS[name]
    weight = torch.zeros(sizes, dtype=torch.float64)
    draws = torch.Generator().manual_seed(1)
    entry.function(weight, draws, **entry.own(entry.settings))
    scale = scale_of(Choice(name, entry.settings), *sizes)
    assert scale.sigma_w2 == pytest.approx(sizes[0] * float(weight.square().mean()), rel=0.03)
    if entry.bias is not None:
        bias = torch.zeros(100_000, dtype=torch.float64)
        entry.bias(bias, sizes[0], draws)
        assert scale.sigma_b2 == pytest.approx(float(bias.square().mean()), rel=0.03)


def test_an_init_without_a_rule_is_measured(monkeypatch):
    exact = scale_of(Choice("he_normal", INITS["he_normal"].settings), 300, 200)
    monkeypatch.delitem(RULES, "he_normal")
    measured = scale_of(Choice("he_normal", INITS["he_normal"].settings), 300, 200)
    assert measured.sigma_w2 == pytest.approx(exact.sigma_w2, rel=0.02)


def test_a_network_without_biases_has_none_predicted():
    settings = {**INITS["torch_default"].settings, "bias": 1.0}
    assert scale_of(Choice("torch_default", settings), 10, 10, bias=False).sigma_b2 == 0.0


NETWORKS = {
    "tanh": ["activation=tanh", "init=xavier_normal"],
    "sigmoid": ["activation=sigmoid", "init=torch_default"],
    "relu": ["activation=relu"],
    "leaky": ["activation=leaky_relu", "activation.slope=0.3", "init=he_uniform"],
    "orthogonal": ["activation=elu", "init=orthogonal", "init.bias_std=0.2"],
    "lsuv": ["activation=gelu", "init=lsuv"],
    "constant bias": ["activation=softsign", "init=lecun_uniform", "init.bias=0.4"],
    "batch norm": ["activation=relu", "model.norm=batch"],
    "layer norm after": ["activation=gelu", "model.norm=layer", "model.norm_at=after"],
    "rms norm": ["activation=swish", "model.norm=rms", "init.bias=0.3"],
    "shortcuts": ["activation=tanh", "model.residual=scaled", "model.residual_every=2"],
    "dropout": ["activation=selu", "model.dropout=0.3"],
    "alpha dropout": ["activation=selu", "model.alpha_dropout=0.2", "init.bias_std=0.2"],
    "crelu": ["activation=crelu", "init.bias=0.2"],
    "rrelu": ["activation=rrelu", "activation.upper=0.9"],
}


@pytest.mark.parametrize("words", NETWORKS.values(), ids=NETWORKS)
def test_a_wide_network_starts_as_predicted(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [*words, "depth=5", "width=300", "data=white", "data.dim=200", "data.train_size=256"]
    words += ["data.test_size=4", "batch_size=256", "steps=0", "probe.every=1"]
    layers = vgrad.sweep(*words, "seed=0,1,2").layers
    predicted = vgrad.theory(*words).frame().set_index("layer")
    last = layers[layers.layer == 5].set_index("run_id").delta_rms
    layers = layers.assign(delta_rms=layers.delta_rms / layers.run_id.map(last))
    means = layers.groupby("layer").mean(numeric_only=True)
    hidden = slice(1, 5)
    for column, tolerance in (("preact_ms", 0.12), ("gate_ms", 0.06), ("delta_rms", 0.08)):
        ratio = means[column] / predicted[column].astype(float)
        assert np.allclose(ratio.loc[hidden], 1.0, atol=tolerance), (column, ratio)
    for column in ("act_mean", "correlation"):
        gap = (means[column] - predicted[column].astype(float)).loc[hidden]
        assert np.abs(gap).max() < 0.05, (column, gap)


def test_the_slope_predicted_is_the_slope_recorded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["activation=sigmoid", "depth=8", "width=256", "steps=0"]
    recorded = vgrad.run(*words).runs.grad_decay.item()
    assert vgrad.theory(*words).grad_decay == pytest.approx(recorded, abs=0.02)


def test_white_inputs_count_as_they_are_drawn_from():
    from vgrad.theory.inputs import inputs_of

    inputs = inputs_of(config(data="white"))
    assert (inputs.square, inputs.overlap) == (1.0, 0.0)


def test_other_inputs_count_as_they_are():
    from vgrad.parts.datasets import load
    from vgrad.theory.inputs import inputs_of

    x = load("parity", {"train_size": 50}).train_x.astype(float)
    inputs = inputs_of(config(data="parity", data__train_size=50))
    cosines = (x @ x.T / 8.0)[~np.eye(50, dtype=bool)]
    assert inputs.square == 1.0
    assert inputs.overlap == pytest.approx(cosines.mean(), abs=1e-12)

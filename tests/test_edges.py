"""What theory and textbooks say happens at the edges, seen in whole trainings."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import networks
from vgrad.draw import drawn_init
from vgrad.parts.activations import ACTIVATIONS
from vgrad.parts.datasets import load
from vgrad.stack import Stack
from vgrad.store import LAYER_COLUMNS
from vgrad.train import Course, Record, train
from vgrad.training import Training

COLUMN = {name: index for index, name in enumerate(LAYER_COLUMNS)}


def records_of(config, data=None) -> list[Record]:
    seen = networks.Seen()
    train([config], data or networks.classification(), seen)
    return seen.records


def profile(config, column, data=None, record=0):
    """One column of the hidden layers at one record."""
    return records_of(config, data)[record].layers[:-1, COLUMN[column]]


def white(**settings):
    sizes = {"train_size": 256, "test_size": 16}
    return load("white", sizes | settings)


def trained(config, seen=None) -> Training:
    course = Course([config], networks.classification(), seen or networks.Seen())
    course.run()
    return course.training


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "softplus", "maxout", "selu"])
@pytest.mark.parametrize("width", [8, 13])
def test_zeros_keep_all_units_of_a_layer_identical_for_300_steps(activation, width):
    config = networks.config(
        activation=activation, init="zeros", width=width, steps=300, optimizer__lr=0.5
    )
    stack = trained(config).stack
    for weight in stack.parameters.weights[:-1]:
        units = weight.unflatten(-1, (width, stack.layout.pieces))
        assert_all_alike(units, units[..., :1, :])
    for act in stack.acts:
        assert_all_alike(act, act[..., :1])


def assert_all_alike(units, first):
    """Equal but for the rounding of a matrix product, which may treat edges in another way."""
    torch.testing.assert_close(units, first.expand_as(units), rtol=1e-5, atol=0)


def test_with_zeros_and_relu_nothing_but_the_output_bias_ever_moves():
    config = networks.config(activation="relu", init="zeros", steps=50, optimizer__lr=0.5)
    for name, block in trained(config).stack.parameters.named.items():
        assert block.any() == (name == "last_bias"), name


@pytest.mark.parametrize("scale", [1.5, 0.5])
def test_scaled_identity_multiplies_the_signal_by_exactly_its_scale_a_layer(scale):
    keys = {"activation": "identity", "init": "identity", "init__scale": scale, "steps": 0}
    config = networks.config(depth=50, width=6, dtype="float64", **keys)
    sizes = profile(config, "preact_ms")
    inputs = Training([config], networks.classification())
    inputs.load_batch()
    start = float(inputs.stack.inputs.square().mean())
    expected = start * scale ** (2.0 * np.arange(1, 51))
    np.testing.assert_allclose(sizes, expected, rtol=1e-13)


def test_the_slope_of_sigmoid_is_a_quarter_at_most():
    assert networks.steepest("sigmoid") == pytest.approx(0.25, rel=1e-12)


def test_tanh_is_a_sigmoid_of_twice_its_argument():
    z = torch.linspace(-20, 20, 401, dtype=torch.float64)
    tanh, sigmoid = (ACTIVATIONS[name].function for name in ("tanh", "sigmoid"))
    torch.testing.assert_close(tanh(z), 2 * sigmoid(2 * z) - 1, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("seed", range(2))
def test_selu_with_lecun_normal_keeps_mean_and_variance_through_fifty_layers(seed):
    keys = {"activation": "selu", "depth": 50, "width": 500, "steps": 0, "batch_size": 128}
    data = white(dim=500)
    kept = records_of(networks.config(init="lecun_normal", seed=seed, **keys), data)[0]
    mean, variance = (kept.layers[:-1, COLUMN[name]] for name in ("act_mean", "act_var"))
    assert np.abs(mean).max() < 0.05
    assert np.abs(variance - 1).max() < 0.1
    exploded = profile(networks.config(init="he_normal", seed=seed, **keys), "act_var", data)
    assert exploded[-1] > 100


@pytest.mark.parametrize("activation", ["sigmoid", "softplus", "relu"])
def test_with_one_example_a_positive_activation_locks_the_signs_of_a_units_weights(activation):
    config = networks.config(activation=activation, init="matched", batch_size=1, width=64)
    coherence = profile(config, "sign_coherence")
    np.testing.assert_array_equal(coherence[1:], 1.0)
    assert coherence[0] < 1


def test_with_one_example_the_signs_of_a_tanh_unit_are_random():
    width = 256
    keys = {"activation": "tanh", "batch_size": 1, "depth": 6, "width": width, "steps": 0}
    found = [profile(networks.config(seed=s, **keys), "sign_coherence")[1:] for s in range(40)]
    assert np.mean(found) == pytest.approx(math.sqrt(2 / math.pi) / math.sqrt(width), rel=0.1)


@pytest.mark.parametrize("init", ["he_normal", "xavier_normal"])
def test_batch_norm_with_relu_multiplies_the_error_signal_by_1_211_a_layer(init):
    keys = {"activation": "relu", "init": init, "depth": 20, "width": 512, "steps": 0}
    config = networks.config(**keys, batch_size=512, model__norm="batch")
    deltas = profile(config, "delta_rms", white(dim=64, train_size=512))
    growth = (deltas[2] / deltas[17]) ** (1 / 15)
    assert growth == pytest.approx(math.sqrt(math.pi / (math.pi - 1)), rel=0.02)


@pytest.mark.parametrize("optimizer", ["adam", "rprop"])
def test_a_bias_that_batch_norm_takes_away_again_is_not_moved_by_rounding(optimizer):
    keys = {"optimizer": optimizer, "model__norm": "batch", "steps": 20, "probe_every": 1}
    seen = networks.Seen()
    training = trained(networks.config(**keys), seen)
    for record in seen.records:
        assert (record.layers[:-1, COLUMN["bias_grad_norm"]] == 0).all()
    assert not training.stack.parameters.named["hidden_bias"].any()
    assert training.stack.parameters.named["last_bias"].any()


def test_rezero_starts_as_the_first_layer_alone():
    config = networks.config(model__residual="rezero", depth=9, steps=0)
    deltas = profile(config, "delta_rms")
    assert (deltas[1:] == 0).all()  # α = 0 lets no error into a branch
    assert deltas[0] > 0


def test_a_highway_that_is_shut_carries_the_signal_unchanged():
    keys = {"model": "highway", "model__gate_bias": -40.0, "depth": 30, "steps": 0}
    stack = Training([networks.config(**keys)], networks.classification()).stack
    x = torch.randn(10, 6, generator=torch.Generator().manual_seed(0))
    first = torch.tanh(x @ stack.parameters.weights[0][0] + stack.parameters.biases[0][0])
    expected = first @ stack.parameters.weights[-1][0] + stack.parameters.biases[-1][0]
    torch.testing.assert_close(stack.predict(x)[0], expected, rtol=1e-5, atol=1e-6)


def test_alpha_dropout_keeps_mean_0_and_variance_1():
    keys = {"activation": "identity", "model__alpha_dropout": 0.2, "depth": 1, "width": 512}
    stack = Stack([networks.config(batch_size=512, **keys)], 6, 4)
    stack.refresh()
    h = torch.randn(512, 512, generator=torch.Generator().manual_seed(0))
    dropped = h * stack.noise.mask[0, 0] + stack.noise.shift[0, 0]
    assert float(dropped.mean()) == pytest.approx(0, abs=0.01)
    assert float(dropped.var()) == pytest.approx(1, rel=0.01)


def test_dropout_keeps_the_mean_and_drops_its_share():
    stack = Stack([networks.config(batch_size=512, width=64, model__dropout=0.3)], 6, 4)
    stack.refresh()
    assert float((stack.noise.mask == 0).double().mean()) == pytest.approx(0.3, abs=0.005)
    assert float(stack.noise.mask.double().mean()) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    ("keys", "first", "last"),
    [
        ({"loss": "mse_sigmoid", "lr": 0.075, "value": 2.0, "bias": 2.0}, 0.982, 0.203),
        ({"loss": "mse_sigmoid", "lr": 0.075, "value": 0.6, "bias": 0.9}, 0.818, 0.094),
        ({"loss": "bce", "lr": 0.15, "value": 2.0, "bias": 2.0}, 0.982, 0.012),
        ({"loss": "bce", "lr": 0.15, "value": 0.6, "bias": 0.9}, 0.818, 0.012),
    ],
)
def test_a_saturated_neuron_learns_slowly_with_mse_and_not_with_cross_entropy(keys, first, last):
    """Nielsen, Neural Networks and Deep Learning, chapter 3."""
    config = networks.config(
        data="single",
        depth=0,
        steps=300,
        batch_size=1,
        probe_every=1,
        loss=keys["loss"],
        optimizer__lr=keys["lr"],
        init="constant",
        init__value=keys["value"],
        init__bias=keys["bias"],
    )
    records = records_of(config, load("single", {}))
    z = [record.layers[-1, COLUMN["preact_mean"]] for record in records]
    outputs = 1 / (1 + np.exp(-np.array(z)))
    assert round(outputs[0], 3) == first
    assert round(outputs[-1], 3) == last


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
def test_layer_sequential_inits_give_every_layer_unit_variance(activation):
    keys = {"activation": activation, "depth": 12, "width": 64, "steps": 0, "batch_size": 256}
    config = networks.config(init="lsuv", **keys)
    variances = profile(config, "preact_var", white(dim=16, train_size=256))
    np.testing.assert_allclose(variances, 1.0, rtol=0.02)


@pytest.mark.parametrize("norm_at", ["before", "after"])
def test_layer_sequential_inits_see_the_batch_norm_of_the_training(norm_at):
    keys = {"depth": 12, "width": 64, "steps": 0, "batch_size": 256}
    config = networks.config(init="lsuv", model__norm="batch", model__norm_at=norm_at, **keys)
    variances = profile(config, "preact_var", white(dim=16, train_size=256))
    np.testing.assert_allclose(variances, 1.0, rtol=0.02)


def test_noise_on_the_biases_does_not_shrink_layer_sequential_weights():
    config = networks.config(init="lsuv", init__bias_std=3.0, depth=5, width=64, steps=0)
    gains = profile(config, "weight_gain", white(dim=16, train_size=256))
    assert (gains > 0.5).all()


def test_a_layer_sequential_run_is_the_same_beside_others():
    configs = [
        networks.config(init=init, seed=seed)
        for seed, init in enumerate(["lsuv", "lecun_normal", "lsuv"])
    ]
    data = networks.classification()
    together = Training(configs, data).stack.parameters
    for run, config in enumerate(configs):
        alone = Training([config], data).stack.parameters
        for ours, theirs in zip(alone.blocks, together.blocks, strict=True):
            torch.testing.assert_close(ours[:, 0], theirs[:, run], rtol=1e-6, atol=0)


@pytest.mark.parametrize(("init", "gain"), [("he_normal", 2**0.5), ("lecun_normal", 1.0)])
def test_the_realised_gain_of_every_layer_is_recorded_at_step_0_alone(init, gain):
    keys = {"init": init, "depth": 3, "width": 256, "steps": 2, "probe_every": 1}
    records = records_of(networks.config(**keys))
    gains = records[0].layers[1:-1, COLUMN["weight_gain"]]
    np.testing.assert_allclose(gains, gain, rtol=0.02)
    assert all(record.absent[:, COLUMN["weight_gain"]].all() for record in records[1:])


@pytest.mark.parametrize("activation", ["relu", "gelu", "tanh", "selu", "sine", "maxout", "crelu"])
def test_the_automatic_gain_keeps_a_signal_of_size_1(activation):
    keys = {"activation": activation, "depth": 2, "width": 2000, "steps": 0, "batch_size": 256}
    config = networks.config(init="lecun_normal", init__gain="auto", **keys)
    data = white(dim=1000)
    x = data.train_x / drawn_init(config).settings["gain"]  # so that z of layer 1 has size 1
    data = replace(data, train_x=x)
    np.testing.assert_allclose(profile(config, "preact_ms", data), 1.0, rtol=0.03)

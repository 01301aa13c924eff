"""Initialisations: value by value against torch's own, their moments, bounds and generators.

A weight is [fan_in, fan_out] here and [fan_out, fan_in] in `torch.nn`, so what torch calls fan-out
is the fan-in of the same tensor here.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import init

import networks
from vgrad.parts.inits import INITS
from vgrad.stack import BIASES, WEIGHTS, Stack, generator

FAN_IN, FAN_OUT = 400, 300
DRAWN = [name for name in INITS if name != "matched"]
every_init = pytest.mark.parametrize("name", DRAWN)
every_gain = pytest.mark.parametrize("gain", [0.5, 1.0, 5 / 3])


def draw(name, shape=(FAN_IN, FAN_OUT), seed=0, **settings):
    """A weight filled by the entry, which held rubbish before."""
    weight = torch.full(shape, math.nan, dtype=torch.float64)
    INITS[name].function(weight, torch.Generator().manual_seed(seed), **settings)
    return weight


def draw_by_torch(fill, shape=(FAN_IN, FAN_OUT), seed=0, **settings):
    """A weight filled by torch from a generator in the same state."""
    weight = torch.empty(shape, dtype=torch.float64)
    return fill(weight, generator=torch.Generator().manual_seed(seed), **settings)


def assert_near(ours, theirs, tolerance=1e-12):
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


@every_init
def test_every_number_of_a_weight_is_drawn_and_finite(name):
    for shape in [(7, 3), (3, 7), (5, 5), (1, 4), (4, 1), (1, 1)]:
        assert draw(name, shape).isfinite().all()


@every_init
def test_a_draw_is_repeated_by_the_same_generator_and_leaves_the_global_one_alone(name):
    before = torch.random.get_rng_state()
    assert torch.equal(draw(name, seed=3), draw(name, seed=3))
    assert torch.equal(torch.random.get_rng_state(), before)


@every_init
def test_another_generator_gives_other_weights_unless_they_are_constant(name):
    weight = draw(name, seed=3)
    constant = bool((weight == weight[0, 0]).all())
    assert torch.equal(weight, draw(name, seed=4)) == constant
    assert constant == (name == "zeros")


@every_init
def test_every_init_has_a_bias_of_zero_without_noise_by_default(name):
    assert INITS[name].settings["bias"] == 0.0
    assert INITS[name].settings["bias_std"] == 0.0


@pytest.mark.parametrize("name", [name for name in DRAWN if "gain" in INITS[name].settings])
def test_a_gain_multiplies_the_weights_of_gain_one(name):
    assert_near(draw(name, gain=3.0), 3.0 * draw(name))
    assert draw(name, gain=0.0).count_nonzero() == 0


@every_gain
def test_xavier_weights_are_those_of_torch(gain):
    assert_near(draw("xavier_uniform", gain=gain), draw_by_torch(init.xavier_uniform_, gain=gain))
    assert_near(draw("xavier_normal", gain=gain), draw_by_torch(init.xavier_normal_, gain=gain))


def test_he_weights_are_those_of_torch_with_our_fan_in():
    settings = {"mode": "fan_out", "nonlinearity": "relu"}
    assert_near(draw("he_uniform"), draw_by_torch(init.kaiming_uniform_, **settings))
    assert_near(draw("he_normal"), draw_by_torch(init.kaiming_normal_, **settings))


def test_lecun_weights_are_those_of_torch_with_our_fan_in():
    settings = {"mode": "fan_out", "nonlinearity": "linear"}
    assert_near(draw("lecun_normal"), draw_by_torch(init.kaiming_normal_, **settings))


@pytest.mark.parametrize("std", [0.01, 1.0, 3.0])
def test_normal_weights_are_those_of_torch(std):
    assert_near(draw("normal", std=std), draw_by_torch(init.normal_, std=std))


BOUNDS = {
    "xavier_uniform": math.sqrt(6.0 / (FAN_IN + FAN_OUT)),
    "he_uniform": math.sqrt(6.0 / FAN_IN),
}
STANDARD_DEVIATIONS = {
    **{name: bound / math.sqrt(3.0) for name, bound in BOUNDS.items()},
    "xavier_normal": math.sqrt(2.0 / (FAN_IN + FAN_OUT)),
    "he_normal": math.sqrt(2.0 / FAN_IN),
    "lecun_normal": math.sqrt(1.0 / FAN_IN),
    "normal": 0.01,
    "orthogonal": math.sqrt(1.0 / FAN_IN),  # the columns are unit vectors
    "zeros": 0.0,
}


@pytest.mark.parametrize("name", BOUNDS)
def test_uniform_weights_fill_their_interval(name):
    weight = draw(name)
    assert weight.abs().max() <= BOUNDS[name]
    assert weight.max() > 0.999 * BOUNDS[name]
    assert weight.min() < -0.999 * BOUNDS[name]


@pytest.mark.parametrize("name", STANDARD_DEVIATIONS)
def test_the_mean_is_zero_and_the_spread_is_that_of_the_formula(name):
    weight, std = draw(name), STANDARD_DEVIATIONS[name]
    assert weight.std().item() == pytest.approx(std, rel=0.01)
    assert abs(weight.mean().item()) <= 5 * std / math.sqrt(weight.numel())


@pytest.mark.parametrize("name", ["xavier_normal", "he_normal", "lecun_normal", "normal"])
def test_normal_weights_have_the_kurtosis_of_a_normal_distribution(name):
    weight = draw(name)
    kurtosis = (weight.pow(4).mean() / weight.square().mean().square()).item()
    assert kurtosis == pytest.approx(3.0, abs=5 * math.sqrt(24 / weight.numel()))


@pytest.mark.parametrize("name", ["he_uniform", "he_normal", "lecun_normal"])
def test_the_spread_depends_on_the_fan_in_and_not_on_the_fan_out(name):
    wide, narrow = draw(name, (100, 2000)), draw(name, (400, 2000))
    assert (wide.std() / narrow.std()).item() == pytest.approx(2.0, rel=0.02)
    assert draw(name, (100, 500)).std().item() == pytest.approx(wide.std().item(), rel=0.02)


def test_zeros_are_zeros():
    assert draw("zeros").count_nonzero() == 0


@every_gain
@pytest.mark.parametrize("shape", [(30, 80), (80, 30), (50, 50)], ids=["wide", "tall", "square"])
def test_the_shorter_side_of_an_orthogonal_weight_is_orthogonal_up_to_the_gain(shape, gain):
    weight = draw("orthogonal", shape, gain=gain)
    tall = weight if shape[0] >= shape[1] else weight.T
    assert_near(tall.T @ tall, gain**2 * torch.eye(min(shape), dtype=torch.float64))
    assert_near(torch.linalg.svdvals(weight), torch.full((min(shape),), gain).double(), 1e-6)


def test_matched_is_never_drawn_itself():
    with pytest.raises(AssertionError, match="resolved before"):
        draw("matched")


def built(**keys):
    """A stack of one run."""
    return Stack([networks.config(dtype="float64", **keys)], 6, 4)


@every_init
def test_a_stack_draws_its_weights_layer_by_layer_from_the_stream_of_its_seed(name):
    stream = generator(5, WEIGHTS)
    for weight in built(init=name, seed=5).parameters.weights:
        expected = torch.empty(weight.shape[1:], dtype=torch.float64)
        INITS[name].function(expected, stream)
        assert torch.equal(weight[0], expected)


@every_init
def test_biases_are_a_constant_and_noise_of_their_own_stream(name):
    stream = generator(5, BIASES)
    for bias in built(init=name, init__bias=0.5, init__bias_std=2.0, seed=5).parameters.biases:
        noise = torch.empty(bias.shape[2], dtype=torch.float64).normal_(generator=stream)
        assert_near(bias[0, 0], 0.5 + 2.0 * noise)


@every_init
def test_the_bias_settings_do_not_change_the_weights(name):
    plain, biased = built(init=name), built(init=name, init__bias=0.5, init__bias_std=2.0)
    pairs = zip(plain.parameters.weights, biased.parameters.weights, strict=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)


def test_matched_draws_what_the_activation_names():
    matched = built(activation="relu", init="matched").parameters.flat
    assert torch.equal(matched, built(activation="relu", init="he_normal").parameters.flat)

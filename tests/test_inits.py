"""Initialisations: value by value against torch's own, their moments, bounds and generators.

A weight is [fan_in, fan_out] here and [fan_out, fan_in] in `torch.nn`, so what torch calls fan-out
is the fan-in of the same tensor here.
"""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch.nn import init

import networks
from vgrad.draw import BIASES, WEIGHTS, generator
from vgrad.errors import ConfigError
from vgrad.parts.inits import INITS
from vgrad.stack import Stack

FAN_IN, FAN_OUT = 400, 300
DRAWN = [name for name in INITS if not INITS[name].resolved]
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


def realised_gain(weight):
    """√(fan_in · Var W)."""
    return math.sqrt(len(weight) * weight.var(correction=0).item())


def assert_near(ours, theirs, tolerance=1e-12):
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


@every_init
def test_every_number_of_a_weight_is_drawn_and_finite(name):
    for shape in [(784, 100), (7, 3), (3, 7), (5, 5), (1, 4), (4, 1), (1, 1)]:
        assert draw(name, shape).isfinite().all()


@every_init
def test_a_draw_is_repeated_by_the_same_generator_and_leaves_the_global_one_alone(name):
    before = torch.random.get_rng_state()
    assert torch.equal(draw(name, seed=3), draw(name, seed=3))
    assert torch.equal(torch.random.get_rng_state(), before)


@every_init
def test_another_generator_gives_other_weights_unless_none_are_drawn(name):
    fixed = name in ("zeros", "constant", "identity")
    assert torch.equal(draw(name, seed=3), draw(name, seed=4)) == fixed


@every_init
def test_every_init_has_a_bias_of_zero_without_noise_by_default(name):
    assert INITS[name].settings["bias"] == 0.0
    assert INITS[name].settings["bias_std"] == 0.0


@every_init
def test_every_number_that_can_be_set_has_a_range_and_every_word_its_choices(name):
    entry = INITS[name]
    for setting, default in entry.settings.items():
        if isinstance(default, str):
            assert default in entry.choices[setting]
        else:
            low, high = entry.ranges[setting]
            assert low <= default <= high


@every_init
def test_every_draw_is_finite_at_both_ends_of_its_ranges(name):
    entry = INITS[name]
    for setting in entry.settings.keys() - entry.common:
        for value in entry.ranges.get(setting, ()):
            if math.isfinite(value):
                assert draw(name, (3, 2), **{setting: value}).isfinite().all()


every_entry_with_a_gain = pytest.mark.parametrize(
    "name", [name for name in DRAWN if "gain" in INITS[name].settings]
)


@every_entry_with_a_gain
def test_a_gain_is_a_number_or_the_word_auto(name):
    for value in ("auto", 2.5):
        settings = networks.config(init=name, init__gain=value).init.settings
        assert settings["gain"] == value
    with pytest.raises(ConfigError, match="Did you mean 'auto'"):
        networks.config(init=name, init__gain="atuo")


@every_entry_with_a_gain
def test_the_word_auto_is_never_drawn_from(name):
    with pytest.raises(AssertionError, match="resolved before"):
        draw(name, gain="auto")


@every_entry_with_a_gain
def test_a_gain_multiplies_the_weights_of_gain_one(name):
    assert_near(draw(name, gain=3.0), 3.0 * draw(name))
    assert draw(name, gain=0.0).count_nonzero() == 0


@every_gain
def test_xavier_weights_are_those_of_torch(gain):
    assert_near(draw("xavier_uniform", gain=gain), draw_by_torch(init.xavier_uniform_, gain=gain))
    assert_near(draw("xavier_normal", gain=gain), draw_by_torch(init.xavier_normal_, gain=gain))


@pytest.mark.parametrize("slope", [0.0, 0.01, 1.0, -1.0, 3.0])
@pytest.mark.parametrize(("ours", "theirs"), [("fan_in", "fan_out"), ("fan_out", "fan_in")])
def test_he_weights_are_those_of_torch_with_our_fans(ours, theirs, slope):
    settings = {"a": slope, "mode": theirs, "nonlinearity": "leaky_relu"}
    for name, fill in (("he_uniform", init.kaiming_uniform_), ("he_normal", init.kaiming_normal_)):
        assert_near(draw(name, mode=ours, slope=slope), draw_by_torch(fill, **settings))


@pytest.mark.parametrize("name", ["he_uniform", "he_normal"])
def test_he_counts_the_fan_in_and_no_slope_by_default(name):
    assert torch.equal(draw(name), draw(name, mode="fan_in", slope=0.0))


def test_lecun_weights_are_those_of_torch_with_our_fan_in():
    settings = {"mode": "fan_out", "nonlinearity": "linear"}
    assert_near(draw("lecun_uniform"), draw_by_torch(init.kaiming_uniform_, **settings))
    assert_near(draw("lecun_normal"), draw_by_torch(init.kaiming_normal_, **settings))


@pytest.mark.parametrize("bound", [0.0, 0.05, 2.0])
def test_uniform_weights_are_those_of_torch(bound):
    assert_near(draw("uniform", range=bound), draw_by_torch(init.uniform_, a=-bound, b=bound))


def test_torch_default_weights_and_biases_are_in_the_bounds_that_torch_states():
    settings = {"a": math.sqrt(5.0), "mode": "fan_out"}
    assert_near(draw("torch_default"), draw_by_torch(init.kaiming_uniform_, **settings))
    bias = torch.full((20_000,), math.nan, dtype=torch.float64)
    INITS["torch_default"].bias(bias, 25, torch.Generator().manual_seed(0))
    assert 0.1999 < bias.max() <= 0.2
    assert -0.2 <= bias.min() < -0.1999
    assert bias.std().item() == pytest.approx(0.2 / math.sqrt(3.0), rel=0.01)
    assert abs(bias.mean().item()) < 5 * 0.2 / math.sqrt(3.0 * len(bias))


def test_torch_default_fills_the_range_of_a_linear_layer_of_torch():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        linear = torch.nn.Linear(FAN_IN, FAN_OUT, dtype=torch.float64)
    weight = draw("torch_default")
    assert weight.std().item() == pytest.approx(linear.weight.std().item(), rel=0.01)
    assert weight.max().item() == pytest.approx(linear.weight.max().item(), rel=1e-3)
    bias = torch.empty(FAN_OUT, dtype=torch.float64)
    INITS["torch_default"].bias(bias, FAN_IN, torch.Generator().manual_seed(0))
    assert bias.max().item() == pytest.approx(linear.bias.max().item(), rel=0.05)


def test_no_other_init_draws_its_biases_itself_nor_waits_for_data():
    assert [name for name, entry in INITS.items() if entry.bias] == ["torch_default"]
    assert [name for name, entry in INITS.items() if entry.layerwise] == ["lsuv"]


@pytest.mark.parametrize("std", [0.02, 1.0, 3.0])
def test_truncated_normal_weights_are_those_of_torch_cut_at_two_std(std):
    cut = {"std": std, "a": -2 * std, "b": 2 * std}
    assert_near(draw("truncated_normal", std=std), draw_by_torch(init.trunc_normal_, **cut))


def test_truncated_normal_weights_have_the_moments_of_that_distribution():
    weight, theory = draw("truncated_normal", (1000, 1000), std=3.0), stats.truncnorm(-2, 2)
    assert 5.99 < weight.abs().max() <= 6.0
    assert weight.std().item() == pytest.approx(3.0 * theory.std(), rel=0.003)
    assert theory.std() == pytest.approx(0.8796, abs=5e-5)  # the number in the docstring
    assert (weight / 3.0).pow(4).mean().item() == pytest.approx(theory.moment(4), rel=0.01)


@pytest.mark.parametrize("std", [0.01, 1.0, 3.0])
def test_normal_weights_are_those_of_torch(std):
    assert_near(draw("normal", std=std), draw_by_torch(init.normal_, std=std))


BOUNDS = {
    "xavier_uniform": math.sqrt(6.0 / (FAN_IN + FAN_OUT)),
    "he_uniform": math.sqrt(6.0 / FAN_IN),
    "lecun_uniform": math.sqrt(3.0 / FAN_IN),
    "heuristic_uniform": 1.0 / math.sqrt(FAN_IN),
    "torch_default": 1.0 / math.sqrt(FAN_IN),
    "uniform": 0.05,
}
STANDARD_DEVIATIONS = {
    **{name: bound / math.sqrt(3.0) for name, bound in BOUNDS.items()},
    "xavier_normal": math.sqrt(2.0 / (FAN_IN + FAN_OUT)),
    "he_normal": math.sqrt(2.0 / FAN_IN),
    "lecun_normal": math.sqrt(1.0 / FAN_IN),
    "heuristic_normal": math.sqrt(6.0 / (FAN_IN + FAN_OUT)),
    "normal": 0.01,
    "truncated_normal": 0.02 * stats.truncnorm(-2, 2).std(),
    "orthogonal": math.sqrt(1.0 / FAN_IN),  # the columns are unit vectors
    "lsuv": math.sqrt(1.0 / FAN_IN),
    "sparse": math.sqrt(0.1),
    "zeros": 0.0,
}
REALISED_GAINS = {
    "he_uniform": math.sqrt(2.0),
    "he_normal": math.sqrt(2.0),
    "lecun_uniform": 1.0,
    "lecun_normal": 1.0,
    "xavier_uniform": math.sqrt(2 * 784 / 884),
    "xavier_normal": math.sqrt(2 * 784 / 884),
    "heuristic_uniform": math.sqrt(1 / 3),
    "heuristic_normal": math.sqrt(6 * 784 / 884),
    "torch_default": math.sqrt(1 / 3),
    "uniform": 28 * 0.05 / math.sqrt(3.0),
    "normal": 0.28,
    "truncated_normal": 28 * 0.02 * 0.8796,
    "orthogonal": 1.0,
    "lsuv": 1.0,
    "sparse": math.sqrt(784 - math.ceil(0.9 * 784)),
    "zeros": 0.0,
    "constant": 0.0,
    "identity": math.sqrt(1 - 1 / 784),
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


def test_the_spread_of_every_init_that_draws_is_checked():
    assert {*STANDARD_DEVIATIONS, "constant", "identity"} == set(DRAWN)


@every_init
def test_the_realised_gain_is_that_of_the_formula_for_784_times_100(name):
    weight = draw(name, (784, 100))
    assert realised_gain(weight) == pytest.approx(REALISED_GAINS[name], rel=0.015, abs=1e-9)


NORMAL = ["xavier_normal", "he_normal", "lecun_normal", "heuristic_normal", "normal"]


@pytest.mark.parametrize("name", NORMAL)
def test_normal_weights_have_the_kurtosis_of_a_normal_distribution(name):
    weight = draw(name)
    kurtosis = (weight.pow(4).mean() / weight.square().mean().square()).item()
    assert kurtosis == pytest.approx(3.0, abs=5 * math.sqrt(24 / weight.numel()))


FAN_IN_ONLY = ["he_uniform", "he_normal", "lecun_uniform", "lecun_normal", "heuristic_uniform"]


@pytest.mark.parametrize("name", [*FAN_IN_ONLY, "torch_default"])
def test_the_spread_depends_on_the_fan_in_and_not_on_the_fan_out(name):
    wide, narrow = draw(name, (100, 2000)), draw(name, (400, 2000))
    assert (wide.std() / narrow.std()).item() == pytest.approx(2.0, rel=0.02)
    assert draw(name, (100, 500)).std().item() == pytest.approx(wide.std().item(), rel=0.02)


def test_zeros_are_zeros():
    assert draw("zeros").count_nonzero() == 0


@pytest.mark.parametrize("value", [-2.0, 0.0, 0.01])
def test_a_constant_fills_the_weights(value):
    assert (draw("constant", value=value) == value).all()


@pytest.mark.parametrize("shape", [(3, 7), (7, 3), (4, 4), (1, 1), (1, 5), (5, 1)])
@pytest.mark.parametrize("scale", [1.0, -0.5])
def test_an_identity_is_cut_or_padded_with_zeros(shape, scale):
    assert torch.equal(draw("identity", shape, scale=scale), scale * torch.eye(*shape).double())


@pytest.mark.parametrize("scale", [0.5, 1.5])
def test_fifty_identities_multiply_the_signal_by_exactly_their_scale_each(scale):
    signal = torch.randn(4, 10, generator=torch.Generator().manual_seed(0)).double()
    weight = draw("identity", (10, 10), scale=scale)
    assert_near(signal @ weight.matrix_power(50) / scale**50, signal)


@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_every_unit_of_a_sparse_weight_has_as_many_zeros_as_torch_leaves(sparsity):
    weight = draw("sparse", sparsity=sparsity)
    with torch.random.fork_rng():
        theirs = draw_by_torch(init.sparse_, sparsity=sparsity)
    assert torch.equal((weight == 0).sum(0), (theirs == 0).sum(0))
    assert ((weight == 0).sum(0) == math.ceil(sparsity * FAN_IN)).all()


def test_each_unit_of_a_sparse_weight_has_its_own_zeros_spread_over_the_inputs():
    zero = draw("sparse", (50, 20_000), sparsity=0.9) == 0
    error = math.sqrt(0.9 * 0.1 / 20_000)
    assert (zero.double().mean(1) - 0.9).abs().max() < 5 * error
    assert not torch.equal(zero[:, 0], zero[:, 1])


@pytest.mark.parametrize("std", [0.01, 2.0])
def test_what_is_left_of_a_sparse_weight_is_normal(std):
    weight = draw("sparse", (400, 3000), std=std)
    left = weight[weight != 0]
    assert left.std().item() == pytest.approx(std, rel=0.01)
    assert stats.kstest(left / std, "norm").pvalue > 0.01


@pytest.mark.parametrize("fan_in", [1, 2, 5, 9])
def test_a_unit_of_few_inputs_keeps_one_of_them(fan_in):
    assert (draw("sparse", (fan_in, 30)).count_nonzero(0) == 1).all()


def test_lsuv_weights_are_orthonormal_before_they_are_scaled():
    assert torch.equal(draw("lsuv"), draw("orthogonal"))


@every_gain
@pytest.mark.parametrize("shape", [(3, 7), (784, 100), (50, 50), (1, 1)])
def test_the_shorter_side_of_an_orthogonal_weight_is_orthogonal_up_to_the_gain(shape, gain):
    weight = draw("orthogonal", shape, gain=gain)
    tall = weight if shape[0] >= shape[1] else weight.T
    assert_near(tall.T @ tall, gain**2 * torch.eye(min(shape), dtype=torch.float64))
    assert_near(torch.linalg.svdvals(weight), torch.full((min(shape),), gain).double(), 1e-6)


@pytest.mark.parametrize("name", [name for name in INITS if INITS[name].resolved])
def test_what_stands_for_another_init_is_never_drawn_itself(name):
    with pytest.raises(AssertionError, match="resolved before"):
        draw(name)


def built(**keys):
    """A stack of one run."""
    return Stack([networks.config(dtype="float64", **keys)], 6, 4)


@pytest.mark.parametrize("name", [name for name in DRAWN if not INITS[name].layerwise])
def test_a_stack_draws_its_weights_layer_by_layer_from_the_stream_of_its_seed(name):
    stream = generator(5, WEIGHTS)
    for weight in built(init=name, seed=5).parameters.weights:
        expected = torch.empty(weight.shape[1:], dtype=torch.float64)
        INITS[name].function(expected, stream)
        assert torch.equal(weight[0], expected)


@every_init
def test_biases_are_a_constant_and_noise_of_their_own_stream(name):
    stream = generator(5, BIASES)
    parameters = built(init=name, init__bias=0.5, init__bias_std=2.0, seed=5).parameters
    for weight, bias in zip(parameters.weights, parameters.biases, strict=True):
        own = torch.zeros(bias.shape[2], dtype=torch.float64)
        if INITS[name].bias is not None:
            INITS[name].bias(own, weight.shape[1], stream)
        noise = torch.empty_like(own).normal_(generator=stream)
        assert_near(bias[0, 0], own + 0.5 + 2.0 * noise)


@every_init
def test_the_bias_settings_do_not_change_the_weights(name):
    plain, biased = built(init=name), built(init=name, init__bias=0.5, init__bias_std=2.0)
    pairs = zip(plain.parameters.weights, biased.parameters.weights, strict=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)


def test_matched_draws_what_the_activation_names():
    matched = built(activation="relu", init="matched").parameters.flat
    assert torch.equal(matched, built(activation="relu", init="he_normal").parameters.flat)


@pytest.mark.parametrize(
    ("activation", "gain"), [("identity", 1.0), ("relu", math.sqrt(2.0)), ("selu", 1.0)]
)
def test_the_gain_auto_is_the_one_that_suits_the_runs_activation(activation, gain):
    auto = built(activation=activation, init__gain="auto").parameters.flat
    assert_near(auto, built(activation=activation, init__gain=gain).parameters.flat)

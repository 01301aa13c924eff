"""How far seeds scatter: against draws, against Hanin's figure, and where nothing is said."""

from __future__ import annotations

import math

import numpy as np
import pytest

from networks import config
from theory_draws import lengths, spread
from vgrad.config import Choice
from vgrad.meanfield import Phi, Scale
from vgrad.parts.activations import ACTIVATIONS
from vgrad.parts.models import Architecture
from vgrad.theory import predict
from vgrad.theory.forward import Signal, go_forward
from vgrad.theory.shift import shifts

ROOT2 = math.sqrt(2.0)


def rows_of(name, gain, width, depth, batch, **keys):
    init = keys.pop("init", "lecun_normal")
    return predict(
        config(
            activation=name,
            init=init,
            init__gain=gain,
            width=width,
            depth=depth,
            batch_size=batch,
            data__dim=width,
            data__train_size=4096,
            **keys,
        )
    ).layers


NETWORKS = {
    "relu": ("relu", ROOT2, 32, 10, 1),
    "relu, batch": ("relu", ROOT2, 64, 5, 32),
    "tanh": ("tanh", 1.0, 32, 12, 1),
    "tanh, batch": ("tanh", 1.0, 64, 6, 32),
    "selu": ("selu", 1.0, 32, 10, 1),
    "gelu, batch": ("gelu", 1.5335304, 64, 5, 32),
    "sigmoid": ("sigmoid", 1.0, 32, 6, 1),
}


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_seeds_scatter_as_far_as_predicted(network):
    depth = network[3]
    delta, preact = spread(*network, seeds=300)
    rows = rows_of(*network)
    for place in (0, depth // 2, depth):
        assert rows[place].delta_spread == pytest.approx(delta[place], rel=0.25), place
        assert rows[place].preact_spread == pytest.approx(preact[place], rel=0.25), place
    assert rows[depth - 1].delta_spread == 0.0


@pytest.mark.parametrize("batch", [1, 16])
def test_orthogonal_weights_scatter_less_and_as_predicted(batch):
    network = ("relu", ROOT2, 32, 5, batch)
    delta, preact = spread(*network, seeds=300, orthogonal=True)
    rows = rows_of(*network, init="orthogonal")
    normal = rows_of(*network)
    for place in (0, 2, 5):
        assert rows[place].delta_spread == pytest.approx(delta[place], rel=0.25), place
        assert rows[place].preact_spread == pytest.approx(preact[place], rel=0.25), place
    assert rows[0].delta_spread < normal[0].delta_spread


def test_the_log_of_the_gradients_square_varies_as_hanin_found_for_relu():
    width, depth = 500, 41
    row = rows_of("relu", ROOT2, width, depth, 1)[0]
    variance = (2.0 * math.log(10.0) * row.delta_spread) ** 2
    assert variance == pytest.approx(5.0 * (depth - 1) / width, rel=0.01)


def test_wider_networks_scatter_less():
    narrow, wide = (rows_of("tanh", 1.0, width, 8, 8)[0] for width in (64, 256))
    assert narrow.delta_spread == pytest.approx(2.0 * wide.delta_spread, rel=0.1)


def test_the_mean_over_seeds_is_shifted_where_the_length_map_bends():
    width, depth, seeds = 100, 6, 2000
    phi, scale = Phi.of(Choice("swish", ACTIVATIONS["swish"].settings)), Scale(2.0)
    inputs = Signal(1.0, 0.0, 0.0)
    passed = go_forward(phi, inputs, [scale] * depth, Architecture(), equalised=False)
    sizes = [(width, width)] * depth + [(width, 10)]
    told = shifts(phi, passed, (passed[-1].gives, scale), sizes, 2.0 / width)
    drawn = lengths("swish", ROOT2, width, depth, seeds) / [row.preact_ms for row in passed]
    error = drawn.std(0, ddof=1) / math.sqrt(seeds)
    assert told[depth - 1] > 4.0 * error[depth - 1]
    assert np.abs(drawn.mean(0) - 1.0 - told[:depth]) == pytest.approx(0.0, abs=3.0 * error.max())


def test_a_full_batch_has_inputs_of_one_size():
    sampled, whole = (
        predict(config(activation="tanh", batch_size=batch, data__train_size=64)).layers[0]
        for batch in (1, 64)
    )
    assert whole.preact_spread < sampled.preact_spread


UNKNOWN = {
    "norm": {"model__norm": "layer"},
    "shortcuts": {"model__residual": "identity"},
    "dropout": {"model__dropout": 0.1},
    "sparse": {"init": "sparse"},
    "lsuv": {"init": "lsuv"},
    "crelu": {"activation": "crelu"},
}


@pytest.mark.parametrize("settings", UNKNOWN.values(), ids=UNKNOWN)
def test_where_the_spread_is_not_known_none_is_given(settings):
    rows = predict(config(**settings)).layers
    assert rows[0].preact_ms is not None
    assert all(row.delta_spread is None and row.preact_spread is None for row in rows)


def test_what_the_first_order_does_not_tell_is_left_out():
    deep = rows_of("gelu", 1.5335304, 32, 30, 1)
    assert deep[0].delta_spread is None
    assert deep[1].preact_spread is not None
    assert deep[25].preact_spread is None


def test_a_signal_that_dies_or_overflows_has_no_spread():
    for gain in (0.0, 1e30):
        rows = rows_of("relu", gain, 8, 6, 4)
        assert all(row.delta_spread is None for row in rows)


@pytest.mark.parametrize("loss", ["cross_entropy", "mse", "hinge", "bce"])
def test_every_loss_has_output_errors_to_go_by(loss):
    rows = predict(config(activation="relu", loss=loss, batch_size=16, width=64)).layers
    assert np.isfinite([row.delta_spread for row in rows]).all()

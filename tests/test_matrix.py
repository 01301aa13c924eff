"""Every entry beside every other: in a stack as alone, and any pair trains at all."""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle, groupby, islice

import numpy as np
import pytest
import torch

import networks
from vgrad.parts.activations import ACTIVATIONS
from vgrad.parts.datasets import Dataset
from vgrad.parts.inits import INITS
from vgrad.parts.losses import LOSSES
from vgrad.parts.models import MODELS
from vgrad.parts.optimizers import OPTIMIZERS
from vgrad.stack import form
from vgrad.store import LAYER_COLUMNS
from vgrad.train import Record, train

STACK = 16
SETTINGS = {  # settings that make an entry another thing
    "prelu": {"activation__per_unit": True},
    "swish": {"activation__trained": True},
    "maxout": {"activation__pieces": 3},
}
CLASSIFY, REGRESS = (
    [name for name, entry in LOSSES.items() if task in entry.tasks]
    for task in ("classification", "regression")
)
REMEDIES = {
    "norm batch": {"norm": "batch"},
    "norm layer": {"norm": "layer"},
    "norm rms": {"norm": "rms"},
    "norm batch after": {"norm": "batch", "norm_at": "after"},
    "norm layer after": {"norm": "layer", "norm_at": "after"},
    "norm rms after": {"norm": "rms", "norm_at": "after"},
    "residual identity": {"residual": "identity"},
    "residual scaled": {"residual": "scaled", "residual_every": 2},
    "residual rezero": {"residual": "rezero"},
    "dropout": {"dropout": 0.2},
    "alpha dropout": {"alpha_dropout": 0.2},
    "heads": {"aux_heads": 2},
    "no bias": {"bias": False},
    "bottleneck": {"bottleneck": 3},
}


def regression() -> Dataset:
    """Targets from 0.1 to 0.9, which every regression loss takes."""
    draw = np.random.default_rng(1)
    x = draw.standard_normal((64, 6)).astype(np.float32)
    y = draw.uniform(0.1, 0.9, (64, 2)).astype(np.float32)
    return Dataset(x, y, x[:32], y[:32], None, "regression")


def recorded(configs, data) -> list[list[Record]]:
    seen = networks.Seen()
    train(configs, data, seen)
    return [[r for r in seen.records if r.run == run] for run in range(len(configs))]


def every_entry(losses, **keys):
    """Configs in which every activation, init, loss and optimizer comes at least once."""
    settings = [{}, *({"activation": name, **more} for name, more in SETTINGS.items())]
    activations = [{"activation": name} for name in ACTIVATIONS] + settings[1:]
    count = max(len(activations), len(INITS), len(losses), len(OPTIMIZERS))
    kinds = zip(cycle(activations), cycle(INITS), cycle(losses), cycle(OPTIMIZERS), range(count))
    configs = [
        networks.config(
            **a, init=_fitting(i, a), loss=ell, optimizer=o, seed=seed, probe_every=1, **keys
        )
        for a, i, ell, o, seed in islice(kinds, count)
    ]
    return sorted(configs, key=form)


def _fitting(init, keys):
    """The init, or another where the activation cannot be drawn from it."""
    known = networks.inits_for(keys.get("activation", networks.GROUPS["activation"]))
    return init if init in known else "matched"


def stacks(configs):
    """16 configs at a time, all of one form: filled up with other seeds and inits where need be."""
    for _, group in groupby(configs, key=form):
        group = list(group)
        inits = [replace(group[0].init, name=name, settings={}) for name in INITS]
        pairs = zip(cycle(group), cycle(inits), range(100, 200))
        others = (
            replace(c, init=i, seed=s)
            for c, i, s in pairs
            if i.name in networks.inits_for(c.activation.name)
        )
        group += islice(others, -len(group) % STACK)
        for start in range(0, len(group), STACK):
            yield sorted(group[start : start + STACK], key=lambda c: c.activation.name)


@pytest.mark.parametrize("losses", [CLASSIFY, REGRESS], ids=["classes", "numbers"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-4), ("float64", 1e-9)])
def test_every_entry_does_in_a_mixed_stack_what_it_does_alone(losses, dtype, tolerance):
    data = networks.classification() if losses is CLASSIFY else regression()
    for configs in stacks(every_entry(losses, dtype=dtype)):
        together = recorded(configs, data)
        for run, config in enumerate(configs):
            (alone,) = recorded([config], data)
            assert [r.step for r in alone] == [r.step for r in together[run]]
            for ours, theirs in zip(alone, together[run], strict=True):
                np.testing.assert_array_equal(ours.absent, theirs.absent)
                near = dict(rtol=tolerance, atol=tolerance / 10)
                np.testing.assert_allclose(ours.layers, theirs.layers, **near)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_trains_from_every_init(activation):
    configs = [
        networks.config(activation=activation, init=init, steps=3, probe_every=1)
        for init in networks.inits_for(activation)
    ]
    assert_recorded(configs, networks.classification())


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_trains_with_every_loss(activation):
    for losses, data in ((CLASSIFY, networks.classification()), (REGRESS, regression())):
        keys = {"activation": activation, "steps": 3, "probe_every": 1}
        assert_recorded([networks.config(loss=loss, **keys) for loss in losses], data)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_trains_with_every_optimizer(activation):
    keys = {"activation": activation, "steps": 3, "probe_every": 1}
    configs = [networks.config(optimizer=name, **keys) for name in OPTIMIZERS]
    assert_recorded(configs, networks.classification())


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_trains_with_every_remedy(activation):
    for name in MODELS:
        for remedy in REMEDIES.values():
            if remedy.keys() - MODELS[name].settings.keys():
                continue
            model = {f"model__{key}": value for key, value in remedy.items()}
            config = networks.config(
                activation=activation, model=name, steps=3, probe_every=1, **model
            )
            assert_recorded([config], networks.classification())


def assert_recorded(configs, data):
    """Three updates, four records, and nothing null in any but what may be."""
    always = [LAYER_COLUMNS.index(name) for name in ("preact_ms", "act_var", "delta_rms")]
    for records in recorded(configs, data):
        assert [r.step for r in records] == [0, 1, 2, 3]
        for record in records:
            assert not record.absent[:, always].any()
            assert np.isfinite(record.layers[:, always]).all()


def test_maxout_of_two_pieces_has_twice_the_weights():
    counts = []
    for pieces in (1, 2):
        config = networks.config(activation="maxout", activation__pieces=pieces, depth=1)
        stack = networks.Stack([config], 6, 4)
        counts.append(stack.parameters.weights[0].numel())
    assert counts[1] == 2 * counts[0]


def test_no_entry_touches_the_global_random_numbers():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    for configs in stacks(every_entry(CLASSIFY, steps=2, model__dropout=0.1)):
        recorded(configs, networks.classification())
    assert torch.equal(torch.get_rng_state(), before)

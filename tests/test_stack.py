"""The walk back against one autograd graph over a plain model with the same weights."""

from __future__ import annotations

import pytest
import torch

import networks
from networks import walked
from remedies import MODELS, disturb, remedied
from vgrad.parts.activations import ACTIVATIONS, Kernel
from vgrad.parts.inits import INITS
from vgrad.parts.losses import LOSSES
from vgrad.stack import Stack


def assert_equal_gradients(stack, run, tolerance):
    """Every parameter's gradient against one autograd graph over a plain model."""
    model = networks.Twin(stack, run)
    model.gradients(stack.targets[run])
    batch, named = stack.inputs.shape[1], stack.gradients.named
    pairs = []
    layers = zip(model.linears, stack.gradients.weights, strict=True)
    pairs += [(weight[run].T, linear.weight.grad) for linear, weight in layers]
    layers = zip(model.linears, stack.gradients.biases, strict=False)
    pairs += [(bias[run, 0], linear.bias.grad) for linear, bias in layers]
    layers = zip(model.factors, stack.gradients.factors, strict=True)
    pairs += [(weight[run].T, linear.weight.grad) for linear, weight in layers]
    for modules, name in ((model.gates, "gate"), (model.heads, "head")):
        for index, linear in enumerate(modules):
            pairs.append((named[name][index, run].T, linear.weight.grad))
            if linear.bias is not None:
                pairs.append((named[f"{name}_bias"][index, run, 0], linear.bias.grad))
    blocks = ("norm_gain", "norm_shift", "branch_scale", "activation")
    for name, own in zip(
        blocks, (model.gain, model.shift, model.scale, model.learned), strict=True
    ):
        pairs += [(named[name][i, run], p.grad) for i, p in enumerate(own) if p.grad is not None]
    for ours, theirs in pairs:
        theirs = theirs / batch
        near = max(tolerance * float(theirs.norm()), 1e-15)  # some are 0 but for their rounding
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=near)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("depth", [0, 1, 2, 6])
def test_the_walk_back_equals_autograd_at_every_depth(depth, bias):
    keys = {"depth": depth, "dtype": "float64", "model__bias": bias}
    stack = walked(*(networks.config(seed=s, **keys) for s in range(3)))
    for run in range(3):
        assert_equal_gradients(stack, run, 1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_walk_back_equals_autograd_for_every_activation(name):
    stack = walked(networks.config(activation=name, init__bias_std=0.1, dtype="float64"))
    assert_equal_gradients(stack, 0, 1e-12)


@pytest.mark.parametrize("name", [n for n in LOSSES if "classification" in LOSSES[n].tasks])
def test_the_walk_back_equals_autograd_for_every_loss(name):
    stack = walked(networks.config(loss=name, dtype="float64"))
    assert_equal_gradients(stack, 0, 1e-12)


@pytest.mark.parametrize("name", INITS)
def test_the_walk_back_equals_autograd_for_every_init(name):
    stack = walked(networks.config(init=name, dtype="float64"))
    assert_equal_gradients(stack, 0, 1e-12)


@pytest.mark.parametrize("activation", ["tanh", "gelu", "prelu", "rrelu", "maxout", "crelu"])
@pytest.mark.parametrize("depth", [0, 1, 4, 5])
@pytest.mark.parametrize("name", MODELS)
def test_the_walk_back_equals_autograd_with_every_remedy(name, depth, activation):
    if MODELS[name][1].get("aux_heads", 0) >= max(depth, 1):
        return
    keys = {"depth": depth, "activation": activation, "init__bias_std": 0.1, "dtype": "float64"}
    stack = walked(*(remedied(name, seed=s, **keys) for s in range(2)), change=disturb)
    for run in range(2):
        assert_equal_gradients(stack, run, 1e-11)


@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_penalties_add_to_the_gradients_of_their_own_run(penalty):
    keys = {"dtype": "float64", "model__aux_heads": 1, "model__bottleneck": 3}
    configs = [networks.config(**keys), networks.config(**keys, **{f"loss__{penalty}": 0.1})]
    stack = walked(*configs)
    for run in range(2):
        assert_equal_gradients(stack, run, 1e-12)


@pytest.mark.parametrize("settings", [{}, {"per_unit": True}])
def test_runs_that_learn_their_activation_stand_beside_runs_that_do_not(settings):
    keys = {f"activation__{key}": value for key, value in settings.items()}
    configs = [
        networks.config(dtype="float64", activation="tanh"),
        networks.config(dtype="float64", activation="prelu", **keys),
        networks.config(dtype="float64", activation="swish", activation__trained=True),
        networks.config(dtype="float64", activation="swish"),
    ]
    stack = walked(*configs, change=disturb)
    for run in range(len(configs)):
        assert_equal_gradients(stack, run, 1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_a_prediction_with_remedies_is_that_of_a_plain_model(name):
    stack = walked(
        *(remedied(name, seed=s, depth=4, dtype="float64") for s in range(2)), change=disturb
    )
    x = torch.tensor(networks.classification().test_x).double()
    for run in range(2):
        expected = networks.Twin(stack, run).eval()(x).detach()
        torch.testing.assert_close(stack.predict(x)[run], expected, rtol=1e-11, atol=1e-11)


def test_runs_of_different_activations_and_losses_each_get_their_own_gradient():
    choices = [("relu", "mse"), ("relu", "bce"), ("gelu", "bce"), ("swish", "cross_entropy")]
    stack = walked(
        *(networks.config(activation=a, loss=ell, dtype="float64") for a, ell in choices)
    )
    for run in range(len(choices)):
        assert_equal_gradients(stack, run, 1e-12)


def test_the_lean_walk_gives_the_same_bits_as_the_kept_one():
    data = networks.classification()
    stack = walked(networks.config(activation="relu"), data=data)
    kept = stack.gradients.flat.clone()
    stack.forward(keep=False)
    stack.output_error()
    stack.backward(kept=False)
    assert torch.equal(stack.gradients.flat, kept)


def test_a_run_starts_from_the_same_weights_alone_and_in_a_stack():
    configs = [networks.config(seed=s) for s in (5, 6, 7)]
    together = Stack(configs, 6, 4)
    alone = Stack(configs[1:2], 6, 4)
    for ours, theirs in zip(alone.parameters.blocks, together.parameters.blocks, strict=True):
        assert torch.equal(ours[:, 0], theirs[:, 1])


def test_both_precisions_start_from_the_same_weights():
    double = Stack([networks.config(dtype="float64")], 6, 4)
    single = Stack([networks.config(dtype="float32")], 6, 4)
    assert torch.equal(double.parameters.flat.float(), single.parameters.flat)


def test_a_bias_std_leaves_the_weights_as_they_were():
    plain = Stack([networks.config()], 6, 4)
    noisy = Stack([networks.config(init__bias=0.5, init__bias_std=0.1)], 6, 4)
    assert torch.equal(plain.parameters.weights[1], noisy.parameters.weights[1])
    assert 0.2 < noisy.parameters.biases[1].mean() < 0.8
    assert noisy.parameters.biases[1].std() > 0.02


def test_init_matched_draws_what_the_activation_names():
    matched = Stack([networks.config(activation="relu", init="matched")], 6, 4)
    named = Stack([networks.config(activation="relu", init="he_normal")], 6, 4)
    assert torch.equal(matched.parameters.flat, named.parameters.flat)


@pytest.mark.parametrize(
    ("activation", "init"),
    [
        ({"activation": "prelu"}, {"init": "he_normal", "init__slope": 0.25}),
        (
            {"activation": "leaky_relu", "activation__slope": 0.3},
            {"init": "he_normal", "init__slope": 0.3},
        ),
        (
            {"activation": "sine", "activation__omega": 30.0},
            {"init": "lecun_uniform", "init__gain": 2**0.5 / 30},
        ),
    ],
)
def test_init_matched_heeds_the_settings_of_the_activation(activation, init):
    matched = Stack([networks.config(**activation, init="matched")], 6, 4)
    named = Stack([networks.config(**activation, **init)], 6, 4)
    torch.testing.assert_close(matched.parameters.flat, named.parameters.flat, rtol=1e-6, atol=0)


def test_a_prediction_is_that_of_a_plain_model():
    data = networks.classification()
    stack = walked(*(networks.config(seed=s, dtype="float64") for s in range(2)), data=data)
    x = torch.tensor(data.test_x).double()
    for run in range(2):
        expected = networks.Twin(stack, run).eval()(x).detach()
        torch.testing.assert_close(stack.predict(x)[run], expected, rtol=1e-12, atol=1e-12)


def test_a_silenced_run_leaves_its_neighbours_alone():
    stack = walked(*(networks.config(seed=s) for s in range(3)))
    before = [block[:, [0, 2]].clone() for block in stack.parameters.blocks]
    stack.silence(1)
    for block, kept in zip(stack.parameters.blocks, before, strict=True):
        assert torch.equal(block[:, [0, 2]], kept)
        assert not block[:, 1].any()


@pytest.fixture
def own_entries(monkeypatch):
    """The activations, open to entries that are gone when the test ends."""
    monkeypatch.setattr(ACTIVATIONS, "_entries", dict(ACTIVATIONS._entries))
    return ACTIVATIONS


def test_an_entry_may_be_random_and_trained_at_once(own_entries):
    @own_entries.entry(source="a test", trainable="slope", noisy=True, steepest=lambda slope: 2.0)
    def wobbling(z, uniform=None, *, slope: float = 0.5):
        """φ(z) = (slope + uniform) tanh(z)."""
        return (slope + (0.5 if uniform is None else uniform)) * torch.tanh(z)

    stack = walked(
        *(networks.config(activation="wobbling", dtype="float64", seed=s) for s in (0, 1))
    )
    for run in (0, 1):
        assert_equal_gradients(stack, run, 1e-12)


def test_a_random_entry_is_walked_by_autograd_though_it_has_a_kernel(own_entries):
    kernel = Kernel(lambda z, out: out.copy_(z), lambda g, z, h, out: out.copy_(g))

    @own_entries.entry(source="a test", noisy=True, kernel=kernel)
    def shaken(z, uniform=None):
        """φ(z) = (1 + uniform) z³."""
        return (1.0 if uniform is None else 1 + uniform) * z**3

    stack = walked(networks.config(activation="shaken", dtype="float64"))
    kept = stack.gradients.flat.clone()
    assert_equal_gradients(stack, 0, 1e-12)
    stack.forward(keep=False)
    stack.output_error()
    stack.backward(kept=False)
    assert torch.equal(stack.gradients.flat, kept)


def test_an_entry_without_a_kernel_or_slopes_is_measured_by_autograd(own_entries):
    @own_entries.entry(source="a test", elementwise=False, steepest=lambda: 2.0)
    def mixing(z):
        """hⱼ = tanh(zⱼ) + zⱼ₊₁."""
        return torch.tanh(z) + z.roll(-1, -1)

    stack = walked(networks.config(activation="mixing", dtype="float64"))
    assert_equal_gradients(stack, 0, 1e-12)
    z = stack.preacts[0]
    slopes = torch.empty_like(z)
    stack.nonlinearities[0].bind().slopes(z, stack.acts[0], slopes)
    expected = ((1 - torch.tanh(z) ** 2) ** 2 + 1).sqrt()
    torch.testing.assert_close(slopes, expected, rtol=1e-12, atol=0)


def test_a_kernel_that_looks_at_its_neighbours_is_never_given_z_to_write_into(own_entries):
    def forward(z, out):
        out.copy_(z.flip(-1))
        out.add_(z)

    kernel = Kernel(forward, lambda g, z, h, out: out.copy_(g + g.flip(-1)))

    @own_entries.entry(source="a test", elementwise=False, steepest=lambda: 1.0, kernel=kernel)
    def mirrored(z):
        """hⱼ = zⱼ + z₋ⱼ."""
        return z + z.flip(-1)

    stack = walked(networks.config(activation="mirrored"))
    kept = stack.gradients.flat.clone()
    stack.forward(keep=False)
    stack.output_error()
    stack.backward(kept=False)
    assert torch.equal(stack.gradients.flat, kept)

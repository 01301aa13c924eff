"""The walk back against one autograd graph over a plain model with the same weights."""

from __future__ import annotations

import pytest
import torch

import networks
from vgrad.parts.activations import ACTIVATIONS
from vgrad.parts.inits import INITS
from vgrad.parts.losses import LOSSES
from vgrad.stack import Stack


def walked(*configs, data=None):
    """A stack after one forward and backward pass in lean and in kept form alike."""
    data = data or networks.classification()
    stack = Stack(configs, data.input_dim, data.output_dim)
    networks.fill(stack, data)
    stack.forward(keep=True)
    stack.output_error()
    stack.backward(kept=True)
    return stack


def graph(stack, run):
    """The loss gradient of one run, by one autograd graph."""
    model = networks.sequential(stack, run)
    loss = stack.configs[run].loss
    per_example = LOSSES[loss.name].function(
        model(stack.inputs[run]), stack.targets[run], **loss.settings
    )
    per_example.mean().backward()
    return model


def assert_equal_gradients(stack, run, tolerance):
    linears = [m for m in graph(stack, run) if isinstance(m, torch.nn.Linear)]
    for index, linear in enumerate(linears):
        ours, theirs = stack.gradients.weights[index][run].T, linear.weight.grad
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance * theirs.norm())
        if stack.layout.bias:
            ours, theirs = stack.gradients.biases[index][run, 0], linear.bias.grad
            torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance * theirs.norm())


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


@pytest.mark.parametrize("name", LOSSES)
def test_the_walk_back_equals_autograd_for_every_loss(name):
    stack = walked(networks.config(loss=name, dtype="float64"))
    assert_equal_gradients(stack, 0, 1e-12)


@pytest.mark.parametrize("name", INITS)
def test_the_walk_back_equals_autograd_for_every_init(name):
    stack = walked(networks.config(init=name, dtype="float64"))
    assert_equal_gradients(stack, 0, 1e-12)


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


def test_a_prediction_is_that_of_a_plain_model():
    data = networks.classification()
    stack = walked(*(networks.config(seed=s, dtype="float64") for s in range(2)), data=data)
    x = torch.tensor(data.test_x).double()
    for run in range(2):
        expected = networks.sequential(stack, run)(x).detach()
        torch.testing.assert_close(stack.predict(x)[run], expected, rtol=1e-12, atol=1e-12)


def test_a_silenced_run_leaves_its_neighbours_alone():
    stack = walked(*(networks.config(seed=s) for s in range(3)))
    before = [block[:, [0, 2]].clone() for block in stack.parameters.blocks]
    stack.silence(1)
    for block, kept in zip(stack.parameters.blocks, before, strict=True):
        assert torch.equal(block[:, [0, 2]], kept)
        assert not block[:, 1].any()

"""The probe's twin: every column from plain autograd on a plain model, in float64 numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import networks
from remedies import MODELS, disturb, remedied
from vgrad.parts.activations import ACTIVATIONS
from vgrad.parts.losses import LOSSES
from vgrad.probe import Probe
from vgrad.stack import Stack
from vgrad.store import LAYER_COLUMNS
from vgrad.update import Update

TOLERANCE = {"float32": 1e-5, "float64": 1e-10}


def measure(*configs, data=None, scale=1.0, change=lambda stack: None):
    """A stack, its weights before and after one update, and the record of that step."""
    data = data or networks.classification()
    stack = Stack(configs, data.input_dim, data.output_dim)
    change(stack)
    networks.fill(stack, data)
    models = [networks.Twin(stack, run) for run in range(len(configs))]
    probe, update = Probe(stack), Update(stack)
    stack.forward(keep=True)
    stack.output_error()
    stack.output_deltas.mul_(scale)
    stack.backward(kept=True)
    probe.look()
    update(1)
    values, absent = probe.read(updated=True, first=True)
    return stack, models, np.where(absent, np.nan, values), absent


def twin(stack, model, run, scale=1.0):
    """The columns of one run, [L + 1, columns], each as its definition says."""
    model.gradients(stack.targets[run], scale)
    batch = stack.inputs.shape[1]
    rows = []
    for layer, z in enumerate(model.zs):
        hidden = layer < len(model.hs)
        units = unit_columns(z, model.hs[layer] if hidden else z)
        if hidden:
            units |= gate_columns(stack, model, run, layer)
        matrices = [(model.linears[layer], stack.parameters.weights[layer][run])]
        if model.factors:
            matrices.append((model.factors[layer], stack.parameters.factors[layer][run]))
        learned = learned_columns(model, run, layer, batch) if hidden else {}
        nulls = {"activation_param": math.nan, "activation_param_grad": math.nan}
        rows.append(units | weight_columns(matrices, batch) | nulls | learned)
    return np.array([[row[name] for name in LAYER_COLUMNS] for row in rows], dtype=float)


def unit_columns(z, h):
    z, h, delta = (x.detach().double().numpy() for x in (z, h, z.grad))
    return {
        "preact_mean": z.mean(),
        "preact_var": z.var(),
        "preact_ms": (z**2).mean(),
        "act_mean": h.mean(),
        "act_var": h.var(),
        "delta_rms": math.sqrt((delta**2).mean()),
        "correlation": cosine(h),
        "gate_ms": math.nan,
        "saturated": math.nan,
        "dead": math.nan,
    }


def gate_columns(stack, model, run, layer):
    """The slope of a unit: the length of ∂h/∂ its z, one output after the other."""
    leaf = model.zs[layer].detach().clone().requires_grad_()
    h = model.phi(layer, leaf)
    squares = torch.zeros_like(leaf)
    entry = ACTIVATIONS[stack.configs[run].activation.name]
    outputs = [h.sum()] if entry.elementwise else h.sum(0)
    for output in outputs:
        squares += torch.autograd.grad(output, leaf, retain_graph=True)[0].square()
    pieces = squares.unflatten(-1, (-1, stack.layout.pieces))
    slope = pieces.sum(-1).sqrt().double().numpy()  # a unit's
    steepest = steepness(stack, model, run, layer)
    return {
        "gate_ms": (slope**2).mean(),
        "saturated": (slope < 0.05 * steepest).mean(),
        "dead": (slope == 0).all(0).mean(),
    }


def steepness(stack, model, run, layer):
    (phi,) = (p for p in stack.nonlinearities if p.runs.start <= run < p.runs.stop)
    learned = model.learned[layer][..., : phi.learned] if phi.learned else None
    steepest = phi.steepest(learned)
    return steepest.detach().numpy() if isinstance(steepest, torch.Tensor) else steepest


def learned_columns(model, run, layer, batch):
    if not model.learned or model.learned[layer].grad is None:
        return {}
    (phi,) = (p for p in model.stack.nonlinearities if p.runs.start <= run < p.runs.stop)
    parameter = model.learned[layer]
    return {
        "activation_param": parameter[..., : phi.learned].double().mean().item(),
        "activation_param_grad": parameter.grad[..., : phi.learned].double().mean().item() / batch,
    }


def cosine(h):
    """Mean cosine over all pairs of different rows that are not 0."""
    h = h / np.maximum(np.abs(h).max(1, keepdims=True), np.finfo(float).tiny)
    h = h[h.any(1)]
    if len(h) < 2:
        return math.nan
    h = h / np.linalg.norm(h, axis=1, keepdims=True)
    pairs = h @ h.T
    return (pairs.sum() - np.trace(pairs)) / (len(h) * (len(h) - 1))


def weight_columns(matrices, batch):
    """Of one layer's weights: one matrix, or two factors of one, each with its values after."""
    gradients, before, changes, signs = [], [], [], []
    for linear, after in matrices:
        gradient = linear.weight.grad.double().numpy() / batch  # [fan_out, fan_in]
        weight = linear.weight.detach().double().numpy()
        counts = (gradient != 0).sum(1)
        signs += [*(np.abs(np.sign(gradient).sum(1))[counts > 0] / counts[counts > 0])]
        gradients.append(gradient.ravel())
        before.append(weight)
        changes.append((after.T.double().numpy() - weight).ravel())
    bias = matrices[0][0].bias
    gradient, change = np.concatenate(gradients), np.concatenate(changes)
    norm = np.linalg.norm(np.concatenate([w.ravel() for w in before]))
    live = gradient != 0
    whole = before[0] if len(before) == 1 else before[0] @ before[1]
    bias_norm = None if bias is None else np.linalg.norm(bias.grad.double().numpy() / batch)
    return {
        "weight_grad_norm": np.linalg.norm(gradient),
        "bias_grad_norm": math.nan if bias is None else bias_norm,
        "weight_norm": norm,
        "update_ratio": np.linalg.norm(change) / norm if norm else math.nan,
        "sign_coherence": np.mean(signs) if signs else math.nan,
        "lost_updates": ((change == 0) & live).sum() / live.sum() if live.any() else math.nan,
        "weight_gain": math.sqrt(whole.shape[1] * whole.var()),
    }


def assert_agree(ours, theirs, tolerance, few_signs=0.0):
    """Relative; the correlation absolute, the means relative to the root mean square.

    The gradient of a trainable parameter, a sum in which much cancels, is relative to its largest.
    `few_signs` is how far the signs of gradients that are all but 0 may move the coherence.
    """
    column = {name: index for index, name in enumerate(LAYER_COLUMNS)}
    for name, index in column.items():
        a, b = ours[:, index], theirs[:, index]
        assert np.array_equal(np.isnan(a), np.isnan(b)), name
        if name == "correlation":
            np.testing.assert_allclose(a, b, rtol=0, atol=max(tolerance / 10, 1e-12), err_msg=name)
        elif name == "sign_coherence":
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=few_signs, err_msg=name)
        elif name == "activation_param_grad":
            near = tolerance * np.nanmax(np.abs(b), initial=0.0)
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=near, err_msg=name)
        elif name in ("preact_mean", "act_mean"):
            stem = name.removesuffix("_mean")
            rms = np.sqrt(theirs[:, column[f"{stem}_var"]] + b**2)
            assert (np.abs(a - b) <= tolerance * rms).all(), name
        else:
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=0, err_msg=name)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_column_agrees_with_plain_autograd(name, dtype, bias):
    configs = [
        networks.config(
            activation=name, depth=5, width=24, seed=seed, dtype=dtype, model__bias=bias
        )
        for seed in (1, 2)
    ]
    stack, models, values, _ = measure(*configs)
    for run, model in enumerate(models):
        assert_agree(values[run], twin(stack, model, run), TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", [n for n in LOSSES if "classification" in LOSSES[n].tasks])
def test_every_column_agrees_for_every_loss(name, dtype):
    stack, (model,), values, _ = measure(networks.config(loss=name, dtype=dtype))
    assert_agree(values[0], twin(stack, model, 0), TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("activation", ["tanh", "prelu", "maxout", "crelu"])
@pytest.mark.parametrize("name", MODELS)
def test_every_column_agrees_with_every_remedy(name, activation, dtype):
    keys = {"activation": activation, "depth": 5, "width": 12, "dtype": dtype}
    configs = [remedied(name, seed=seed, **keys) for seed in (1, 2)]
    stack, models, values, _ = measure(*configs, change=disturb)
    for run, model in enumerate(models):
        theirs = twin(stack, model, run)
        theirs[:, LAYER_COLUMNS.index("bias_grad_norm")] *= ~batch_normed(stack)
        assert_agree(values[run], theirs, TOLERANCE[dtype], few_signs=0.03)


def batch_normed(stack):
    """By layer: whether the gradient of the bias is 0, as batch norm takes it away again."""
    plan = stack.layout.architecture
    before = plan.norm == "batch" and plan.norm_at == "before"
    return np.array([before] * stack.layout.depth + [False])


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_shallow_networks_are_measured_as_well(depth):
    stack, (model,), values, _ = measure(networks.config(depth=depth, dtype="float64"))
    assert_agree(values[0], twin(stack, model, 0), 1e-10)


@pytest.mark.parametrize("scale", [1e-25, 1e-12, 1e12])
def test_an_error_signal_whose_square_leaves_float32_is_measured(scale):
    config = networks.config(depth=4, width=24)
    stack, (model,), values, _ = measure(config, scale=scale)
    index = [LAYER_COLUMNS.index(n) for n in ("delta_rms", "weight_grad_norm", "bias_grad_norm")]
    theirs = twin(stack, model, 0, scale=scale)
    np.testing.assert_allclose(values[0][:, index], theirs[:, index], rtol=1e-5)
    assert (values[0][:, index[0]] < 1e3 * scale).all()


def test_a_forty_layer_sigmoid_net_loses_twenty_decades_and_each_is_right():
    config = networks.config(activation="sigmoid", init="xavier_normal", depth=40, width=24)
    stack, (model,), values, _ = measure(config)
    index = LAYER_COLUMNS.index("delta_rms")
    theirs = twin(stack, model, 0)[:, index]
    assert theirs[0] < 1e-20
    np.testing.assert_allclose(values[0][:, index], theirs, rtol=1e-5)


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_activations_whose_squares_leave_float32_are_measured(factor):
    config = networks.config(
        activation="relu", init="he_normal", depth=5, width=24, model__bias=False
    )
    grow = lambda stack: [w.mul_(factor) for w in stack.parameters.weights]  # noqa: E731
    stack, (model,), values, _ = measure(config, change=grow)
    columns = ("preact_var", "preact_ms", "act_var", "correlation", "gate_ms")
    index = [LAYER_COLUMNS.index(name) for name in columns]
    theirs = twin(stack, model, 0)
    np.testing.assert_allclose(values[0][:, index], theirs[:, index], rtol=1e-5)


def test_a_variance_far_below_its_squared_mean_keeps_its_digits():
    config = networks.config(activation="sigmoid", init="normal", init__std=1e-6, depth=3, width=24)
    stack, (model,), values, _ = measure(config)
    index = [LAYER_COLUMNS.index(name) for name in ("preact_var", "act_var")]
    theirs = twin(stack, model, 0)
    assert (theirs[1, index] < 1e-10).all()
    np.testing.assert_allclose(values[0][:, index], theirs[:, index], rtol=1e-5)


def test_gates_that_are_all_but_shut_are_measured():
    config = networks.config(activation="sigmoid", init__bias=45.0, depth=3, width=24)
    stack, (model,), values, _ = measure(config)
    index = LAYER_COLUMNS.index("gate_ms")
    slopes = twin(stack, model, 0)[:-1, index]
    assert (slopes < 1e-30).all()
    np.testing.assert_allclose(values[0][:-1, index], slopes, rtol=1e-5)


def test_dead_layers_are_counted_and_their_correlation_is_null():
    config = networks.config(activation="relu", init="he_normal", init__bias=-100.0, width=24)
    stack, (model,), values, absent = measure(config)
    assert (values[0][:-1, LAYER_COLUMNS.index("dead")] == 1).all()
    assert absent[0][:-1, LAYER_COLUMNS.index("correlation")].all()
    assert_agree(values[0], twin(stack, model, 0), 1e-5)


def test_zero_weights_have_no_update_ratio_and_no_coherence_where_nothing_moves():
    stack, (model,), values, absent = measure(networks.config(activation="relu", init="zeros"))
    assert absent[0][:, LAYER_COLUMNS.index("update_ratio")].all()
    assert absent[0][:, LAYER_COLUMNS.index("sign_coherence")].all()
    assert absent[0][:, LAYER_COLUMNS.index("lost_updates")].all()
    assert_agree(values[0], twin(stack, model, 0), 1e-5)


def test_updates_too_small_for_the_format_are_lost_and_counted():
    stack, (model,), values, _ = measure(networks.config(optimizer__lr=1e-7, width=24))
    lost = values[0][:, LAYER_COLUMNS.index("lost_updates")]
    assert (lost > 0.5).all()
    assert_agree(values[0], twin(stack, model, 0), 1e-5)


def test_one_example_has_no_correlation():
    config = networks.config(batch_size=1)
    _, _, _, absent = measure(config)
    assert absent[0][:, LAYER_COLUMNS.index("correlation")].all()


def test_with_one_example_all_weights_of_a_relu_unit_move_the_same_way():
    config = networks.config(
        activation="relu", init="he_normal", batch_size=1, depth=3, width=32, init__bias=1.0
    )
    _, _, values, _ = measure(config)
    coherence = values[0][:, LAYER_COLUMNS.index("sign_coherence")]
    np.testing.assert_array_equal(coherence[1:], 1.0)


def test_not_a_number_is_a_measurement_and_not_a_null():
    poison = lambda stack: stack.parameters.weights[1][0].fill_(math.nan)  # noqa: E731
    _, _, values, absent = measure(networks.config(), change=poison)
    for name in ("preact_ms", "act_var", "delta_rms", "correlation", "weight_norm"):
        index = LAYER_COLUMNS.index(name)
        assert not absent[0][:-1, index].any(), name
    assert np.isnan(values[0][1:, LAYER_COLUMNS.index("preact_ms")]).all()
    assert np.isfinite(values[0][0, LAYER_COLUMNS.index("preact_ms")])


def test_what_is_counted_is_no_number_where_what_is_counted_is_none():
    poison = lambda stack: stack.parameters.weights[1][0].fill_(math.nan)  # noqa: E731
    for activation in ("relu", "sigmoid", "maxout"):
        config = networks.config(activation=activation, dtype="float64")
        _, _, values, absent = measure(config, change=poison)
        for name in ("saturated", "dead"):
            index = LAYER_COLUMNS.index(name)
            assert np.isfinite(values[0][0, index]), (activation, name)
            assert np.isnan(values[0][1:-1, index]).all(), (activation, name)
            assert not absent[0][1:-1, index].any(), (activation, name)
        index = LAYER_COLUMNS.index("sign_coherence")
        assert np.isnan(values[0][:, index]).all(), activation
        assert not absent[0][:, index].any(), activation


def test_chunks_of_layers_give_the_same_bits_as_one_piece(monkeypatch):
    config = networks.config(depth=7, width=24)
    whole = measure(config)[2]
    monkeypatch.setattr("vgrad.reductions.CHUNK", 2 * 16 * 24)
    np.testing.assert_array_equal(measure(config)[2], whole)


def test_without_an_update_its_columns_are_null():
    data = networks.classification()
    stack = Stack([networks.config()], data.input_dim, data.output_dim)
    networks.fill(stack, data)
    probe = Probe(stack)
    stack.forward(keep=True)
    stack.output_error()
    stack.backward(kept=True)
    probe.look()
    _, absent = probe.read(updated=False)
    null = {name for i, name in enumerate(LAYER_COLUMNS) if absent[0][:-1, i].all()}
    learned = {"activation_param", "activation_param_grad"}
    assert null == {"update_ratio", "lost_updates", "weight_gain", *learned}


def test_the_gradient_norm_of_a_run_is_that_of_all_its_weights():
    data = networks.classification()
    stack = Stack([networks.config(seed=s) for s in range(2)], data.input_dim, data.output_dim)
    networks.fill(stack, data)
    stack.forward(keep=True)
    stack.output_error()
    stack.backward(kept=True)
    norms = Probe(stack).gradient_norms()
    for run in range(2):
        expected = math.sqrt(sum(float(g[run].square().sum()) for g in stack.gradients.weights))
        assert norms[run] == pytest.approx(expected, rel=1e-5)

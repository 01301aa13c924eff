"""Whole trainings of the catalogue, each against an ordinary torch program that does the same."""

from __future__ import annotations

import ast
import math
from itertools import product

import numpy as np
import pytest
import torch
from torch.nn import functional

import networks
from torch_program import LOSSES, WIDTH, Plain, Program, alpha_dropped
from vgrad.draw import EXAMPLES, generator
from vgrad.parts.activations import ACTIVATIONS
from vgrad.store import LAYER_COLUMNS
from vgrad.train import Course
from vgrad.training import Training

BASE = {"dtype": "float64", "depth": 6, "width": WIDTH, "batch_size": 10, "steps": 20}
BASE |= {"optimizer__lr": 0.1, "probe_every": 10, "eval_every": 1}
DATA = networks.classification()
LEFT = ("saturated", "update_ratio", "lost_updates", "weight_norm", "sign_coherence", "preact_mean")


@torch.no_grad()
def assert_as_torch_trains(*configs, data=DATA):
    seen = networks.Seen()
    course = Course(configs, data, seen)
    course.run()
    for run, config in enumerate(configs):
        with torch.enable_grad():
            program = Program(config, data)
        own = [record for record in seen.records if record.run == run]
        assert [record.step for record in own] == [*range(config.steps + 1)]
        program.steps[-1]["lr"] = program.steps[-2]["lr"]  # no update follows
        for record, row in zip(own, program.steps, strict=True):
            told = {name: value for name, value in record.steps.items() if value is not None}
            assert told == pytest.approx(row, rel=1e-9, abs=1e-15), record.step
        assert_same_layers([r for r in own if r.layers is not None], program.layers)
        trained = Plain(config, course.training.stack.parameters, run).state_dict()
        for name, theirs in program.net.named_parameters():
            np.testing.assert_allclose(trained[name], theirs.detach(), 1e-9, 1e-12, err_msg=name)


def assert_same_layers(records, rows):
    assert [record.step for record in records] == [*rows]
    for record in records:
        for layer, row in enumerate(rows[record.step]):
            columns = zip(LAYER_COLUMNS, record.layers[layer], record.absent[layer], strict=True)
            told = {name: value for name, value, null in columns if not null and name not in LEFT}
            row = {name: value for name, value in row.items() if not math.isnan(value)}
            assert told == pytest.approx(row, rel=1e-9, abs=1e-14), (record.step, layer)


CASES = f"""
activation={",".join(ACTIVATIONS)}
loss={",".join(LOSSES)} model.aux_heads=1
model.norm=batch,layer,rms model.norm_at=before,after
model.residual=identity,scaled,rezero model.residual_every=1,2
model=highway
model.dropout=0.3
model.alpha_dropout=0.2 activation=selu
model.aux_heads=2 model.aux_weight=0.7
model.bottleneck=3
model.bias=False
activation=prelu activation.per_unit=True
activation=swish activation.trained=True activation.beta=0.7
activation=maxout activation.pieces=3
activation=rrelu activation.lower=-0.5 activation.upper=0.8
optimizer=momentum,nesterov optimizer.weight_decay=0.01
optimizer=rmsprop optimizer.lr=0.001 optimizer.weight_decay=0.01
optimizer=rmsprop optimizer.lr=0.001 optimizer.momentum=0.5 optimizer.centered=True
optimizer=rprop optimizer.lr=0.001
optimizer=adagrad optimizer.lr_decay=0.1 optimizer.initial=0.2 optimizer.weight_decay=0.01
optimizer=adam,adamw optimizer.lr=0.01 optimizer.weight_decay=0.1
optimizer.schedule=step optimizer.decay_every=6
optimizer.schedule=cosine
optimizer.warmup=5
optimizer.warmup=4 optimizer.schedule=cosine
optimizer.warmup=3 optimizer.schedule=step optimizer.decay_every=5
optimizer.clip_norm=0.7
optimizer.clip_value=0.05
optimizer.clip_value=0.1 optimizer.clip_norm=0.6
loss.l1=0.001 loss.l2=0.01
loss.l2=0.01 model.bottleneck=3 model.aux_heads=1
loss.l1=0.001 model=highway
loss.label_smoothing=0.2
loss=bce,kl_div loss.label_smoothing=0.2
model.norm=batch model.residual=rezero model.bias=False optimizer=adam optimizer.lr=0.01
activation=crelu model.norm=rms model.norm_at=after model.residual=scaled model.residual_every=2 \
model.dropout=0.1 model.aux_heads=2 model.bottleneck=4 loss.l1=0.001 optimizer.clip_norm=0.5
activation=maxout model=highway model.norm=layer model.aux_heads=1 model.bias=False \
model.gate_bias=0.5 model.bottleneck=5 model.dropout=0.1
activation=prelu activation.per_unit=True model=highway model.norm=batch model.norm_at=after \
model.aux_heads=5 loss.l2=0.001 optimizer=momentum optimizer.lr=0.02
activation=rrelu model.norm=batch model.residual=identity model.dropout=0.2 init.bias_std=0.3
activation=swish activation.trained=True init=lsuv model.alpha_dropout=0.1 model.residual=rezero
activation=softmax init=lsuv model.norm=layer model.norm_at=after model.residual=identity
"""
MIXED = """
activation=prelu
activation=prelu activation.per_unit=True optimizer=adam
activation=rrelu optimizer=nesterov optimizer.clip_norm=0.5
activation=tanh loss=mse loss.l1=0.001 optimizer=rmsprop
activation=swish activation.trained=True optimizer=adamw
activation=softmax init=lsuv optimizer.warmup=5
"""
LSUV = """
activation=tanh
activation=relu init.bias_std=0.3
activation=maxout
activation=crelu model.bottleneck=3
activation=rrelu model.dropout=0.3
model.norm=layer model.residual=identity
model.norm=batch model.norm_at=after
model=highway
"""


def combinations(line):
    """One line for every combination of the values that it gives, as in a sweep."""
    pairs = [word.split("=") for word in line.split()]
    words = [[f"{key}={value}" for value in values.split(",")] for key, values in pairs]
    return [" ".join(choice) for choice in product(*words)]


def lines(text):
    return [line for typed in text.strip().splitlines() for line in combinations(typed)]


def case(line, **keys):
    """The config of what is typed in a line, on top of `BASE`."""
    for word in line.split():
        key, value = word.split("=")
        literal = value in ("True", "False") or value[0] in "-0123456789"
        keys[key.replace(".", "__")] = ast.literal_eval(value) if literal else value
    return networks.config(**{**BASE, **keys})


@pytest.mark.parametrize("line", lines(CASES))
def test_a_run_trains_as_in_torch(line):
    assert_as_torch_trains(case(line))


def test_the_runs_of_a_mixed_stack_train_as_each_does_in_torch():
    wide = "model.norm=batch model.norm_at=after model.dropout=0.2 model.aux_heads=1 "
    wide += "model.residual=rezero optimizer.lr=0.01 "
    assert_as_torch_trains(*(case(wide + line, seed=s) for s, line in enumerate(lines(MIXED))))


@pytest.mark.parametrize("line", lines(LSUV))
def test_lsuv_starts_every_layer_with_variance_1_on_the_runs_own_draw(line):
    config = case(f"{line} init=lsuv")
    parameters = Training([config], DATA).stack.parameters
    net = Plain(config, parameters).eval()
    for module in net.modules():
        module.train(isinstance(module, torch.nn.BatchNorm1d))  # the batch's own statistics
    drawn = torch.randperm(64, generator=generator(config.seed, EXAMPLES))[:256]
    net(torch.tensor(DATA.train_x).double()[drawn])
    for z, bias in zip(net.products, parameters.biases, strict=True):
        assert (z - bias[0]).var(correction=0).item() == pytest.approx(1, abs=1e-9)


def test_alpha_dropout_is_torchs_for_what_it_keeps():
    x = torch.linspace(-3, 3, 1_000, dtype=torch.float64)
    theirs = functional.alpha_dropout(x, 0.3, training=True)
    kept = theirs != theirs.mode().values
    assert 600 < kept.sum() < 800
    torch.testing.assert_close(alpha_dropped(x, kept, 0.3), theirs, rtol=1e-12, atol=1e-12)

"""Training: what a run does alone and among others, what it records, and how it ends."""

from __future__ import annotations

import math
import tracemalloc
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pytest
import torch
from torch.nn import functional

import networks
from vgrad.batches import Batches
from vgrad.cadence import default_cadence
from vgrad.parts.datasets import load
from vgrad.parts.losses import LOSSES
from vgrad.store import LAYER_COLUMNS, STEP_COLUMNS
from vgrad.train import Course, Outcome, Record, train
from vgrad.training import Training

OF_AN_UPDATE = [LAYER_COLUMNS.index(name) for name in ("update_ratio", "lost_updates")]
TOLERANCES = {"float32": 1e-4, "float64": 1e-9}
MIXED = {
    "tanh, adam": {"activation": "tanh", "optimizer": "adam"},
    "relu, mse": {"activation": "relu", "init": "he_normal", "loss": "mse"},
    "gelu, momentum": {"activation": "gelu", "optimizer__momentum": 0.9, "optimizer__lr": 0.05},
    "selu, nesterov": {
        "activation": "selu",
        "optimizer": "nesterov",
        "optimizer__momentum": 0.5,
        "optimizer__schedule": "cosine",
    },
    "sigmoid, bce": {"activation": "sigmoid", "loss": "bce", "init__bias_std": 0.3},
    "relu, adam": {"activation": "relu", "optimizer": "adam", "optimizer__lr": 0.01},
    "relu, decay": {"activation": "relu", "optimizer__weight_decay": 0.01},
}
DIVERGES = {"activation": "relu", "loss": "mse", "optimizer__lr": 1e6, "depth": 6, "steps": 40}


@dataclass(frozen=True)
class Trained:
    """A training that has ended, the records of each of its runs, and how each ended."""

    training: Training
    records: list[list[Record]]
    outcomes: list[Outcome]

    @property
    def weights(self) -> torch.Tensor:
        return self.training.stack.parameters.flat

    def column(self, name: str, run: int = 0) -> list[float | None]:
        return [record.steps[name] for record in self.records[run]]


@torch.no_grad()
def trained(*configs, data=None, should_stop=lambda: False) -> Trained:
    seen = networks.Seen(should_stop)
    course = Course(configs, data or networks.classification(), seen)
    course.run()
    runs = range(len(configs))
    records = [[r for r in seen.records if r.run == run] for run in runs]
    return Trained(course.training, records, [seen.outcomes[run] for run in runs])


def steps_of(records) -> list[int]:
    return [record.step for record in records]


def rows_of(records) -> dict[int, dict[str, float | None]]:
    return {record.step: record.steps for record in records}


def assert_same_records(ours, theirs, tolerance):
    """All that was recorded is the same, what is near 0 by cancellation to the same share of 1."""
    assert steps_of(ours) == steps_of(theirs)
    for our, their in zip(ours, theirs, strict=True):
        assert our.steps.keys() == set(STEP_COLUMNS)
        known = {name: value for name, value in their.steps.items() if value is not None}
        assert {name: our.steps[name] for name in known} == pytest.approx(known, rel=tolerance)
        assert {name for name, value in our.steps.items() if value is not None} == known.keys()
        np.testing.assert_array_equal(our.absent, their.absent)
        if our.layers is None:  # only evaluated
            continue
        np.testing.assert_allclose(our.layers, their.layers, rtol=tolerance, atol=tolerance / 100)


def assert_alike_alone_and_together(configs, tolerance, data=None):
    together = trained(*configs, data=data)
    for run, config in enumerate(configs):
        alone = trained(config, data=data)
        assert_same_records(alone.records[0], together.records[run], tolerance)
        assert alone.outcomes[0] == together.outcomes[run]


@pytest.mark.parametrize("dtype", TOLERANCES)
def test_a_run_in_a_mixed_stack_does_what_it_does_alone(dtype):
    configs = [
        networks.config(dtype=dtype, seed=s, **keys) for s, keys in enumerate(MIXED.values())
    ]
    assert_alike_alone_and_together(configs, TOLERANCES[dtype])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_shallow_networks_train_alone_and_together(depth, bias):
    keys = {"depth": depth, "model__bias": bias, "dtype": "float64", "steps": 30}
    configs = [networks.config(seed=s, optimizer__lr=0.2, **keys) for s in range(2)]
    assert_alike_alone_and_together(configs, 1e-9)
    losses = trained(*configs).column("train_loss")
    assert np.mean(losses[-3:]) < losses[0]


def test_a_stack_starts_from_the_weights_and_batches_of_its_runs_alone():
    configs = [networks.config(seed=s, **keys) for s, keys in enumerate(MIXED.values())]
    data = networks.classification()
    together = Training(configs, data).stack.parameters
    batches = list(islice(Batches(configs, 64), 6))
    for run, config in enumerate(configs):
        alone = Training([config], data).stack.parameters
        for ours, theirs in zip(alone.blocks, together.blocks, strict=True):
            assert torch.equal(ours[:, 0], theirs[:, run])
        for ours, theirs in zip(Batches([config], 64), batches, strict=False):
            assert torch.equal(ours[0], theirs[run])


def test_an_epoch_shows_each_run_every_example_once_in_an_order_of_its_own():
    configs = [networks.config(seed=s, batch_size=10) for s in (0, 1)]
    epochs = torch.stack(list(islice(Batches(configs, 32), 6))).view(2, 3, 2, 10)
    seen = {tuple(epochs[epoch, :, run].flatten().tolist()) for epoch in (0, 1) for run in (0, 1)}
    assert len(seen) == 4  # by run and by epoch
    for order in seen:
        assert len(set(order)) == 30
        assert set(order) <= set(range(32))


def test_runs_of_one_seed_see_the_same_batches():
    configs = [networks.config(), networks.config(activation="relu", optimizer="adam")]
    for order in islice(Batches(configs, 64), 5):
        assert torch.equal(order[0], order[1])


PLAIN = {
    "sgd": ({}, lambda p: torch.optim.SGD(p, lr=0.02)),
    "momentum": (
        {"optimizer__momentum": 0.9, "optimizer__weight_decay": 0.01},
        lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, weight_decay=0.01),
    ),
    "adam": ({"optimizer": "adam"}, lambda p: torch.optim.Adam(p, lr=0.001)),
}
TORCH_LOSSES = {
    "cross_entropy": lambda z, t: functional.cross_entropy(z, t.argmax(-1)),
    "mse": functional.mse_loss,
    "bce": functional.binary_cross_entropy_with_logits,
}


def plain_losses(config, data, make_optimizer) -> list[float]:
    """The loss before each update of an ordinary torch loop, with the same weights and batches."""
    model = networks.Twin(Training([config], data).stack, 0)
    optimizer = make_optimizer(model.parameters())
    inputs = torch.tensor(data.train_x, dtype=torch.float64)
    targets = torch.eye(data.classes, dtype=torch.float64)[torch.tensor(data.train_y)]
    losses = []
    for (order,) in islice(Batches([config], len(inputs)), config.steps + 1):
        loss = TORCH_LOSSES[config.loss.name](model(inputs[order]), targets[order])
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses


@pytest.mark.parametrize("loss", TORCH_LOSSES)
@pytest.mark.parametrize("optimizer", PLAIN)
def test_training_is_that_of_an_ordinary_torch_loop(loss, optimizer):
    keys, make_optimizer = PLAIN[optimizer]
    config = networks.config(dtype="float64", steps=20, probe_every=1, loss=loss, **keys)
    data = networks.classification()
    recorded = trained(config, data=data).column("train_loss")
    assert recorded == pytest.approx(plain_losses(config, data, make_optimizer), rel=1e-9)


@pytest.mark.parametrize("keys", MIXED.values(), ids=MIXED)
def test_recording_never_changes_a_run(keys):
    runs = [trained(networks.config(steps=30, probe_every=n, **keys)) for n in (None, 0, 1, 7)]
    default = rows_of(runs[0].records[0])
    for run in runs[1:]:
        assert torch.equal(run.weights, runs[0].weights)
        rows = rows_of(run.records[0])
        assert default.keys() <= rows.keys()
        for step, row in default.items():
            norms = row.pop("grad_norm"), rows[step].pop("grad_norm")
            assert rows[step] == row
            assert norms[0] == pytest.approx(norms[1], rel=1e-6)
            row["grad_norm"] = norms[0]


def test_evaluating_never_changes_a_run():
    weights = [trained(networks.config(steps=20, eval_every=n)).weights for n in (None, 0, 1)]
    assert torch.equal(weights[0], weights[1])
    assert torch.equal(weights[0], weights[2])


def test_the_same_config_leaves_the_same_bytes():
    configs = [networks.config(seed=s, **keys) for s, keys in enumerate(MIXED.values())]
    first, again = trained(*configs), trained(*configs)
    for ours, theirs in zip(first.records, again.records, strict=True):
        assert [r.layers.tobytes() for r in ours] == [r.layers.tobytes() for r in theirs]
        assert rows_of(ours) == rows_of(theirs)


def test_the_gradient_norm_is_that_of_all_weights():
    records = trained(networks.config(steps=2)).records[0]
    column = LAYER_COLUMNS.index("weight_grad_norm")
    for record in records:
        norm = np.linalg.norm(record.layers[:, column])
        assert record.steps["grad_norm"] == pytest.approx(norm, rel=1e-6)


def test_an_evaluation_is_of_all_test_examples_before_the_update():
    data = networks.classification(examples=2_600)  # 1,300 for testing, more than go at a time
    run = trained(networks.config(steps=1, optimizer__lr=0.5, dtype="float64"), data=data)
    before = Training(run.training.stack.configs, data).stack
    for stack, record in zip((before, run.training.stack), run.records[0], strict=True):
        outputs = networks.Twin(stack, 0)(torch.tensor(data.test_x, dtype=torch.float64))
        right = (outputs.argmax(1).numpy() == data.test_y).mean()
        loss = functional.cross_entropy(outputs, torch.tensor(data.test_y)).item()
        assert record.steps["val_loss"] == pytest.approx(loss, rel=1e-12)
        assert record.steps["val_accuracy"] == pytest.approx(right, rel=1e-12)


def test_evaluations_come_as_often_as_asked_and_at_the_end():
    for every, expected in ((4, [0, 4, 8, 10]), (0, [])):
        records = trained(networks.config(steps=10, eval_every=every)).records[0]
        assert [r.step for r in records if r.steps["val_loss"] is not None] == expected


def test_evaluation_by_default_is_some_twenty_times_from_first_to_last():
    records = trained(networks.config(steps=600, depth=1)).records[0]
    evaluated = [r.step for r in records if r.steps["val_loss"] is not None]
    assert {0, 600} <= set(evaluated)
    assert 10 <= len(evaluated) <= 30


@pytest.mark.parametrize("steps", [600, 10**6])
def test_by_default_some_fifty_records_are_dense_at_the_start(steps):
    recorded = default_cadence(steps, 10, 50)
    assert {*range(10), steps} <= recorded <= set(range(steps + 1))
    assert 40 <= len(recorded) <= 75


@pytest.mark.parametrize("steps", [0, 1, 2, 9, 10, 11, 30])
def test_by_default_a_short_run_has_no_gap_at_the_start(steps):
    recorded = default_cadence(steps, 10, 50)
    assert {*range(min(steps, 10) + 1), steps} <= recorded <= set(range(steps + 1))


@pytest.mark.parametrize(
    ("every", "expected"),
    [(1, [*range(21)]), (7, [0, 7, 14, 20]), (100, [0, 20]), (0, [])],
)
def test_the_layers_are_recorded_as_often_as_asked_and_at_the_end(every, expected):
    records = trained(networks.config(steps=20, probe_every=every)).records[0]
    assert [r.step for r in records if r.layers is not None] == expected
    assert all((r.layers is None) == (r.absent is None) for r in records)


def test_only_the_last_record_has_no_update():
    *before, last = trained(networks.config(steps=3)).records[0]
    for record in before:
        assert not record.absent[:, OF_AN_UPDATE].any()
    assert last.absent[:, OF_AN_UPDATE].all()


def test_a_run_of_no_steps_leaves_one_record_without_an_update():
    run = trained(networks.config(steps=0))
    (record,) = run.records[0]
    assert record.step == 0
    assert record.absent[:, OF_AN_UPDATE].all()
    assert record.steps["val_loss"] is not None
    assert run.outcomes == [Outcome("completed", 0)]


def test_a_run_that_is_stopped_leaves_a_last_record():
    asked = iter([False] * 14 + [True])
    run = trained(networks.config(steps=40, probe_every=10), should_stop=lambda: next(asked))
    assert run.outcomes == [Outcome("interrupted", 14)]
    last = run.records[0][-1]
    assert last.step == 14
    assert last.absent[:, OF_AN_UPDATE].all()
    assert last.steps["val_loss"] is not None
    alone = trained(networks.config(steps=14))
    assert torch.equal(alone.weights, run.weights)


@pytest.mark.parametrize("every", [None, 0, 1])
def test_a_run_that_diverges_ends_at_its_first_bad_step_with_a_record(every):
    run = trained(networks.config(probe_every=every, **DIVERGES))
    (outcome,) = run.outcomes
    assert outcome.status == "diverged"
    assert 0 < outcome.updates < DIVERGES["steps"]
    assert outcome.bad_layer in range(1, 8)
    *before, last = run.records[0]
    assert last.step == outcome.updates
    assert all(math.isfinite(record.steps["grad_norm"]) for record in before)
    assert not math.isfinite(last.steps["train_loss"])
    assert (last.layers is None) == (every == 0)


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(
    "optimizer", [{}, {"optimizer__momentum": 0.9}, {"optimizer": "adam", "optimizer__lr": 1e30}]
)
def test_a_run_that_diverges_leaves_its_neighbours_as_they_are(place, optimizer):
    keys = {"depth": 6, "steps": 40, "activation": "relu"}
    configs = [networks.config(seed=s, **keys) for s in (1, 2)]
    configs.insert(place, networks.config(**(DIVERGES | optimizer | {"optimizer__lr": 1e30})))
    together = trained(*configs)
    assert together.outcomes[place].status == "diverged"
    for run in {0, 1, 2} - {place}:
        alone = trained(configs[run])
        assert together.outcomes[run] == alone.outcomes[0] == Outcome("completed", 40)
        assert_same_records(alone.records[0], together.records[run], 1e-4)


def test_a_run_that_has_diverged_stays_finite_beside_its_neighbours():
    diverges = networks.config(**DIVERGES, optimizer__momentum=0.9)
    run = trained(diverges, networks.config(depth=6, steps=40, activation="relu"))
    assert run.outcomes[0].status == "diverged"
    assert run.weights.isfinite().all()


def test_a_run_may_diverge_before_its_first_update():
    keys = {"depth": 2, "activation": "relu", "loss": "mse"}
    broken = networks.config(init="normal", init__std=1e30, **keys)
    run = trained(broken, networks.config(**keys))
    assert run.outcomes == [Outcome("diverged", 0, 2), Outcome("completed", 5)]
    assert steps_of(run.records[0]) == [0]
    assert_same_records(trained(networks.config(**keys)).records[0], run.records[1], 1e-4)


def test_training_ends_when_the_last_run_has_diverged():
    seen = networks.Seen()
    configs = [networks.config(seed=s, **DIVERGES) for s in (0, 1)]
    train(configs, networks.classification(), seen)
    assert max(seen.steps) == max(outcome.updates for outcome in seen.outcomes.values())


def test_every_step_is_told_in_order():
    seen = networks.Seen()
    train([networks.config(steps=7)], networks.classification(), seen)
    assert seen.steps == list(range(8))


def test_a_regression_learns_and_has_no_accuracy():
    data = load("sine", {"train_size": 64, "test_size": 32})
    keys = {"loss": "mse", "data": "sine", "depth": 2, "width": 16, "steps": 200}
    configs = [
        networks.config(optimizer__lr=0.1, **keys),
        networks.config(optimizer="adam", optimizer__lr=0.01, **keys),
    ]
    run = trained(*configs, data=data)
    for index in (0, 1):
        losses = run.column("val_loss", index)
        assert losses[-1] < 0.8 * losses[0]
        assert set(run.column("train_accuracy", index)) == {None}
        assert set(run.column("val_accuracy", index)) == {None}


@pytest.mark.parametrize("loss", [n for n in LOSSES if "classification" in LOSSES[n].tasks])
def test_every_loss_learns_a_small_task(loss):
    config = networks.config(loss=loss, optimizer="adam", optimizer__lr=0.02, depth=2, steps=60)
    data = networks.classification(examples=16)
    run = trained(config, data=data)
    assert run.column("train_loss")[-1] < 0.7 * run.column("train_loss")[0]
    assert run.column("train_accuracy")[-1] > 0.8


def test_a_long_run_is_planned_in_little_memory():
    data = networks.classification()
    tracemalloc.start()
    try:
        Training([networks.config(steps=10**6, probe_every=1, eval_every=3)], data)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()

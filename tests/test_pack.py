"""From a config to a recorded run: what is refused beforehand, and what its files hold."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
import torch

import networks
from vgrad import check, minutes, pack
from vgrad.errors import ConfigError
from vgrad.parts.activations import ACTIVATIONS
from vgrad.parts.datasets import DATASETS, Dataset
from vgrad.store import LAYER_COLUMNS, STEP_COLUMNS, load, read_run
from vgrad.terminal import SilentView
from vgrad.train import Record

SMALL = {"data__train_size": 64, "data__test_size": 32, "data__dim": 6, "data__classes": 4}
DIVERGES = {"activation": "relu", "loss": "mse", "optimizer__lr": 1e6, "depth": 6, "steps": 40}
CONTRACT = {
    "final_train_loss",
    "final_train_accuracy",
    "final_val_loss",
    "final_val_accuracy",
    "best_val_accuracy",
    "grad_decay",
    "verdict",
    "resolved_init",
    "first_bad_step",
    "first_bad_layer",
    "last_step",
}


class Noon(datetime):
    @classmethod
    def now(cls, zone):
        return cls(2026, 2, 3, 14, microsecond=9, tzinfo=timezone(timedelta(hours=2))).astimezone(
            zone
        )


def small(**keys):
    return networks.config(**(SMALL | keys))


def made(folder, should_stop=lambda: False, **keys):
    """A run that was checked and carried out: what run.json holds, and its frames."""
    document = pack.execute(check.check(small(**keys)), folder, SilentView(), should_stop)
    return document, load(folder)


@pytest.fixture
def machine(monkeypatch):
    """Makes this machine one with so many CUDA devices, with mps or without."""

    def become(cuda=0, mps=False):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.setattr(check, "memory", lambda device: 2**40)

    return become


@pytest.mark.parametrize(
    ("parts", "device"),
    [
        ({}, "cpu"),
        ({"cuda": 2}, "cuda"),
        ({"mps": True}, "mps"),
        ({"cuda": 1, "mps": True}, "cuda"),
    ],
)
def test_device_auto_is_the_fastest_that_is_there(machine, parts, device):
    machine(**parts)
    assert check.check(small(device="auto")).device == device


@pytest.mark.parametrize("device", ["cpu", "cuda", "cuda:1"])
def test_a_device_that_is_there_is_taken(machine, device):
    machine(cuda=2)
    assert check.check(small(device=device)).device == device


@pytest.mark.parametrize(
    ("parts", "device", "there"),
    [
        ({}, "cuda", "cpu"),
        ({}, "mps", "cpu"),
        ({"cuda": 2}, "cuda:2", "cuda, cuda:0, cuda:1, cpu"),
        ({"mps": True}, "cuda", "mps, cpu"),
    ],
)
def test_a_device_that_is_not_there_is_refused_with_those_that_are(machine, parts, device, there):
    machine(**parts)
    expected = f"^device={device} is not there. This machine has: {there}.$"
    with pytest.raises(ConfigError, match=expected):
        check.check(small(device=device))


def test_mps_has_no_double_precision(machine):
    machine(mps=True)
    with pytest.raises(ConfigError, match="device=mps has no float64"):
        check.check(small(device="mps", dtype="float64"))


@pytest.mark.parametrize(("epochs", "steps"), [(0, 0), (1, 4), (2.5, 10), (0.1, 1)])
def test_epochs_are_counted_in_steps(epochs, steps):
    config = check.check(small(epochs=float(epochs), batch_size=16))
    assert (config.steps, config.epochs) == (steps, None)


def test_an_epoch_leaves_out_what_does_not_fill_a_batch():
    assert check.check(small(epochs=3.0, batch_size=50)).steps == 3


@pytest.mark.parametrize("name", sorted(DATASETS.keys() - {"mnist", "fashion_mnist", "csv"}))
def test_a_run_that_names_no_batch_size_takes_that_of_its_data(name):
    loss = "mse" if DATASETS[name].task == "regression" else "cross_entropy"
    config = networks.config(data=name, loss=loss, batch_size=None)
    assert check.check(config).batch_size == DATASETS[name].batch_size


def test_a_class_that_is_far_more_frequent_is_what_guessing_gets_right():
    even, rare = np.arange(40) % 4, np.repeat([0, 1], [38, 2])
    for labels, classes, chance in ((even, 4, 0.25), (rare, 2, 0.95)):
        x = np.zeros((40, 1), np.float32)
        data = Dataset(x, labels, x, labels, classes, "classification")
        assert minutes._chance(data) == chance


@pytest.mark.parametrize("remedy", [{"norm": "batch"}, {"dropout": 0.1}, {"residual": "identity"}])
def test_what_remedies_need_of_the_memory_is_counted(remedy, monkeypatch):
    keys = {"depth": 100, "width": 100, "batch_size": 1000, "data__train_size": 1000}
    monkeypatch.setattr(check, "memory", lambda device: 13 * 4 * 10**6 + 4 * 4 * 10**7 + 10**7)
    check.check(small(**keys))
    with pytest.raises(ConfigError, match="of memory"):
        check.check(small(**keys, **{f"model__{key}": value for key, value in remedy.items()}))


def test_a_default_batch_is_no_larger_than_the_data():
    config = check.check(small(data__train_size=10, batch_size=None))
    assert config.batch_size == 10


def test_a_batch_size_that_is_given_may_not_be_larger_than_the_data():
    assert check.check(small(batch_size=64)).batch_size == 64
    with pytest.raises(ConfigError, match="batch_size=65 is more than the 64 training examples"):
        check.check(small(batch_size=65))


def test_more_than_this_machines_memory_is_refused():
    with pytest.raises(ConfigError, match=r"depth=10000 width=100000 .* GiB of memory; this"):
        check.check(small(depth=10_000, width=100_000))


def test_checking_makes_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check.check(small())
    assert not list(tmp_path.iterdir())


def test_a_run_says_in_run_json_what_it_was_and_what_came_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(pack, "datetime", Noon)
    document, _ = made(tmp_path / "run")
    on_disk = json.loads((tmp_path / "run/run.json").read_text())
    assert on_disk.keys() | {"path"} == document.keys()
    assert document["status"] == "completed"
    assert document["config"] == check.check(small()).plain()
    assert document["summary"].keys() >= CONTRACT
    assert document["summary"]["last_step"] == 5
    assert document["summary"]["first_bad_step"] is None
    timings = document["timings"]
    assert timings["total_s"] >= timings["measuring_s"] + timings["writing_s"] > 0
    assert document["versions"].keys() == {"python", *pack.VERSIONED}
    assert document["versions"]["torch"] == torch.__version__
    assert document["device"].startswith("cpu (")
    assert document["started"] == "2026-02-03T12:00:00+00:00"


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_run_says_which_init_matched_its_activation(tmp_path, activation):
    document, _ = made(tmp_path, activation=activation, init="matched", steps=0)
    assert document["summary"]["resolved_init"] == ACTIVATIONS[activation].matched


def test_the_files_hold_every_record(tmp_path):
    _, frames = made(tmp_path)
    assert list(frames.steps.step) == [0, 1, 2, 3, 4, 5]
    assert list(frames.layers.step) == [step for step in range(6) for _ in range(4)]
    assert list(frames.layers.layer) == [1, 2, 3, 4] * 6
    assert {*LAYER_COLUMNS} <= {*frames.layers}
    assert {*STEP_COLUMNS} <= {*frames.steps}
    assert frames.problems == []
    assert frames.layers[frames.layers.step == 5].update_ratio.isna().all()


def test_the_summary_is_that_of_the_records(tmp_path):
    document, frames = made(tmp_path, steps=60, optimizer__lr=0.3)
    summary, steps = document["summary"], frames.steps
    evaluated = steps[steps.val_loss.notna()]
    assert summary["final_train_loss"] == steps.train_loss.iloc[-1]
    assert summary["final_val_loss"] == evaluated.val_loss.iloc[-1]
    assert summary["final_val_accuracy"] == evaluated.val_accuracy.iloc[-1]
    assert summary["best_val_accuracy"] == evaluated.val_accuracy.max()
    first = frames.layers[frames.layers.step == 0].delta_rms.to_numpy()[:-1]
    slope = np.polyfit([3, 2, 1], np.log10(first), 1)[0]
    assert summary["grad_decay"] == pytest.approx(slope, rel=1e-6)


def test_a_run_without_layers_has_a_summary_too(tmp_path):
    document, frames = made(tmp_path, probe_every=0)
    assert len(frames.layers) == 0
    assert document["summary"]["grad_decay"] is None
    assert document["summary"]["final_train_loss"] is not None


def test_a_run_that_diverges_names_its_first_bad_step_and_layer(tmp_path):
    document, frames = made(tmp_path, **DIVERGES)
    assert document["status"] == "diverged"
    step, layer = (document["summary"][f"first_bad_{what}"] for what in ("step", "layer"))
    bad = frames.layers[frames.layers.step == step]
    assert step == frames.steps.step.max() == document["summary"]["last_step"]
    assert not np.isfinite(bad[bad.layer == layer].weight_grad_norm).all()
    before = frames.layers[frames.layers.step < step]
    assert np.isfinite(before[["preact_ms", "delta_rms", "weight_grad_norm"]]).all(axis=None)


def test_a_run_that_is_stopped_is_interrupted_and_keeps_its_records(tmp_path):
    asked = iter([False, False, False, True])
    document, frames = made(tmp_path, should_stop=lambda: next(asked))
    assert document["status"] == read_run(tmp_path).status == "interrupted"
    assert document["summary"]["last_step"] == 3
    assert list(frames.steps.step) == [0, 1, 2, 3]


def test_a_run_that_fails_is_recorded_as_failed(tmp_path):
    def fail():
        raise RuntimeError

    with pytest.raises(RuntimeError):
        made(tmp_path, should_stop=fail)
    assert read_run(tmp_path).status == "failed"


class Shown(SilentView):
    """Remembers what it was told to show."""

    def __init__(self):
        self.calls = []

    def start(self, config, folder, steps):
        self.calls.append(("start", steps))

    def step(self, step):
        self.calls.append(("step", step))

    def record(self, step, steps, delta_rms):
        self.calls.append(("record", step, len(delta_rms)))

    def finish(self, run, words):
        self.calls.append(("finish", run["status"], bool(words)))


def test_a_view_is_told_of_the_start_every_step_and_the_end(tmp_path):
    view = Shown()
    pack.execute(check.check(small(steps=2)), tmp_path, view, lambda: False)
    middle = [call for step in range(3) for call in (("record", step, 4), ("step", step))]
    assert view.calls == [("start", 2), *middle, ("finish", "completed", True)]


def test_what_is_kept_for_the_summary_does_not_grow_with_the_records():
    class Nowhere:
        def record(self, *record):
            pass

    kept = minutes.Minutes(Nowhere(), [SilentView()])
    draw = np.random.default_rng(0)
    for step in range(500):
        row = dict.fromkeys(STEP_COLUMNS) | {"val_loss": 1.0, "val_accuracy": draw.random()}
        kept.take(Record(0, step, row if step % 3 == 0 else row | {"val_loss": None}, None, None))
        assert len(kept.rows) <= 4
    assert kept.rows[0]["step"] == 0
    assert kept.rows[-1]["step"] == 499


OWN_ACTIVATION = """
import torch, vgrad
from vgrad.parts.activations import ACTIVATIONS

@ACTIVATIONS.entry(source="Wikipedia, Activation function", matched="xavier_uniform")
def bent_identity(z, *, bend: float = 0.5):
    "φ(z) = bend · (√(z² + 1) − 1) + z."
    return bend * (torch.sqrt(z * z + 1) - 1) + z

frames = vgrad.run(
    "activation=bent_identity", "activation.bend=0.25", "data=white", "depth=2", "width=8",
    "steps=30", "optimizer.lr=0.1", "name=own",
)
run = frames.runs.iloc[0]
assert (run["activation"], run["activation.bend"]) == ("bent_identity", 0.25)
assert run["resolved_init"] == "xavier_uniform"
assert run["status"] == "completed"
assert frames.layers.gate_ms.dropna().between(0.5, 2).all()
"""


def test_an_activation_of_ones_own_trains_with_nothing_else_changed(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", OWN_ACTIVATION],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert read_run(tmp_path / "runs/own").settings["activation"] == "bent_identity"

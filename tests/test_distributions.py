"""How the activations are distributed: measured, recorded at both ends of a run, read back."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

import networks
from recording import ABSENT, RUN_ID, begin, layers_at, steps_at, write, write_killed
from resuming import COUNT, go_on, killed
from vgrad.errors import StoreError
from vgrad.probe import EXAMPLES, Probe
from vgrad.stack import Stack
from vgrad.store import QUANTILE_COLUMNS, QUANTILES, distributions, load, read_run
from vgrad.train import train

SHARES = np.linspace(0, 1, QUANTILES)
FILE = "distributions.parquet"


def measure(*configs, data=None, change=lambda stack: None):
    """A stack that has made one pass, and the quantiles that the probe tells of it."""
    stack = networks.walked(*configs, data=data, change=change)
    return stack, Probe(stack).quantiles()


def recomputed(stack, run):
    """The same of a plain torch model, by numpy, [L + 1, QUANTILES]."""
    model = networks.Twin(stack, run)
    outputs = model(stack.inputs[run])
    every = [*model.hs, outputs]
    return np.array([np.quantile(h[:EXAMPLES].detach().double(), SHARES) for h in every])


@pytest.mark.parametrize("batch_size", [5, 16, 40])
@pytest.mark.parametrize("activation", ["sigmoid", "relu", "maxout", "crelu", "prelu"])
def test_quantiles_are_numpys_of_a_plain_models_activations(activation, batch_size):
    keys = {"activation": activation, "batch_size": batch_size, "dtype": "float64"}
    stack, found = measure(*(networks.config(seed=seed, width=12, **keys) for seed in range(3)))
    assert found.shape == (3, 4, QUANTILES)
    for run in range(3):
        np.testing.assert_allclose(found[run], recomputed(stack, run), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("depth", [0, 1])
def test_nets_with_hardly_a_layer_are_measured_as_well(depth):
    stack, found = measure(networks.config(depth=depth))
    np.testing.assert_allclose(found[0], recomputed(stack, 0), rtol=1e-4, atol=1e-6)


def test_chunks_of_layers_give_the_same_bits_as_one_piece(monkeypatch):
    config = networks.config(depth=7)
    whole = measure(config)[1]
    monkeypatch.setattr("vgrad.probe.CHUNK", 2 * EXAMPLES * 8)
    np.testing.assert_array_equal(measure(config)[1], whole)


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
def test_a_layer_that_is_not_finite_has_no_quantiles_and_the_others_keep_theirs(poison):
    spoil = lambda stack: stack.parameters.weights[1][0].fill_(poison)  # noqa: E731
    configs = [networks.config(activation="identity", seed=seed) for seed in range(2)]
    stack, found = measure(*configs, change=spoil)
    assert np.isfinite(found[0, 0]).all()
    assert np.isnan(found[0, 1:]).all()
    np.testing.assert_allclose(found[1], recomputed(stack, 1), rtol=1e-4, atol=1e-6)


def trained(*configs, should_stop=lambda: False):
    seen = networks.Seen(should_stop)
    train(configs, networks.classification(), seen)
    return seen


def steps_with_quantiles(seen, run=0):
    return [r.step for r in seen.records if r.run == run and r.quantiles is not None]


def test_they_are_taken_at_the_first_step_and_at_the_last():
    for every in (None, 1, 4):
        seen = trained(networks.config(steps=10, probe_every=every))
        assert steps_with_quantiles(seen) == [0, 10]
        assert all(r.quantiles.shape == (4, QUANTILES) for r in seen.records if r.step in (0, 10))
    assert steps_with_quantiles(trained(networks.config(steps=0))) == [0]
    assert steps_with_quantiles(trained(networks.config(steps=3, probe_every=0))) == []


def test_a_run_that_is_stopped_leaves_them_where_it_stands():
    asked = iter([False] * 4 + [True] * 9)
    seen = trained(networks.config(steps=10), should_stop=lambda: next(asked))
    assert steps_with_quantiles(seen) == [0, seen.records[-1].step]


def test_a_run_that_diverges_leaves_them_where_it_does_and_its_neighbour_goes_on():
    configs = [
        networks.config(steps=40, optimizer__lr=rate, activation="relu", loss="mse", depth=2)
        for rate in (1e6, 0.01)
    ]
    seen = trained(*configs)
    assert seen.outcomes[0].status == "diverged"
    assert steps_with_quantiles(seen, 0) == [0, seen.outcomes[0].updates]
    assert steps_with_quantiles(seen, 1) == [0, 40]


def test_a_run_in_a_stack_has_those_that_it_has_alone():
    configs = [networks.config(seed=s, activation=a) for s, a in enumerate(("tanh", "relu"))]
    together = trained(*configs)
    for run, config in enumerate(configs):
        alone = [r.quantiles for r in trained(config).records if r.quantiles is not None]
        ours = [r.quantiles for r in together.records if r.run == run and r.quantiles is not None]
        np.testing.assert_allclose(ours, alone, rtol=1e-4, atol=1e-6)


def test_to_measure_them_leaves_the_activations_as_they_are():
    for batch_size in (8, 16, 32):
        config = networks.config(batch_size=batch_size)
        data = networks.classification()
        stack = Stack([config], data.input_dim, data.output_dim)
        networks.fill(stack, data)
        stack.forward(keep=True)
        before = torch.clone(stack.acts)
        Probe(stack).quantiles()
        assert torch.equal(stack.acts, before)


def quantiles_at(step):
    """The rows of a step, [4, QUANTILES], in the last layer NaN."""
    values = step + np.arange(4.0 * QUANTILES).reshape(4, QUANTILES) / 3
    values[3] = np.nan
    return values


def record(writer, start=0, stop=COUNT):
    """Steps with their layers; quantiles at both ends."""
    for step in range(start, stop):
        ends = quantiles_at(step) if step in (0, COUNT - 1) else None
        writer.record(step, steps_at(step), layers_at(step), ABSENT, ends)


def written(folder, run_id=RUN_ID):
    with begin(folder, run_id) as writer:
        record(writer)
        writer.finish("completed", {}, {})
    return folder


def left(folder, count):
    """A run that was killed after some records."""
    with begin(folder.with_name("alive")) as writer:
        record(writer, 0, count)
        writer.leave()
    folder.with_name("alive").rename(folder)
    return folder


def assert_as_recorded(frame, steps=(0, COUNT - 1)):
    assert list(frame.columns) == ["run_id", "step", "layer", *QUANTILE_COLUMNS]
    assert frame.step.tolist() == [step for step in steps for _ in range(4)]
    assert frame.layer.tolist() == [1, 2, 3, 4] * len(steps)
    expected = np.concatenate([quantiles_at(step) for step in steps])
    np.testing.assert_array_equal(frame[list(QUANTILE_COLUMNS)], expected)


def test_what_was_recorded_is_read_back_and_load_leaves_it_out(tmp_path):
    written(tmp_path / "a")
    frame, problems = distributions(tmp_path)
    assert problems == []
    assert_as_recorded(frame)
    frames = load(tmp_path)
    assert not {*QUANTILE_COLUMNS} & {*frames.layers}
    assert "distributions" in (tmp_path / "a" / "run.json").read_text()


def test_those_of_a_killed_run_are_read_as_far_as_they_go(tmp_path):
    frame, _ = distributions(left(tmp_path / "run", 3))
    assert_as_recorded(frame, steps=(0,))


@pytest.mark.parametrize("count", [0, 1, 3, COUNT])
def test_a_run_that_goes_on_leaves_the_bytes_of_one_that_was_never_disturbed(count, tmp_path):
    whole = written(tmp_path / "whole")
    for keep in {0, max(0, count - 1), count}:
        folder = left(tmp_path / f"{keep}", count)
        with go_on(folder, keep) as writer:
            record(writer, keep)
            writer.finish("completed", {}, {})
        assert (folder / FILE).read_bytes() == (whole / FILE).read_bytes()
        assert {path.name for path in folder.iterdir()} == {path.name for path in whole.iterdir()}


def test_a_run_that_was_ended_early_and_goes_on_drops_what_it_had_at_its_end(tmp_path):
    whole = written(tmp_path / "whole")
    with begin(tmp_path / "run") as writer:
        record(writer, 0, 2)
        writer.record(2, steps_at(2), layers_at(2), ABSENT, quantiles_at(7))
        counts = writer.sync(2)
        writer.finish("interrupted", {}, {})
    assert counts == [2, 2, 1]
    with go_on(tmp_path / "run", 2, counts) as writer:
        assert writer.sync(2) == counts
        record(writer, 2)
        writer.finish("completed", {}, {})
    assert (tmp_path / "run" / FILE).read_bytes() == (whole / FILE).read_bytes()


def test_a_run_whose_distributions_are_gone_cannot_go_on_as_it_was(tmp_path):
    folder = left(tmp_path / "run", 3)
    (folder / "distributions.arrow").unlink()
    with pytest.raises(StoreError, match="not all records of the steps before 3"):
        go_on(folder, 3, [3, 3, 1])


def test_a_run_without_any_leaves_no_file_and_reads_as_no_rows(tmp_path):
    write(tmp_path / "a", "aaaaaaaaaaaa")
    write_killed(tmp_path / "b", "bbbbbbbbbbbb")
    assert not list(tmp_path.rglob("distributions*"))
    frame, problems = distributions(tmp_path)
    assert (len(frame), problems) == (0, [])
    assert list(frame.columns) == ["run_id", "step", "layer", *QUANTILE_COLUMNS]
    written(tmp_path / "c", "cccccccccccc")
    assert distributions(tmp_path)[0].run_id.unique().tolist() == ["cccccccccccc"]


def test_a_run_of_one_that_had_some_and_begins_anew_without_loses_them(tmp_path):
    written(tmp_path)
    with begin(tmp_path) as writer:
        writer.record(0, steps_at(0), layers_at(0), ABSENT)
        writer.finish("completed", {}, {})
    assert not (tmp_path / FILE).exists()
    assert FILE not in json.loads((tmp_path / "run.json").read_text())["files"]
    again = killed(tmp_path / "other", 2)
    assert read_run(again).status == "interrupted"


def test_a_damaged_file_is_named_and_the_other_runs_are_read(tmp_path):
    written(tmp_path / "a", "aaaaaaaaaaaa")
    data = bytearray((written(tmp_path / "b", "bbbbbbbbbbbb") / FILE).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "b" / FILE).write_bytes(data)
    frame, problems = distributions(tmp_path)
    assert frame.run_id.unique().tolist() == ["aaaaaaaaaaaa"]
    assert len(problems) == 1
    assert f"b/{FILE} cannot be read" in problems[0]
    assert load(tmp_path).problems == []
    (tmp_path / "a" / FILE).unlink()
    with pytest.raises(StoreError, match="distributions"):
        distributions(tmp_path)


def test_the_file_is_plain_parquet_for_any_reader(tmp_path):
    rows = pq.read_table(written(tmp_path) / FILE).to_pandas()
    assert isinstance(rows, pd.DataFrame)
    assert_as_recorded(rows.astype({"run_id": str}))

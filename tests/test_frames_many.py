"""Many runs at once: read side by side, put together in an order that people can use."""

from __future__ import annotations

import hashlib
import io
import json
import random

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recording import ABSENT, begin, layers_at, record, steps_at, write, write_killed
from vgrad.errors import DamagedFileError
from vgrad.store import LAYER_COLUMNS, load, read_runs
from vgrad.store import frames as frames_module
from vgrad.store.columns import LAYERS
from vgrad.store.order import differing, in_order
from vgrad.store.rows import BUNDLE
from vgrad.store.run_file import read_run
from vgrad.store.table import read_parquet

RUNS = 3 * BUNDLE + 1


def write_steps(folder, run_id, steps):
    """A run with so many records."""
    with begin(folder, run_id) as writer:
        record(writer, steps)
        writer.finish("completed", {}, {})


def test_runs_of_all_lengths_stand_below_each_other_value_by_value(tmp_path):
    lengths = {f"{number:012}": (number * 7) % 11 for number in range(RUNS)}
    for run_id, steps in lengths.items():
        write_steps(tmp_path / run_id, run_id, steps)
    frames = load(tmp_path)
    assert frames.problems == []
    assert list(frames.runs.run_id) == list(lengths)
    assert list(frames.steps.run_id) == [name for name, n in lengths.items() for _ in range(n)]
    assert list(frames.steps.step) == [step for n in lengths.values() for step in range(n)]
    wanted = [np.where(ABSENT, np.nan, layers_at(s)) for n in lengths.values() for s in range(n)]
    np.testing.assert_array_equal(frames.layers[list(LAYER_COLUMNS)], np.concatenate(wanted))
    losses = [steps_at(step)["train_loss"] for n in lengths.values() for step in range(n)]
    assert list(frames.steps.train_loss) == losses


def test_the_columns_are_those_of_a_single_run_and_can_be_written_to(tmp_path):
    for number in range(2):
        write(tmp_path / str(number), f"{number:012}")
    one, two = load(tmp_path / "0"), load(tmp_path)
    for name in ("steps", "layers"):
        alone, together = getattr(one, name), getattr(two, name)
        assert list(alone.dtypes) == list(together.dtypes)
        pd.testing.assert_frame_equal(alone, together[together.run_id == one.runs.run_id[0]])
        for frame in (alone, together):
            assert frame["step"].dtype == np.int64
            frame.loc[0, "step"] = 7
            assert frame["step"][0] == 7


def test_runs_without_a_record_have_frames_without_rows(tmp_path):
    for number in range(2):
        write_steps(tmp_path / str(number), f"{number:012}", 0)
    frames = load(tmp_path)
    assert (len(frames.runs), len(frames.steps), len(frames.layers)) == (2, 0, 0)
    assert list(frames.layers)[:3] == ["run_id", "step", "layer"]


def test_damaged_runs_among_many_are_named_and_the_rest_is_whole(tmp_path):
    draw = random.Random(0)
    damaged = set(draw.sample(range(RUNS), 7))
    for number in range(RUNS):
        folder = write(tmp_path / f"{number:03}", f"{number:012}")
        if number in damaged:
            file = folder / "layers.parquet"
            data = bytearray(file.read_bytes())
            data[draw.randrange(len(data))] ^= 1
            file.write_bytes(data)
    frames = load(tmp_path)
    assert set(frames.runs.run_id) == {f"{n:012}" for n in range(RUNS)} - {
        f"{n:012}" for n in damaged
    }
    assert len(frames.problems) == len(damaged)
    assert all(any(f"{n:03}/layers" in line for line in frames.problems) for n in damaged)
    assert set(frames.layers.groupby("run_id").size()) == {20}


def test_killed_and_finished_runs_are_read_together(tmp_path):
    write(tmp_path / "a", "aaaaaaaaaaaa")
    write_killed(tmp_path / "b", "bbbbbbbbbbbb")
    frames = load(tmp_path)
    assert list(frames.runs.status) == ["completed", "interrupted"]
    one, two = (frames.layers[frames.layers.run_id == name] for name in frames.runs.run_id)
    np.testing.assert_array_equal(one[list(LAYER_COLUMNS)], two[list(LAYER_COLUMNS)])


def test_a_run_that_ends_between_the_two_looks_is_read_as_it_ended(tmp_path, monkeypatch):
    for number in range(20):
        write(tmp_path / f"{number:02}", f"{number:012}")
    writer = begin(tmp_path / "20", "20".zfill(12))
    record(writer)
    honest = frames_module.read_runs

    def then_end(*paths):
        found = honest(*paths)
        writer.finish("completed", {"verdict": "healthy"}, {})
        return found

    monkeypatch.setattr(frames_module, "read_runs", then_end)
    frames = load(tmp_path)
    assert frames.problems == []
    assert list(frames.runs.status) == ["completed"] * 21
    assert len(frames.layers) == 21 * 20


def test_a_run_in_two_folders_is_counted_once_whichever_can_be_read(tmp_path):
    for name in ("a", "b", "c"):
        write(tmp_path / name)
    (tmp_path / "a" / "steps.parquet").unlink()
    frames = load(tmp_path)
    assert list(frames.runs.path) == [str(tmp_path / "b")]
    assert len(frames.problems) == 2
    assert any("holds the same run" in line for line in frames.problems)


def test_null_in_a_key_is_refused(tmp_path):
    folder = write(tmp_path / "bad")
    rows = pq.read_table(folder / "layers.parquet")
    steps = [None, *rows["step"].to_pylist()[1:]]
    holed = rows.set_column(1, "step", pa.array(steps, pa.int64()))
    sink = io.BytesIO()
    pq.write_table(holed, sink, compression="none", use_dictionary=["run_id"])
    (folder / "layers.parquet").write_bytes(sink.getvalue())
    seal = {"sha256": hashlib.sha256(sink.getvalue()).hexdigest()}
    with pytest.raises(DamagedFileError, match="not a table"):
        read_parquet(folder, LAYERS, "0123456789ab", seal)


def grid(top):
    """A small sweep in folders whose names say nothing."""
    names = iter(random.Random(1).sample(range(100), 100))
    for activation in ({"name": "selu"}, {"name": "elu", "alpha": 1.0}):
        for depth in (10, 2):
            for seed in (1, 0):
                folder = top / "sweep" / f"{next(names):012}"
                write(folder, folder.name, activation=activation, depth=depth, seed=seed, name="s")


def test_the_runs_of_a_sweep_are_in_the_order_of_what_differs(tmp_path):
    grid(tmp_path)
    runs = load(tmp_path).runs
    told = list(zip(runs.activation, runs.depth, runs.seed, strict=True))
    assert told == [(a, d, s) for a in ("elu", "selu") for d in (2, 10) for s in (0, 1)]
    assert list(load(tmp_path).steps.run_id.unique()) == list(runs.run_id)


def test_single_runs_beside_a_sweep_keep_their_place(tmp_path):
    write(tmp_path / "b", "bbbbbbbbbbbb", name="b", depth=9)
    grid(tmp_path)
    write(tmp_path / "z", "aaaaaaaaaaaa", name="z", depth=1)
    paths = list(load(tmp_path).runs.path)
    assert paths[0] == str(tmp_path / "b")
    assert paths[-1] == str(tmp_path / "z")
    found = [run.run_id for run in in_order(read_runs(tmp_path)[0])]
    assert found == list(load(tmp_path).runs.run_id)


def test_what_follows_from_a_choice_tells_nothing():
    rows = [
        {"init": "zeros", "seed": 0, "lr": 1, "name": "a"},
        {"init": "he", "init.gain": 1.0, "seed": 1, "lr": 1, "name": "b"},
    ]
    assert differing(rows) == ["init", "seed"]
    third = {**rows[1], "init.gain": 2.0}
    assert differing([*rows, third]) == ["init", "init.gain", "seed"]
    assert differing(rows[:1]) == []


def test_settings_of_all_kinds_are_ordered_numbers_first_and_null_last(tmp_path):
    for number, gain in enumerate([None, "auto", 10.0, True, 2.0, -1]):
        folder = tmp_path / str(number)
        write(folder, f"{number:012}", init={"name": "he", "gain": gain}, name="s")
    gains = [run.settings["init.gain"] for run in in_order(read_runs(tmp_path)[0])]
    assert gains == [-1, 2.0, 10.0, True, "auto", None]


def test_a_run_file_knows_whether_it_still_holds(tmp_path):
    run = read_run(write(tmp_path / "run"))
    assert run.is_current()
    document = json.loads((run.path / "run.json").read_bytes())
    (run.path / "run.json").write_text(json.dumps(document))
    assert not run.is_current()
    (run.path / "run.json").unlink()
    assert not run.is_current()

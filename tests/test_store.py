"""What runs leave: written, read back, found."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recording import (
    ABSENT,
    RUN_ID,
    assert_holds_the_first_steps,
    begin,
    environment,
    layers_at,
    record,
    steps_at,
    write,
    write_killed,
)
from vgrad.errors import DamagedFileError, StoreError
from vgrad.store import (
    LAYER_COLUMNS,
    STEP_COLUMNS,
    decode,
    dumps,
    find_runs,
    load,
    read_run,
    read_runs,
    table,
)
from vgrad.store.columns import LAYERS, STEPS

FINISHED = {"run.json", "layers.parquet", "steps.parquet"}


@pytest.mark.parametrize("make", [write, write_killed])
def test_what_was_recorded_is_read_back_exactly(make, tmp_path):
    frames = load(make(tmp_path / "run"))
    assert frames.problems == []
    assert_holds_the_first_steps(frames)


def test_a_living_run_can_be_read(tmp_path):
    with begin(tmp_path / "run") as writer:
        record(writer, 2)
        frames = load(tmp_path)
        assert list(frames.runs.status) == ["running"]
        assert_holds_the_first_steps(frames, 2)


def test_a_run_without_a_record_is_a_run(tmp_path):
    with begin(tmp_path / "run"):
        assert len(load(tmp_path).layers) == 0
    frames = load(tmp_path)
    assert list(frames.runs.status) == ["failed"]
    assert list(frames.layers.columns) == ["run_id", "step", "layer", *LAYER_COLUMNS]
    assert list(frames.steps.columns) == ["run_id", "step", *STEP_COLUMNS]


def test_a_step_may_leave_the_layers_out(tmp_path):
    with begin(tmp_path / "run") as writer:
        writer.record(0, steps_at(0), layers_at(0), ABSENT)
        writer.record(1, steps_at(1))
        writer.finish("completed", {}, {})
    frames = load(tmp_path)
    assert list(frames.steps.step) == [0, 1]
    assert list(frames.layers.step) == [0, 0, 0, 0]


def test_the_files_have_the_columns_of_the_contract_and_page_checksums(tmp_path):
    write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == FINISHED
    layers = pq.ParquetFile(tmp_path / "layers.parquet", page_checksum_verification=True).read()
    assert layers.schema.names == ["run_id", "step", "layer", *LAYER_COLUMNS]
    types = {str(kind) for kind in layers.schema.types[1:]}
    assert types == {"int64", "int32", "double"}
    steps = pq.ParquetFile(tmp_path / "steps.parquet").read()
    assert steps.schema.names == ["run_id", "step", *STEP_COLUMNS]


@pytest.mark.parametrize("make", [write, write_killed])
def test_null_nan_and_infinity_stay_apart(make, tmp_path):
    folder = make(tmp_path / "run")
    if make is write_killed:
        layers = table.read_journal(folder, LAYERS, RUN_ID)
        steps = table.read_journal(folder, STEPS, RUN_ID)
    else:
        layers, steps = (
            pq.read_table(folder / "layers.parquet"),
            pq.read_table(folder / "steps.parquet"),
        )
    assert layers["gate_ms"].slice(0, 4).to_pylist()[3] is None
    assert math.isnan(layers["preact_ms"][1].as_py())
    assert (layers["act_mean"][2].as_py(), layers["act_var"][2].as_py()) == (math.inf, -math.inf)
    assert layers["gate_ms"].null_count == 5
    assert layers["preact_ms"].null_count == 0
    assert steps["val_loss"].to_pylist()[1] is None
    assert math.isnan(steps["val_loss"][2].as_py())
    assert steps["train_accuracy"].null_count == 5


@settings(max_examples=30)
@given(
    values=st.lists(
        st.floats(width=64) | st.none(), min_size=len(LAYER_COLUMNS), max_size=len(LAYER_COLUMNS)
    ),
    step=st.integers(0, 2**62),
)
def test_any_numbers_come_back_bit_by_bit(values, step, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    numbers = np.array([[0.0 if v is None else v for v in values]])
    absent = np.array([[v is None for v in values]])
    with begin(folder) as writer:
        writer.record(step, {}, numbers, absent)
        before = table.read_journal(folder, LAYERS, RUN_ID)
        writer.finish("completed", {}, {})
    after = pq.read_table(folder / "layers.parquet")
    for rows in (before, after):
        row = rows.drop(["run_id", "step", "layer"]).to_pylist()[0]
        assert np.array_equal([v is None for v in row.values()], absent[0])
        got = np.array([0.0 if v is None else v for v in row.values()])
        assert got.tobytes() == np.where(absent, 0.0, numbers).tobytes()
        assert rows["step"].to_pylist() == [step]


def test_the_same_records_make_the_same_bytes(tmp_path):
    one, two = write(tmp_path / "one"), write(tmp_path / "two")
    for name in ("layers.parquet", "steps.parquet"):
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_runs_has_flat_columns_as_on_the_command_line(tmp_path):
    run = load(write(tmp_path / "run")).runs.iloc[0]
    assert run["activation"] == "selu"
    assert run["activation.alpha"] == 1.5
    assert run["depth"] == 3
    assert run["probe.every"] is None
    assert run["run_id"] == RUN_ID
    assert run["status"] == "completed"
    assert run["path"] == str(tmp_path / "run")
    assert run["grad_decay"] == -math.inf


def test_frames_show_themselves_as_a_table_with_the_problems(tmp_path):
    write(tmp_path / "a", "aaaaaaaaaaaa", depth=7)
    write(tmp_path / "b", "bbbbbbbbbbbb", depth=8)
    (write(tmp_path / "<c>", "cccccccccccc") / "layers.parquet").write_bytes(b"")
    frames = load(tmp_path)
    assert "aaaaaaaaaaaa" in repr(frames)
    assert "layers.parquet" in repr(frames)
    page = frames._repr_html_()
    assert "<table" in page
    assert "&lt;c&gt;" in page
    assert "<script>" not in page


def test_run_json_is_json_that_every_parser_takes(tmp_path):
    with begin(tmp_path) as writer:
        summary = {
            "loss": math.nan,
            "up": math.inf,
            "down": -math.inf,
            "numpy": np.float32(0.5),
            "count": np.int64(3),
            "list": (1, None, True),
        }
        document = writer.finish("diverged", summary, {"train": 1.0})

    def refuse(name):
        raise AssertionError(name)

    read = json.loads((tmp_path / "run.json").read_bytes(), parse_constant=refuse)
    assert read == document
    assert read["summary"]["loss"] == "nan"
    assert (read["summary"]["up"], read["summary"]["down"]) == ("inf", "-inf")
    assert read["versions"] == {"vgrad": "1"}
    run = read_run(tmp_path)
    assert math.isnan(run.summary["loss"])
    assert run.summary["down"] == -math.inf
    assert run.summary["list"] == [1, None, True]
    assert run.config["name"] == "a$\\frac$ <script>"


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("abπ\n\"'<"),
    lambda items: st.lists(items) | st.dictionaries(st.text("xyz"), items),
)


@settings(max_examples=50)
@given(plain)
def test_decode_gives_back_what_was_encoded(value):
    assert decode(json.loads(dumps(value))) == value


def test_text_that_is_no_text_is_written_all_the_same():
    assert json.loads(dumps({"root": "/data/\udcff"})) == {"root": "/data/\\udcff"}


def test_runs_are_found_in_a_tree_in_order_and_each_once(tmp_path):
    write(tmp_path / "sweep" / "b", "bbbbbbbbbbbb")
    write(tmp_path / "sweep" / "a", "aaaaaaaaaaaa")
    write(tmp_path / "z" / ".hidden")
    write_killed(tmp_path / "killed", "cccccccccccc")
    (tmp_path / "sweep" / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    names = [str(path.relative_to(tmp_path)) for path in find_runs(tmp_path)]
    assert names == ["killed", "sweep/a", "sweep/b"]
    assert find_runs(tmp_path / "sweep" / "a") == [tmp_path / "sweep" / "a"]
    runs, problems = read_runs(tmp_path, tmp_path / "sweep", tmp_path / "sweep" / "a")
    assert [run.run_id[0] for run in runs] == ["c", "a", "b"]
    assert problems == []


def test_a_path_without_runs_is_refused_in_words(tmp_path):
    folder = write(tmp_path / "selu-40")
    (tmp_path / "other" / "deep").mkdir(parents=True)
    (tmp_path / "other" / "notes.txt").write_text("no run")
    for path, words in {
        tmp_path / "sleu-40": r"no folder .*sleu-40\. Did you mean .*selu-40\?",
        tmp_path / "no" / "where": "There is no folder",
        tmp_path / "other": "other holds no run of vgrad",
        folder / "layers.parquet": r"layers\.parquet is a file: give the folder of a run",
        tmp_path / ("x" * 300): "There is no folder",
        tmp_path / "nul\0": "There is no folder",
    }.items():
        for read in (find_runs, load, read_runs):
            with pytest.raises(StoreError, match=words):
                read(path)


def test_the_same_run_in_two_folders_is_counted_once_and_said(tmp_path):
    write_killed(tmp_path / "a")
    write(tmp_path / "b")
    frames = load(tmp_path, tmp_path / "b")
    assert list(frames.runs.status) == ["completed"]
    assert_holds_the_first_steps(frames)
    assert len(frames.problems) == 1
    assert "a holds the same run as" in frames.problems[0]


def test_a_damaged_twin_gives_way_to_the_whole_one(tmp_path):
    (write(tmp_path / "a") / "layers.parquet").write_bytes(b"PAR1")
    write_killed(tmp_path / "b")
    frames = load(tmp_path)
    assert list(frames.runs.status) == ["interrupted"]
    assert_holds_the_first_steps(frames)
    assert "layers.parquet cannot be read" in frames.problems[0]


def test_listing_runs_needs_neither_pandas_nor_pyarrow_and_recording_no_pandas(tmp_path):
    write(tmp_path / "run")
    listing = f"""
import sys
from vgrad.store import find_runs, read_run
assert [read_run(run).status for run in find_runs({str(tmp_path)!r})] == ["completed"]
assert not {{"pandas", "pyarrow", "numpy", "filelock"}} & set(sys.modules)
"""
    recording = f"""
import pathlib, sys, recording
recording.write(pathlib.Path({str(tmp_path / "new")!r}))
assert "pandas" not in sys.modules
"""
    for program in (listing, recording):
        subprocess.run([sys.executable, "-c", program], env=environment(), check=True)


def test_the_tables_are_made_some_thousand_rows_at_once(tmp_path, monkeypatch):
    at_once = []
    honest = table._batch

    def watch(records, *args):
        at_once.append(sum(len(r.values) for r in records))
        return honest(records, *args)

    monkeypatch.setattr(table, "_batch", watch)
    with begin(tmp_path) as writer:
        for step in range(3_000):
            writer.record(step, {}, np.full((20, len(LAYER_COLUMNS)), float(step)))
        writer.finish("completed", {}, {})
    assert max(at_once) < table.ROWS_AT_ONCE + 20
    frames = load(tmp_path)
    assert len(frames.layers) == 60_000
    assert (frames.layers.preact_mean == frames.layers.step).all()


def test_making_the_tables_of_a_long_run_takes_little_memory(tmp_path):
    program = f"""
import pathlib, resource, numpy, recording
folder = pathlib.Path({str(tmp_path)!r})
recording.write(folder / "short")
writer = recording.begin(folder / "long")
for step in range(1_500):
    values = numpy.random.default_rng(step).normal(size=(400, {len(LAYER_COLUMNS)}))
    writer.record(step, {{}}, values)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
writer.finish("completed", {{}}, {{}})
print(before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    run = subprocess.run(
        [sys.executable, "-c", program], env=environment(), check=True, capture_output=True
    )
    before, after = (int(word) for word in run.stdout.split())
    unit = 1 if sys.platform == "darwin" else 1024
    assert (tmp_path / "long" / "layers.parquet").stat().st_size > 70 << 20
    assert (after - before) * unit < 40 << 20


def test_the_largest_rows_of_zeros_are_not_taken_for_a_bomb(tmp_path):
    many = (1_000, len(LAYER_COLUMNS))
    with begin(tmp_path) as writer:
        for step in range(60):
            writer.record(step, {}, np.zeros(many), np.ones(many, bool))
        writer.finish("completed", {}, {})
    assert load(tmp_path).layers.preact_mean.isna().sum() == 60_000


def test_a_record_is_one_short_write_for_each_table_and_waits_for_no_disk(tmp_path, monkeypatch):
    written = []
    write_through = os.write

    def count(descriptor, data):
        written.append(len(data))
        return write_through(descriptor, data)

    def wait(descriptor):
        raise AssertionError("a record waits for the disk")

    shape = (41, len(LAYER_COLUMNS))
    layers, absent = np.random.default_rng(0).normal(size=shape), np.zeros(shape, bool)
    with begin(tmp_path) as writer:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", count)
            patch.setattr(os, "fsync", wait)
            for step in range(100):
                writer.record(step, steps_at(step), layers, absent)
        writer.finish("completed", {}, {})
    assert len(written) == 100 * 2
    assert sum(written) < 100 * (layers.nbytes + absent.size // 8 + 1500)
    assert len(set(written)) == 2  # a late record costs what the first did


def test_a_folder_whose_run_json_is_gone_is_named(tmp_path):
    folder = write_killed(tmp_path / "run")
    (folder / "run.json").unlink()
    with pytest.raises(DamagedFileError, match=r"run\.json cannot be read: it is missing"):
        read_run(folder)
    with pytest.raises(StoreError, match=r"run\.json cannot be read: it is missing"):
        load(folder)

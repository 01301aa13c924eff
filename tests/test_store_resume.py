"""Runs that go on where they were interrupted: what stays, and that the tables come out equal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from recording import (
    ABSENT,
    CONFIG,
    RUN_ID,
    assert_holds_the_first_steps,
    begin,
    environment,
    layers_at,
    steps_at,
    write,
)
from resuming import (
    COUNT,
    JOURNALS,
    TABLES,
    cut,
    each_end,
    end,
    files,
    go_on,
    interrupted,
    killed,
    record,
    tables,
    torn,
    undisturbed,
)
from vgrad.errors import DamagedFileError, StoreError
from vgrad.store import LAYER_COLUMNS, STEP_COLUMNS, RunWriter, load, read_run
from vgrad.store.columns import CHECKPOINT
from vgrad.store.document import write_document


@each_end
def test_a_run_that_goes_on_leaves_the_bytes_of_one_that_was_never_disturbed(leave, tmp_path):
    whole = undisturbed(tmp_path / "whole")
    for count in range(COUNT + (leave not in (torn, cut))):
        for keep in {max(0, count - 1), count}:
            folder = leave(tmp_path / f"{count}-{keep}", count)
            with go_on(folder, keep) as writer:
                end(writer, keep)
            assert {path.name for path in folder.iterdir()} == {"run.json", *TABLES}
            assert tables(folder) == whole


@each_end
def test_what_stays_is_told_and_later_records_are_gone(leave, tmp_path):
    folder = leave(tmp_path / "run", 4)
    with go_on(folder, 4) as writer:
        kept = list(writer.kept)
        assert [row.step for row in kept] == [0, 1, 2, 3]
        for step, steps, layers, absent in kept:
            assert tuple(steps) == STEP_COLUMNS
            for name in STEP_COLUMNS:
                np.testing.assert_equal(steps[name], steps_at(step).get(name))
            if step == 3:
                assert (layers, absent) == (None, None)
                continue
            np.testing.assert_array_equal(absent, ABSENT)
            np.testing.assert_array_equal(layers, np.where(ABSENT, 0.0, layers_at(step)))
    with go_on(folder, 2) as writer:
        assert [row.step for row in writer.kept] == [0, 1]
        writer.record(2, steps_at(2), layers_at(2), ABSENT)
        assert [row.step for row in writer.kept] == [0, 1]
    assert_holds_the_first_steps(load(folder), 3)


def test_a_run_that_begins_anew_has_kept_nothing(tmp_path):
    with begin(tmp_path) as writer:
        assert list(writer.kept) == []


def test_any_number_stays_bit_by_bit(tmp_path):
    bits = np.random.default_rng(0).integers(0, 2**64, ABSENT.shape, np.uint64)
    bits[0, :3] = 0x7FF0000000000001, 0x8000000000000000, 0xFFF8000000000123
    odd = bits.view(np.float64)
    with begin(tmp_path / "whole") as writer:
        for step in range(3):
            writer.record(step, {"lr": -0.0}, odd, ABSENT)
        writer.finish("completed", {}, {})
    with begin(tmp_path / "run") as writer:
        writer.record(0, {"lr": -0.0}, odd, ABSENT)
        writer.record(1, {"lr": -0.0}, odd, ABSENT)
        writer.finish("interrupted", {}, {})
    with go_on(tmp_path / "run", 1) as writer:
        writer.record(1, {"lr": -0.0}, odd, ABSENT)
    with go_on(tmp_path / "run", 2) as writer:
        writer.record(2, {"lr": -0.0}, odd, ABSENT)
        writer.finish("completed", {}, {})
    assert tables(tmp_path / "run") == tables(tmp_path / "whole")


def test_a_long_run_goes_on_with_the_same_bytes(tmp_path):
    def fill(writer, start):
        for step in range(start, 1_200):
            writer.record(step, {}, np.full((20, len(LAYER_COLUMNS)), float(step)))
        writer.finish("completed", {}, {})

    with begin(tmp_path / "whole") as writer:
        fill(writer, 0)
    with begin(tmp_path / "run") as writer:
        fill(writer, 0)
    document = json.loads((tmp_path / "run" / "run.json").read_bytes())
    write_document(tmp_path / "run", {**document, "status": "interrupted"})
    with go_on(tmp_path / "run", 1_000) as writer:
        assert sum(1 for _ in writer.kept) == 1_000
        fill(writer, 1_000)
    assert tables(tmp_path / "run") == tables(tmp_path / "whole")


def test_run_json_tells_when_the_run_was_started_and_where_it_went_on(tmp_path):
    with RunWriter(tmp_path, RUN_ID, CONFIG, {"started": "first", "device": "a"}) as writer:
        record(writer, 0)
    for keep, about in ((4, "second"), (2, "third")):
        with go_on(tmp_path, keep, started=about, device="b") as writer:
            assert read_run(tmp_path).status == "running"
            record(writer, keep)
    document = read_run(tmp_path).document
    assert (document["started"], document["device"]) == ("first", "b")
    assert document["resumed"] == [4, 2]


def test_what_sync_counted_must_be_there(tmp_path):
    with begin(tmp_path / "run") as writer:
        assert writer.sync(0) == [0, 0]
        record(writer, 0, 4)
        assert writer.sync(4) == [3, 4]
        record(writer, 4, 5)
        counts = writer.sync(4)
        assert counts == [3, 4]
    with go_on(tmp_path / "run", 4, counts) as writer:
        assert writer.sync(4) == counts
        record(writer, 4)
    with go_on(tmp_path / "run", 4, counts):
        pass
    for wrong in ([4, 4], [3, 5], [2, 4]):
        with pytest.raises(StoreError, match="not all records of the steps before 4"):
            go_on(tmp_path / "run", 4, wrong)


def test_sync_waits_for_the_journals_and_their_names(tmp_path, monkeypatch):
    synced = []
    honest = os.fsync

    def watch(descriptor):
        synced.append(os.fstat(descriptor).st_ino)
        honest(descriptor)

    with begin(tmp_path) as writer:
        record(writer, 0)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", watch)
            writer.sync(COUNT)
        expected = [tmp_path / name for name in (*JOURNALS, ".")]
        assert synced == [path.stat().st_ino for path in expected]


@each_end
def test_what_cannot_go_on_is_refused_and_stays_as_it_is(leave, tmp_path):
    folder = leave(tmp_path / "run", 4)
    before = files(folder)
    with pytest.raises(StoreError, match="holds another run"):
        go_on(folder, 2, run_id="f" * 12)
    with pytest.raises(StoreError, match="not all records"):
        go_on(folder, 2, [2, 3])
    assert files(folder) == before
    with begin(folder) as writer:
        end(writer, 0)
    with pytest.raises(StoreError, match="completed: it cannot go on"):
        go_on(folder, 2)
    (folder / "run.json").unlink()
    with pytest.raises(DamagedFileError, match=r"run\.json cannot be read: it is missing"):
        go_on(folder, 2)


@pytest.mark.parametrize("leave", [killed, interrupted])
@pytest.mark.parametrize("number", [0, 1])
def test_damaged_and_missing_records_are_refused_by_name(leave, number, tmp_path):
    folder = leave(tmp_path / "run", 4)
    name = (JOURNALS if leave is killed else TABLES)[number]
    data = bytearray((folder / name).read_bytes())
    value = layers_at(1)[0, 0] if number == 0 else steps_at(1)["train_loss"]
    data[data.index(np.float64(value).tobytes())] ^= 4
    (folder / name).write_bytes(data)
    before = files(folder)
    with pytest.raises(DamagedFileError, match=name):
        go_on(folder, 4)
    assert files(folder) == before
    (folder / name).unlink()
    with pytest.raises(StoreError, match=name if leave is interrupted else "not all records"):
        go_on(folder, 4, [3, 4])
    with begin(folder) as writer:
        end(writer, 0)
    assert tables(folder) == undisturbed(tmp_path / "whole")


def test_a_run_that_was_killed_before_its_first_record_goes_on_at_the_start_only(tmp_path):
    for missing in ([], ["layers.arrow"], list(JOURNALS)):
        folder = killed(tmp_path / str(len(missing)), 0)
        for name in missing:
            (folder / name).unlink()
        with pytest.raises(StoreError, match="not all records"):
            go_on(folder, 1)
        with go_on(folder, 0, [0, 0]) as writer:
            end(writer, 0)


def test_a_row_that_is_gone_from_below_its_layers_is_missed(tmp_path):
    folder = torn(tmp_path / "run", 2)
    with pytest.raises(StoreError, match="not all records of the steps before 3"):
        go_on(folder, 3)
    with go_on(folder, 2) as writer:
        end(writer, 2)


def test_a_live_writer_is_left_alone(tmp_path):
    with begin(tmp_path) as writer:
        record(writer, 0, 3)
        before = files(tmp_path)
        with pytest.raises(StoreError, match="another vgrad"):
            go_on(tmp_path, 2)
        assert files(tmp_path) == before


def test_beginning_anew_deletes_the_checkpoint_and_going_on_leaves_it(tmp_path):
    write(tmp_path, status="interrupted")
    (tmp_path / CHECKPOINT).write_bytes(b"tensors")
    with go_on(tmp_path, 3):
        pass
    assert (tmp_path / CHECKPOINT).exists()
    with begin(tmp_path):
        assert not (tmp_path / CHECKPOINT).exists()


def test_runs_may_be_begun_kept_and_ended_side_by_side_in_threads(tmp_path):
    whole = undisturbed(tmp_path / "whole")
    folders = [tmp_path / str(number) for number in range(12)]

    def stop(folder):
        with begin(folder) as writer:
            record(writer, 0, 4)
            return writer.sync(4)

    def resume(folder, counts):
        with go_on(folder, 4, counts) as writer:
            end(writer, 4)
        return tables(folder)

    with ThreadPoolExecutor(6) as pool:
        counts = list(pool.map(stop, folders))
        assert list(pool.map(resume, folders, counts)) == [whole] * len(folders)


def test_going_on_needs_no_pandas(tmp_path):
    write(tmp_path / "run", status="interrupted")
    program = f"""
import sys
from recording import CONFIG, RUN_ID
from vgrad.store import RunWriter
with RunWriter({str(tmp_path / "run")!r}, RUN_ID, CONFIG, {{}}, keep=3) as writer:
    assert len(list(writer.kept)) == 3
assert not {{"pandas", "torch", "safetensors"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], env=environment(), check=True)

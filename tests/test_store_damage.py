"""Run folders that were damaged, or made to do harm: refused by name, the others still read."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import random
import resource
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

from recording import (
    RUN_ID,
    assert_holds_the_first_steps,
    environment,
    first_steps,
    try_to_load,
    write,
    write_killed,
)
from vgrad.errors import DamagedFileError, StoreError
from vgrad.store import load, read_run
from vgrad.store.columns import LAYERS
from vgrad.store.document import DEEPEST, FORMAT, _seal, write_document

FINISHED = ["run.json", "layers.parquet", "steps.parquet"]
KILLED = ["run.json", "layers.arrow", "steps.arrow"]
FILES = [(write, name) for name in FINISHED] + [(write_killed, name) for name in KILLED]
each_file = pytest.mark.parametrize(("make", "name"), FILES)


def replace(folder, name, data):
    (folder / name).unlink()
    (folder / name).write_bytes(data)


def reseal(folder, **changes):
    """Make run.json say something else, with a seal that fits."""
    document = json.loads((folder / "run.json").read_bytes())
    write_document(folder, {**document, **changes})


def refused(folder, name):
    """The message of a run that is left out while another is shown."""
    good = folder.with_name("good")
    if not good.exists():
        write(good, "aaaaaaaaaaaa")
    frames = load(folder.parent)
    assert list(frames.runs.run_id) == ["aaaaaaaaaaaa"]
    assert_holds_the_first_steps(frames)
    assert len(frames.problems) == 1
    assert str(folder / name) in frames.problems[0]
    with pytest.raises(StoreError, match=name):
        load(folder)
    return frames.problems[0]


@each_file
def test_an_emptied_file_is_refused_by_name(make, name, tmp_path):
    folder = make(tmp_path / "bad")
    replace(folder, name, b"")
    refused(folder, name)


@each_file
def test_a_file_of_another_run_is_refused_by_name(make, name, tmp_path):
    folder = make(tmp_path / "runs" / "bad")
    other = make(tmp_path / "other", "bbbbbbbbbbbb")
    shutil.copy(other / name, folder / name)
    refused(folder, "layers" if name == "run.json" else name)


@each_file
def test_a_file_that_is_cut_anywhere_is_refused_or_read_up_to_there(make, name, tmp_path):
    folder = make(tmp_path / "bad")
    data = (folder / name).read_bytes()
    counts = set()
    for cut in range(0, len(data), max(1, len(data) // 40)):
        replace(folder, name, data[:cut])
        frames = try_to_load(folder)
        if isinstance(frames, str):
            assert name in frames
        else:
            count = min(len(frames.steps), len(frames.layers) // 4)
            assert_holds_the_first_steps(first_steps(frames, count), count)
            counts.add(count)
    assert counts == (set(range(5)) if name.endswith(".arrow") else set())


@each_file
def test_a_flipped_bit_is_refused_by_name_or_changes_nothing(make, name, tmp_path):
    folder = make(tmp_path / "bad")
    whole = load(folder)
    data = (folder / name).read_bytes()
    draw = random.Random(name)
    caught = 0
    for _ in range(60):
        replace(folder, name, flipped(data, draw))
        frames = try_to_load(folder)
        if isinstance(frames, str):
            caught += 1
            assert name in frames
        else:
            for part in ("runs", "steps", "layers"):
                assert_frame_equal(getattr(frames, part), getattr(whole, part))
    assert caught > 30


def flipped(data, draw, times=1):
    """The data with a few random bits turned."""
    turned = bytearray(data)
    for _ in range(times):
        turned[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(turned)


@each_file
def test_a_missing_file_is_refused_by_name_or_was_not_begun(make, name, tmp_path):
    folder = make(tmp_path / "bad")
    (folder / name).unlink()
    if name.endswith(".arrow"):
        assert load(folder).problems == []
    else:
        assert "it is missing" in refused(folder, name)


@each_file
def test_a_fifo_a_device_or_a_folder_in_the_place_of_a_file_is_refused(make, name, tmp_path):
    folder = make(tmp_path / "bad")
    (folder / name).unlink()
    os.mkfifo(folder / name)
    assert "not a regular file" in refused(folder, name)
    (folder / name).unlink()
    (folder / name).symlink_to("/dev/zero")
    assert "not a regular file" in refused(folder, name)
    (folder / name).unlink()
    (folder / name).mkdir()
    refused(folder, name)


@each_file
def test_a_file_too_large_for_memory_is_refused_without_being_read(make, name, tmp_path):
    folder = make(tmp_path / "bad")
    os.truncate(folder / name, 1 << 42)  # sparse: it takes no room on the disk
    assert "bytes" in refused(folder, name)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe{}",
        b"\0" * 100,
        b"[" * 200_000,
        b'{"a":' * 50_000,
        b'{"format": true}',
        b'{"format": "1"}',
        b'{"format": NaN}',
        b'{"format": 1, "run_id": {}}',
        b'{"format": 1' + b"0" * 10_000 + b"}",
        b"!!python/object/apply:os.system [id]",
        b"\x80\x04\x95.",
    ],
    ids=lambda data: repr(data[:20]),
)
def test_what_is_no_run_json_is_refused(data, tmp_path):
    folder = write(tmp_path / "bad")
    replace(folder, "run.json", data)
    refused(folder, "run.json")


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 0},
        {"run_id": None},
        {"run_id": "../../etc"},
        {"run_id": "x" * 65},
        {"status": "fine"},
        {"status": ["completed"]},
        {"config": []},
        {"config": None},
        {"summary": "good"},
        {"timings": 3},
        {"files": {}},
        {"files": {"layers.parquet": "abc", "steps.parquet": "abc"}},
        {"files": {"layers.parquet": {"sha256": 1}, "steps.parquet": {"sha256": 1}}},
        {"summary": {"x": 2**64}},
    ],
    ids=repr,
)
def test_a_run_json_with_a_field_of_the_wrong_kind_is_refused(changes, tmp_path):
    folder = write(tmp_path / "bad")
    reseal(folder, **changes)
    assert "not what vgrad writes" in refused(folder, "run.json")


@pytest.mark.parametrize("raw", [b'"\\ud800"', b"1e999", b"-Infinity"])
def test_a_value_that_could_not_be_shown_is_refused(raw, tmp_path):
    folder = write(tmp_path / "bad")
    text = (folder / "run.json").read_bytes()
    replace(folder, "run.json", text.replace(b'"selu"', raw))
    refused(folder, "run.json")


def test_a_run_json_nested_too_deeply_is_refused(tmp_path):
    folder = write(tmp_path / "bad")
    tree = {}
    for _ in range(DEEPEST + 1):
        tree = {"a": tree}
    reseal(folder, config=tree)
    assert "nested too deeply" in refused(folder, "run.json")


def test_a_newer_format_is_refused_by_name(tmp_path):
    folder = write(tmp_path / "bad")
    replace(folder, "run.json", json.dumps({"format": FORMAT + 1, "new": "things"}).encode())
    assert "a newer vgrad wrote it" in refused(folder, "run.json")


def test_a_number_changed_by_hand_is_noticed(tmp_path):
    folder = write(tmp_path / "bad")
    text = (folder / "run.json").read_bytes()
    replace(folder, "run.json", text.replace(b"0.2", b"0.1"))
    assert "changed after it was written" in refused(folder, "run.json")


def swap_table(folder, data):
    """Put other bytes in the place of layers.parquet, with a seal that fits."""
    (folder / "layers.parquet").write_bytes(data)
    files = json.loads((folder / "run.json").read_bytes())["files"]
    files["layers.parquet"]["sha256"] = hashlib.sha256(data).hexdigest()
    reseal(folder, files=files)


def parquet(rows, **options):
    """The bytes of a table as a parquet file."""
    sink = io.BytesIO()
    pq.write_table(rows, sink, **options)
    return sink.getvalue()


def test_a_table_of_another_run_with_a_seal_that_fits_is_refused(tmp_path):
    folder = write(tmp_path / "runs" / "bad")
    other = write(tmp_path / "other", "bbbbbbbbbbbb")
    swap_table(folder, (other / "layers.parquet").read_bytes())
    assert f"not of run {RUN_ID}" in refused(folder, "layers.parquet")


def test_a_table_of_other_columns_is_refused(tmp_path):
    folder = write(tmp_path / "bad")
    swap_table(folder, parquet(pa.table({"x": [1, 2]})))
    assert "its columns are not those" in refused(folder, "layers.parquet")


@pytest.mark.parametrize("compression", ["zstd", "none"])
def test_a_table_that_would_grow_in_memory_is_refused_before_it_is_read(compression, tmp_path):
    folder = write(tmp_path / "bad")
    row = pq.read_table(folder / "layers.parquet").slice(0, 1)
    many = row.take(np.zeros(200_000, np.int64))
    swap_table(folder, parquet(many, compression=compression))
    assert (folder / "layers.parquet").stat().st_size < 200_000
    assert "more rows than its bytes can hold" in refused(folder, "layers.parquet")


def test_garbage_with_a_seal_that_fits_is_refused_or_changes_nothing(tmp_path):
    folder = write(tmp_path / "bad")
    data = (folder / "layers.parquet").read_bytes()
    draw = random.Random(0)
    for _ in range(60):
        swap_table(folder, flipped(data, draw, times=3))
        frames = try_to_load(folder)
        if isinstance(frames, str):
            assert "layers.parquet" in frames
        else:
            assert_holds_the_first_steps(frames)


def test_a_journal_made_of_other_messages_is_refused(tmp_path):
    folder = write_killed(tmp_path / "bad")
    wide = pa.schema([("step", pa.int64()), ("blob", pa.binary())])
    replace(folder, "layers.arrow", bytes(wide.serialize()))
    assert "not the journal of run" in refused(folder, "layers.arrow")


def test_records_of_a_living_run_have_one_size(tmp_path):
    folder = write_killed(tmp_path / "run")
    with pa.OSFile(str(folder / LAYERS.journal)) as source:
        stream = pa.ipc.open_stream(source)
        places = [source.tell()]
        for _ in stream:
            places.append(source.tell())
    sizes = {after - before for before, after in itertools.pairwise(places)}
    assert len(places) == 6
    assert len(sizes) == 1


def test_a_folder_full_of_traps_is_read_without_running_or_writing_anything(tmp_path):
    trap = tmp_path / "trap"
    write(trap)
    (trap / ".hydra").mkdir()
    (trap / ".hydra" / "config.yaml").write_text("!!python/object/apply:os.system [touch pwned]")
    (trap / "data.pkl").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    reseal(trap, config={"_target_": "os.system", "command": "touch pwned", "x": "${oc.env:HOME}"})
    program = f"""
import sys
from vgrad.store import load
import pandas.core.interchange
events = []
sys.addaudithook(lambda event, args: events.append((event, args)))
frames = load({str(trap)!r})
assert frames.runs.x[0] == "${{oc.env:HOME}}", frames.runs.x[0]
bad = [e for e in events if e[0] in ("os.system", "os.exec", "os.fork", "subprocess.Popen",
       "socket.connect", "pickle.find_class", "os.remove", "os.rename", "os.mkdir")]
bad += [e for e in events if e[0] == "open" and isinstance(e[1][2], int) and e[1][2] & 3]
assert bad == [], bad
assert "yaml" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], env=environment(), check=True, cwd=tmp_path)
    assert not (tmp_path / "pwned").exists()


def test_many_runs_with_some_damaged_show_the_rest(tmp_path):
    for number in range(12):
        folder = write(tmp_path / f"{number:02}", f"{number:012}")
        if number % 3 == 0:
            replace(folder, FINISHED[number // 3 % 3], b"broken")
    frames = load(tmp_path)
    assert len(frames.runs) == 8
    assert len(frames.problems) == 4
    with pytest.raises(StoreError, match=r"\(and 1 more\)"):
        load(tmp_path / "00", tmp_path / "03")


def test_a_folder_that_cannot_be_looked_into_is_named(tmp_path, monkeypatch):
    write(tmp_path / "good")
    (tmp_path / "closed").mkdir()
    honest = os.scandir

    def refuse(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return honest(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert load(tmp_path).problems == [f"{tmp_path / 'closed'} cannot be read: Permission denied."]
    with pytest.raises(StoreError, match="closed cannot be read"):
        load(tmp_path / "closed")


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    folder = write(tmp_path / "bad")
    write(tmp_path / "good", "aaaaaaaaaaaa")
    honest = os.open

    def refuse(path, *args, **kwargs):
        if str(path).endswith("bad/steps.parquet"):
            raise PermissionError(13, "Permission denied", str(path))
        return honest(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", refuse)
    assert "Permission denied" in refused(folder, "steps.parquet")


def test_a_seal_is_of_everything_but_itself():
    assert _seal({"a": 1, "sha256": "x"}) == _seal({"a": 1})
    assert _seal({"a": 1}) != _seal({"a": 2})


def test_reading_a_bomb_takes_little_memory(tmp_path):
    folder = write(tmp_path / "bad")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    replace(folder, "run.json", b'{"format": 1, "config": "' + b"a" * (5 << 20) + b'"}')
    with pytest.raises(DamagedFileError, match="bytes"):
        read_run(folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 20

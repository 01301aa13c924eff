"""Checkpoints: what was written is read back, and what was damaged is never read."""

from __future__ import annotations

import errno
import json
import math
import os
import random
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy

from recording import environment
from vgrad.errors import DamagedFileError, StoreError, WriteError
from vgrad.store import checkpoint
from vgrad.store.columns import CHECKPOINT

DTYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", "c8"]
TENSORS = {
    "weights": np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32),
    "step": np.array(7),
    "generator": np.arange(200, dtype=np.uint8),
}
ABOUT = {"step": 7, "runs": ["a", "ü"], "best": [-math.inf, 0.1 + 0.2], "nothing": None}


@pytest.fixture
def path(tmp_path):
    return tmp_path / CHECKPOINT


def assert_same(tensors, expected):
    assert tensors.keys() == expected.keys()
    for name, tensor in expected.items():
        assert (tensors[name].shape, tensors[name].dtype) == (tensor.shape, tensor.dtype)
        assert tensors[name].tobytes() == tensor.tobytes()


def test_what_was_written_is_read_back(path):
    checkpoint.write(path, TENSORS, ABOUT)
    read = checkpoint.read(path)
    assert_same(read.tensors, TENSORS)
    assert read.about == ABOUT
    assert [file.name for file in path.parent.iterdir()] == [CHECKPOINT]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (5,), (2, 3)])
def test_every_dtype_and_shape_comes_back_bit_by_bit(dtype, shape, path):
    draw = random.Random(f"{dtype}{shape}")
    size = math.prod(shape) * np.dtype(dtype).itemsize
    tensor = np.frombuffer(draw.randbytes(size), dtype).reshape(shape)
    checkpoint.write(path, {"x": tensor}, {})
    assert_same(checkpoint.read(path).tensors, {"x": tensor})


def test_a_tensor_may_lie_in_memory_in_any_way(path):
    whole = np.arange(24.0).reshape(2, 3, 4)
    odd = {"turned": whole.T, "every other": whole[:, ::2], "big-endian": whole.astype(">f8")}
    checkpoint.write(path, odd, {})
    for name, tensor in checkpoint.read(path).tensors.items():
        np.testing.assert_array_equal(tensor, odd[name])


def test_what_is_read_may_be_written_to(path):
    checkpoint.write(path, TENSORS, {})
    for tensor in checkpoint.read(path).tensors.values():
        tensor[...] = 0


def test_there_may_be_nothing_in_it(path):
    checkpoint.write(path, {}, {})
    assert (checkpoint.read(path).tensors, checkpoint.read(path).about) == ({}, {})


def test_other_tools_can_read_the_tensors(path):
    checkpoint.write(path, TENSORS, ABOUT)
    assert_same(safetensors.numpy.load_file(path), TENSORS)


def test_a_flipped_bit_anywhere_is_noticed(path):
    checkpoint.write(path, TENSORS, ABOUT)
    data = path.read_bytes()
    draw = random.Random(0)
    header = 8 + int.from_bytes(data[:8], "little")
    places = [draw.randrange(8 * len(data)) for _ in range(300)]
    for place in [*places, *range(8 * header)]:
        damaged = bytearray(data)
        damaged[place // 8] ^= 1 << place % 8
        path.unlink()  # quicker than to write over it
        path.write_bytes(damaged)
        with pytest.raises(StoreError, match=CHECKPOINT) as caught:
            checkpoint.read(path)
        assert isinstance(caught.value, DamagedFileError) or "newer vgrad" in str(caught.value)


def test_a_checkpoint_that_is_cut_anywhere_or_goes_on_is_noticed(path):
    checkpoint.write(path, TENSORS, ABOUT)
    data = path.read_bytes()
    cuts = {0, len(data) - 1, *random.Random(0).sample(range(len(data)), 200)}
    for damaged in [*(data[:cut] for cut in cuts), data + b"\0", data + data]:
        path.write_bytes(damaged)
        with pytest.raises(DamagedFileError, match=CHECKPOINT):
            checkpoint.read(path)


def header(**entries):
    """The bytes of a file with such a header, sixteen bytes of zeros behind it."""
    text = json.dumps(entries).encode()
    return len(text).to_bytes(8, "little") + text + bytes(16)


META = {"format": "1", "about": "{}", "sha256": "0" * 64}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(100),
        b"\xff" * 100,
        (1 << 62).to_bytes(8, "little") + b"{}",
        (200_000).to_bytes(8, "little") + b"[" * 200_000,
        b"\x80\x04\x95cos\nsystem\n(S'id'\ntR.",
        b"PK\x03\x04" + bytes(60),
        header(),
        header(__metadata__={}),
        header(__metadata__=[1]),
        header(__metadata__={**META, "format": 1}),
        header(__metadata__={**META, "format": "0"}),
        header(__metadata__={**META, "format": "one"}),
        header(__metadata__={**META, "format": "1" * 10_000}),
        header(__metadata__={**META, "about": "[" * 100_000}),
        header(__metadata__={**META, "more": ""}),
        header(__metadata__=META, x={"dtype": "F64", "shape": [2], "data_offsets": [0, 16]}),
        header(__metadata__=META, x={"dtype": "F64", "shape": [1 << 60], "data_offsets": [0, 16]}),
        header(__metadata__=META, x={"dtype": "F64", "shape": [2], "data_offsets": [0, 1 << 60]}),
        header(__metadata__=META, x={"dtype": "O", "shape": [2], "data_offsets": [0, 16]}),
        header(__metadata__=META, x={"dtype": "F8_E4M3", "shape": [16], "data_offsets": [0, 16]}),
    ],
    ids=lambda data: repr(data[8:40]),
)
def test_what_is_no_checkpoint_is_refused(data, path):
    path.write_bytes(data)
    with pytest.raises(DamagedFileError, match=CHECKPOINT):
        checkpoint.read(path)


def test_a_checkpoint_of_another_program_is_refused(path):
    safetensors.numpy.save_file(TENSORS, path, {"format": "pt"})
    with pytest.raises(DamagedFileError, match="no checkpoint"):
        checkpoint.read(path)


def test_a_newer_format_is_refused_by_name(path):
    path.write_bytes(header(__metadata__={**META, "format": "2"}))
    with pytest.raises(StoreError, match="has format 2: a newer vgrad wrote it") as caught:
        checkpoint.read(path)
    assert not isinstance(caught.value, DamagedFileError)


def test_a_file_too_large_a_fifo_or_a_device_is_refused_without_being_read(path):
    path.touch()
    os.truncate(path, 1 << 42)  # sparse: it takes no room on the disk
    with pytest.raises(DamagedFileError, match="bytes"):
        checkpoint.read(path)
    checkpoint.write(path, TENSORS, {})
    with pytest.raises(DamagedFileError, match="100 are the most"):
        checkpoint.read(path, limit=100)
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
        path.unlink()
        make(path)
        with pytest.raises(DamagedFileError, match="not a regular file"):
            checkpoint.read(path)


def test_what_could_not_be_read_again_is_not_written(path):
    with pytest.raises(AssertionError, match="says too much"):
        checkpoint.write(path, {}, {"x": "a" * (17 << 20)})
    assert not path.exists()


def test_a_missing_one_is_missing(path):
    with pytest.raises(FileNotFoundError):
        checkpoint.read(path)


def test_reading_a_bomb_takes_little_memory(path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    many = {f"x{n}": {"dtype": "F64", "shape": [0], "data_offsets": [0, 0]} for n in range(40_000)}
    path.write_bytes(header(__metadata__=META, **many))
    with pytest.raises(DamagedFileError):
        checkpoint.read(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10


def test_it_is_on_the_disk_before_it_takes_the_place_of_the_one_before(path, monkeypatch):
    checkpoint.write(path, TENSORS, {"step": 1})
    done = []
    fsync, replace = os.fsync, os.replace

    def watch_fsync(descriptor):
        done.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    def watch_replace(part, to):
        done.append("replaced")
        replace(part, to)

    monkeypatch.setattr(os, "fsync", watch_fsync)
    monkeypatch.setattr(os, "replace", watch_replace)
    checkpoint.write(path, TENSORS, {"step": 2})
    assert done == [path.stat().st_ino, "replaced", path.parent.stat().st_ino]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_keeps_the_one_before(call, path, monkeypatch):
    checkpoint.write(path, TENSORS, {"step": 1})

    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(WriteError, match=f"{CHECKPOINT} cannot be written: No space"):
            checkpoint.write(path, TENSORS, {"step": 2})
    assert checkpoint.read(path).about == {"step": 1}
    assert [file.name for file in path.parent.iterdir()] == [CHECKPOINT]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_kill_keeps_the_one_before_or_this_one(call, path):
    program = f"""
import os, pathlib, signal
import numpy as np
from vgrad.store import checkpoint
path = pathlib.Path({str(path)!r})
checkpoint.write(path, {{"x": np.arange(5)}}, {{"step": 1}})
os.{call} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
checkpoint.write(path, {{"x": np.arange(9)}}, {{"step": 2}})
"""
    killed = subprocess.run([sys.executable, "-c", program], env=environment(), check=False)
    assert killed.returncode == -signal.SIGKILL
    read = checkpoint.read(path)
    assert (read.about, len(read.tensors["x"])) == ({"step": 1}, 5)
    checkpoint.remove(path)
    assert list(path.parent.iterdir()) == []


def test_removing_takes_what_is_half_written_too_and_waits_for_the_disk(path, monkeypatch):
    synced = []
    checkpoint.write(path, TENSORS, {})
    path.with_name(f".{CHECKPOINT}.part").write_bytes(b"half")
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    checkpoint.remove(path)
    assert list(path.parent.iterdir()) == []
    assert synced == [path.parent.stat().st_ino]
    checkpoint.remove(path)
    checkpoint.remove(path.parent / "no folder" / CHECKPOINT)
    assert len(synced) == 1


def test_reading_and_writing_need_no_torch_and_run_nothing(path):
    checkpoint.write(path, TENSORS, {"_target_": "os.system", "x": "${oc.env:HOME}"})
    program = f"""
import pathlib, sys
from vgrad.store import checkpoint
events = []
sys.addaudithook(lambda event, args: events.append(event))
about = checkpoint.read(pathlib.Path({str(path)!r})).about
assert about == {{"_target_": "os.system", "x": "${{oc.env:HOME}}"}}
bad = {{"os.system", "os.exec", "os.fork", "subprocess.Popen", "pickle.find_class", "os.remove"}}
assert not bad & set(events)
assert not {{"torch", "pandas", "pyarrow"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], env=environment(), check=True)

"""The store and the disk: who may write a run folder, and what happens when the disk fails."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import sys
import threading

import pytest

from recording import (
    ABSENT,
    assert_holds_the_first_steps,
    begin,
    environment,
    layers_at,
    record,
    steps_at,
    write,
    write_killed,
)
from vgrad.errors import StoreError, WriteError
from vgrad.store import (
    disk,
    load,
    lock,
    read_run,
)

FINISHED = {"run.json", "layers.parquet", "steps.parquet"}
HOLD = """
import sys
from recording import begin, record
writer = begin(sys.argv[1])
record(writer)
print("recorded", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def elsewhere():
    """Another process that writes a run folder until it is killed."""
    started = []

    def hold(folder):
        command = [sys.executable, "-c", HOLD, str(folder)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        process = subprocess.Popen(command, env=environment(), **pipes)
        started.append(process)
        assert process.stdout.readline() == b"recorded\n"
        return process

    yield hold
    for process in started:
        process.kill()
        process.communicate()


def test_an_exception_leaves_a_failed_run_and_ctrl_c_an_interrupted_one(tmp_path):
    for error, status in ((ValueError, "failed"), (KeyboardInterrupt, "interrupted")):
        writer = begin(tmp_path / status)
        record(writer)
        with pytest.raises(error), writer:
            raise error
        assert read_run(tmp_path / status).status == status
        assert_holds_the_first_steps(load(tmp_path / status))


def test_a_second_writer_is_refused_while_the_first_lives(tmp_path, elsewhere):
    first = elsewhere(tmp_path / "run")
    assert read_run(tmp_path / "run").status == "running"
    with pytest.raises(StoreError, match=r"run is being written by another vgrad\.") as caught:
        begin(tmp_path / "run")
    assert caught.value.exit_status == 2
    assert_holds_the_first_steps(load(tmp_path))
    first.kill()
    first.wait()
    assert read_run(tmp_path / "run").status == "interrupted"
    assert_holds_the_first_steps(load(tmp_path))
    write(tmp_path / "run")
    assert list(load(tmp_path).runs.status) == ["completed"]


def test_a_second_writer_in_the_same_process_is_refused(tmp_path):
    with begin(tmp_path), pytest.raises(StoreError, match="another vgrad"):
        begin(tmp_path)


def test_readers_that_look_at_the_lock_do_not_keep_a_writer_out(tmp_path):
    ended = threading.Event()

    def look():
        while not ended.is_set():
            lock.is_held(tmp_path)

    readers = [threading.Thread(target=look) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(10):
            write(tmp_path)
    finally:
        ended.set()
        for reader in readers:
            reader.join()
    assert not lock.is_held(tmp_path)


def test_a_run_that_ends_while_it_is_looked_at_is_not_called_interrupted(tmp_path, monkeypatch):
    writer = begin(tmp_path)

    def end_then_look(folder):
        writer.finish("completed", {}, {})
        return lock.is_held(folder)

    monkeypatch.setattr("vgrad.store.run_file.is_held", end_then_look)
    assert read_run(tmp_path).status == "completed"


def test_a_run_that_ends_while_it_is_read_is_read_from_its_tables(tmp_path, monkeypatch):
    from vgrad.store import frames

    writer = begin(tmp_path)
    record(writer)
    honest = frames.read_journal

    def end_then_read(*args):
        monkeypatch.setattr(frames, "read_journal", honest)
        writer.finish("completed", {}, {})
        return honest(*args)

    monkeypatch.setattr(frames, "read_journal", end_then_read)
    read = load(tmp_path)
    assert_holds_the_first_steps(read)
    assert list(read.runs.status) == ["completed"]


def test_a_new_run_replaces_what_an_earlier_one_left(tmp_path):
    write_killed(tmp_path / "run", "aaaaaaaaaaaa")
    write(tmp_path / "run", "bbbbbbbbbbbb")
    with begin(tmp_path / "run", "cccccccccccc") as writer:
        record(writer, 1)
        assert not (tmp_path / "run" / "layers.parquet").exists()
        assert set(load(tmp_path).layers.run_id) == {"cccccccccccc"}
        assert_holds_the_first_steps(load(tmp_path), 1)
        writer.finish("completed", {}, {})
    assert {path.name for path in (tmp_path / "run").iterdir()} == FINISHED


def test_a_journal_that_was_torn_is_begun_anew(tmp_path):
    folder = write_killed(tmp_path / "run")
    for name in ("layers.arrow", "steps.arrow"):
        os.truncate(folder / name, (folder / name).stat().st_size - 9)
    assert_holds_the_first_steps(load(folder), 4)
    write(folder)
    assert_holds_the_first_steps(load(folder))


def test_reading_opens_nothing_for_writing(tmp_path):
    write(tmp_path / "done", "aaaaaaaaaaaa")
    write_killed(tmp_path / "killed", "bbbbbbbbbbbb")
    with begin(tmp_path / "alive", "cccccccccccc"):
        touched = audited(lambda: load(tmp_path))
    assert touched
    assert [event for event in touched if event[0] != "open"] == []
    assert [path for _, path, flags in touched if flags & (os.O_WRONLY | os.O_RDWR)] == []


def audited(action):
    """What an action does to files below the temporary folder: (event, path, flags) each."""
    events = []
    watching = [True]

    def hook(event, args):
        if watching and event in ("open", "os.rename", "os.remove", "os.mkdir", "os.truncate"):
            flags = args[2] if event == "open" and isinstance(args[2], int) else 0
            events.append((event, str(args[0]), flags))

    sys.addaudithook(hook)
    action()
    watching.clear()
    return events


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_disk_that_fails_ends_the_run_with_its_reason_and_keeps_what_was_written(
    number, tmp_path, monkeypatch
):
    honest = os.write
    writer = begin(tmp_path)
    record(writer, 3)

    def fail(descriptor, data):
        honest(descriptor, data[: len(data) // 2])
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(disk.os, "write", fail)
        with pytest.raises(WriteError) as caught, writer:
            writer.record(3, steps_at(3), layers_at(3), ABSENT)
    assert caught.value.exit_status == 1
    assert "layers.arrow" in str(caught.value)
    assert os.strerror(number) in str(caught.value)
    assert_holds_the_first_steps(load(tmp_path), 3)


def test_a_disk_that_fails_while_the_tables_are_made_keeps_the_journals(tmp_path, monkeypatch):
    writer = begin(tmp_path)
    record(writer)

    def fail(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(disk.os, "fsync", fail)
        with pytest.raises(WriteError, match=r"layers\.parquet cannot be written: No space"):
            writer.finish("completed", {}, {})
    assert read_run(tmp_path).status == "interrupted"
    assert_holds_the_first_steps(load(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {
        "run.json",
        "layers.arrow",
        "steps.arrow",
    }


def test_a_real_limit_on_the_size_of_files_is_an_error_in_words(tmp_path):
    writer = begin(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, before[1]))
    try:
        with pytest.raises(WriteError, match="File too large"), writer:
            record(writer, 1_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    frames = load(tmp_path)
    assert_holds_the_first_steps(frames, len(frames.steps))
    assert len(frames.steps) > 5


def test_a_folder_that_cannot_be_written_is_the_users_to_mend(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written: Not a directory") as caught:
        begin(tmp_path / "file" / "run")
    assert caught.value.exit_status == 2

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(StoreError, match="cannot be written: Permission denied"):
        begin(tmp_path / "run")


def test_a_folder_deleted_during_the_run_is_said(tmp_path):
    writer = begin(tmp_path / "run")
    record(writer)
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(StoreError, match=r"layers\.parquet cannot be written"):
        writer.finish("completed", {}, {})


def test_each_file_is_on_the_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace

    def watch_fsync(descriptor):
        done.append(("sync", os.fstat(descriptor).st_ino))
        fsync(descriptor)

    def watch_replace(part, path):
        done.append((path.name, os.stat(part).st_ino))
        replace(part, path)

    writer = begin(tmp_path)
    record(writer)
    monkeypatch.setattr(disk.os, "fsync", watch_fsync)
    monkeypatch.setattr(disk.os, "replace", watch_replace)
    writer.finish("completed", {}, {})
    expected = []
    for name in ("layers.parquet", "steps.parquet", "run.json"):
        file, folder = (path.stat().st_ino for path in (tmp_path / name, tmp_path))
        expected += [("sync", file), (name, file), ("sync", folder)]
    assert done[:-1] == expected

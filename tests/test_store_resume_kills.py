"""Runs that go on, and are killed or find the disk full at every single thing they do to it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from recording import environment
from resuming import end, go_on, half_ended, interrupted, killed, tables, undisturbed
from vgrad.errors import WriteError
from vgrad.store import disk, load

# Forks a process for each n, which goes on with a copy of the run and kills itself at the n-th
# call that changes what is on the disk, until one lives to its end.
DEADLY = """
import itertools, json, os, pathlib, shutil, signal, sys
from recording import ABSENT, CONFIG, RUN_ID, layers_at, steps_at
from vgrad.store import RunWriter

CALLS = {name: getattr(os, name) for name in ("write", "fsync", "replace", "unlink", "ftruncate")}

def deadly(name, left):
    def call(*args, **kwargs):
        left[0] -= 1
        if left[0] == 0:
            if name == "write":
                CALLS["write"](args[0], args[1][:len(args[1]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return CALLS[name](*args, **kwargs)
    return call

def run(folder, n):
    left = [n]
    for name in CALLS:
        setattr(os, name, deadly(name, left))
    writer = RunWriter(folder, RUN_ID, CONFIG, {}, keep=3, counts=[3, 3])
    writer.record(3, steps_at(3))
    writer.finish("interrupted", {}, {})

top = pathlib.Path(sys.argv[1])
for n in itertools.count(1):
    folder = top / str(n)
    shutil.copytree(sys.argv[2], folder)
    child = os.fork()
    if not child:
        run(folder, n)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL)
    print(folder, flush=True)
    if status == 0:
        break
"""


@pytest.mark.parametrize("leave", [killed, interrupted])
def test_a_full_disk_at_any_call_loses_nothing_that_stays(leave, tmp_path, monkeypatch):
    whole = undisturbed(tmp_path / "whole")
    for count in range(1, 100):
        folder = leave(tmp_path / str(count), 4)
        left = [count]

        def fail(call, left=left):
            def failing(*args):
                left[0] -= 1
                if left[0] <= 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return call(*args)

            return failing

        with monkeypatch.context() as patch:
            for name in ("write", "fsync", "replace"):
                patch.setattr(disk.os, name, fail(getattr(os, name)))
            try:
                go_on(folder, 3).finish("interrupted", {}, {})
                done = True
            except WriteError:
                done = False
        with go_on(folder, 3, [3, 3]) as writer:
            end(writer, 3)
        assert tables(folder) == whole
        if done:
            break
    assert 10 < count < 99


@pytest.mark.parametrize("leave", [killed, interrupted, half_ended])
def test_a_kill_at_every_call_of_going_on_loses_no_record_that_stays(leave, tmp_path):
    whole = undisturbed(tmp_path / "whole")
    (tmp_path / "runs").mkdir()
    leave(tmp_path / "earlier", 4)
    command = [sys.executable, "-W", "ignore", "-c", DEADLY]
    command += [str(tmp_path / "runs"), str(tmp_path / "earlier")]
    done = subprocess.run(command, env=environment(), check=True, stdout=subprocess.PIPE)
    folders = [Path(line) for line in done.stdout.decode().splitlines()]
    assert len(folders) > 25
    for folder in folders:
        frames = load(folder)
        assert frames.problems == []
        assert list(frames.steps.step[:3]) == [0, 1, 2]
        assert list(frames.layers.step[:12]) == [0] * 4 + [1] * 4 + [2] * 4
        with go_on(folder, 3, [3, 3]) as writer:
            end(writer, 3)
        assert tables(folder) == whole

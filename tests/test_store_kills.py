"""Runs that are killed: at random moments, and at every single thing they do to the disk."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys

import pytest

from recording import (
    RUN_ID,
    assert_holds_the_first_steps,
    begin,
    environment,
    first_steps,
    try_to_load,
    write,
    write_killed,
)
from vgrad.store import load, read_run

ENDLESS = """
import itertools, pathlib, sys
from recording import ABSENT, begin, layers_at, steps_at
writer = begin(pathlib.Path(sys.argv[1]))
for step in itertools.count():
    writer.record(step, steps_at(step), layers_at(step), ABSENT)
    print(step, flush=True)
"""

EARLIER = "eeeeeeeeeeee"
# What may be left of an earlier run when the new one was killed at its start.
EARLIER_STATES = {
    "completed": [("completed", 5, 20)],
    "killed": [("interrupted", 5, 20), ("interrupted", 5, 0), ("interrupted", 0, 0)],
}

# Forks a run for each n, which kills itself at the n-th call that changes what is on the disk: a
# write gets half its bytes out. Prints what each had recorded, until one lives to its end.
DEADLY = """
import itertools, json, os, pathlib, shutil, signal, sys
from recording import ABSENT, begin, layers_at, steps_at

CALLS = {name: getattr(os, name) for name in ("mkdir", "write", "fsync", "replace", "unlink")}

def deadly(name, left):
    def call(*args, **kwargs):
        left[0] -= 1
        if left[0] == 0:
            if name == "write":
                CALLS["write"](args[0], args[1][:len(args[1]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return CALLS[name](*args, **kwargs)
    return call

def run(folder, n, pipe):
    left = [n]
    for name in CALLS:
        setattr(os, name, deadly(name, left))
    writer = begin(folder)
    for step in range(3):
        writer.record(step, steps_at(step), layers_at(step), ABSENT)
        CALLS["write"](pipe, b".")
    writer.finish("completed", {}, {})

top = pathlib.Path(sys.argv[1])
for n in itertools.count(1):
    folder = top / str(n)
    if len(sys.argv) > 2:
        shutil.copytree(sys.argv[2], folder)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        run(folder, n, writer)
        os._exit(0)
    os.close(writer)
    _, status = os.waitpid(child, 0)
    recorded = len(os.read(reader, 100))
    os.close(reader)
    assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL)
    print(json.dumps([str(folder), recorded, status == 0]), flush=True)
    if status == 0:
        break
"""


@pytest.mark.parametrize("seed", range(10))
def test_a_kill_at_any_moment_loses_no_record_and_doubles_none(seed, tmp_path):
    command = [sys.executable, "-c", ENDLESS, str(tmp_path / "run")]
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE)
    enough = random.Random(seed).randrange(1, 60)
    for _, line in zip(range(enough), process.stdout, strict=False):
        assert line
    process.kill()
    rest, _ = process.communicate()
    recorded = enough + len(rest.split())
    frames = load(tmp_path)
    assert frames.problems == []
    assert list(frames.runs.status) == ["interrupted"]
    assert recorded <= len(frames.steps) <= recorded + 1
    assert recorded * 4 <= len(frames.layers) <= (recorded + 1) * 4
    steps = len(frames.steps)
    assert_holds_the_first_steps(first_steps(frames, steps), steps)


@pytest.mark.parametrize("earlier", [None, "completed", "killed"])
def test_a_kill_at_every_call_that_changes_the_disk_leaves_a_whole_state(earlier, tmp_path):
    before = {"completed": write, "killed": write_killed}
    command = [sys.executable, "-W", "ignore", "-c", DEADLY, str(tmp_path / "runs")]
    if earlier:
        command.append(str(before[earlier](tmp_path / "earlier", EARLIER)))
    (tmp_path / "runs").mkdir()
    done = subprocess.run(command, env=environment(), check=True, stdout=subprocess.PIPE)
    states = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(states) > 25
    for folder, recorded, ended in states:
        check_state(folder, recorded, ended, earlier)


def check_state(folder, recorded, ended, earlier):
    frames = try_to_load(folder)
    if isinstance(frames, str):
        assert (earlier, recorded) == (None, 0)
        assert "holds no run" in frames or "no folder" in frames
        return
    run, steps = frames.runs.iloc[0], len(frames.steps)
    assert frames.problems == []
    if run.run_id == EARLIER:
        assert recorded == 0
        state = (run.status, steps, len(frames.layers))
        assert state in EARLIER_STATES[earlier]
        return
    assert run.run_id == RUN_ID
    assert run.status in (["completed"] if ended else ["interrupted", "completed"])
    assert recorded <= steps <= min(recorded + 1, 3)
    assert steps * 4 <= len(frames.layers) <= min(recorded + 1, 3) * 4
    assert_holds_the_first_steps(first_steps(frames, steps), steps)


def test_a_killed_run_is_interrupted_wherever_it_is_copied(tmp_path):
    with begin(tmp_path / "alive"):
        shutil.copytree(tmp_path / "alive", tmp_path / "copy")
        assert read_run(tmp_path / "alive").status == "running"
        assert read_run(tmp_path / "copy").status == "interrupted"

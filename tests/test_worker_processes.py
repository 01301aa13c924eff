"""Programs that use worker processes, as processes of their own: how they start and how they end.

A stand-in for torch, quick to import, keeps them quick.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from orphans import assert_gone, assert_session_gone

CHORES = Path(__file__).parent
CONTEXTS = ["forkserver", "fork"]

TWICE = """
import chores
from vgrad.workers import Done, Pool

print("begun", flush=True)
with Pool(chores.do, 2, 1) as pool:
    for number in range(3):
        pool.add(chores.Chore("double", number))
    events = list(pool.events(lambda: False))
print(sorted(event.result for event in events if isinstance(event, Done)))
"""

LOUD = """
import chores
from vgrad.workers import Pool

with Pool(chores.do, 1, 1, (), CONTEXT) as pool:
    pool.add(chores.Chore("shout"))
    print(len(list(pool.events(lambda: False))))
"""

AT_WORK = """
import os, chores
from vgrad.interrupt import orderly
from vgrad.workers import Done, Message, Pool

END = False
at_work, done = [], []
with orderly() as stop, Pool(chores.do, 2, 1, (), CONTEXT) as pool:
    for _ in range(2):
        pool.add(chores.Chore("wait_for_stop"))
    for event in pool.events(stop.asked):
        if isinstance(event, Message):
            at_work.append(event.payload)
            if len(at_work) == 2:
                print("at work", flush=True)
                if END:
                    os._exit(130)
        if isinstance(event, Done):
            done.append(event.result)
print(done)
"""

NEVER_LEFT = """
import chores
from vgrad.workers import Message, Pool

pool = Pool(chores.do, 1, 1).__enter__()
pool.add(chores.Chore("wait_for_stop"))
next(event for event in pool.events(lambda: False) if isinstance(event, Message))
print("at work", flush=True)
"""

ORPHANED = """
import chores, psutil
from vgrad.workers import Died, Done, Message, Pool

with Pool(chores.do, 1, 1) as pool:
    pool.add(chores.Chore("wait_for_stop"))
    for event in pool.events(lambda: False):
        if isinstance(event, Message):
            print(event.payload)
            psutil.Process(event.payload).parent().kill()
        if isinstance(event, Died):
            print(event)
            pool.add(chores.Chore("double", 4))
        if isinstance(event, Done):
            print(event)
"""

WARM = """
import time
from pathlib import Path
from vgrad.workers import warm

warm(["slow"])
print(Path("imported").exists(), flush=True)
Path("go").touch()
while not Path("imported").exists():
    time.sleep(0.005)
"""


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Carries out Python with these arguments in an empty folder."""

    def run(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-W", "error", *words],
            **(settings(tmp_path) | more),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def settings(folder: Path) -> dict[str, Any]:
    """The empty folder, and where modules are found: the chores, and a torch that is none."""
    modules = folder / "modules"
    modules.mkdir(exist_ok=True)
    (modules / "torch.py").write_text("def set_num_threads(threads): pass\n")
    (folder / "here").mkdir(exist_ok=True)
    path = os.pathsep.join([str(modules), str(CHORES)])
    return {"cwd": folder / "here", "env": {**os.environ, "PYTHONPATH": path}}


@contextmanager
def at_work(folder: Path, text: str) -> Iterator[subprocess.Popen[str]]:
    """A program, alone in its group, the workers of which are at work; none outlives it."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", text],
        **settings(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "at work\n"
            yield process
            process.wait()
            assert_session_gone(process.pid)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def in_context(text: str, context: str) -> str:
    return text.replace("CONTEXT", repr(context))


def assert_ran_once(ended: subprocess.CompletedProcess[str]) -> None:
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "begun\n[0, 2, 4]\n"


def test_a_script_needs_no_guard(run, tmp_path):
    (tmp_path / "script.py").write_text(TWICE)
    assert_ran_once(run(str(tmp_path / "script.py")))


def test_a_module_that_is_run_needs_no_guard(run, tmp_path):
    settings(tmp_path)
    (tmp_path / "modules/program.py").write_text(TWICE)
    assert_ran_once(run("-m", "program"))


def test_a_command_needs_no_guard(run):
    assert_ran_once(run("-c", TWICE))


def test_a_session_that_is_typed_needs_no_guard(run):
    assert_ran_once(run("-", input=TWICE))


def test_what_is_in_the_current_folder_is_not_imported(run, tmp_path):
    (tmp_path / "script.py").write_text(TWICE)
    settings(tmp_path)
    for name in ("pickle", "random", "signal", "chores", "torch"):
        (tmp_path / "here" / f"{name}.py").write_text("open('imported', 'w').close()")
    assert_ran_once(run(str(tmp_path / "script.py")))
    assert not (tmp_path / "here/imported").exists()


@pytest.mark.parametrize("context", CONTEXTS)
def test_what_a_worker_prints_does_not_reach_standard_output(context, run):
    ended = run("-c", in_context(LOUD, context))
    assert (ended.returncode, ended.stdout) == (0, "2\n")
    assert ended.stderr == "on standard error\n"


@pytest.mark.parametrize("context", CONTEXTS)
def test_no_process_is_left_when_the_main_one_is_killed(context, tmp_path):
    with at_work(tmp_path, in_context(AT_WORK, context)) as process:
        process.kill()
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (-9, "")


@pytest.mark.parametrize("context", CONTEXTS)
def test_no_process_is_left_when_the_main_one_ends_at_once(context, tmp_path):
    text = in_context(AT_WORK, context).replace("END = False", "END = True")
    with at_work(tmp_path, text) as process:
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "")


def test_no_process_is_left_when_the_pool_is_never_left(tmp_path):
    with at_work(tmp_path, NEVER_LEFT) as process:
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_ends_all_in_order(number, context, tmp_path):
    with at_work(tmp_path, in_context(AT_WORK, context)) as process:
        os.killpg(process.pid, number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "['in order', 'in order']\n", "")


def test_workers_whose_forkserver_was_killed_end_and_are_replaced(run):
    ended = run("-c", ORPHANED)
    assert (ended.returncode, ended.stderr) == (0, "")
    worker, *said = ended.stdout.splitlines()
    assert said == ["Died(task=0, exit_code=255)", "Done(task=1, result=8)"]
    assert_gone(int(worker))


def slow(tmp_path: Path, text: str) -> None:
    settings(tmp_path)
    (tmp_path / "modules/slow.py").write_text(
        f"import time\nfrom pathlib import Path\n"
        f"while not Path('go').exists():\n    time.sleep(0.005)\n{text}"
    )


def test_modules_are_imported_while_the_program_goes_on(run, tmp_path):
    slow(tmp_path, "Path('imported').touch()")
    ended = run("-c", WARM)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "False\n", "")


def test_a_program_that_ends_does_not_wait_for_the_import(run, tmp_path):
    slow(tmp_path, "")
    ended = run("-c", "from vgrad.workers import warm\nwarm(['slow'])", start_new_session=True)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_with_the_real_torch_a_program_ends_without_a_word(tmp_path):
    script = TWICE.replace("2, 1)", "2, 1, ['vgrad.train'])")
    environment = {**os.environ, "PYTHONPATH": str(CHORES)}
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert_ran_once(ended)


def test_importing_the_pool_imports_no_torch(run):
    code = "import json, sys, vgrad.workers; print(json.dumps('torch' in sys.modules))"
    assert json.loads(run("-c", code).stdout) is False

"""Runs in training that are ended from outside, in order and without warning: what is left."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading

import pytest

import vgrad as package
from vgrad.interrupt import SIGNALS, Interrupted, heard, orderly
from vgrad.store import LAYER_COLUMNS, read_run

SMALL = ("depth=2", "width=8", "data=white", "probe.every=1", "eval.every=1", "name=run")


def begun(folder, steps: int, line: str) -> subprocess.Popen[str]:
    """A run of its own that has printed a line which begins like this."""
    process = subprocess.Popen(
        [sys.executable, "-m", "vgrad", "run", *SMALL, f"steps={steps}"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    assert any(printed.split("/")[0].split() == line.split() for printed in process.stdout)
    return process


def assert_holds_every_step(frames) -> int:
    """Steps 0, 1, … without a gap, each with all its layers; how many there are."""
    count = len(frames.steps)
    assert frames.problems == []
    assert list(frames.steps.step) == list(range(count))
    assert frames.steps[["train_loss", "val_loss", "grad_norm"]].notna().all(axis=None)
    assert list(frames.layers.layer) == [1, 2, 3] * (len(frames.layers) // 3)
    assert list(frames.layers.step) == [step // 3 for step in range(len(frames.layers))]
    assert frames.layers[LAYER_COLUMNS[0]].notna().all()
    return count


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_records_every_step_ends_in_order_within_seconds(number, status, tmp_path):
    with begun(tmp_path, 1_000_000, "step 0") as process:
        process.send_signal(number)
        said, _ = process.communicate(timeout=5)
    assert process.returncode == status, said
    assert "Traceback" not in said
    run = read_run(tmp_path / "runs/run")
    assert run.document["status"] == run.status == "interrupted"
    frames = package.load(run.path)
    count = assert_holds_every_step(frames)
    assert count >= 1
    assert len(frames.layers) == 3 * count
    assert run.summary["last_step"] == count - 1
    assert f"interrupted after {count - 1} step" in said


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The folder of a run that was killed some time after its 500th step."""
    folder = tmp_path_factory.mktemp("killed run's $HOME")
    with begun(folder, 5_000, "step 500") as process:
        process.kill()
    assert process.returncode == -signal.SIGKILL
    return folder / "runs/run"


def test_a_killed_run_is_listed_as_interrupted(killed, typed):
    ended = typed("ls", str(killed.parent), "--json")
    assert ended.status == 0
    (run,) = json.loads(ended.out)["runs"]
    assert run["status"] == "interrupted"
    assert run["config"]["steps"] == 5_000


def test_a_killed_run_keeps_every_record_that_it_had_made(killed):
    frames = package.load(killed)
    assert list(frames.runs.status) == ["interrupted"]
    count = assert_holds_every_step(frames)
    assert 500 <= count <= 5_001
    assert len(frames.layers) // 3 in (count, count + 1)  # the layers are written first


def test_a_killed_run_can_be_reported(killed, typed, tmp_path):
    ended = typed("report", str(killed), "--out", str(tmp_path / "page"))
    assert ended.status == 0, ended.err
    assert "interrupted" in (tmp_path / "page/index.html").read_text()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_asks_for_an_end_once_and_leaves_the_handlers_as_they_were(number):
    before = [signal.getsignal(each) for each in SIGNALS]
    with orderly() as stop:
        assert not stop.asked()
        signal.raise_signal(number)
        assert stop.asked()
        assert stop.signal == number
    assert [signal.getsignal(each) for each in SIGNALS] == before


def test_sigterm_is_heard_as_an_exception_that_no_launcher_swallows():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted) as raised, heard():
        signal.raise_signal(signal.SIGTERM)
    assert raised.value.exit_status == 143
    assert not isinstance(raised.value, Exception)
    assert signal.getsignal(signal.SIGTERM) == before


def test_in_another_thread_a_run_trains_without_handlers():
    before = [signal.getsignal(each) for each in SIGNALS]
    seen = []

    def train():
        with orderly() as stop:
            seen.extend(signal.getsignal(each) for each in SIGNALS)
            seen.append(stop.asked())

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert seen == [*before, False]

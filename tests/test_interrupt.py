"""Ctrl-C and SIGTERM: a command that is asked to end does so in order."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import vgrad as package
from commands import SMALL, Ended, interrupt_itself, work_nothing
from vgrad import check, pack
from vgrad.interrupt import Stop
from vgrad.store import read_run


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_asked_to_end_does_so_in_order(number, status, tmp_path):
    words = ["run", *SMALL[:2], "steps=1000000000", "name=long", "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "vgrad", *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("step"):
                break
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    assert json.loads(out)["status"] == "interrupted"
    assert read_run(tmp_path / "runs/long").status == "interrupted"
    assert len(package.load(tmp_path / "runs/long").steps) > 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_command_that_is_ended_before_its_run_leaves_nothing(number, status, typed, monkeypatch):
    monkeypatch.setattr(check, "check", lambda config, auto: os.kill(os.getpid(), number))
    assert typed("run", "--json") == Ended(status, "", "")
    assert list(Path().iterdir()) == []


def test_an_interrupted_sweep_does_not_begin_its_next_run(typed, monkeypatch):
    def work(part, report, should_stop):
        os.kill(os.getpid(), signal.SIGTERM)
        assert should_stop()
        return work_nothing(part, report, should_stop)

    monkeypatch.setattr(pack, "work", work)
    assert typed("sweep", "depth=1,2,3", "steps=1", "name=x").status == 143
    assert len(list(Path("runs/x").glob("*/run.json"))) == 1


def test_after_a_run_signals_do_what_they_did_before(typed, monkeypatch):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    monkeypatch.setattr(pack, "execute", interrupt_itself(signal.SIGINT))
    assert typed("run").status == 130
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_the_second_signal_ends_the_program_at_once(monkeypatch):
    ends = []
    monkeypatch.setattr(os, "_exit", ends.append)
    stop = Stop()
    stop.ask(signal.SIGINT)
    assert stop.asked()
    assert ends == []
    stop.ask(signal.SIGTERM)
    assert ends == [143]

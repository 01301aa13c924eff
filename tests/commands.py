"""Commands as a person types them, carried out in this process or in one of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from vgrad.cli import main
from vgrad.config import RunConfig, run_id
from vgrad.pack import Pack, Report
from vgrad.store import RunWriter
from vgrad.terminal import SilentView, View

BIN = Path(sys.executable).parent
SMALL = ("depth=2", "width=8", "steps=2")
SECRET = "hunter2"


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit status, and what it printed."""

    status: int
    out: str
    err: str


class Terminal:
    """Carries out commands in this process, in an empty folder."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str) -> Ended:
        self._capsys.readouterr()
        status = main(words)
        return Ended(status, *self._capsys.readouterr())


def execute_nothing(
    config: RunConfig, folder: Path, view: View, should_stop: Callable[[], bool]
) -> dict[str, Any]:
    """In the place of `vgrad.pack.execute`: leaves a run without a record."""
    with RunWriter(folder, run_id(config), config.plain(), {}) as writer:
        document = writer.finish("completed", {"verdict": "healthy"}, {})
    return {**document, "path": str(folder)}


def work_nothing(pack: Pack, report: Report, should_stop: Callable[[], bool]) -> list[Any]:
    """In the place of `vgrad.pack.work`: leaves runs without a record."""
    view = SilentView()
    return [execute_nothing(job.config, job.folder, view, should_stop) for job in pack.jobs]


def vgrad(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, in the current folder unless `cwd` says another."""
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    environment |= more.pop("env", {})
    return subprocess.run(
        [sys.executable, "-m", "vgrad", *words],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        check=False,
        **more,
    )


def assert_refused(ended: Ended, *says: str) -> None:
    """One message and nothing else, nowhere."""
    assert ended.status == 2
    assert ended.out == ""
    assert ended.err.startswith("vgrad: ")
    assert len(ended.err.splitlines()) == 1
    assert "Traceback" not in ended.err
    assert SECRET not in ended.err
    for words in says:
        assert words in ended.err


def interrupt_itself(number: int) -> Callable[..., dict[str, Any]]:
    """In the place of `pack.execute`: a run in which a signal arrives."""

    def execute(
        config: RunConfig, folder: Path, view: View, should_stop: Callable[[], bool]
    ) -> dict[str, Any]:
        assert not should_stop()
        os.kill(os.getpid(), number)
        assert should_stop()
        return execute_nothing(config, folder, view, should_stop)

    return execute

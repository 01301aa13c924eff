"""A terminal for tests that type commands, a Slurm for those that send jobs, and a browser."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from commands import SECRET, Terminal, execute_nothing

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from pages import Visit

# The same cases every time: what fails here fails for everyone.
settings.register_profile("same", derandomize=True)
settings.load_profile("same")

# A shell has what it starts with `&` ignore Ctrl-C, and so would every program that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def typed(capsys, monkeypatch, tmp_path) -> Terminal:
    """Commands typed in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VGRAD_SECRET", SECRET)
    monkeypatch.delenv("VGRAD_DEBUG", raising=False)
    return Terminal(capsys)


@pytest.fixture
def untrained(typed, monkeypatch) -> Terminal:
    """The same, where runs end as soon as they have begun."""
    monkeypatch.setattr("vgrad.pack.execute", execute_nothing)
    return typed


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    from pages import browser  # which loads all that reports need

    with browser() as found:
        yield found


@pytest.fixture
def open_page(chromium: Browser, file: Path) -> Iterator[Visit]:
    """The module's page; that it complains of nothing and asks for nothing is tested after each."""
    from pages import visit

    with visit(chromium, file) as seen:
        yield seen
        assert seen.complaints == []
        assert seen.requests == [file.as_uri()]


@pytest.fixture
def slurm(tmp_path, monkeypatch) -> Callable[[str, str], None]:
    """A Slurm of scripts: what each of its commands prints can be set."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def command(name: str, body: str) -> None:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    for name in ("srun", "scancel"):
        command(name, "exit 0")
    command("sbatch", "echo Submitted batch job 7")
    return command

"""What starts fast imports little: names are known without torch, runs without pandas."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys

import pytest

from vgrad import cli

PROBE = """
import contextlib, io, json, sys
with contextlib.redirect_stdout(io.StringIO()):
    {statement}
print(json.dumps(sorted(sys.modules)))
"""
HEAVY = {"torch._C", "pandas", "matplotlib", "scipy", "sklearn"}  # `torch` itself may stand lazily


def imported_by(statement: str, cwd) -> set[str]:
    """The modules that a fresh Python has after a statement."""
    ended = subprocess.run(
        [sys.executable, "-c", PROBE.format(statement=statement)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(ended.stdout))


def main(*words: str) -> str:
    return f"from vgrad.cli import main; assert main({list(words)!r}) == 0"


def test_import_vgrad_imports_nothing_of_others(tmp_path):
    modules = imported_by("import vgrad", tmp_path)
    others = {"torch", "numpy", "pandas", "pyarrow", "hydra", "omegaconf", "rich", "lazy_loader"}
    assert not modules & (HEAVY | others)
    assert {name for name in modules if name.startswith("vgrad")} == {"vgrad"}


def test_the_functions_are_found_without_importing_what_they_need(tmp_path):
    modules = imported_by("import vgrad; vgrad.run, vgrad.load, vgrad.report", tmp_path)
    assert not modules & (HEAVY | {"numpy", "hydra", "rich"})


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["list"], ["ls"]])
def test_what_only_shows_names_imports_neither_torch_nor_hydra(words, tmp_path):
    assert not imported_by(main(*words), tmp_path) & (HEAVY | {"hydra", "pyarrow"})


def test_help_imports_next_to_nothing(tmp_path):
    assert not imported_by(main("--help"), tmp_path) & {"rich", "numpy", "omegaconf"}


def test_completion_imports_no_torch(tmp_path, monkeypatch):
    monkeypatch.setenv("COMP_LINE", "vgrad run activation=")
    assert not imported_by(main("-sc", "query=bash"), tmp_path) & HEAVY


def test_showing_a_config_imports_no_torch(tmp_path):
    assert not imported_by(main("run", "--cfg", "job"), tmp_path) & HEAVY


@pytest.mark.parametrize(("words", "status"), [(["--version"], 0), (["lisst"], 2)])
def test_a_command_ends_at_once_yet_with_all_said_and_all_tidied_up(words, status, tmp_path):
    code = (
        "import atexit, sys; from vgrad.cli import program\n"
        "class Left:\n"
        "    def __del__(self): print('taken apart')\n"
        "atexit.register(print, 'tidied up'); left = Left()\n"
        f"sys.argv[1:] = {words!r}; program()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == status
    assert ended.stdout.splitlines()[-1] == "tidied up"
    assert ("vgrad 0" in ended.stdout) == (status == 0)
    assert ("lisst" in ended.stderr) == (status == 2)


def shell(line: str, cwd) -> subprocess.CompletedProcess[str]:
    """What a shell makes of a line in which `vgrad` stands for the program."""
    line = line.replace("vgrad", f"{sys.executable} -m vgrad", 1)
    return subprocess.run(["sh", "-c", line], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_do_no_harm(closed, tmp_path):
    ended = shell(f"vgrad list {closed}", tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ("relu" in ended.stdout) == (closed == "<&-")


class Full(io.StringIO):
    """A stream onto a full disk."""

    def flush(self):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_behind_the_words_is_no_fault_of_the_program(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", Full())
    assert cli.main(["--version"]) == 1
    said = capsys.readouterr().err
    assert said == "vgrad: What is said here cannot be written: No space left on device.\n"

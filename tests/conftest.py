"""A terminal for the tests that type commands."""

from __future__ import annotations

import pytest
from hypothesis import settings

from commands import SECRET, Terminal, execute_nothing

# The same cases every time: what fails here fails for everyone.
settings.register_profile("same", derandomize=True)
settings.load_profile("same")


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

"""`vgrad sweep`: a run for each combination, as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands import SMALL, assert_refused
from sweeping import Launches


@pytest.fixture
def launches(monkeypatch) -> Launches:
    """What the launcher is asked to do, and does not."""
    launches = Launches()
    monkeypatch.setattr("vgrad.launch.Launch", launches)
    return launches


def test_a_sweep_leaves_a_run_for_each_combination(typed):
    ended = typed("sweep", "--json", *SMALL[1:], "activation=relu,elu", "depth=1,2", "name=both")
    runs = json.loads(ended.out)["runs"]
    assert {(run["config"]["activation"]["name"], run["config"]["depth"]) for run in runs} == {
        ("relu", 1),
        ("relu", 2),
        ("elu", 1),
        ("elu", 2),
    }
    assert all(run["path"] == f"runs/both/{run['run_id']}" for run in runs)
    assert all((Path(run["path"]) / ".hydra/overrides.yaml").exists() for run in runs)
    assert Path("runs/both/multirun.yaml").exists()
    assert "activation  depth" in ended.err


def test_the_same_sweep_goes_to_the_same_folder(typed, launches):
    for words in (["depth=1,2", "seed=0,1"], ["seed=0,1", "depth=1,2"]):
        assert typed("run", "-m", *words).status == 0
    assert len(list(Path("runs").iterdir())) == 1


def test_a_sweep_is_not_mixed_with_a_single_run(untrained):
    untrained("run", "name=x")
    assert_refused(untrained("sweep", "depth=1,2", "name=x"), "holds a single run, not a sweep")


def test_what_a_sweep_left_that_was_killed_at_once_is_no_obstacle(typed, launches):
    Path("runs/x").mkdir(parents=True)
    Path("runs/x/.lock").touch()
    assert typed("sweep", "depth=1,2", "name=x").status == 0

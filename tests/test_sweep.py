"""`vgrad sweep`: a run for each combination."""

from __future__ import annotations

import json
from pathlib import Path

from commands import assert_refused, execute_nothing
from vgrad import pack
from vgrad.errors import StoreError


def test_a_sweep_leaves_a_run_for_each_combination(untrained):
    ended = untrained("sweep", "--json", "activation=relu,elu", "depth=1,2", "name=both")
    runs = json.loads(ended.out)["runs"]
    assert {(run["config"]["activation"]["name"], run["config"]["depth"]) for run in runs} == {
        ("relu", 1),
        ("relu", 2),
        ("elu", 1),
        ("elu", 2),
    }
    assert all(run["path"] == f"runs/both/{run['run_id']}" for run in runs)
    assert all((Path(run["path"]) / ".hydra/overrides.yaml").exists() for run in runs)


def test_runs_that_a_sweep_has_completed_are_not_run_again(untrained, monkeypatch):
    started = []

    def execute(config, *more):
        started.append(config.depth)
        return execute_nothing(config, *more)

    monkeypatch.setattr(pack, "execute", execute)
    assert untrained("sweep", "depth=1,2,1", "name=x").status == 0
    assert started == [1, 2]
    assert untrained("sweep", "depth=1,2,3", "name=x").status == 0
    assert started == [1, 2, 3]


def test_the_same_sweep_goes_to_the_same_folder(untrained):
    for words in (["depth=1,2", "seed=0,1"], ["seed=0,1", "depth=1,2"]):
        assert untrained("run", "-m", *words).status == 0
    assert len(list(Path("runs").iterdir())) == 1


def test_one_failing_run_of_a_sweep_does_not_stop_the_others(untrained, monkeypatch):
    def execute(config, *more):
        if config.depth == 1:
            raise StoreError("runs/x/1 is broken.")
        return execute_nothing(config, *more)

    monkeypatch.setattr(pack, "execute", execute)
    ended = untrained("sweep", "depth=1,2", "name=x")
    assert (ended.status, ended.err) == (2, "vgrad: runs/x/1 is broken.\n")
    assert json.loads(untrained("ls", "--json").out)["runs"][0]["config"]["depth"] == 2


def test_a_sweep_is_not_mixed_with_a_single_run(untrained):
    untrained("run", "name=x")
    assert_refused(untrained("sweep", "depth=1,2", "name=x"), "holds a single run, not a sweep")

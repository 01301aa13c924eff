"""Hydra's own launchers: one run per job, in this process or in others."""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path

import pytest
from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.plugins import Plugins

from commands import SMALL, execute_nothing, vgrad
from vgrad import pack
from vgrad.errors import StoreError
from vgrad.objective import told
from vgrad.store import load, read_run

BASIC = "hydra/launcher=basic"
JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")


def test_runs_that_a_sweep_has_completed_are_not_run_again(untrained, monkeypatch):
    started = []

    def execute(config, *more):
        started.append(config.depth)
        return execute_nothing(config, *more)

    monkeypatch.setattr(pack, "execute", execute)
    assert untrained("sweep", BASIC, "depth=1,2,1", "name=x").status == 0
    assert started == [1, 2]
    assert untrained("sweep", BASIC, "depth=1,2,3", "name=x").status == 0
    assert started == [1, 2, 3]


def test_one_failing_run_of_a_sweep_does_not_stop_the_others(untrained, monkeypatch):
    def execute(config, *more):
        if config.depth == 1:
            raise StoreError("runs/x/1 is broken.")
        return execute_nothing(config, *more)

    monkeypatch.setattr(pack, "execute", execute)
    ended = untrained("sweep", BASIC, "depth=1,2", "name=x")
    assert (ended.status, ended.err) == (2, "vgrad: runs/x/1 is broken.\n")
    assert json.loads(untrained("ls", "--json").out)["runs"][0]["config"]["depth"] == 2


@pytest.mark.parametrize("sweeper", ["grid", "basic"])
def test_the_runs_are_the_same_with_every_launcher(sweeper, typed):
    words = (*SMALL[1:], "depth=1,2", f"hydra/sweeper={sweeper}")
    assert typed("sweep", BASIC, *words, "name=basic").status == 0
    assert typed("sweep", *words, "hydra.launcher.workers=1", "name=packed").status == 0
    basic, packed = (load(f"runs/{name}").runs for name in ("basic", "packed"))
    assert sorted(basic["run_id"]) == sorted(packed["run_id"])
    for run in basic["run_id"]:
        one, other = (Path("runs", name, run, ".hydra") for name in ("basic", "packed"))
        assert (one / "overrides.yaml").read_text().replace("basic", "packed") == (
            other / "overrides.yaml"
        ).read_text()


def test_joblib_makes_the_runs_in_processes_of_its_own(tmp_path):
    ended = vgrad("sweep", *JOBLIB, *SMALL, "seed=0,1,2", "name=x", "--json", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    runs = json.loads(ended.stdout)["runs"]
    assert sorted(run["config"]["seed"] for run in runs) == [0, 1, 2]
    assert {run["status"] for run in runs} == {"completed"}
    for run in runs:
        assert read_run(tmp_path / "runs/x" / run["run_id"]).run_id == run["run_id"]
        assert (tmp_path / "runs/x" / run["run_id"] / ".hydra/overrides.yaml").exists()


def test_an_error_in_a_process_of_joblib_arrives_as_one_message(typed, tmp_path):
    words = ("sweep", *JOBLIB, *SMALL, "name=x")
    assert typed("sweep", BASIC, *SMALL, "name=x", "seed=0").status == 0
    (run,) = (tmp_path / "runs/x").glob("*/run.json")
    for path in [path for path in run.parent.iterdir() if path.is_file()]:
        path.unlink()
    (run.parent / "layers.parquet/taken").mkdir(parents=True)  # where the run's table is to go
    ended = vgrad(*words, "seed=0,1", cwd=tmp_path)
    assert ended.returncode in (1, 2)
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    runs = [json.loads(path.read_text()) for path in tmp_path.glob("runs/x/*/run.json")]
    assert "completed" in {run["status"] for run in runs}


def test_submitit_makes_each_run_in_a_job_of_its_own(typed):
    words = ("hydra/launcher=submitit_local", *SMALL, "seed=0,1", "name=x", "--json")
    ended = typed("sweep", *words)
    assert ended.status == 0, ended.err
    runs = json.loads(ended.out)["runs"]
    assert sorted((run["config"]["seed"], run["status"]) for run in runs) == [
        (0, "completed"),
        (1, "completed"),
    ]


def test_a_setting_of_a_launcher_may_refer_to_the_rest_of_the_config(untrained):
    referring = "hydra.launcher.max_memory=${hydra.sweep.dir}"
    ended = untrained("sweep", referring, "depth=1,2", "name=x", "--dry-run")
    assert (ended.status, ended.err) == (
        2,
        "vgrad: hydra.launcher.max_memory=runs/x cannot be read. Write it as in 4GB or 500MB.\n",
    )


TRACE = """Job (task=0) failed during processing with trace:
----------------------
Traceback (most recent call last):
  File "x.py", line 1, in f
OSError: the disk is gone

----------------------
You can check full logs with 'job.stderr(0)'"""


@pytest.mark.parametrize(
    ("text", "gist"),
    [
        ("sbatch: error: no such partition\nsbatch: fatal", "sbatch: error: no such partition"),
        (TRACE, "OSError: the disk is gone"),
        ("", "RuntimeError"),
    ],
)
def test_a_launcher_that_fails_says_so_in_one_line(text, gist, untrained, monkeypatch):
    def launch(*_, **__):
        raise RuntimeError(text)

    basic = Plugins.instance().class_name_to_class[f"{BasicLauncher.__module__}.BasicLauncher"]
    monkeypatch.setattr(basic, "launch", launch)  # Hydra has executed the module once more
    ended = untrained("sweep", BASIC, "depth=1,2", "name=x")
    said = f"vgrad: hydra/launcher=basic failed: {gist}. VGRAD_DEBUG=1 shows all of it.\n"
    assert (ended.status, ended.err) == (1, said)


def test_what_a_sweeper_is_told_is_a_number_that_carries_the_run():
    document = {"status": "completed", "summary": {"final_val_loss": 0.5, "best": None}}
    assert told(document, "final_val_loss") == 0.5
    assert math.isnan(told(document, "best"))
    assert math.isnan(told(document, "nosuch"))
    assert pickle.loads(pickle.dumps(told(document, "final_val_loss"))).document == document


def test_no_run_is_worse_than_one_whose_loss_diverged():
    document = {"status": "diverged", "summary": {"final_val_loss": 3.0, "final_val_accuracy": 0.1}}
    assert told(document, "final_val_loss") == math.inf
    assert told(document, "final_val_accuracy") == 0.1


def test_a_run_that_could_not_be_made_has_no_value_but_a_reason():
    error = StoreError("broken")
    value = told(error, "final_val_loss")
    assert math.isnan(value)
    assert value.error is error
    with pytest.raises(ValueError, match="no value"):  # so that Optuna takes the trial as failed
        float(value)
    assert value.document is None

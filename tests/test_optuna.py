"""Optuna's sweeper on top of packed runs. Optuna 2.10 warns its developers a lot, users never."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from commands import SMALL, assert_refused, vgrad
from vgrad import launch
from vgrad.job import Job

# Of what Python shows to nobody; any other warning fails.
pytestmark = pytest.mark.filterwarnings(
    *(f"ignore::{kind}Warning" for kind in ("Deprecation", "PendingDeprecation", "Import"))
)
OPTUNA = ("hydra/sweeper=optuna", "hydra.sweeper.sampler.seed=1")
TOO_SMALL = "vgrad: optimizer.lr must be at least 0.0, not -1.0.\n"


@pytest.fixture
def sizes(monkeypatch) -> list[int]:
    """How many runs were launched at a time."""
    found: list[int] = []
    carry_out = launch.Launch.carry_out

    def count(self: launch.Launch, jobs: Sequence[Job]) -> list[Any]:
        found.append(len(jobs))
        return carry_out(self, jobs)

    monkeypatch.setattr(launch.Launch, "carry_out", count)
    return found


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> tuple[Path, str]:
    """A study of six trials, three at a time, kept in a data base."""
    folder = tmp_path_factory.mktemp("optuna")
    words = ("hydra.sweeper.n_trials=6", "hydra.sweeper.n_jobs=3", *SMALL, "name=x")
    kept = ("hydra.sweeper.storage=sqlite:///trials.db", "hydra.sweeper.study_name=lr")
    sought = ("hydra.sweeper.direction=maximize", "objective=final_val_accuracy")
    swept = "optimizer.lr=interval(0.001,0.1)"
    ended = vgrad("sweep", *OPTUNA, *words, *kept, *sought, swept, cwd=folder)
    assert ended.returncode == 0, ended.stderr
    return folder, ended.stderr


def recorded(folder: Path) -> list[dict[str, Any]]:
    """The runs of a study."""
    return [json.loads(path.read_text()) for path in folder.glob("runs/x/*/run.json")]


def values(folder: Path) -> list[float]:
    """What the runs were valued at, by what they recorded."""
    return sorted(run["summary"]["final_val_accuracy"] for run in recorded(folder))


def test_trials_are_packed_a_batch_at_a_time_and_told(study):
    folder, errors = study
    assert len(values(folder)) == 6
    assert errors == ""
    stacks = {tuple(run["stack"]) for run in recorded(folder)}
    assert [len(stack) for stack in stacks] == [3, 3]
    best = yaml.safe_load((folder / "runs/x/optimization_results.yaml").read_text())
    assert best["best_value"] == pytest.approx(values(folder)[-1])


def test_trials_are_kept_in_a_data_base(study):
    folder, _ = study
    with sqlite3.connect(folder / "trials.db") as base:
        rows = base.execute("select value from trial_values").fetchall()
        states = base.execute("select state from trials").fetchall()
    base.close()
    assert sorted(value for (value,) in rows) == pytest.approx(values(folder))
    assert states == [("COMPLETE",)] * 6


def test_a_study_goes_on_in_its_folder(study, typed, monkeypatch):
    folder, _ = study
    monkeypatch.chdir(folder)
    words = ("hydra.sweeper.n_trials=2", "hydra/sweeper/sampler=random", *SMALL, "name=x")
    ended = typed("sweep", OPTUNA[0], *words, "optimizer.lr=interval(0.2,0.3)")
    assert ended.status == 0, ended.err
    assert len(values(folder)) == 8


def test_trials_that_diverge_or_can_not_be_made_do_not_stop_a_study(typed, sizes, tmp_path):
    words = ("hydra.sweeper.n_trials=9", "hydra.sweeper.n_jobs=9", "depth=2", "width=8", "steps=20")
    swept = "optimizer.lr=choice(0.001,1e10,-1)"
    ended = typed("sweep", *OPTUNA, *words, swept, "name=x")
    assert ended.status == 2
    assert ended.err == TOO_SMALL
    assert len(sizes) == 1
    assert 2 <= sizes[0] < 9
    statuses = [run["status"] for run in recorded(tmp_path)]
    assert sorted(statuses) == ["completed", "diverged"]
    best = yaml.safe_load((tmp_path / "runs/x/optimization_results.yaml").read_text())
    assert best["best_params"] == {"optimizer.lr": 0.001}


def test_a_study_none_of_whose_trials_can_be_made_ends_with_their_reason(typed):
    words = ("hydra.sweeper.n_trials=2", "optimizer.lr=choice(-1,-1)")
    ended = typed("sweep", OPTUNA[0], *words)
    assert (ended.status, ended.err) == (2, TOO_SMALL)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--dry-run"], "--dry-run needs hydra/sweeper=grid"),
        (["hydra.sweeper.sampler._target_=os.abort"], "os.abort would run code"),
        (["hydra.sweeper.custom_search_space=os.abort"], "os.abort would run code"),
    ],
)
def test_what_a_study_may_not_is_told(words, says, typed, tmp_path):
    assert_refused(typed("sweep", OPTUNA[0], "depth=1,2", *words), says)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("launcher", "said"),
    [
        ("basic", "depth must be a whole number, not '1."),
        ("joblib", "These settings do not make a config: Error merging override depth=1."),
    ],
)
def test_a_value_that_no_run_can_have_is_named_by_other_launchers_as_well(launcher, said, typed):
    words = (*OPTUNA, "hydra.sweeper.n_trials=1", "depth=interval(1.2,1.8)", "name=x")
    ended = typed("sweep", f"hydra/launcher={launcher}", *words)
    assert_refused(ended)
    assert ended.err.startswith(f"vgrad: {said}")

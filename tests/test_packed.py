"""The launcher `packed` and what a sweep does around it: checks, folders, locks, errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra.core.utils import JobReturn, JobStatus

from commands import assert_refused
from sweeping import Launches
from vgrad import combine
from vgrad.errors import StoreError
from vgrad.interrupt import Interrupted
from vgrad.store import read_run
from vgrad.store.lock import free, is_held, take
from vgrad.task import Task

EIGHT = ("activation=relu,elu", "depth=1,2", "seed=0,1")


@pytest.fixture
def launches(monkeypatch) -> Launches:
    """What the launcher is asked to do, and does not."""
    launches = Launches()
    monkeypatch.setattr("vgrad.launch.Launch", launches)
    return launches


def test_all_runs_come_in_one_batch_composed_and_checked(typed, launches):
    assert typed("sweep", *EIGHT, "steps=3", "name=x").status == 0
    (jobs,) = launches.batches
    assert [(j.config.activation.name, j.config.depth, j.config.seed) for j in jobs] == [
        (activation, depth, seed)
        for activation in ("relu", "elu")
        for depth in (1, 2)
        for seed in (0, 1)
    ]
    assert jobs[-1].overrides == ("activation=elu", "depth=2", "seed=1", "steps=3", "name=x")
    assert jobs[-1].config.device == "cpu"
    assert jobs[-1].config.batch_size == 64
    assert jobs[-1].tree["name"] == "x"
    assert {job.folder.parent for job in jobs} == {Path("runs/x")}


def test_settings_of_the_launcher_reach_it(typed, launches):
    words = ("hydra.launcher.workers=3", "hydra.launcher.max_memory=2GB")
    assert typed("sweep", "depth=1,2", "name=x", *words).status == 0
    assert launches.settings["workers"] == 3
    assert launches.settings["max_memory"] == "2GB"
    assert launches.settings["cluster"] is None
    assert "_target_" not in launches.settings


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("workers=0", "hydra.launcher.workers must be at least 1, not 0."),
        ("workers=two", "hydra.launcher.workers is not valid"),
        ("max_memory=much", "hydra.launcher.max_memory=much cannot be read"),
        ("cluster=slrum", "hydra.launcher.cluster='slrum' does not do"),
        ("wrokers=2", "Hydra has no key named 'hydra.launcher.wrokers'."),
    ],
)
def test_a_slip_in_a_setting_of_the_launcher_is_told_before_anything_is_written(
    setting, says, typed, launches
):
    assert_refused(typed("sweep", "depth=1,2", f"hydra.launcher.{setting}"), says)
    assert list(Path().iterdir()) == []
    assert not launches.batches


def test_a_setting_of_this_launcher_typed_with_another_says_whose_it_is(typed):
    ended = typed("sweep", "depth=1,2", "hydra/launcher=basic", "hydra.launcher.workers=2")
    assert_refused(
        ended,
        "Hydra has no key named 'hydra.launcher.workers'. It is a setting of "
        "hydra/launcher=packed, the default.",
    )


def test_one_bad_run_of_many_is_named_and_nothing_is_started(typed, launches):
    swept = ("activation=relu,elu", "depth=1,2,3", "seed=range(10)", "model.aux_heads=0,2")
    ended = typed("sweep", *swept, "steps=3")
    assert_refused(
        ended,
        "In the run activation=relu depth=1 seed=0 model.aux_heads=2: model.aux_heads=2 needs",
    )
    assert list(Path().iterdir()) == []
    assert not launches.batches


def test_what_is_wrong_with_all_runs_is_told_of_none(typed, launches):
    for words in (["seed=0,1", "depth=-1"], ["seed=0,1", "batch_size=100000"]):
        ended = typed("sweep", *words)
        assert_refused(ended)
        assert "In the run" not in ended.err
    assert not launches.batches


def test_a_run_that_is_asked_for_twice_is_made_once(typed, launches):
    assert typed("sweep", "depth=1,2,1", "optimizer.lr=0.1,1e-1", "name=x").status == 0
    assert len(list(Path("runs/x").glob("*/run.json"))) == 2
    assert len(launches.made) == 2


def test_what_went_wrong_with_one_run_is_told_when_the_others_are_done(typed, launches):
    def fail(job: Any) -> None:
        if job.config.depth == 1:
            raise StoreError("runs/x/1 is broken.")

    launches.fail = fail
    ended = typed("sweep", "depth=1,2", "name=x")
    assert (ended.status, ended.err) == (2, "vgrad: runs/x/1 is broken.\n")
    assert [job.config.depth for job in launches.made] == [2]
    assert "1 run" in ended.out


def test_batches_of_a_set_size_follow_each_other_though_one_run_fails(typed, launches):
    def fail(job: Any) -> None:
        if job.config.depth == 1:
            raise StoreError("runs/x/1 is broken.")

    launches.fail = fail
    assert typed("sweep", "depth=1,2,3", "hydra.sweeper.max_batch_size=2").status == 2
    assert [len(batch) for batch in launches.batches] == [2, 1]


def test_a_sweep_is_resumed_in_its_folder(typed, launches):
    assert typed("sweep", "depth=1,2", "name=x").status == 0
    assert typed("sweep", "depth=1,2,3", "name=x").status == 0
    assert [job.config.depth for job in launches.made] == [1, 2, 3]


def test_a_folder_of_another_run_is_refused_before_anything_is_started(typed, launches):
    assert typed("sweep", "depth=1", "name=x").status == 0
    (run,) = Path("runs/x").glob("*/run.json")
    document = json.loads(run.read_text())
    run.write_text(json.dumps(document | {"run_id": "0" * 12}))
    assert_refused(typed("sweep", "depth=1,2", "name=x"), str(run.parent))
    assert len(launches.batches) == 1


def test_a_sweep_that_another_vgrad_writes_is_refused(typed, launches):
    Path("runs/x").mkdir(parents=True)
    lock = take(Path("runs/x"))
    try:
        assert_refused(
            typed("sweep", "depth=1,2", "name=x"),
            "runs/x is being written by another vgrad sweep. Wait for it to end",
            "name=NAME",
        )
    finally:
        free(lock)
    assert os.listdir("runs/x") == []
    assert not launches.batches


def test_the_folder_is_locked_while_the_sweep_goes_on_and_free_afterwards(typed, launches):
    held = []
    launches.fail = lambda job: held.append(is_held(Path("runs/x")))
    assert typed("sweep", "depth=1,2", "name=x").status == 0
    assert held == [True, True]
    assert not is_held(Path("runs/x"))
    assert ".lock" not in os.listdir("runs/x")


def test_an_interrupted_sweep_frees_its_folder_and_ends_with_130(typed, launches, monkeypatch):
    def interrupt(jobs: Any) -> Any:
        raise Interrupted(2, {"runs": []})

    monkeypatch.setattr(launches, "carry_out", interrupt)
    assert typed("sweep", "depth=1,2", "name=x").status == 130
    assert os.listdir("runs/x") == ["multirun.yaml"]


def test_a_setting_may_refer_to_one_that_is_swept(typed, launches):
    assert typed("sweep", "depth=1,2", "width=${depth}").status == 0
    assert [job.config.width for job in launches.made] == [1, 2]


def test_a_study_in_a_file_sweeps_what_it_lists(typed, launches):
    Path("mine/study").mkdir(parents=True)
    Path("mine/my.yaml").write_text("defaults: [config, _self_, {study: null}]\n")
    Path("mine/study/deep.yaml").write_text(
        "# @package _global_\ndefaults: [{override /activation: elu}]\nsteps: 3\n"
        "hydra: {sweeper: {params: {depth: '1,2', activation.alpha: '1,2'}}}\n"
    )
    words = ("--config-dir=mine", "--config-name=my", "study=deep", "depth=3")
    assert typed("sweep", *words).status == 0
    assert [(j.config.depth, j.config.activation.settings["alpha"]) for j in launches.made] == [
        (3, 1.0),
        (3, 2.0),
    ]


def test_a_config_file_can_not_have_code_run(typed, launches):
    Path("mine").mkdir()
    target = "hydra: {sweeper: {params: {_target_: os.abort, depth: '1,2'}}}"
    Path("mine/my.yaml").write_text(f"defaults: [config, _self_]\n{target}\n")
    ended = typed("sweep", "--config-dir=mine", "--config-name=my")
    assert_refused(ended, "os.abort would run code that a config names")


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(typed):
    ended = typed("sweep", "--dry-run", "depth=1,2,1", "seed=0,1", "steps=5")
    assert ended.status == 0
    lines = dict(line.split(":", 1) for line in ended.out.splitlines())
    assert list(lines) == ["runs", "done", "to do", "workers", "expected"]
    assert lines["runs"].strip() == "4"
    assert lines["done"].strip() == "0"
    assert lines["to do"].strip().startswith("4, in ")
    told = json.loads(typed("sweep", "--dry-run", "--json", "depth=1,2").out)
    assert (told["runs"], told["done"]) == (2, 0)
    assert list(Path().iterdir()) == []


def test_a_dry_run_counts_what_is_done_already(typed, launches):
    typed("sweep", "depth=1,2", "name=x")
    before = sorted(Path("runs").rglob("*"))
    told = json.loads(typed("sweep", "--dry-run", "--json", "depth=1,2,3", "name=x").out)
    assert (told["runs"], told["done"]) == (3, 2)
    assert sorted(Path("runs").rglob("*")) == before
    told = typed("sweep", "--dry-run", "depth=1,2", "name=x").out
    assert "to do:    nothing" in told


def test_a_dry_run_is_refused_where_it_can_not_tell(typed):
    ended = typed("sweep", "--dry-run", "depth=1,2", "hydra/launcher=basic")
    assert_refused(ended, "--dry-run needs hydra/launcher=packed")
    assert_refused(typed("run", "--dry-run"), "vgrad run has no option '--dry-run'")


def test_runs_are_counted_before_they_are_listed(typed, launches, monkeypatch):
    monkeypatch.setattr(combine, "MOST_RUNS", 4)
    assert_refused(typed("sweep", "seed=range(5)"), "The sweep has 5 runs; 1 to 4 are possible.")


def test_each_run_of_a_sweep_can_be_read(typed, launches):
    typed("sweep", "depth=1,2", "name=x")
    for path in Path("runs/x").glob("*/"):
        assert read_run(path).status == "completed"


def test_what_came_of_a_run_is_told_as_hydra_tells_it(typed, launches, monkeypatch):
    told: list[JobReturn] = []
    launch = Task.launch

    def keep(self: Task, *batch: Any) -> list[JobReturn]:
        told.extend(launch(self, *batch))
        return told

    def fail(job: Any) -> None:
        if job.config.depth == 2:
            raise StoreError("runs/x/2 is broken.")

    launches.fail = fail
    monkeypatch.setattr(Task, "launch", keep)
    monkeypatch.setattr(launches, "outcome", lambda job: {"summary": {"final_val_loss": 0.25}})
    typed("sweep", "depth=1,2", "name=x")
    assert [one.overrides for one in told] == [["depth=1", "name=x"], ["depth=2", "name=x"]]
    assert [one.status for one in told] == [JobStatus.COMPLETED, JobStatus.FAILED]
    assert [one.working_dir for one in told] == [os.getcwd()] * 2
    assert [one.cfg.depth for one in told if one.cfg is not None] == [1, 2]
    assert told[0].return_value == 0.25
    assert told[0].return_value.document["path"] == str(launches.made[0].folder)


def test_a_sweep_starts_without_what_only_frames_and_figures_need(tmp_path):
    words = ["sweep", "--dry-run", "depth=1,2"]
    statement = f"from vgrad.cli import main; assert main({words!r}) == 0; import sys"
    heavy = "{'pandas', 'matplotlib', 'sklearn', 'scipy', 'optuna', 'joblib', 'submitit'}"
    ended = subprocess.run(
        [sys.executable, "-c", f"{statement}; assert not {heavy} & set(sys.modules)"],
        cwd=tmp_path,
        check=False,
    )
    assert ended.returncode == 0

"""Packs that are sent to a cluster: what is shown of them, and what becomes of their runs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from launching import Shown, Work, ended, statuses
from packing import job, packed
from vgrad import check, cluster, plan
from vgrad.config import run_id
from vgrad.errors import ConfigError, NoRoomError, StoreError, VgradError, WriteError
from vgrad.launch import Launch
from vgrad.pack import work as carry_out
from vgrad.parts.activations import ACTIVATIONS


@pytest.fixture
def work(monkeypatch) -> Work:
    work = Work()
    monkeypatch.setattr("vgrad.pack.work", work)
    monkeypatch.setattr(plan, "seconds", lambda config, runs: float(config.depth))
    return work


class Cluster:
    """In the place of `vgrad.cluster.carry_out`: says what a job's watcher says."""

    def __init__(self) -> None:
        self.fate = lambda pack: None
        self.packs = []

    def __call__(self, packs, work, settings, folder, on_event, should_stop):
        self.packs, self.settings, self.folder = list(packs), settings, folder
        results = []
        for index, pack in enumerate(packs):
            error = self.fate(pack)
            on_event(index, "started")
            on_event(index, 0.25)
            if error is not None:
                on_event(index, error)
                results.append(error)
                continue
            on_event(index, "requeued")
            on_event(index, "started")
            documents = [ended(each) for each in pack.jobs]
            for document in documents:
                on_event(index, document)
            on_event(index, "done")
            results.append(documents)
        return results


@pytest.fixture
def jobs_of(monkeypatch) -> Cluster:
    fake = Cluster()
    monkeypatch.setattr(cluster, "carry_out", fake)
    return fake


@pytest.fixture
def runs(tmp_path):
    return [job(tmp_path, depth=depth, seed=seed) for depth in (2, 1) for seed in range(2)]


def test_each_stack_is_sent_and_what_its_job_says_is_shown(work, jobs_of, runs, tmp_path):
    settings = {"cluster": "slurm", "partition": "x", "max_runs_per_stack": 2}
    outcomes = Launch(settings, tmp_path, view := Shown()).carry_out(runs)
    assert statuses(outcomes) == ["completed"] * 4
    assert [[each.config.depth for each in pack.jobs] for pack in jobs_of.packs] == [[2, 2], [1, 1]]
    assert (jobs_of.settings, jobs_of.folder) == (settings, tmp_path)
    assert work.packs == []
    assert [call for call in view.calls if call[1] == 0 and call[0] != "ended"] == [
        ("started", 0),
        ("progress", 0, 0.25),
        ("failed", 0, "Its job was preempted, and waits again.", True),
        ("started", 0),
        ("done", 0),
    ]
    assert len(view.told("ended")) == 4


@pytest.mark.parametrize("error", [StoreError("x is broken."), VgradError("Job 7 was lost.")])
def test_a_job_that_fails_fails_alone(error, work, jobs_of, runs, tmp_path):
    jobs_of.fate = lambda pack: error if pack.jobs[0].config.depth == 1 else None
    settings = {"cluster": "slurm", "max_runs_per_stack": 2}
    outcomes = Launch(settings, tmp_path, view := Shown()).carry_out(runs)
    assert statuses(outcomes[:2]) == ["completed"] * 2
    assert outcomes[2:] == [error, error]
    assert view.told("failed")[-1] == (1, str(error), False)


def test_a_disk_that_fails_in_a_job_is_what_is_told_of_its_runs(work, jobs_of, runs, tmp_path):
    error = WriteError("The disk is full.")
    jobs_of.fate = lambda pack: error
    outcomes = Launch({"cluster": "local"}, tmp_path, Shown()).carry_out(runs)
    assert outcomes == [error] * 4


def test_a_stack_that_no_job_had_room_for_is_told_as_such(work, jobs_of, runs, tmp_path):
    """It is not made in halves: the jobs are sent together, and none afterwards."""
    jobs_of.fate = lambda pack: NoRoomError(len(pack.jobs))
    outcomes = Launch({"cluster": "debug"}, tmp_path, view := Shown()).carry_out(runs)
    assert statuses(outcomes) == [NoRoomError] * 4
    assert view.told("added") == []
    assert not any(again for _, _, again in view.told("failed"))


def test_an_entry_that_is_registered_in_this_program_alone_is_refused(
    work, jobs_of, tmp_path, monkeypatch
):
    def mine(z):
        return z.tanh()

    entry = replace(ACTIVATIONS["tanh"], name="mine", function=mine)
    monkeypatch.setitem(ACTIVATIONS._entries, "mine", entry)
    launch = Launch({"cluster": "slurm"}, tmp_path, Shown())
    with pytest.raises(ConfigError, match="activation=mine is registered in this program alone"):
        launch.carry_out([job(tmp_path, activation="mine")])
    assert jobs_of.packs == []


def test_a_cluster_without_processes_makes_stacks_in_this_one(work, runs, tmp_path):
    outcomes = Launch({"cluster": "debug"}, tmp_path, view := Shown()).carry_out(runs)
    assert statuses(outcomes) == ["completed"] * 4
    assert [len(pack.jobs) for pack in work.packs] == [2, 2]
    assert view.told("done") == [(0,), (1,)]


@pytest.fixture
def without_gpu(slurm, monkeypatch) -> None:
    """A machine that can send jobs, and has no GPU."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)


GPU = "hydra.launcher.gpus_per_node=1"


@pytest.mark.parametrize("steps", ["steps=4", "steps=${depth}"], ids=["by vgrad", "by Hydra"])
@pytest.mark.parametrize(
    ("words", "device"),
    [((), "cpu"), ((GPU,), "cuda"), ((GPU, "device=cpu"), "cpu"), (("device=cuda:1",), "cuda:1")],
)
def test_the_device_is_that_of_the_jobs(words, device, steps, work, jobs_of, without_gpu, typed):
    sent = typed("sweep", "hydra.launcher.cluster=slurm", *words, "depth=1,2", steps, "name=x")
    assert sent.status == 0, sent.err
    runs = [each for pack in jobs_of.packs for each in pack.jobs]
    assert [each.config.device for each in runs] == [device] * 2
    assert {each.folder.name for each in runs} == {run_id(each.config) for each in runs}


def test_a_job_looks_whether_its_machine_has_the_device(tmp_path):
    elsewhere = packed(tmp_path, {})
    run = elsewhere.jobs[0]
    run = replace(run, config=replace(run.config, device="cuda:97"))
    with pytest.raises(ConfigError, match=r"^device=cuda:97 is not there\. "):
        carry_out(replace(elsewhere, jobs=(run,)), lambda news: None, lambda: False)
    assert not run.folder.exists()


def test_a_job_looks_whether_its_machine_has_the_memory(tmp_path, monkeypatch):
    elsewhere = packed(tmp_path, {})
    monkeypatch.setattr(check, "memory", lambda device: 1000)
    with pytest.raises(ConfigError, match="GiB of memory; this machine has"):
        carry_out(elsewhere, lambda news: None, lambda: False)

"""Launching: what is missing is made, what fails is told of its runs alone, and others go on."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from launching import Shown, Work, Workers, ended, statuses
from packing import job
from vgrad import plan
from vgrad.config import run_id
from vgrad.errors import ConfigError, NoRoomError, StoppedError, StoreError, WriteError
from vgrad.interrupt import Interrupted
from vgrad.launch import Launch, dry_run
from vgrad.parts.activations import ACTIVATIONS
from vgrad.progress import LostWorkerError
from vgrad.store import RunWriter, read_run
from vgrad.workers import Died, Message

KILLED = -signal.SIGKILL
FULL = WriteError("The disk is full.")


@pytest.fixture
def work(monkeypatch) -> Work:
    work = Work()
    monkeypatch.setattr("vgrad.pack.work", work)
    monkeypatch.setattr(plan, "seconds", lambda config, runs: float(config.depth))
    monkeypatch.setattr(plan, "cores_here", lambda: 2)
    return work


@pytest.fixture
def workers(work, monkeypatch) -> Workers:
    workers = Workers(work)
    monkeypatch.setattr("vgrad.launch.Pool", workers)
    return workers


@pytest.fixture
def sweep(tmp_path, work, workers):
    """Makes runs, here or by two workers: what came of each, and what was shown."""

    class Sweep:
        def __init__(self):
            self.view = Shown()
            self.launch = None

        def __call__(self, jobs, workers=1, **more):
            if self.launch is None:
                settings = {"workers": workers, "max_runs_per_stack": 8, **more}
                self.launch = Launch(settings, tmp_path, self.view)
            return self.launch.carry_out(jobs)

    return Sweep()


@pytest.fixture
def runs(tmp_path):
    """So many runs of some depth, which share a stack; those of another depth another one."""

    def make(depth, count, **keys):
        return [job(tmp_path, depth=depth, seed=seed, **keys) for seed in range(count)]

    return make


@pytest.fixture
def two_packs(runs):
    """One that is made first, of four runs, and one of a single run."""
    return [*runs(2, 4), *runs(1, 1)]


def fates(*each):
    """So becomes of one pack after the other, and at last nothing more."""
    waiting = list(each)
    return lambda pack: waiting.pop(0) if waiting else None


both = pytest.mark.parametrize("processes", [1, 2], ids=["here", "by workers"])


@both
def test_each_run_is_made_and_told_in_the_order_of_the_jobs(processes, sweep, runs, work):
    jobs = [*runs(1, 2), *runs(2, 3)]
    outcomes = sweep(jobs, processes)
    assert [outcome["run_id"] for outcome in outcomes] == [run_id(job.config) for job in jobs]
    assert [outcome["path"] for outcome in outcomes] == [str(job.folder) for job in jobs]
    assert work.labels() == [(2, 3), (1, 2)]
    assert sweep.view.told("begin") == [(2, 0, processes)]
    assert sweep.view.told("started") == sweep.view.told("done") == [(0,), (1,)]
    assert len(sweep.view.told("ended")) == 5
    assert ("progress", 0, 0.5) in sweep.view.calls


def test_workers_are_clean_processes_that_share_the_cores(sweep, runs, workers):
    sweep([*runs(1, 1), *runs(2, 1)], workers=2)
    number, threads, preloaded, context = workers.made
    assert (number, threads, context) == (2, 1, "forkserver")
    assert "vgrad.pack" in preloaded


def test_where_nothing_is_missing_nothing_is_made(sweep, runs, work):
    jobs = runs(1, 3)
    first = sweep(jobs)
    assert len(work.packs) == 1
    again = Launch({}, Path("x"), view := Shown()).carry_out(jobs)
    assert len(work.packs) == 1
    assert [document["run_id"] for document in again] == [run["run_id"] for run in first]
    assert [document["path"] for document in again] == [str(job.folder) for job in jobs]
    assert view.calls == [("begin", 0, 3, 1)]


def test_a_run_that_is_asked_for_twice_is_made_once(sweep, runs, work):
    one, other = runs(1, 2)
    outcomes = sweep([one, other, one])
    assert [len(pack.jobs) for pack in work.packs] == [2]
    assert outcomes[0] == outcomes[2] != outcomes[1]


def test_a_run_that_failed_or_cannot_be_read_or_is_another_one_is_made_again(sweep, runs, work):
    _, failed, broken, other = jobs = runs(1, 4)
    for each in jobs:
        ended(each)
    with RunWriter(failed.folder, run_id(failed.config), {}, {}) as writer:
        writer.finish("failed", {}, {})
    (broken.folder / "run.json").write_text("{")
    with RunWriter(other.folder, "0" * 12, {}, {}) as writer:
        writer.finish("completed", {}, {})
    assert statuses(sweep(jobs)) == ["completed"] * 4
    assert [list(pack.jobs) for pack in work.packs] == [[failed], [broken, other]]
    assert sweep.view.told("begin") == [(2, 1, 1)]


def test_further_batches_join_the_first(sweep, runs):
    sweep(runs(1, 2))
    sweep(runs(2, 1))
    sweep(runs(3, 1))
    assert sweep.view.told("begin") == [(1, 0, 1)]
    assert sweep.view.told("added") == [([1],), ([1],)]
    assert sweep.view.told("done") == [(0,), (1,), (2,)]


def test_a_sweep_begins_once_though_its_first_batch_was_made_before(sweep, runs):
    for each in runs(1, 2):
        ended(each)
    sweep(runs(1, 2))
    sweep(runs(2, 1))
    assert len(sweep.view.told("begin")) == 1
    assert sweep.view.told("done") == [(0,)]


@both
def test_what_goes_wrong_with_a_pack_is_told_of_its_runs_alone(processes, sweep, runs, work):
    error = StoreError("runs/x/1 is broken.")
    work.fate = lambda pack: error if pack.jobs[0].config.depth == 2 else None
    outcomes = sweep([*runs(1, 2), *runs(2, 2), *runs(3, 1)], processes)
    assert outcomes[2:4] == [error, error]
    assert statuses(outcomes[:2] + outcomes[4:]) == ["completed"] * 3
    assert sweep.view.told("failed") == [(1, str(error), False)]


@both
def test_what_the_memory_does_not_hold_is_made_in_halves(processes, sweep, runs, work):
    work.fate = lambda pack: NoRoomError(len(pack.jobs)) if len(pack.jobs) > 2 else None
    assert statuses(sweep(runs(1, 5), processes)) == ["completed"] * 5
    assert [len(pack.jobs) for pack in work.packs] == [5, 2, 3, 1, 2]
    assert sweep.view.told("added") == [([2, 3],), ([1, 2],)]
    assert [call[2] for call in sweep.view.told("failed")] == [True, True]
    assert sum(pack.runs for pack in sweep.view.stacks) == 5 + 5 + 3


@both
def test_one_run_that_the_memory_does_not_hold_fails_alone(processes, sweep, runs, work):
    jobs = runs(1, 4)
    work.fate = lambda pack: NoRoomError(len(pack.jobs)) if jobs[2] in pack.jobs else None
    outcomes = sweep(jobs, processes)
    assert statuses(outcomes) == ["completed", "completed", NoRoomError, "completed"]
    assert sweep.view.told("failed")[-1][2] is False


def test_a_pack_over_which_a_worker_died_is_made_again(sweep, two_packs, work):
    work.fate = fates(KILLED)
    assert statuses(sweep(two_packs, workers=2)) == ["completed"] * 5
    assert work.labels() == [(2, 4), (1, 1), (2, 4)]
    ((_, message, again),) = sweep.view.told("failed")
    assert again
    assert "was killed by signal 9" in message
    assert "fewer hydra.launcher.workers" in message


def test_after_two_deaths_a_pack_is_made_in_halves(sweep, two_packs, work):
    work.fate = lambda pack: KILLED if len(pack.jobs) == 4 else None
    assert statuses(sweep(two_packs, workers=2)) == ["completed"] * 5
    assert sorted(work.labels()) == [(1, 1), (2, 2), (2, 2), (2, 4), (2, 4)]
    assert sweep.view.told("added") == [([2, 2],)]


def test_a_run_over_which_workers_die_time_and_again_fails_alone(sweep, two_packs, work):
    work.fate = lambda pack: 3 if two_packs[1] in pack.jobs else None
    outcomes = sweep(two_packs, workers=2)
    assert statuses(outcomes) == ["completed", LostWorkerError, *["completed"] * 3]
    assert "ended with status 3" in str(outcomes[1])
    assert len(work.packs) == 2 + 1 + 1 + 2 + 1 + 2


def test_a_run_that_ended_before_its_worker_died_is_not_made_again(sweep, two_packs, work, workers):
    """Its stack could not go on from a checkpoint in which the run is no longer there."""
    first = two_packs[0]

    def fate(pack):
        if len(work.packs) > 1:
            return None
        ended(first)
        return KILLED

    said = []
    events = workers.events

    def with_news(should_stop):
        for event in events(should_stop):
            if isinstance(event, Died) and not said:
                said.append(Message(event.task, {**read_run(first.folder).document, "path": ""}))
                yield said[0]
            yield event

    workers.events, work.fate = with_news, fate
    assert statuses(sweep(two_packs, workers=2)) == ["completed"] * 5
    (again,) = [pack for pack in work.packs[1:] if first in pack.jobs]
    assert len(again.jobs) == 4
    assert again.written == (False, True, True, True)


@both
def test_a_disk_that_fails_ends_the_sweep_and_is_told_of_what_was_not_begun(
    processes, sweep, runs, work
):
    work.fate = lambda pack: FULL if pack.jobs[0].config.depth == 2 else None
    outcomes = sweep([*runs(3, 1), *runs(2, 2), *runs(1, 1)], processes)
    assert outcomes[0]["status"] == "completed"
    assert outcomes[1:] == [FULL, FULL, FULL]
    assert work.labels() == [(3, 1), (2, 2)]


def test_a_disk_that_fails_asks_the_other_workers_to_end(sweep, two_packs, work, workers):
    work.fate = fates(FULL)
    sweep(two_packs, workers=2)
    assert workers.stopped


def test_an_interrupted_sweep_begins_no_other_pack_and_tells_what_has_ended(sweep, runs, work):
    def fate(pack):
        if pack.jobs[0].config.depth == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    work.fate = fate
    ended(earlier := runs(4, 1)[0])
    jobs = [earlier, *runs(3, 1), *runs(2, 2), *runs(1, 1)]
    with pytest.raises(Interrupted) as asked:
        sweep(jobs)
    assert asked.value.signal == signal.SIGTERM
    assert [depth for depth, _ in work.labels()] == [3, 2]
    told = {document["run_id"] for document in asked.value.document["runs"]}
    assert told == {run_id(job.config) for job in jobs[:4]}
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_run_that_was_stopped_is_not_told_to_have_ended(sweep, two_packs, work):
    work.status = "interrupted"
    assert statuses(sweep(two_packs)) == [StoppedError] * 5
    assert sweep.view.told("done") == sweep.view.told("ended") == []


@pytest.fixture
def own(monkeypatch):
    """An activation that was registered in this program alone."""

    def mine(z):
        return z.tanh()

    entry = replace(ACTIVATIONS["tanh"], name="mine", function=mine)
    monkeypatch.setitem(ACTIVATIONS._entries, "mine", entry)
    return "mine"


def test_an_entry_of_ones_own_is_there_in_the_workers(sweep, runs, own, workers):
    sweep([*runs(1, 1, activation=own), *runs(2, 1)], workers=2)
    _, threads, _, context = workers.made
    assert (threads, context) == (1, "fork")


def leave_interrupted(stack):
    """What a stack leaves that was interrupted."""
    ids = [run_id(job.config) for job in stack]
    for each, name in zip(stack, ids, strict=True):
        with RunWriter(each.folder, name, each.config.plain(), {"stack": ids}) as writer:
            writer.finish("interrupted", {}, {})


def test_a_stack_that_was_interrupted_is_made_as_it_was(sweep, runs, work):
    jobs = runs(1, 5)
    stack = [jobs[3], jobs[0], jobs[2]]
    leave_interrupted(stack)
    ended(replace(jobs[0]))  # its run.json says nothing of a stack
    assert statuses(sweep(jobs)) == ["completed"] * 5
    packs = sorted(work.packs, key=lambda pack: -len(pack.jobs))
    assert [list(pack.jobs) for pack in packs] == [stack, [jobs[1], jobs[4]]]
    assert packs[0].written == (True, False, True)


def test_a_stack_of_which_a_run_is_not_asked_for_is_planned_anew(sweep, runs, work):
    jobs = runs(1, 4)
    leave_interrupted(jobs[:3])
    assert statuses(sweep(jobs[1:])) == ["completed"] * 3
    assert [list(pack.jobs) for pack in work.packs] == [jobs[1:]]


def test_a_stack_that_is_larger_than_now_allowed_is_planned_anew(sweep, runs, work):
    jobs = runs(1, 4)
    leave_interrupted(jobs)
    sweep(jobs, max_runs_per_stack=2)
    assert [len(pack.jobs) for pack in work.packs] == [2, 2]


def test_of_stacks_that_overlap_each_run_is_made_once(sweep, runs, work):
    jobs = runs(1, 4)
    leave_interrupted(jobs[:2])
    leave_interrupted(jobs[1:])
    assert statuses(sweep(jobs)) == ["completed"] * 4
    written = [p.jobs[i] for p in work.packs for i in range(len(p.jobs)) if p.written[i]]
    assert sorted(run_id(job.config) for job in written) == sorted(
        run_id(job.config) for job in jobs
    )


def test_a_missing_run_is_made_in_its_own_last_stack_not_in_an_earlier_one(sweep, runs, work):
    """A stack of three was made in parts when one had diverged: that one names the three still."""
    jobs = runs(1, 3)
    ids = [run_id(job.config) for job in jobs]
    with RunWriter(jobs[0].folder, ids[0], {}, {"stack": ids}) as writer:
        writer.finish("diverged", {}, {})
    leave_interrupted(jobs[1:])
    assert statuses(sweep(jobs)) == ["diverged", "completed", "completed"]
    assert [list(pack.jobs) for pack in work.packs] == [jobs[1:]]


def test_a_dry_run_counts_and_writes_nothing(runs, work, tmp_path):
    jobs = [*runs(1, 3), *runs(2, 2)]
    ended(jobs[0])
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    forecast = dry_run([*jobs, jobs[1]], {"workers": 2})
    assert (forecast.runs, forecast.done, forecast.stacks, forecast.workers) == (5, 1, 2, 2)
    assert forecast.seconds == 2.0 + plan.START
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert work.packs == []


@pytest.mark.parametrize("settings", [{"workers": 0}, {"max_memory": "much"}])
def test_a_setting_that_is_not_valid_is_refused_before_anything_is_shown(settings, runs, work):
    with pytest.raises(ConfigError):
        Launch(settings, Path("x"), view := Shown()).carry_out(runs(1, 2))
    assert (view.calls, work.packs) == ([], [])

"""Packs as jobs of a cluster: submitit's local and debug executors, and a Slurm that is a script.

A real Slurm is tried by tests/slurm/run.
"""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import errands
from errands import document, until
from vgrad.cluster.errand import is_alive
from vgrad.cluster.queue import LocalQueue, SlurmQueue
from vgrad.cluster.submission import checked
from vgrad.cluster.watch import JobError, LostError, carry_out
from vgrad.errors import ConfigError, StoppedError, StoreError

REFUSED = {"partition": 3, "cluster": "lsf", "mem_gb": 0, "cpus_per_task": 1.5}
REFUSED |= {"timeout_min": 0, "gpus_per_node": -1, "qos": "a\nb", "setup": "module load x"}
REFUSED |= {"additional_parameters": {"output": "x"}}


KINDS = ("one", "raise", "preempted", "refuse", "die", "see", "told")


@pytest.fixture
def send(tmp_path, monkeypatch):
    """Packs by the names of what they do → their results; what was told stands in `events`."""
    monkeypatch.setenv("PYTHONPATH", str(Path(errands.__file__).parent))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(LocalQueue, "poll_s", 0.02)

    def carry(*kinds: str, should_stop=lambda: False, on_event=None, **settings: Any):
        events: list[tuple[int, Any]] = []
        results = carry_out(
            [(kind, tmp_path) for kind in kinds],
            errands.work,
            {"cluster": "local", **settings},
            tmp_path / "sweep",
            on_event or (lambda index, what: events.append((index, what))),
            should_stop,
        )
        return SimpleNamespace(results=results, events=events)

    return carry


def told(sent: Any, index: int) -> list[Any]:
    """What was told of a pack: its documents by their names, errors by their kind."""

    def short(what: Any) -> Any:
        if isinstance(what, Exception):
            return type(what)
        return what["run_id"] if isinstance(what, dict) else what

    return [short(what) for number, what in sent.events if number == index]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Packs of all kinds, carried out by jobs of this machine."""
    folder = tmp_path_factory.mktemp("a sweep's folder")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(errands.__file__).parent))
        patch.setattr(LocalQueue, "poll_s", 0.02)
        patch.chdir(folder)
        events: list[tuple[int, Any]] = []
        results = carry_out(
            [(kind, folder) for kind in KINDS],
            errands.work,
            {"cluster": "local", "workers": 3},
            folder / "sweep",
            lambda index, what: events.append((index, what)),
            lambda: False,
        )
    return SimpleNamespace(results=results, events=events, folder=folder)


def test_each_pack_has_its_documents_in_the_order_of_the_packs(mixed):
    assert mixed.results[0] == [document("first"), document("one", starts=1)]
    assert mixed.results[5][0]["cwd"] == str(mixed.folder)


def test_a_job_is_told_of_from_its_start_to_its_end_and_each_run_once(mixed):
    assert told(mixed, 0) == ["started", 0.5, "first", "one", "done"]


def test_a_job_that_raises_fails_alone_and_its_log_is_named(mixed):
    error = mixed.results[1]
    assert isinstance(error, JobError)
    assert "pack 2 of 7" in str(error)
    assert "ValueError: this pack is broken" in str(error)
    assert "Traceback" in Path(str(error).split("Its log: ")[1]).read_text()
    assert error.exit_status == 1
    assert told(mixed, 1) == ["started", JobError]


def test_a_preempted_job_is_queued_again_and_goes_on(mixed):
    assert mixed.results[2] == [document("first"), document("preempted", starts=2)]
    assert told(mixed, 2) == ["started", "first", "requeued", "started", 0.5, "preempted", "done"]


def test_what_a_user_can_mend_comes_back_in_its_own_words(mixed):
    error = mixed.results[3]
    assert str(error) == "runs/x is being written by another vgrad."
    assert error.exit_status == 2


def test_a_job_that_is_killed_fails_alone_and_says_what_is_kept(mixed):
    error = mixed.results[4]
    assert isinstance(error, JobError)
    assert "ended without a result" in str(error)
    assert "goes on from there" in str(error)
    assert told(mixed, 4) == ["started", LostError]


def test_a_job_that_is_told_to_end_does_so_in_order_and_leaves_no_result(mixed):
    assert isinstance(mixed.results[6], JobError)
    (journal,) = mixed.folder.glob("sweep/.submitit/*/pack-6.jsonl")
    kind, documents = json.loads(journal.read_text().splitlines()[-1])
    assert (kind, documents) == ("stopped", [document("told", "interrupted")])


def test_a_job_uses_the_cores_that_were_asked_for_and_sees_the_gpus_that_there_are(mixed):
    assert mixed.results[5][0]["threads"] == "1"
    assert mixed.results[5][0]["gpus"] == os.environ.get("CUDA_VISIBLE_DEVICES")


def test_what_failed_jobs_left_is_for_their_owner_only(mixed):
    hidden = mixed.folder / "sweep/.submitit"
    for folder in (hidden, *hidden.iterdir()):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_no_process_is_left_when_all_have_ended(mixed):
    pids = [
        json.loads(line)[1]["pid"]
        for journal in mixed.folder.glob("sweep/.submitit/*/*.jsonl")
        for line in journal.read_text().splitlines()
        if json.loads(line)[0] == "started"
    ]
    assert len(pids) == 8
    assert not any(is_alive(pid) for pid in pids)


def test_asked_to_end_the_running_jobs_end_in_order_and_the_waiting_never_begin(send, tmp_path):
    pid = tmp_path / "last.pid"
    sent = send("last", "one", array_parallelism=1, should_stop=pid.exists)
    assert sent.results[0] == [document("first"), document("last", "interrupted")]
    assert isinstance(sent.results[1], StoppedError)
    assert told(sent, 1) == [StoppedError]
    assert not (tmp_path / "one.starts").exists()
    assert not is_alive(int(pid.read_text()))


def test_a_fault_while_watching_leaves_no_job_behind(send, tmp_path):
    def fail(index: int, what: Any) -> None:
        if isinstance(what, dict):
            raise RuntimeError("the view is broken")

    with pytest.raises(RuntimeError, match="the view is broken"):
        send("last", on_event=fail)
    assert not is_alive(int((tmp_path / "last.pid").read_text()))


def test_the_debug_cluster_carries_packs_out_in_this_process(send):
    sent = send("one", "raise", "see", cluster="debug")
    assert sent.results[0] == [document("first"), document("one", starts=1)]
    assert isinstance(sent.results[1], ValueError)
    assert sent.results[2][0]["run_id"] == "see"
    assert told(sent, 0) == ["started", 0.5, "first", "done"]


def test_nothing_is_left_where_every_job_succeeded(send, tmp_path):
    assert send("one").results[0][0]["run_id"] == "first"
    assert not (tmp_path / "sweep/.submitit").exists()


@pytest.mark.parametrize("name", REFUSED)
def test_an_unfit_setting_is_refused_by_name(name):
    with pytest.raises(ConfigError, match=rf"hydra\.launcher\.{name}="):
        checked({"cluster": "slurm", name: REFUSED[name]})


def test_an_unknown_setting_is_refused_with_the_nearest_known():
    with pytest.raises(ConfigError, match="Did you mean 'partition'"):
        checked({"cluster": "slurm", "partitoin": "gpu"})


def test_without_slurm_the_cluster_of_this_machine_is_named(send, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match=r"hydra\.launcher\.cluster=local"):
        send("one", cluster="slurm")
    assert not (tmp_path / "sweep/.submitit").exists()


def test_a_refusal_of_slurm_is_passed_on_in_one_line(send, slurm):
    slurm("sbatch", "echo 'sbatch: error: invalid partition specified: x' >&2; exit 1")
    with pytest.raises(ConfigError, match=r"Slurm refuses the jobs: .*invalid partition"):
        send("one", "two", cluster="slurm", partition="x")


def test_what_is_set_reaches_sbatch_and_a_job_around_vgrad_does_not(
    send, slurm, monkeypatch, tmp_path
):
    monkeypatch.setenv("SLURM_JOB_ID", "3")
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "1")
    monkeypatch.setenv("SLURM_CONF", "here")
    slurm("sbatch", f"cp $1 '{tmp_path}/job.sh'; env > '{tmp_path}/env'; echo no >&2; exit 1")
    settings = {"partition": "gpu", "qos": "low", "timeout_min": 7, "mem_gb": 1.5, "workers": 2}
    settings |= {"cpus_per_task": 3, "array_parallelism": 1, "setup": ["module load x"]}
    with pytest.raises(ConfigError):
        send("one", "two", cluster="slurm", additional_parameters={"nice": 9}, **settings)
    script = (tmp_path / "job.sh").read_text()
    for words in ("--partition=gpu", "--qos=low", "--time=7", "--mem=1536MB", "--nice=9"):
        assert f"#SBATCH {words}\n" in script
    for words in ("--array=0-1%1", "--cpus-per-task=3", "\nmodule load x\n"):
        assert words in script
    assert re.findall(r"^SLURM\w*", (tmp_path / "env").read_text(), re.M) == ["SLURM_CONF"]
    assert os.environ["SLURM_JOB_ID"] == "3"


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ("echo slurm_load_jobs error: Invalid job id specified >&2; exit 1", "no longer knows it"),
        ("echo '7_0|FAILED|NonZeroExitCode'; echo '7_1|NODE_FAIL|None'", "Slurm says"),
        ("echo '7_0|PENDING|BadConstraints'; echo '7_1|PENDING|BadConstraints'", "holds it"),
    ],
)
def test_a_job_that_slurm_has_lost_fails_after_a_while(send, slurm, monkeypatch, says, words):
    monkeypatch.setattr(SlurmQueue, "grace_s", 0.05)
    monkeypatch.setattr(SlurmQueue, "often_s", 0.01)
    monkeypatch.setattr(SlurmQueue, "poll_s", 0.01)
    slurm("squeue", says)
    sent = send("one", "two", cluster="slurm", partition="main", mem_gb=0.5, cpus_per_task=2)
    for error in sent.results:
        assert isinstance(error, LostError)
        assert words in str(error)
    assert told(sent, 0) == [LostError]


def test_while_jobs_of_a_killed_sweep_go_on_no_others_are_sent(send, slurm, tmp_path):
    left = tmp_path / "sweep/.submitit/jobs-x/jobs.json"
    left.parent.mkdir(parents=True)
    left.write_text('{"cluster": "slurm", "jobs": ["7_0", "7_1"]}')
    slurm("squeue", "echo '7_0|RUNNING|None'; echo '7_1|COMPLETED|None'")
    with pytest.raises(StoreError, match=r"1 job of an earlier sweep .* scancel 7$"):
        send("one")
    slurm("squeue", "exit 1")
    with pytest.raises(StoreError, match="does not answer"):
        send("one")
    slurm("squeue", "echo '7_0|COMPLETED|None'")
    assert isinstance(send("one").results[0], list)
    assert not left.exists()


def test_a_job_that_has_left_its_result_is_waited_for_no_longer(send, slurm, tmp_path):
    """Slurm counts it as running for some seconds more."""
    left = tmp_path / "sweep/.submitit/jobs-x/jobs.json"
    left.parent.mkdir(parents=True)
    left.write_text('{"cluster": "slurm", "jobs": ["7_0", "7_1"]}')
    slurm("squeue", "echo '7_0|RUNNING|None'; echo '7_1|COMPLETED|None'")
    (left.parent / "7_0_0_result.pkl").touch()
    assert isinstance(send("one").results[0], list)


SENDER = """
import sys
from pathlib import Path
import errands
from vgrad.cluster import carry_out
here = Path(sys.argv[1])
tell, ask = lambda index, what: None, lambda: False
carry_out([("last", here)], errands.work, {"cluster": "local"}, here / "sweep", tell, ask)
"""


def test_a_job_ends_in_order_when_the_process_that_sent_it_is_killed(tmp_path):
    paths = {**os.environ, "PYTHONPATH": str(Path(errands.__file__).parent)}
    pid = tmp_path / "last.pid"
    with subprocess.Popen([sys.executable, "-c", SENDER, str(tmp_path)], env=paths) as sender:
        until(lambda: pid.exists() and pid.read_text() != "")
        sender.kill()
    until(lambda: not is_alive(int(pid.read_text())))
    (journal,) = tmp_path.glob("sweep/.submitit/*/*.jsonl")
    assert [json.loads(line)[0] for line in journal.read_text().splitlines()][-1] == "stopped"

"""Sweeps that are killed at any moment, or find the disk full: the same command loses nothing."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import psutil
import pytest

from killing import DEADLINE, Ended, Fate, Warm, Witness, until_whole
from orphans import assert_session_gone, assert_soon
from vgrad.store import load, read_run

SMALL = ("sweep", "width=8", "data=white", "steps=24", "probe.every=4", "name=all")
HERE = "hydra.launcher.workers=1"
FOUR = "hydra.launcher.max_runs_per_stack=4"
# Of the runs with an lr of 1e9 some diverge, others do not.
SWEEPS = {
    "going on": (*SMALL, HERE, FOUR, "checkpoint.every=10", "depth=2", "activation=relu,tanh",
                 "optimizer.lr=0.1,1e9", "seed=range(3)"),
    "anew": (*SMALL, HERE, "checkpoint.every=0", "depth=2,3", "activation=relu",
             "optimizer.lr=0.1,1e9", "seed=range(2)"),
    "long": ("sweep", "width=8", "data=white", "steps=2000", "probe.every=100", "name=all",
             "hydra.launcher.max_runs_per_stack=2", "hydra.launcher.workers=2",
             "checkpoint.every=100", "depth=2", "activation=relu,tanh", "seed=range(2)"),
}  # fmt: skip


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    with Warm() as warm:
        yield warm


class Undisturbed:
    """Each sweep as it is when nothing happens, made when it is asked for."""

    def __init__(self, warm: Warm, folder: Path) -> None:
        self._warm, self._folder = warm, folder
        self._made: dict[str, tuple[Path, Ended]] = {}

    def __call__(self, kind: str) -> tuple[Path, Ended]:
        """Its folder, and how it ended."""
        if kind not in self._made:
            folder = self._folder / kind
            folder.mkdir()
            ended = self._warm(folder, *SWEEPS[kind])
            assert ended.status == 0, ended.said
            self._made[kind] = folder / "runs/all", ended
        return self._made[kind]


@pytest.fixture(scope="module")
def undisturbed(warm, tmp_path_factory) -> Undisturbed:
    return Undisturbed(warm, tmp_path_factory.mktemp("undisturbed"))


def at_random(dice: random.Random, ended: Ended) -> Iterator[Fate]:
    """Kills at any change of the disk and at any time that the whole sweep takes."""
    while True:
        yield Fate(kill=dice.randint(1, ended.changes))
        yield Fate(after=dice.uniform(0.01, ended.seconds))


def kill_often(warm: Warm, undisturbed: Undisturbed, kind: str, folder: Path, kills: int) -> int:
    """Sweeps that are killed again and again until so many kills are made; the rows seen."""
    whole, ended = undisturbed(kind)
    fates = at_random(random.Random(kind), ended)
    made = rows = 0
    while made < kills:
        witness = Witness(folder / "runs/all", whole)
        made += until_whole(warm, SWEEPS[kind], witness, fates, -9)
        rows += witness.rows
    return rows


@pytest.mark.parametrize(("kind", "kills"), [("going on", 30), ("anew", 20)])
def test_a_sweep_that_is_killed_again_and_again_ends_as_if_it_never_was(
    kind, kills, warm, undisturbed, tmp_path
):
    assert kill_often(warm, undisturbed, kind, tmp_path, kills) > 1_000


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["going on", "anew"])
def test_sweeps_that_are_killed_a_thousand_times_end_as_if_they_never_were(
    kind, warm, undisturbed, tmp_path
):
    rows = kill_often(warm, undisturbed, kind, tmp_path, 500)
    print(f"{kind}: {rows:,} rows were compared")


@pytest.mark.parametrize("limit", ["space", "size"])
def test_a_disk_that_is_full_ends_a_sweep_with_a_message_and_loses_nothing(
    limit, warm, undisturbed, tmp_path
):
    whole, ended = undisturbed("going on")
    witness = Witness(tmp_path / "runs/all", whole)
    dice = random.Random(limit)
    if limit == "space":
        places = sorted([1, 2, 3, *dice.sample(range(4, ended.changes), 6)])
        fates = [Fate(full=place) for place in places]
    else:
        fates = [Fate(largest=size) for size in (1, 2_000, 5_000, 9_000, 13_000, 20_000)]
    for fate in fates:
        failed = warm(tmp_path, *SWEEPS["going on"], fate=fate)
        if failed.status == 0:
            break
        assert_tells_of_the_disk(failed, tmp_path)
        witness.look()
    until_whole(warm, SWEEPS["going on"], witness, iter([Fate()]), 1)


def assert_tells_of_the_disk(ended: Ended, folder: Path) -> None:
    """One message, of what was to be written."""
    (line,) = (line for line in ended.said.splitlines() if line.startswith("vgrad: "))
    assert ended.status == 1, ended.said
    assert "Traceback" not in ended.said
    assert "runs/all" in line
    assert "cannot be written: No space left" in line or "cannot be written: File too" in line


class AtWork:
    """The long sweep in processes of its own, both stacks of which are half-way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "runs/all"
        self._said = folder / "said"
        with self._said.open("w") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "vgrad", *SWEEPS["long"]],
                cwd=folder,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        assert_soon(lambda: len(self.checkpoints()) == 2)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        assert_session_gone(self.process.pid)

    def checkpoints(self) -> list[Path]:
        return list(self.folder.glob("*/checkpoint.safetensors"))

    def workers(self) -> list[psutil.Process]:
        below = psutil.Process(self.process.pid).children(recursive=True)
        return [each for each in below if each.ppid() != self.process.pid]

    def ended(self) -> tuple[int, str]:
        """Its exit status, and what it said, once no process is left of it."""
        status = self.process.wait(DEADLINE)
        assert_session_gone(self.process.pid)
        return status, self._said.read_text()


def signal_group(sweep: AtWork, number: int) -> None:
    os.killpg(sweep.process.pid, number)


def signal_main(sweep: AtWork, number: int) -> None:
    os.kill(sweep.process.pid, number)


@pytest.fixture(scope="module")
def long(undisturbed) -> Path:
    """The long sweep, undisturbed."""
    return undisturbed("long")[0]


@pytest.mark.parametrize("deal", [pytest.param(signal_group, marks=pytest.mark.slow), signal_main])
def test_a_second_sweep_is_refused_until_the_first_is_killed_and_then_ends_it(
    deal, warm, long, tmp_path
):
    witness = Witness(tmp_path / "runs/all", long)
    with AtWork(tmp_path) as first:
        signal_group(first, signal.SIGSTOP)  # or it might be done by then
        second = warm(tmp_path, *SWEEPS["long"])
        signal_group(first, signal.SIGCONT)
        assert second.status == 2, second.said
        assert "runs/all is being written by another vgrad sweep. Wait for it" in second.said
        assert len(second.said.splitlines()) == 1
        deal(first, signal.SIGKILL)
        assert first.ended()[0] == -signal.SIGKILL
    witness.look()
    assert witness.rows > 0
    until_whole(warm, SWEEPS["long"], witness, iter([Fate()]), 0)


def test_a_worker_that_is_killed_is_replaced_and_its_stack_goes_on(long, tmp_path):
    witness = Witness(tmp_path / "runs/all", long)
    with AtWork(tmp_path) as sweep:
        sweep.workers()[0].kill()
        status, said = sweep.ended()
    assert status == 0, said
    assert "killed by signal 9" in said
    witness.assert_whole()
    runs = [read_run(path) for path in sweep.folder.glob("*/")]
    assert sum("resumed" in run.document for run in runs) == 2


@pytest.mark.parametrize(
    ("deal", "number", "status"),
    [(signal_group, signal.SIGINT, 130), (signal_main, signal.SIGTERM, 143)],
)
def test_a_sweep_that_is_asked_to_end_ends_in_order_and_says_how_to_go_on(
    deal, number, status, warm, long, tmp_path
):
    witness = Witness(tmp_path / "runs/all", long)
    with AtWork(tmp_path) as sweep:
        deal(sweep, number)
        ended, said = sweep.ended()
        assert ended == status, said
        assert len(sweep.checkpoints()) == 2
        assert_interrupted(sweep, said)
    witness.look()
    until_whole(warm, SWEEPS["long"], witness, iter([Fate()]), 0)


def assert_interrupted(sweep: AtWork, said: str) -> None:
    assert "Traceback" not in said
    runs = load(sweep.folder).runs
    assert set(runs.status) == {"interrupted"}
    assert len(runs) == 4
    assert "the same command" in said


def test_a_second_signal_ends_a_sweep_at_once(warm, long, tmp_path):
    witness = Witness(tmp_path / "runs/all", long)
    with AtWork(tmp_path) as sweep:
        psutil.Process(sweep.process.pid).suspend()  # so that it finds both when it wakes
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
            signal_group(sweep, number)
        ended, said = sweep.ended()
        assert ended == 128 + signal.SIGTERM
        assert "Traceback" not in said
    witness.look()
    until_whole(warm, SWEEPS["long"], witness, iter([Fate()]), 0)


def test_of_eight_runs_with_one_name_one_at_a_time_writes(warm, tmp_path):
    words = ("run", "depth=2", "width=8", "data=white", "steps=300", "probe.every=1", "name=one")
    ended = warm.at_once(tmp_path, [words] * 8)
    assert {each.status for each in ended} == {0, 2}
    for each in ended:
        assert "Traceback" not in each.said
        assert (each.status == 2) == ("is being written by another vgrad" in each.said)
    frames = load(tmp_path / "runs")
    assert frames.problems == []
    assert list(frames.runs.status) == ["completed"]
    assert list(frames.steps.step) == list(range(301))


def stacks(folder: Path) -> list[int]:
    """How many runs each stack had."""
    runs = [read_run(path).document for path in folder.glob("*/")]
    return sorted(len(ids) for ids in {tuple(run.get("stack", [run["run_id"]])) for run in runs})


@pytest.mark.parametrize("fault", ["MemoryError", "OutOfMemoryError"])
def test_a_stack_for_which_memory_is_short_is_made_in_halves(fault, warm, tmp_path):
    ended = warm(tmp_path, *SWEEPS["going on"], fate=Fate(fault=fault, times=1))
    assert ended.status == 0, ended.said
    assert "The memory does not hold a stack of 3 runs" in ended.said
    assert_all_there(tmp_path / "runs/all", [1, 2, 3, 3, 3])


@pytest.mark.parametrize(("times", "sizes"), [(1, [3, 3, 3, 3]), (2, [1, 2, 3, 3, 3])])
def test_a_stack_over_which_workers_die_is_made_again_and_then_in_halves(
    times, sizes, warm, undisturbed, tmp_path
):
    words = [word for word in SWEEPS["going on"] if word != HERE]
    fate = Fate(fault="death", times=times, runs=3, only="tanh 0.1", forked=True)
    ended = warm(tmp_path, *words, "hydra.launcher.workers=2", fate=fate)
    assert ended.status == 0, ended.said
    assert ended.said.count("killed by signal 9") == times
    assert_all_there(tmp_path / "runs/all", sizes)
    if times == 1:
        Witness(tmp_path / "runs/all", undisturbed("going on")[0]).assert_whole()


def assert_all_there(folder: Path, sizes: list[int]) -> None:
    """Twelve runs came to their end, in stacks of these sizes."""
    frames = load(folder)
    assert frames.problems == []
    assert len(frames.runs) == 12
    assert set(frames.runs.status) == {"completed", "diverged"}
    assert stacks(folder) == sizes


def test_forked_workers_that_are_killed_with_their_sweep_lose_nothing(warm, undisturbed, tmp_path):
    whole, ended = undisturbed("going on")
    words = [*SWEEPS["going on"], "hydra.launcher.workers=2"]
    words.remove(HERE)
    dice = random.Random(0)
    fates = [Fate(after=dice.uniform(0.2, ended.seconds), forked=True) for _ in range(4)]
    witness = Witness(tmp_path / "runs/all", whole)
    until_whole(warm, words, witness, iter([*fates, Fate(forked=True)]), -signal.SIGKILL)


@pytest.mark.parametrize("protected", ["sweep", "runs", "here"])
def test_a_write_protected_folder_is_refused_before_anything_is_begun(
    protected, warm, undisturbed, tmp_path
):
    folder = {"sweep": tmp_path / "runs/all", "runs": tmp_path / "runs", "here": tmp_path}[
        protected
    ]
    folder.mkdir(parents=True, exist_ok=True)
    if protected == "sweep":
        shutil.copy(undisturbed("going on")[0] / "multirun.yaml", folder)
    before = sorted(tmp_path.rglob("*"))
    tmp_path.chmod(0o755)
    folder.chmod(0o555)
    try:
        ended = warm(tmp_path, *SWEEPS["going on"], fate=Fate(nobody=os.getuid() == 0))
    finally:
        folder.chmod(0o755)
    assert ended.status == 2, ended.said
    (line,) = ended.said.splitlines()
    assert line.startswith("vgrad: runs/all cannot be written: ")
    assert "is write-protected for you" in line or "Permission denied" in line
    assert sorted(tmp_path.rglob("*")) == before

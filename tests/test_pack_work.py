"""Packs: each run of a stack leaves what it leaves alone, and is told of as it ends."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import torch
import yaml

from packing import DIVERGES, DIVERGES_LATE, PARQUET, files, job, made, packed, stopped, tables
from vgrad import pack
from vgrad.config import run_id
from vgrad.errors import NoRoomError, StoreError, WriteError
from vgrad.pack import Pack
from vgrad.store import LAYER_COLUMNS, STEP_COLUMNS, RunWriter, load, read_run
from vgrad.store.columns import CHECKPOINT
from vgrad.store.lock import free, take
from vgrad.terminal import SilentView

# Runs that may share a stack, though they differ in all that they may differ in.
MIXED = [
    {"activation": "relu", "init": "he_normal"},
    {"activation": "relu", "init": "orthogonal", "optimizer": "momentum"},
    {"activation": "relu", "loss": "mse", "optimizer": "adam"},
    {"activation": "tanh", "init": "xavier_uniform", "optimizer__clip_norm": 0.1},
    {"activation": "tanh", "loss": "hinge", "optimizer": "rmsprop"},
    {"activation": "prelu", "loss": "huber", "optimizer__schedule": "cosine"},
    {"activation": "rrelu", "optimizer": "adagrad", "optimizer__noise": 0.01},
    {"activation": "selu", "loss__l2": 0.01, "optimizer": "nesterov", "loss__l1": 0.01},
    {"activation": "elu", "activation__alpha": 0.5, "init": "lsuv", "loss__label_smoothing": 0.1},
]
ONCE = {"timings", "started", "stack", "files", "sha256", "summary"}  # of which not all is equal
TIMINGS = {"total_s", "measuring_s", "writing_s"}


def documents_of(given: Pack) -> list[dict]:
    return [json.loads((job.folder / "run.json").read_text()) for job in given.jobs]


def assert_close(ours: Path, theirs: Path, **tolerance: float) -> None:
    """The tables of two runs hold the same values, but for their last bits."""
    tolerance = {"rtol": 1e-4, "atol": 1e-6, **tolerance}
    first, second = load(ours), load(theirs)
    for name, columns in (("steps", STEP_COLUMNS), ("layers", LAYER_COLUMNS)):
        one, other = (getattr(frames, name) for frames in (first, second))
        assert list(one.step) == list(other.step)
        for column in columns:
            values = [frame[column].to_numpy(np.float64) for frame in (one, other)]
            np.testing.assert_allclose(*values, **tolerance, err_msg=column)


def assert_alike(ours: dict, theirs: dict) -> None:
    """Two summaries say the same, but for the last bits of their numbers."""
    numbers, others = (
        {key: value for key, value in summary.items() if isinstance(value, float)}
        for summary in (ours, theirs)
    )
    assert numbers == pytest.approx(others, rel=1e-4, abs=1e-5)
    assert {**ours, **numbers} == {**theirs, **numbers}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A mixed stack, and the folders of the same runs made alone."""
    folder = tmp_path_factory.mktemp("mixed")
    given = packed(folder / "stack", *MIXED, depth=4, steps=20)
    returned = made(given)
    alone = []
    for each in given.jobs:
        alone.append(folder / "alone" / each.folder.name)
        pack.execute(each.config, alone[-1], SilentView(), lambda: False)
    return given, returned, alone


@pytest.mark.parametrize("run", range(len(MIXED)))
def test_a_run_leaves_in_a_stack_what_it_leaves_alone(run, mixed):
    given, _, alone = mixed
    ours, theirs = given.jobs[run].folder, alone[run]
    hydra = {".hydra/config.yaml", ".hydra/overrides.yaml"}
    assert files(ours) == files(theirs) | hydra
    assert files(ours) - hydra == {"run.json", "run.log", *PARQUET}
    one, other = (json.loads((path / "run.json").read_text()) for path in (ours, theirs))
    assert one.keys() == other.keys() | {"stack"}
    assert {k: v for k, v in one.items() if k not in ONCE} == {
        k: v for k, v in other.items() if k not in ONCE
    }
    assert one["timings"].keys() == other["timings"].keys() == TIMINGS
    assert_alike(one["summary"], other["summary"])
    assert_close(ours, theirs)


def test_each_run_says_which_ones_shared_its_stack(mixed):
    given, _, _ = mixed
    ids = [run_id(job.config) for job in given.jobs]
    assert [document["stack"] for document in documents_of(given)] == [ids] * len(ids)
    assert [document["run_id"] for document in documents_of(given)] == ids


def test_what_is_returned_is_what_run_json_holds_and_where_it_is(mixed):
    given, returned, _ = mixed
    paths = [{"path": str(job.folder)} for job in given.jobs]
    expected = [doc | path for doc, path in zip(documents_of(given), paths, strict=True)]
    assert returned == expected


def test_a_run_of_a_stack_of_its_own_says_nothing_of_a_stack(tmp_path):
    (document,) = made(packed(tmp_path, {}))
    assert "stack" not in document
    assert document["status"] == "completed"


def test_times_are_those_of_the_stack_and_no_part_is_longer_than_the_whole(mixed):
    _, returned, _ = mixed
    for document in returned:
        times = document["timings"]
        assert 0 < times["measuring_s"] < times["total_s"]
        assert 0 < times["writing_s"] < times["total_s"]
    assert len({document["timings"]["total_s"] for document in returned}) > 1


def test_a_log_holds_the_plain_lines_of_its_run(mixed):
    given, _, alone = mixed
    for each, other in zip(given.jobs, alone, strict=True):
        lines = (each.folder / "run.log").read_text().splitlines()
        assert lines[0].startswith("run: 4 × 8 " + each.config.activation.name)
        assert sum(line.startswith("step") for line in lines) == 11
        assert any(line.startswith("step 20/20  loss ") for line in lines)
        assert any(line.startswith("completed after") for line in lines)
        words = [line.split()[0] for line in lines]
        theirs = (other / "run.log").read_text().splitlines()
        assert words == [line.split()[0] for line in theirs]


def test_what_hydra_would_leave_is_what_a_single_run_leaves(typed):
    words = ("depth=2", "width=8", "steps=3", "data.train_size=128", "seed=7", "name=x")
    swept = ("activation=relu,prelu", "optimizer.lr=0.1,0.2")
    assert typed("sweep", *swept, *words, "hydra.launcher.workers=1").status == 0
    for folder in (path.parent for path in Path("runs/x").glob("*/run.json")):
        settings = read_run(folder).settings
        chosen = [f"{key}={settings[key]}" for key in ("activation", "optimizer.lr")]
        alone = Path("alone") / folder.name
        assert typed("run", *chosen, *words, f"hydra.run.dir={alone}").status == 0
        for name in ("config", "overrides"):
            ours, theirs = (
                yaml.safe_load((path / ".hydra" / f"{name}.yaml").read_text())
                for path in (folder, alone)
            )
            assert ours == theirs
        assert_close(folder, alone)


def test_a_run_that_diverges_leaves_the_stack_and_its_neighbours_alone(tmp_path):
    runs = [{}, {"activation": "relu", "optimizer": "adam"}]
    keys = {"depth": 6, "steps": 40}
    without = packed(tmp_path / "without", *runs, **keys)
    made(without)
    news = []
    given = packed(
        tmp_path / "with", runs[0], DIVERGES | {"seed": 9}, runs[1] | {"seed": 1}, **keys
    )
    documents = made(given, report=news.append)
    assert [document["status"] for document in documents] == ["completed", "diverged", "completed"]
    first = documents[1]
    reported = [new["run_id"] for new in news if isinstance(new, dict)]
    assert reported[0] == first["run_id"]
    assert sorted(reported) == sorted(document["run_id"] for document in documents)
    summary = first["summary"]
    assert summary["verdict"] == "diverged"
    assert summary["first_bad_step"] == summary["last_step"] < 40
    assert 1 <= summary["first_bad_layer"] <= 7
    steps = load(given.jobs[1].folder).steps
    assert steps.step.max() == summary["first_bad_step"]
    for place, other in zip((0, 2), without.jobs, strict=True):
        assert_close(given.jobs[place].folder, other.folder)


def test_a_run_diverges_in_a_stack_where_it_does_alone(tmp_path):
    given = packed(tmp_path / "stack", {}, DIVERGES, {}, depth=6, steps=40)
    document = made(given)[1]
    alone = pack.execute(given.jobs[1].config, tmp_path / "alone", SilentView(), lambda: False)
    for key in ("first_bad_step", "first_bad_layer", "last_step", "verdict"):
        assert document["summary"][key] == alone["summary"][key]


def test_where_all_runs_diverge_the_pack_is_done(tmp_path):
    documents = made(packed(tmp_path, DIVERGES, DIVERGES, depth=6, steps=400))
    assert [document["status"] for document in documents] == ["diverged"] * 2


def test_a_run_that_is_not_written_leaves_nothing_and_keeps_the_bits_of_the_others(tmp_path):
    whole = packed(tmp_path / "whole", {}, {"activation": "relu"}, {})
    made(whole)
    given = packed(tmp_path / "part", {}, {"activation": "relu"}, {})
    given = replace(given, written=(False, True, False))
    news = []
    documents = made(given, report=news.append)
    assert [document["run_id"] for document in documents] == [run_id(given.jobs[1].config)]
    assert len(documents[0]["stack"]) == 3
    assert [path.name for path in (tmp_path / "part").iterdir()] == [given.jobs[1].folder.name]
    assert {name: data for name, data in tables(whole).items() if name in tables(given)} == tables(
        given
    )
    assert [new for new in news if isinstance(new, dict)] == documents


@pytest.fixture
def news(monkeypatch):
    """What a pack reports, each step of it."""
    monkeypatch.setattr(pack, "NEWS", -1.0)
    return []


def test_shares_rise_to_the_whole_and_each_document_comes_once(news, tmp_path):
    documents = made(packed(tmp_path, {}, {}, steps=10), report=news.append)
    shares = [new for new in news if not isinstance(new, dict)]
    assert shares == [step / 10 for step in range(11)]
    assert [new for new in news if isinstance(new, dict)] == documents


def test_shares_rise_though_a_run_diverges(news, tmp_path):
    runs = packed(tmp_path, {}, DIVERGES_LATE, depth=4, steps=100)
    assert made(runs, report=news.append)[1]["status"] == "diverged"
    shares = [new for new in news if not isinstance(new, dict)]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_pack_does_not_report_every_step(tmp_path, monkeypatch):
    news = []
    monkeypatch.setattr(pack, "monotonic", lambda: 100.0)
    made(packed(tmp_path, {}, steps=30), report=news.append)
    assert len(news) == 2


def test_a_pack_without_steps_leaves_its_runs_as_well(tmp_path):
    documents = made(packed(tmp_path, {}, {}, steps=0))
    assert [document["status"] for document in documents] == ["completed"] * 2


def test_a_pack_that_is_asked_to_stop_ends_its_runs_and_leaves_one_checkpoint(tmp_path):
    given = packed(tmp_path, {}, {}, {}, steps=30)
    documents = stopped(given, 12)
    assert [document["status"] for document in documents] == ["interrupted"] * 3
    assert [document["summary"]["last_step"] for document in documents] == [12] * 3
    assert list(tmp_path.rglob(CHECKPOINT)) == [given.jobs[0].folder / CHECKPOINT]
    assert {read_run(job.folder).status for job in given.jobs} == {"interrupted"}
    assert "interrupted after" in (given.jobs[2].folder / "run.log").read_text()


def torch_has_none(*_):
    raise torch.OutOfMemoryError("CUDA out of memory.")


def python_has_none(*_):
    raise MemoryError


def the_allocator_has_none(*_):
    raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 9 bytes")


@pytest.mark.parametrize("fail", [torch_has_none, python_has_none, the_allocator_has_none])
def test_too_little_memory_is_an_error_of_its_own(fail, tmp_path, monkeypatch):
    monkeypatch.setattr(pack, "train", fail)
    with pytest.raises(NoRoomError, match="does not hold a stack of 2 runs"):
        made(packed(tmp_path, {}, {}))
    with pytest.raises(NoRoomError, match="does not hold one run of this size"):
        made(packed(tmp_path, {}))


def test_a_fault_is_passed_on_as_it_is_and_its_runs_have_failed(tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(pack, "train", fail)
    given = packed(tmp_path, {}, {})
    with pytest.raises(RuntimeError, match="shapes differ"):
        made(given)
    assert [read_run(job.folder).status for job in given.jobs] == ["failed"] * 2


def test_a_fault_in_one_runs_files_leaves_those_alone_that_are_being_ended(tmp_path, monkeypatch):
    begun, left, overlaps = Event(), Event(), []
    finish, leave = RunWriter.finish, RunWriter.__exit__

    def slow(writer, status, *rest):
        if writer.folder == given.jobs[0].folder:
            begun.wait(10)
            raise WriteError("the disk is full")
        begun.set()
        overlaps.append(left.wait(0.3))
        return finish(writer, status, *rest)

    def leaving(*args):
        left.set()
        leave(*args)

    given = packed(tmp_path, {}, {})
    monkeypatch.setattr(RunWriter, "finish", slow)
    monkeypatch.setattr(RunWriter, "__exit__", leaving)
    with pytest.raises(WriteError, match="full"):
        made(given)
    assert overlaps == [False]
    assert read_run(given.jobs[1].folder).status == "completed"


def test_a_folder_that_another_vgrad_writes_ends_the_pack_and_leaves_the_others_free(tmp_path):
    given = packed(tmp_path, {}, {}, {})
    given.jobs[1].folder.mkdir(parents=True)
    lock = take(given.jobs[1].folder)
    with pytest.raises(StoreError, match=given.jobs[1].folder.name):
        made(given)
    free(lock)
    assert [document["status"] for document in made(given)] == ["completed"] * 3


def test_what_stands_in_yaml_is_never_more_than_plain_data(tmp_path):
    each = job(tmp_path, overrides=("activation=tanh", "name=a: b"))
    each = replace(each, tree={"name": "!!python/object:os.system", "é": [1, None, 0.1]})
    made(Pack((each,), (True,)))
    text = (each.folder / ".hydra/config.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(text) == each.tree
    assert "é" in text
    overrides = (each.folder / ".hydra/overrides.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(overrides) == list(each.overrides)

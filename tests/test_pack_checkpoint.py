"""Checkpoints of packs: what is interrupted goes on, and ends with the bytes of what was not."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from packing import DIVERGES, DIVERGES_LATE, PARQUET, made, packed, stopped, tables, told
from vgrad import checkpoint
from vgrad.cadence import DENSE, RECORDS, default_cadence
from vgrad.checkpoint import Checkpoint
from vgrad.errors import WriteError
from vgrad.pack import Pack
from vgrad.store import RunWriter, load, read_run
from vgrad.store import checkpoint as stored
from vgrad.store.columns import CHECKPOINT, LOCK
from vgrad.store.document import parse, read_bytes, write_document

PLAIN = {"depth": 4, "steps": 60, "activation": "relu", "init": "he_normal"}
# What a stack of three runs may be like.
KINDS = {
    "plain": [{}, {}, {}],
    "adam": [{"optimizer": "adam"}, {"optimizer": "adamw"}, {"optimizer": "rmsprop"}],
    "momentum": [{"optimizer": "momentum"}, {"optimizer": "nesterov"}, {"optimizer": "rprop"}],
    "batch norm": [{"model__norm": "batch"}] * 3,
    "dropout": [{"model__dropout": 0.2}] * 3,
    "alpha dropout": [{"model__alpha_dropout": 0.1, "activation": "selu"}] * 3,
    "noise": [{"optimizer__noise": 0.01}, {}, {"optimizer__noise": 0.1}],
    "clipping": [{"optimizer__clip_norm": 0.1}, {"optimizer__clip_value": 0.01}, {}],
    "learned slopes": [{"activation": "prelu"}, {}, {"activation": "prelu"}],
    "random slopes": [{"activation": "rrelu"}, {}, {"activation": "rrelu"}],
    "schedules": [
        {"optimizer__schedule": "cosine"},
        {"optimizer__warmup": 20},
        {"optimizer__schedule": "step", "optimizer__decay_every": 10},
    ],
    "double precision": [{"dtype": "float64"}] * 3,
    "all records": [{"probe_every": 1, "eval_every": 1}] * 3,
    "no records of layers": [{"probe_every": 0, "eval_every": 0}] * 3,
    "pieces": [{"activation": "maxout"}] * 3,
    "highway": [{"model": "highway"}] * 3,
    "one that diverges at once": [{}, DIVERGES, {}],
    "the first diverges at once": [DIVERGES, {}, {}],
    "one that diverges later": [{"steps": 100}, DIVERGES_LATE | {"steps": 100}, {"steps": 100}],
    "one alone": [{}],
}


def stack_of(folder, *runs, **keys) -> Pack:
    return packed(folder, *runs, **{**PLAIN, **keys})


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The tables of packs that were never interrupted, each made once."""
    known: dict[str, dict[str, bytes]] = {}

    def make(*runs, **keys):
        key = repr((runs, keys))
        if key not in known:
            whole = stack_of(tmp_path_factory.mktemp("whole"), *runs, **keys)
            made(whole)
            known[key] = tables(whole)
        return known[key]

    return make


def goes_on(given: Pack, documents) -> Pack:
    """The pack as a sweep plans it again: what has ended is not written once more."""
    ended = {d["run_id"] for d in documents if d["status"] != "interrupted"}
    return replace(
        given,
        written=tuple(
            written and job.folder.name not in ended
            for job, written in zip(given.jobs, given.written, strict=True)
        ),
    )


def last_step(documents) -> int:
    """Where the runs were when they were interrupted."""
    (step,) = {d["summary"]["last_step"] for d in documents if d["status"] == "interrupted"}
    return step


@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_pack_ends_with_the_bytes_of_one_that_was_not(kind, undisturbed, tmp_path):
    whole = undisturbed(*KINDS[kind])
    given = stack_of(tmp_path / "stopped", *KINDS[kind])
    documents = stopped(given, 41)
    assert any(document["status"] == "interrupted" for document in documents)
    assert (given.jobs[0].folder / CHECKPOINT).exists()
    again = made(goes_on(given, documents))
    assert all(document["status"] != "interrupted" for document in again)
    assert [document["resumed"] for document in again] == [[last_step(documents)]] * len(again)
    assert tables(given) == whole
    assert not list(tmp_path.rglob(CHECKPOINT))


@pytest.mark.parametrize("kind", ["adam", "dropout", "one that diverges at once"])
@pytest.mark.parametrize("steps", [(1, 1), (7, 30)])
def test_a_pack_may_be_interrupted_twice(kind, steps, undisturbed, tmp_path):
    whole = undisturbed(*KINDS[kind])
    given = now = stack_of(tmp_path / "stopped", *KINDS[kind])
    stops = []
    for step in steps:
        documents = stopped(now, step)
        stops.append(last_step(documents))
        now = goes_on(now, documents)
    for document in made(now):
        assert document["resumed"] == stops
    assert tables(given) == whole


@pytest.mark.parametrize("step", [0, 1, 31, 32, 33, 59])
def test_a_pack_may_be_interrupted_before_any_of_its_steps(step, undisturbed, tmp_path):
    whole = undisturbed({}, {})
    given = stack_of(tmp_path / "stopped", {}, {})
    assert {document["status"] for document in stopped(given, step)} == {"interrupted"}
    made(given)
    assert tables(given) == whole


class Killed(BaseException):
    """In the place of a kill: nothing is ended."""


@pytest.fixture
def killed(monkeypatch):
    """Carries a pack out as if the process were killed before so many updates."""

    def carry_out(given, step):
        def die():
            if not asks():
                return False
            for name in ("finish", "leave"):
                patch.setattr(RunWriter, name, lambda *_: None)
            raise Killed

        asks = told(step + 1)
        with monkeypatch.context() as patch, pytest.raises(Killed):
            made(given, die)
        for job in given.jobs:  # whose lock goes with the process
            (job.folder / LOCK).unlink(missing_ok=True)

    return carry_out


@pytest.mark.parametrize(("kind", "every"), [("plain", 4), ("plain", 40), ("adam", 7)])
def test_a_killed_pack_goes_on_from_its_last_checkpoint(kind, every, killed, undisturbed, tmp_path):
    whole = undisturbed(*KINDS[kind], checkpoint_every=every)
    given = stack_of(tmp_path / "killed", *KINDS[kind], checkpoint_every=every)
    killed(given, 46)
    for document in made(given):
        assert document["resumed"] == [45 // every * every]  # the one before step 46 was not made
    assert tables(given) == whole
    assert not list(tmp_path.rglob(CHECKPOINT))


def test_a_killed_pack_goes_on_though_one_of_its_runs_has_diverged(killed, undisturbed, tmp_path):
    keys = {"checkpoint_every": 10}
    whole = undisturbed({}, DIVERGES, {}, **keys)
    given = stack_of(tmp_path / "killed", {}, DIVERGES, {}, **keys)
    killed(given, 46)
    assert read_run(given.jobs[1].folder).status == "diverged"
    for document in made(replace(given, written=(True, False, True))):
        assert document["resumed"] == [40]
    assert tables(given) == whole


def test_a_run_that_has_diverged_does_not_cost_the_others_their_checkpoint(
    killed, undisturbed, tmp_path
):
    """The pack comes again as it was: from a worker that died, or a job that was requeued."""
    keys = {"checkpoint_every": 10}
    whole = undisturbed({}, DIVERGES, {}, **keys)
    given = stack_of(tmp_path / "killed", {}, DIVERGES, {}, **keys)
    killed(given, 46)
    documents = made(given)
    assert tables(given) == whole
    assert [document.get("resumed") for document in documents] == [[40], None, [40]]


def test_by_default_there_is_a_checkpoint_about_once_a_minute(monkeypatch, tmp_path):
    now = [100.0]
    monkeypatch.setattr(checkpoint, "monotonic", lambda: now[0])
    one = Checkpoint(tmp_path, ["a"], None)
    assert not one.is_due(1)
    now[0] += checkpoint.EVERY + 1
    assert one.is_due(2)


def test_a_checkpoint_is_due_every_so_many_steps(tmp_path):
    due = Checkpoint(tmp_path, ["a"], 5)
    assert [step for step in range(1, 16) if due.is_due(step)] == [5, 10, 15]
    never = Checkpoint(tmp_path, ["a"], 0)
    assert not any(never.is_due(step) for step in range(1, 16))


def test_without_checkpoints_there_is_none_and_the_pack_begins_anew(undisturbed, tmp_path):
    whole = undisturbed({}, {}, checkpoint_every=0)
    given = stack_of(tmp_path / "stopped", {}, {}, checkpoint_every=0)
    stopped(given, 41)
    assert not list(tmp_path.rglob(CHECKPOINT))
    assert all("resumed" not in document for document in made(given))
    assert tables(given) == whole


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def of_a_newer_vgrad(path):
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"format":"1"', b'"format":"9"', 1))
    assert path.read_bytes() != data


def of_another_stack(path):
    found = stored.read(path)
    stored.write(path, found.tensors, {**found.about, "ids": found.about["ids"][::-1]})


def of_fewer_runs(path):
    found = stored.read(path)
    tensors = {name: values[:1] for name, values in found.tensors.items()}
    about = {**found.about, "runs": found.about["runs"][:1]}
    stored.write(path, tensors, about)


SPOILT = {
    "flipped": flip,
    "cut": cut,
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("{}"),
    "of a newer vgrad": of_a_newer_vgrad,
    "of another stack": of_another_stack,
    "of fewer runs": of_fewer_runs,
    "gone": lambda path: path.unlink(),
    "without records": lambda path: (path.parent / PARQUET[0]).unlink(),
    "with a flipped record": lambda path: flip(path.parent / PARQUET[1]),
    "of a run that has ended": lambda path: end(path.parent),
    "of another run": lambda path: rename(path.parent),
    "with a broken run.json": lambda path: (path.parent / "run.json").write_text("{"),
}


def end(folder):
    write_document(folder, {**document_of(folder), "status": "completed"})


def rename(folder):
    write_document(folder, {**document_of(folder), "run_id": "0" * 12})


def document_of(folder):
    document = dict(parse(folder, read_bytes(folder)))
    document.pop("sha256")
    return document


@pytest.mark.parametrize("how", SPOILT)
def test_from_a_checkpoint_that_is_spoilt_a_pack_begins_anew(how, undisturbed, tmp_path):
    whole = undisturbed({}, {"optimizer": "adam"})
    given = stack_of(tmp_path / "stopped", {}, {"optimizer": "adam"})
    stopped(given, 41)
    SPOILT[how](given.jobs[0].folder / CHECKPOINT)
    documents = made(given)
    assert all("resumed" not in document for document in documents)
    assert tables(given) == whole
    assert not list(tmp_path.rglob(CHECKPOINT))


def test_records_of_a_later_run_that_are_gone_have_the_pack_begin_anew(undisturbed, tmp_path):
    whole = undisturbed({}, {}, {})
    given = stack_of(tmp_path / "stopped", {}, {}, {})
    stopped(given, 41)
    shutil.rmtree(given.jobs[2].folder)
    assert all("resumed" not in document for document in made(given))
    assert tables(given) == whole


def test_a_pack_of_other_runs_does_not_go_on_from_there(undisturbed, tmp_path):
    given = stack_of(tmp_path / "stopped", {}, {}, {})
    stopped(given, 41)
    fewer = Pack(given.jobs[:2], (True, True))
    whole = undisturbed({}, {})
    assert all("resumed" not in document for document in made(fewer))
    assert tables(fewer) == whole
    assert not (given.jobs[0].folder / CHECKPOINT).exists()


def test_the_record_that_an_interrupted_run_ends_with_is_gone_when_it_has_gone_on(tmp_path):
    given = stack_of(tmp_path, {}, {}, steps=200)
    stop = next(step for step in range(60, 200) if step not in default_cadence(200, DENSE, RECORDS))
    stopped(given, stop)
    folders = [job.folder for job in given.jobs]
    assert [steps_of(folder)[-1] for folder in folders] == [stop, stop]
    made(given)
    for folder in folders:
        assert stop not in steps_of(folder)
        assert steps_of(folder)[-1] == 200


def steps_of(folder):
    return list(load(folder).steps.step)


def test_what_is_told_of_a_pack_that_went_on_is_told_of_it_as_a_whole(tmp_path):
    whole = stack_of(tmp_path / "whole", {}, {})
    expected = {d["run_id"]: d["summary"] for d in made(whole)}
    given = stack_of(tmp_path / "stopped", {}, {})
    stopped(given, 41)
    assert {d["run_id"]: d["summary"] for d in made(given)} == expected


def test_a_log_goes_on_where_the_run_does_and_begins_anew_with_it(tmp_path):
    given = stack_of(tmp_path, {})
    stopped(given, 41)
    log = given.jobs[0].folder / "run.log"
    before = log.read_text()
    made(given)
    assert log.read_text().startswith(before)
    assert "interrupted" in before
    made(given)
    assert not log.read_text().startswith(before)
    assert "interrupted" not in log.read_text()


def test_a_disk_that_fails_keeps_the_checkpoint_before(monkeypatch, undisturbed, tmp_path):
    given = stack_of(tmp_path / "x", {}, {}, checkpoint_every=10)
    whole = undisturbed({}, {}, checkpoint_every=10)
    written, write = [], stored.write

    def fail(path, *what):
        if len(written) == 3:
            raise WriteError("The disk is full.")
        written.append(what)
        write(path, *what)

    with monkeypatch.context() as patch:
        patch.setattr(stored, "write", fail)
        with pytest.raises(WriteError, match=r"The disk is full\."):
            made(given)
    assert [document["resumed"] for document in made(given)] == [[30], [30]]
    assert tables(given) == whole

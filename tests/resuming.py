"""Runs that were interrupted in every way, and what goes on with them: for tests of resuming."""

from __future__ import annotations

import os
import shutil

import pytest

from recording import ABSENT, CONFIG, RUN_ID, begin, layers_at, steps_at
from vgrad.store import RunWriter

TABLES = ("layers.parquet", "steps.parquet")
JOURNALS = ("layers.arrow", "steps.arrow")
COUNT = 5


def go_on(folder, keep, counts=None, run_id=RUN_ID, **about):
    return RunWriter(folder, run_id, CONFIG, about, keep=keep, counts=counts)


def record(writer, start, stop=COUNT):
    """Steps with their layers, but for step 3: there only the run as a whole is measured."""
    for step in range(start, stop):
        layers = None if step == 3 else layers_at(step)
        writer.record(step, steps_at(step), layers, None if layers is None else ABSENT)


def end(writer, start):
    record(writer, start)
    writer.finish("completed", {}, {})


def undisturbed(folder):
    with begin(folder) as writer:
        end(writer, 0)
    return tables(folder)


def killed(folder, count):
    """A run as a kill leaves it after some records."""
    alive = folder.with_name(f".{folder.name}")
    with begin(alive) as writer:
        record(writer, 0, count)
        shutil.copytree(alive, folder)
    shutil.rmtree(alive)
    return folder


def torn(folder, count):
    """Killed within the record behind the last: its layers are whole, its row is torn."""
    before = os.stat(killed(folder.with_name("before"), count) / "steps.arrow").st_size
    shutil.rmtree(folder.with_name("before"))
    killed(folder, count + 1)
    os.truncate(folder / "steps.arrow", before + 9)
    return folder


def cut(folder, count):
    """Killed within the layers of the record behind the last."""
    before = killed(folder, count)
    sizes = {name: os.stat(before / name).st_size for name in JOURNALS}
    shutil.rmtree(before)
    killed(folder, count + 1)
    os.truncate(folder / "steps.arrow", sizes["steps.arrow"])
    if count != 3:
        os.truncate(folder / "layers.arrow", sizes["layers.arrow"] + 1000)
    return folder


def interrupted(folder, count, status="interrupted"):
    """Ended by Ctrl-C: there are tables, and no journal."""
    with begin(folder) as writer:
        record(writer, 0, count)
        writer.finish(status, {"final_train_loss": 1.0}, {})
    return folder


def failed(folder, count):
    """Ended, and killed before the journals were deleted: one is left."""
    interrupted(folder, count, "failed")
    shutil.copy(killed(folder.with_name("other"), 1) / "steps.arrow", folder)
    shutil.rmtree(folder.with_name("other"))
    return folder


def half_ended(folder, count):
    """Killed while it was ended: there are tables that run.json does not speak of."""
    ended = interrupted(folder.with_name("ended"), count)
    killed(folder, count)
    shutil.copy(ended / "layers.parquet", folder)
    (folder / ".steps.parquet.part").write_bytes(b"PAR1")
    shutil.rmtree(ended)
    return folder


ENDS = [killed, torn, cut, interrupted, failed, half_ended]
each_end = pytest.mark.parametrize("leave", ENDS, ids=lambda leave: leave.__name__)


def files(folder):
    """All files by name but for the lock, which is there or not."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


def tables(folder):
    return [(folder / name).read_bytes() for name in TABLES]

"""A single run that was interrupted goes on with the next `vgrad run` of the same config."""

from __future__ import annotations

import json

import networks
from packing import DATA, PARQUET, files, packed, stopped, told
from vgrad import pack
from vgrad.check import check
from vgrad.store.columns import CHECKPOINT
from vgrad.terminal import SilentView

LONG = {"depth": 4, "steps": 60, "activation": "relu", "optimizer": "adam"}


def executed(folder, should_stop=lambda: False):
    config = check(networks.config(**DATA, **LONG))
    return pack.execute(config, folder, SilentView(), should_stop)


def test_a_single_run_goes_on_as_well_and_says_so(tmp_path):
    executed(tmp_path / "whole")
    first = executed(tmp_path / "run", told(42))
    assert (first["status"], first.get("resumed")) == ("interrupted", None)
    assert CHECKPOINT in files(tmp_path / "run")
    second = executed(tmp_path / "run", told(10))
    assert second["resumed"] == [41]
    third = executed(tmp_path / "run")
    assert third["resumed"] == [41, 50]
    assert third["started"] == first["started"]
    assert json.loads((tmp_path / "run/run.json").read_text())["resumed"] == [41, 50]
    for name in PARQUET:
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert files(tmp_path / "run") == files(tmp_path / "whole")


def test_a_view_sees_a_run_that_goes_on_from_where_it_does(tmp_path):
    class Steps(SilentView):
        def __init__(self):
            self.steps = []

        def step(self, step):
            self.steps.append(step)

    config = check(networks.config(**DATA, **LONG))
    executed(tmp_path, told(42))
    view = Steps()
    pack.execute(config, tmp_path, view, lambda: False)
    assert view.steps == list(range(41, 61))


def test_a_run_that_was_interrupted_in_a_stack_and_goes_on_alone_begins_anew(tmp_path):
    given = packed(tmp_path, {}, {}, **LONG)
    stopped(given, 41)
    alone = pack.execute(given.jobs[0].config, given.jobs[0].folder, SilentView(), lambda: False)
    assert "resumed" not in alone
    assert "stack" not in alone

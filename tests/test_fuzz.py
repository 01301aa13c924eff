"""Random overrides: whatever is typed, the exit status is 0 or 2, and on 2 nothing was written."""

from __future__ import annotations

import contextlib
import io
import os
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commands import execute_nothing, work_nothing
from vgrad import check as checks
from vgrad import combine, cost, pack, plan
from vgrad.cli import main
from vgrad.config import REGISTRIES, plain_keys
from vgrad.parts.datasets import Dataset

SECRET = "hunter2"
NAMES = [name for registry in REGISTRIES.values() for name in registry]
SETTINGS = [
    f"{kind}.{setting}"
    for kind, registry in REGISTRIES.items()
    for entry in registry.values()
    for setting in entry.settings
]
KEYS = [*REGISTRIES, *plain_keys(), *SETTINGS, "probe", "hydra.job.name", "hydra.launcher", "hydra"]
FRAGMENTS = [
    *["[", "]", "{", "}", "(", ")", ",", ":", "=", "'", '"', "\\", "$", "${", "}", "+", "~", "@"],
    *["#", " ", "/", ".", "..", "*", "null", "true", "nan", "-inf", "1e400", "0x1f", "-0", "1_0"],
    *["choice(1,2)", "range(3)", "range(1,9,0.5)", "interval(0,1)", "glob(*)", "sort(3,1)"],
    *["shuffle(1,2)", "tag(a,1)", "int(3.5)", "str(1)", "${depth}", "${run_id:}", "${oc.select:x}"],
    *["${oc.env:VGRAD_SECRET}", "${oc.decode:'${oc.env:VGRAD_SECRET}'}", "${hydra:job}", "???"],
    *["[" * 200, "\x00", "\x1b[2J", "\ud800", "é", "_target_", "9" * 400],
]

numbers = st.one_of(st.integers(), st.integers(0, 50), st.floats()).map(str)
words = st.one_of(st.sampled_from(NAMES), numbers, st.sampled_from(FRAGMENTS), st.text(max_size=8))
values = st.lists(words, min_size=1, max_size=4).map("".join)
lists = st.lists(st.one_of(st.sampled_from(NAMES), numbers), max_size=3).map(",".join)
keys = st.one_of(st.sampled_from(KEYS), st.sampled_from(KEYS), st.text(max_size=6))
prefixes = st.sampled_from(["", "", "", "", "+", "++", "~"])
overrides = st.builds("{}{}={}".format, prefixes, keys, st.one_of(values, values, lists))


@st.composite
def sensible(draw: st.DrawFn) -> str:
    """An override that is valid by itself, so that whole commands are as well now and then."""
    kind = draw(st.sampled_from([*REGISTRIES, "depth", "width", "seed", "name"]))
    if kind in REGISTRIES:
        return f"{kind}={draw(st.sampled_from(sorted(REGISTRIES[kind])))}"
    if kind == "name":
        return f"name={draw(st.text(min_size=1, max_size=20))}"
    return f"{kind}={draw(st.integers(1, 100))}"


@st.composite
def mangled(draw: st.DrawFn) -> str:
    """A valid override with a few characters changed, as by a slip of the hand."""
    text = draw(sensible())
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        put = draw(st.one_of(st.just(""), st.sampled_from(FRAGMENTS), st.text(max_size=2)))
        text = text[:at] + put + text[at + draw(st.integers(0, 2)) :]
    return text


lines = st.one_of(sensible(), sensible(), mangled(), overrides, st.text(max_size=12))
commands = st.tuples(st.sampled_from(["run", "run", "sweep"]), st.lists(lines, max_size=4))


@pytest.fixture(scope="module")
def somewhere(tmp_path_factory):
    """An empty folder to be in, without a network, training, or long sweeps."""
    inputs, classes = np.zeros((200, 4), np.float32), np.zeros(200, np.int64)
    data = Dataset(inputs, classes, inputs, classes, 10, "classification")
    folder = tmp_path_factory.mktemp("fuzz")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("VGRAD_SECRET", SECRET)
        for module in (checks, cost, plan):
            patch.setattr(module, "load", lambda name, settings: data)
        patch.setattr(pack, "execute", execute_nothing)
        patch.setattr(pack, "work", work_nothing)
        patch.setattr(plan, "WORTH_A_WORKER", float("inf"))
        patch.setattr(combine, "MOST_RUNS", 4)
        yield folder


def check(verb: str, typed: list[str]) -> None:
    """Type it, and see what became of it."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([verb, *typed])
    assert status in (0, 2), err.getvalue()
    assert SECRET not in out.getvalue() + err.getvalue()
    if status == 2:
        assert os.listdir() == []
        assert len(err.getvalue().splitlines()) == 1
        assert err.getvalue().strip().isprintable()
    for name in os.listdir():
        shutil.rmtree(name)


def fuzz(examples: int):
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )


@fuzz(500)
@given(commands)
def test_whatever_is_typed_the_status_is_0_or_2(somewhere, command):
    check(*command)


@pytest.mark.slow
@fuzz(10_000)
@given(commands)
def test_whatever_is_typed_ten_thousand_times_the_status_is_0_or_2(somewhere, command):
    check(*command)

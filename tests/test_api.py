"""The functions that `import vgrad` offers."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

import vgrad as package
from commands import SECRET, SMALL, interrupt_itself
from vgrad import compose, pack
from vgrad.errors import ConfigError
from vgrad.store import read_run


def test_run_from_python_returns_what_load_returns(typed):
    frames = package.run("activation=selu", *SMALL, "name=here")
    loaded = package.load("runs/here")
    assert frames.runs.equals(loaded.runs)
    assert frames.layers.equals(loaded.layers)
    assert list(frames.runs["activation"]) == ["selu"]
    assert list(frames.runs["path"]) == ["runs/here"]
    assert frames.layers["layer"].max() == 3


def test_a_sweep_from_python_returns_all_its_runs(typed):
    frames = package.sweep("activation=relu,tanh", *SMALL)
    assert sorted(frames.runs["activation"]) == ["relu", "tanh"]


def test_a_slip_from_python_is_raised(typed):
    with pytest.raises(ConfigError, match="Did you mean 'depth'"):
        package.run("depht=3")
    assert list(Path().iterdir()) == []


def test_runs_from_python_can_follow_each_other(untrained):
    for depth in (1, 2):
        assert list(package.run(f"depth={depth}").runs["depth"]) == [depth]
    with pytest.raises(ConfigError):
        package.run("depth=x")
    assert list(package.run("depth=3").runs["depth"]) == [3]


@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_an_interrupt_from_python_is_raised_when_the_run_has_ended(
    number, raised, typed, monkeypatch
):
    monkeypatch.setattr(pack, "execute", interrupt_itself(number))
    with pytest.raises(raised):
        package.run("name=here")
    assert read_run("runs/here").status == "completed"


def test_the_functions_of_the_package_are_not_hidden_by_its_modules(typed):
    import vgrad.api
    import vgrad.report  # its import sets the attribute `report` of the package

    assert package.report is vgrad.api.report
    assert callable(package.report)
    assert {"load", "report", "run", "sweep"} <= set(dir(package))


def test_the_environment_can_be_read_by_other_configs_of_the_same_process(untrained):
    from omegaconf import OmegaConf

    package.run("name=here")
    assert OmegaConf.create({"a": "${oc.env:VGRAD_SECRET}"}).a == SECRET


def test_a_config_of_a_resolver_of_the_users_own_is_refused(untrained):
    with pytest.raises(ConfigError, match="name uses"):
        compose.run(compose.Request(["name=${mine:x}"]), lambda: None)

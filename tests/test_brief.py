"""The few overrides that repeat a run: they give the same run, whatever it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from vgrad.brief import brief, brief_of
from vgrad.command import command
from vgrad.config import REGISTRIES, Choice, RunConfig, run_id
from vgrad.overrides import read
from vgrad.registry import Entry

USUAL = {
    "activation": "relu",
    "init": "matched",
    "loss": "cross_entropy",
    "data": "digits",
    "optimizer": "sgd",
    "model": "mlp",
}
BASE = RunConfig(**{kind: Choice(name) for kind, name in USUAL.items()}, device="cpu")


def again(words: list[str]) -> RunConfig:
    """The config that overrides give, without Hydra's composing: defaults, then what they say."""
    given = {one.key_or_group: one.value() for one in read(words, sweep=False)}
    choices = {
        kind: Choice(
            given.get(kind, usual),
            {k.partition(".")[2]: v for k, v in given.items() if k.startswith(f"{kind}.")},
        )
        for kind, usual in USUAL.items()
    }
    plain = {
        key.replace(".", "_"): value
        for key, value in given.items()
        if key.partition(".")[0] not in REGISTRIES
    }
    return RunConfig(**choices, **({"device": "cpu"} | plain))


def entries() -> Iterator[Any]:
    for kind, registry in REGISTRIES.items():
        for entry in registry.values():
            if kind != "data" or entry.fingerprint is None:  # of a file: there is none
                yield pytest.param(kind, entry, id=f"{kind}-{entry.name}")


@pytest.mark.parametrize(("kind", "entry"), list(entries()))
def test_the_brief_command_gives_the_same_run(kind: str, entry: Entry) -> None:
    config = replace(BASE, **{kind: Choice(entry.name)}, depth=7, batch_size=50, seed=3)
    words = brief_of(config, "cpu")
    assert f"{kind}={entry.name}" in words or entry.name == "mlp"
    assert run_id(again(words)) == run_id(config)
    assert len(words) <= 9


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 60, "width": 100, "dtype": "float64"},
        {"probe_every": 0, "eval_every": 7},
        {"model": Choice("mlp", {"residual": "identity", "bias": False})},
        {"optimizer": Choice("sgd", {"lr": 1e-05, "momentum": 0.9, "clip_norm": 2.0})},
        {"init": Choice("normal", {"std": 0.12345678901234567, "bias_std": 1.0})},
        {"activation": Choice("leaky_relu", {"slope": 0.3})},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_what_is_not_the_default_is_said(changes: dict[str, Any]) -> None:
    config = replace(BASE, **changes)
    assert run_id(again(brief_of(config, "cpu"))) == run_id(config)


def test_a_run_of_defaults_is_said_in_a_line() -> None:
    words = brief_of(replace(BASE, name="my runs", batch_size=64), "cpu")
    assert set(words) == {
        "activation=relu",
        "init=matched",
        "loss=cross_entropy",
        "data=digits",
        "optimizer=sgd",
        "depth=10",
    }
    assert command(words).startswith("vgrad run activation=relu ")


def test_a_device_is_said_where_another_one_is_usual() -> None:
    assert "device=cpu" in brief_of(BASE, "cuda")
    assert not [word for word in brief_of(BASE, "cpu") if word.startswith("device")]


def test_an_entry_that_this_version_has_not_keeps_all_its_settings() -> None:
    words = brief({"activation": "bent", "activation.slope": 1.0, "depth": 3, "width": 64})
    assert words == ["activation=bent", "activation.slope=1", "depth=3"]

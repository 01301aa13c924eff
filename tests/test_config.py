"""What a run is made from: its defaults, its checks, its plain form, its id."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgrad.config import REGISTRIES, Choice, RunConfig, flatten, plain_keys, run_id
from vgrad.errors import ConfigError, UnknownNameError

CHOICES = {
    "activation": Choice("selu"),
    "init": Choice("matched"),
    "loss": Choice("cross_entropy"),
    "data": Choice("digits"),
    "optimizer": Choice("sgd"),
    "model": Choice("mlp"),
}


def config(**changes: object) -> RunConfig:
    return RunConfig(**{**CHOICES, **changes})


def test_settings_left_out_take_the_defaults_of_their_entry():
    made = config(optimizer=Choice("sgd", {"momentum": 0.9}))
    assert made.optimizer.settings == {**REGISTRIES["optimizer"]["sgd"].settings, "momentum": 0.9}


def test_a_whole_number_will_do_where_a_number_is_asked_for():
    made = config(optimizer=Choice("sgd", {"lr": 1}), epochs=2)
    assert made == config(optimizer=Choice("sgd", {"lr": 1.0}), epochs=2.0)
    assert type(made.optimizer.settings["lr"]) is type(made.epochs) is float


@pytest.mark.parametrize("kind", REGISTRIES)
def test_every_entry_makes_a_config_with_its_defaults(kind):
    for name, entry in REGISTRIES[kind].items():
        made = config(**{kind: Choice(name)})
        assert getattr(made, kind).settings == entry.settings
        assert entry.types.keys() == entry.settings.keys()


@pytest.mark.parametrize("kind", REGISTRIES)
def test_every_entry_comes_back_from_its_plain_form(kind):
    for name in REGISTRIES[kind]:
        made = config(**{kind: Choice(name)}, depth=3, probe_every=0, epochs=1.5)
        assert RunConfig.from_plain(made.plain()) == made


def test_the_plain_form_has_the_keys_of_the_command_line():
    flat = flatten(config().plain())
    assert {key for key in flat if key.partition(".")[0] not in REGISTRIES} == set(plain_keys())
    assert {"probe.every", "eval.every", "batch_size"} <= set(plain_keys())
    assert flat["activation.name"] == "selu"
    assert flat["probe.every"] is None


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"depth": -1}, "depth must be at least 0"),
        ({"depth": 1.0}, "depth must be a whole number, not 1.0"),
        ({"depth": True}, "depth must be a whole number, not True"),
        ({"depth": None}, "depth must be a whole number, not null"),
        ({"width": 0}, "width must be at least 1"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"epochs": math.nan}, "epochs must be a finite number"),
        ({"epochs": 10**400}, "epochs must be a finite number"),
        ({"probe_every": -1}, "probe.every must be at least 0"),
        ({"eval_every": "all"}, "eval.every must be a whole number or null, not 'all'"),
        ({"device": "gpu"}, "Did you mean 'cpu'"),
        ({"dtype": "float16"}, "Known: float32, float64"),
        ({"name": ""}, "name is empty"),
        ({"name": "  "}, "name is empty"),
        ({"name": "a/b"}, "cannot name a folder"),
        ({"name": ".."}, "cannot name a folder"),
        ({"name": "a${b}"}, "cannot name a folder"),
        ({"name": "é" * 101}, "longer than 200 bytes"),
        ({"name": "a\nb"}, "cannot be printed"),
        ({"name": "a\x1b[31m"}, "cannot be printed"),
        ({"name": "a\udc80"}, "cannot be printed"),
        ({"name": "a\u202eb"}, "cannot be printed"),
        ({"optimizer": Choice("sgd", {"lr": math.inf})}, "optimizer.lr must be a finite number"),
        ({"optimizer": Choice("sgd", {"lr": -0.1})}, "optimizer.lr must be at least 0"),
        ({"optimizer": Choice("sgd", {"lr": True})}, "optimizer.lr must be a number"),
        ({"optimizer": Choice("sgd", {"momentum": 1.0})}, "and below 1, not 1.0"),
        ({"model": Choice("mlp", {"bias": 1})}, "must be true or false, not 1"),
        ({"optimizer": Choice("sgd", {"moment": 1.0})}, "'moment'. Did you mean 'momentum'"),
        ({"optimizer": Choice("sgd", {"lr": 1e39})}, "lr must be at most 1e+30 in size, not 1e+39"),
        (
            {"init": Choice("lecun_normal", {"gain": "Auto"})},
            "'auto'? Known: auto. It may also be a",
        ),
        ({"activation": Choice("elu", {"alpha": -1e39})}, "at most 1e+30 in size"),
        ({"data": Choice("mnist", {"root": "a\0b"})}, "data.root holds characters"),
    ],
)
def test_what_is_not_valid_is_refused_with_its_key_and_its_value(changes, says):
    with pytest.raises(ConfigError) as caught:
        config(**changes)
    assert says in str(caught.value)


@pytest.mark.parametrize("name", ["a$\\frac$ <script>", "ü 中 👩‍🔬", "-x", "a" * 200, "5"])
def test_names_that_look_odd_are_names(name):
    assert config(name=name).name == name


def test_an_unknown_choice_is_refused_with_the_nearest_match():
    with pytest.raises(UnknownNameError, match="Did you mean 'relu'"):
        config(activation=Choice("rleu"))


def test_a_setting_of_another_choice_is_refused_with_the_choices_that_have_it():
    with pytest.raises(
        ConfigError, match=r"activation=relu has no setting 'alpha'.*activation=elu"
    ):
        config(activation=Choice("relu", {"alpha": 1.0}))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda tree: tree.pop("depth"), "The key 'depth' is missing"),
        (lambda tree: tree.pop("activation"), "write activation=NAME"),
        (lambda tree: tree["activation"].pop("name"), "write activation=NAME"),
        (lambda tree: tree.update(activation="selu"), "write activation=NAME"),
        (lambda tree: tree.update(depht=3), "Did you mean 'depth'"),
        (lambda tree: tree.update(probe=3), "No key is named 'probe'"),
    ],
)
def test_a_plain_form_with_other_keys_is_refused(change, says):
    tree = config().plain()
    change(tree)
    with pytest.raises(ConfigError) as caught:
        RunConfig.from_plain(tree)
    assert says in str(caught.value)


def test_the_run_id_is_made_from_all_that_determines_the_result():
    ids = {run_id(config())}
    changes = {
        "activation": Choice("elu"),
        "init": Choice("he_normal"),
        "loss": Choice("mse"),
        "data": Choice("white"),
        "optimizer": Choice("adam"),
        "model": Choice("mlp", {"bias": False}),
        "depth": 11,
        "width": 65,
        "steps": 601,
        "batch_size": 65,
        "seed": 1,
        "device": "cuda",
        "dtype": "float64",
        "probe_every": 1,
        "eval_every": 1,
    }
    without_effect = {"name", "epochs", "checkpoint_every", "objective"}
    assert changes.keys() | without_effect == {field.name for field in fields(RunConfig)}
    for key, value in changes.items():
        ids.add(run_id(config(**{key: value})))
    ids.add(run_id(config(activation=Choice("selu", {"alpha": 2.0}))))
    assert len(ids) == len(changes) + 2
    assert run_id(config(checkpoint_every=7, objective="grad_decay", name="other")) in ids
    assert all(len(one) == 12 and int(one, 16) >= 0 for one in ids)


def test_the_run_id_is_the_same_wherever_the_run_and_its_data_are_kept():
    here = config(data=Choice("mnist", {"root": "/here"}), name="here")
    there = replace(here, data=Choice("mnist", {"root": "/there"}), name="there", epochs=2.0)
    assert run_id(here) == run_id(there)


@given(st.text(), st.text())
def test_flat_keys_are_the_path_through_the_tree(key, value):
    assert flatten({"a": {"b": {key: value}}, "c": {}}) == {f"a.b.{key}": value, "c": {}}

"""The diagnosis of runs: verdicts, confidence over seeds, intervals, thresholds, remedies."""

from __future__ import annotations

import math
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hydra.types import RunMode

from diagnosis_frames import SETTINGS, STUCK, fading, found, frames, joined
from test_rules import TRIGGERS
from vgrad import compose
from vgrad.command import overrides
from vgrad.compose import Request, checked, prepare
from vgrad.config import REGISTRIES
from vgrad.diagnose import RULES, THRESHOLDS, diagnose
from vgrad.diagnose.entries import (
    MATCHED,
    NOT_FLAT,
    NOTHING_TO_LEARN,
    ONE_SIDED,
    ONE_SIGN,
    SMOOTH,
    SQUASHED,
    UNSCALED_INITS,
    ZEROED,
)
from vgrad.diagnose.fit import fit
from vgrad.diagnose.remedies import changes
from vgrad.diagnose.thresholds import read, settle
from vgrad.errors import ConfigError
from vgrad.schema import to_config
from vgrad.store import load
from vgrad.terminal import SilentView
from vgrad.verbs.fixing import mended

DOCS = Path(__file__).parents[1] / "docs" / "diagnosis.md"


def seeds(count, ill):
    """An arm whose first `ill` seeds have a vanishing gradient."""
    return joined(*(frames(seed=seed, layers={"delta_rms": fading(-4 if seed < ill else -0.5)})
                    for seed in range(count)))  # fmt: skip


def test_diagnoses_come_in_the_order_of_the_runs_with_the_gravest_finding_first():
    both = dict(layers={"delta_rms": fading(-4), "sign_coherence": 0.99}, steps=STUCK)
    first, second = diagnose(joined(frames(seed=3, **both), frames(seed=1)))
    assert (first.run_id, second.run_id) == ("run3", "run1")
    assert [one.rule for one in first.findings] == [
        "vanishing_gradient", "sign_locked_weights", "chance_plateau"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("count", "ill", "confidence"),
    [(5, 5, "sure"), (5, 3, "likely"), (5, 1, "unsure"), (2, 1, "sure")],
)
def test_the_other_seeds_of_an_arm_say_how_sure_a_finding_is(count, ill, confidence):
    first = diagnose(seeds(count, ill))[0]
    assert first.verdict == "vanishing"
    assert first.findings[0].confidence == confidence


def test_runs_of_other_settings_have_no_say():
    runs = joined(frames(seed=0, **TRIGGERS["vanishing_gradient"]),
                  *(frames(seed=seed, init="he_normal") for seed in range(1, 6)))  # fmt: skip
    assert diagnose(runs)[0].findings[0].confidence == "sure"


def test_the_interval_of_the_slope_is_that_of_a_random_walk():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        walk = np.cumsum(rng.normal(-0.1, 0.05, 20))
        line = fit((10 ** walk[::-1]).tolist())
        hits += line.low <= -0.1 <= line.high
    assert 0.92 <= hits / 400 <= 0.98


@pytest.mark.parametrize("deltas", [[], [1.0], [0.0, math.inf, math.nan, None], [1.0, 0.0]])
def test_no_slope_without_two_layers_that_have_a_size(deltas):
    assert fit(deltas).value is None


def test_equal_deltas_have_a_slope_of_nothing_and_no_share_of_variance():
    line = fit([0.1] * 10)
    assert line.value == pytest.approx(0, abs=1e-12)
    assert line.r2 is None


def test_the_line_through_two_layers_says_nothing_of_its_fit():
    line = fit([0.1, 0.2])
    assert line.value == pytest.approx(-math.log10(2))
    assert line.r2 is None
    assert fit([0.1, 0.2, 0.3]).r2 < 1


def test_a_run_without_records_is_unsure():
    (diagnosis,) = diagnose(frames(when=()))
    assert diagnosis.verdict == "unsure"
    assert diagnosis.grad_decay.value is None


def test_a_threshold_moves_the_verdict_and_the_finding_together():
    run = frames(layers={"delta_rms": fading(-4)})
    assert diagnose(run)[0].verdict == "vanishing"
    limits = {"vanishing_gradient.decades": 6, "vanishing_gradient.healthy": 5}
    (moved,) = diagnose(run, limits)
    assert (moved.verdict, moved.findings) == ("healthy", ())


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("dead_unit.share=0.3", "Did you mean 'dead_units.share'?"),
        ("dead_units.share=2", "at least 0 and at most 1, not 2"),
        ("dead_units.share=nan", "at least 0"),
        ("dead_units.share=many", "must be a number, not 'many'"),
        ("dead_units.share", "RULE.THRESHOLD=VALUE"),
    ],
)
def test_a_threshold_that_is_none_is_refused_with_what_is_valid(word, message):
    with pytest.raises(ConfigError) as error:
        read([word])
    assert message in str(error.value)


def test_a_threshold_given_twice_is_refused():
    with pytest.raises(ConfigError, match="given twice"):
        read(["dead_units.share=0.3", "dead_units.share=0.4"])
    with pytest.raises(ConfigError, match="Did you mean"):
        settle({"dead_units.shar": 0.3})


@pytest.mark.parametrize("name", THRESHOLDS)
def test_every_threshold_belongs_to_a_rule_and_is_in_the_docs_as_it_is_in_the_program(name):
    one = THRESHOLDS[name]
    assert name.partition(".")[0] in RULES
    assert one.low <= one.value <= one.high
    row = f"| `{name}` | {one.value:g} | {one.unit} | {one.meaning} | {one.source} |"
    assert row in DOCS.read_text().splitlines()


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_in_the_docs(rule):
    assert f"`{rule}`" in DOCS.read_text()


VARIANTS = [
    {},
    {"activation": "sigmoid", "init": "xavier_normal"},
    {"activation": "relu", "init": "xavier_normal"},
    {"activation": "tanh", "init": "lecun_normal", "init__gain": 3.0},
    {"activation": "selu", "init": "lecun_normal", "model__norm": "batch"},
    {"model": "highway"},
    {"model__residual": "identity", "optimizer": "adam", "optimizer__lr": 0.1},
    {"batch_size": 1, "loss": "mse_sigmoid", "init__bias": 5.0},
    {"init": "constant", "init__value": 0.1, "dtype": "float64"},
]


@cache
def suggestions():
    """Every remedy of every rule, for each kind of config: (settings, fix)."""
    told = set()
    for variant in VARIANTS:
        for rule in RULES:
            case = TRIGGERS[rule] | variant
            own = {key: value for key, value in case.items() if key not in ("layers", "steps")}
            settings = tuple((key.replace("__", "."), value) for key, value in own.items())
            for finding in found(frames(**case)).values():
                told |= {(settings, fix) for fix in finding.remedies}
    return sorted(told, key=repr)


def test_no_remedy_is_what_the_config_has_already():
    for settings, fix in suggestions():
        assert changes(fix, SETTINGS | dict(settings))


def test_every_remedy_composes_and_passes_the_checks():
    keep = ("activation", "init", "loss", "model", "optimizer", "batch_size", "dtype")
    loader = prepare(Request())
    commands, tried = set(), Counter()
    for settings, fix in suggestions():
        tried[fix] += 1
        if tried[fix] > 3:  # each on three configs: composing is slow
            continue
        base = {key: value for key, value in settings if key.partition(".")[0] in keep}
        mended_base = mended({"depth": 3, "width": 8, "steps": 2} | base, fix)
        commands.add(tuple(overrides(mended_base)))
    for lines in sorted(commands):
        checked(to_config(loader.load_configuration("config", lines, RunMode.RUN), name="run"))


@pytest.mark.parametrize("name", MATCHED)
def test_the_inits_that_are_named_are_those_that_the_activations_ask_for(name):
    assert REGISTRIES["activation"][name].matched == MATCHED[name]


def test_the_first_fix_is_the_init_that_the_activation_asks_for():
    run = frames(init="xavier_normal", **TRIGGERS["vanishing_gradient"])
    assert found(run)["vanishing_gradient"].remedies[0] == "init=he_normal"


def test_a_deep_sigmoid_net_is_told_of_another_activation_first():
    run = frames(activation="sigmoid", init="xavier_normal", **TRIGGERS["vanishing_gradient"])
    assert found(run)["vanishing_gradient"].remedies == (
        "activation=selu init=lecun_normal", "model.residual=identity", "model.norm=batch"
    )  # fmt: skip


def test_what_follows_from_another_ill_has_the_remedies_of_that():
    lost = TRIGGERS["vanishing_gradient"]["layers"] | TRIGGERS["lost_updates"]["layers"]
    rules = found(frames(init="xavier_normal", layers=lost, steps=STUCK))
    assert len({rules[rule].remedies for rule in ("vanishing_gradient", "lost_updates")}) == 1


def test_a_learning_rate_that_is_far_too_large_is_brought_to_a_usual_update():
    huge = {"update_ratio": 5.0}
    fixes = found(frames(layers=huge, steps=STUCK, optimizer__lr=10.0))["update_ratio"].remedies
    assert fixes[0] == "optimizer.lr=0.02"


def test_diagnoses_show_themselves_as_a_table_with_a_row_for_each_finding():
    shown = diagnose(joined(frames(seed=0, **TRIGGERS["vanishing_gradient"]), frames(seed=1)))
    assert repr(shown).splitlines()[1] == "run1  healthy  –"
    assert shown._repr_html_().count("<tr>") == 3
    assert "vanishing_gradient (sure)" in shown._repr_html_()


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("activation", (*ONE_SIGN, *ZEROED, *ONE_SIDED, *SMOOTH, *NOT_FLAT)),
        ("init", UNSCALED_INITS),
        ("loss", SQUASHED),
        ("data", NOTHING_TO_LEARN),
    ],
)
def test_the_entries_that_the_rules_name_are_there(kind, names):
    assert set(names) <= set(REGISTRIES[kind])


def test_biases_that_do_harm_are_taken_back_with_the_init():
    biased = dict(activation="tanh", init="lecun_normal", init__bias=5.0, init__bias_std=1.0)
    fixes = found(frames(**biased, **TRIGGERS["vanishing_gradient"]))["vanishing_gradient"].remedies
    assert fixes[0] == "init=matched init.bias=0 init.bias_std=0"
    assert fixes[1] == "activation=selu init=lecun_normal init.bias=0 init.bias_std=0"


@pytest.mark.parametrize(
    ("optimizer", "rate", "asked"), [("adam", 1e-12, 1e-4), ("sgd", 1e-9, 0.1), ("sgd", 5.0, 50.0)]
)
def test_a_learning_rate_that_is_far_too_small_is_raised_as_far_as_it_must_be(
    optimizer, rate, asked
):
    lost = {"lost_updates": 1.0, "update_ratio": 0.0}
    run = frames(layers=lost, steps=STUCK, optimizer=optimizer, optimizer__lr=rate)
    first = next(fix for fix in found(run)["lost_updates"].remedies if "lr" in fix)
    assert float(first.partition("=")[2]) == pytest.approx(asked)


@pytest.mark.parametrize("depth", [None, "many", -3, 1e300, math.inf, 2.5])
def test_a_run_of_no_depth_at_all_is_unsure(depth):
    run = frames(2)
    run.runs["depth"] = depth
    (diagnosis,) = diagnose(run)
    assert diagnosis.verdict == "unsure"


@pytest.mark.parametrize(
    "overrides",
    [
        ("activation=sigmoid", "depth=12"),
        ("activation=relu", "depth=6"),
        ("activation=tanh", "init=lecun_normal", "init.gain=5", "depth=20"),
        ("activation=selu", "depth=4", "optimizer.lr=1e20"),
        ("depth=0",),
        ("activation=sigmoid", "depth=12", "probe.every=0"),
        ("init=zeros", "depth=3"),
        ("depth=5", "model.residual=rezero"),
    ],
)
def test_the_verdict_of_the_diagnosis_is_that_of_run_json(overrides, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("width=16", "steps=4", "name=run", *overrides)
    document = compose.run(Request(words), SilentView)
    (diagnosis,) = diagnose(load("runs"))
    assert diagnosis.verdict == document["summary"]["verdict"]
    decay = document["summary"]["grad_decay"]
    assert diagnosis.grad_decay.value == (decay if decay is None else pytest.approx(decay))

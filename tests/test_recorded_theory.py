"""What theory foretells is kept with each run, told before it trains, and held against findings."""

from __future__ import annotations

import io
import json
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

import networks
import vgrad
from commands import Terminal
from diagnosis_frames import INF, NAN, fading, found, frames
from recording import CONFIG, RUN_ID, record
from vgrad.arms import differing, setting_columns
from vgrad.diagnose import diagnose, foretold
from vgrad.errors import DamagedFileError
from vgrad.pack import execute
from vgrad.store import RunWriter, load, read_run
from vgrad.store.foretold import THEORY_COLUMNS
from vgrad.store.order import differing as differing_settings
from vgrad.terminal import PlainView
from vgrad.terminal.live import LiveView
from vgrad.theory import record as recorded
from vgrad.theory.predict import predict

CELLS = ["theory.grad_decay", "theory.trainable_depth", "theory.not_predicted"]
LAYERS = {name: [0.5, None, 2.0, "inf"] for name in THEORY_COLUMNS}
TOLD = {"not_predicted": None, "grad_decay": -0.5, "trainable_depth": "inf", "layers": LAYERS}


def made(folder, theory, **config):
    """A finished run whose run.json says this of the theory."""
    about = {} if theory is None else {"theory": theory}
    with RunWriter(folder, RUN_ID, {**CONFIG, **config}, about) as writer:
        record(writer)
        writer.finish("completed", {"grad_decay": -0.1}, {})
    return folder


def test_a_run_keeps_what_theory_says_of_its_config(typed: Terminal):
    words = ("activation=tanh", "init=xavier_normal", "depth=3", "width=8", "data=white")
    kept = vgrad.run(*words, "steps=1", "name=kept")
    theory = vgrad.theory(*words)
    row = kept.runs.iloc[0]
    assert row["theory.grad_decay"] == pytest.approx(theory.grad_decay, rel=1e-7)
    assert row["theory.trainable_depth"] == pytest.approx(theory.trainable_depth, rel=1e-7)
    assert row["theory.not_predicted"] is None
    assert list(kept.theory.layer) == [1, 2, 3, 4]
    assert set(kept.theory.run_id) == set(kept.runs.run_id)
    for name in ("preact_ms", "act_mean", "act_var", "correlation", "delta_rms"):
        wanted = theory.frame()[name].astype(float)
        np.testing.assert_allclose(kept.theory[name], wanted, rtol=1e-7)
    assert math.isnan(kept.theory.gate_ms.iloc[-1])  # the outputs have no gates


def test_runs_of_a_sweep_keep_it_as_well(typed: Terminal):
    words = ("activation=tanh,maxout", "depth=2", "width=8", "steps=1", "data=white", "seed=0,1")
    runs = vgrad.sweep(*words, "name=many")
    assert len(runs.theory) == 4 * 3
    maxout = runs.runs[runs.runs.activation == "maxout"]
    assert maxout["theory.not_predicted"].str.contains("several pre-activations").all()
    rows = runs.theory[runs.theory.run_id.isin(maxout.run_id)]
    assert rows[list(THEORY_COLUMNS)].isna().all(axis=None)


def test_runs_that_differ_in_their_seed_alone_share_one_prediction(monkeypatch):
    asked = []

    def counted(config, **more):
        asked.append(config)
        return predict(config, **more)

    monkeypatch.setattr(recorded, "predict", counted)
    recorded._recorded.cache_clear()
    keys = {"depth": 2, "init__bias_std": 0.123}
    several = [recorded.record(networks.config(seed=seed, steps=seed, **keys)) for seed in range(4)]
    assert all(one is several[0] for one in several)
    assert recorded.record(networks.config(activation="elu", **keys)) != several[0]
    assert len(asked) == 2


def test_theory_that_fails_stops_no_run_and_is_the_reason(monkeypatch, tmp_path):
    def fail(config, **more):
        raise RuntimeError("no such number")

    monkeypatch.setattr(recorded, "predict", fail)
    recorded._recorded.cache_clear()
    shown = io.StringIO()
    execute(networks.config(steps=1), tmp_path, PlainView(shown), lambda: False)
    told = read_run(tmp_path).document["theory"]
    assert told["not_predicted"] == "the theory failed: RuntimeError: no such number"
    assert told["layers"]["delta_rms"] == [None] * 4
    assert "theory: no prediction, as the theory failed" in shown.getvalue()
    recorded._recorded.cache_clear()


def test_a_very_deep_run_does_not_wait_for_theory():
    told = recorded.record(networks.config(depth=501))
    assert "does not wait" in told["not_predicted"]
    assert len(told["layers"]["delta_rms"]) == 502


def test_what_is_recorded_reads_as_columns_and_rows(tmp_path):
    kept = load(made(tmp_path / "run", TOLD))
    assert list(kept.runs[CELLS].iloc[0]) == [-0.5, INF, None]
    assert list(kept.theory) == ["run_id", "layer", *THEORY_COLUMNS]
    assert list(kept.theory.layer) == [1, 2, 3, 4]
    for name in THEORY_COLUMNS:
        np.testing.assert_array_equal(kept.theory[name], [0.5, NAN, 2.0, INF])
    assert "theory.grad_decay" not in repr(kept)


@pytest.mark.parametrize(
    "theory",
    [
        None,
        "no object",
        [1, 2],
        {},
        {"layers": None, "grad_decay": [], "trainable_depth": {}, "not_predicted": 3},
        {"layers": {**LAYERS, "delta_rms": [1.0]}, "grad_decay": "a lot", "trainable_depth": True},
        {"layers": {**LAYERS, "delta_rms": [1.0, [2.0], "x", {}]}},
        {"layers": {"delta_rms": [1.0] * 4}},
    ],
)
def test_what_is_missing_or_of_another_kind_was_not_foretold(tmp_path, theory):
    kept = load(made(tmp_path / "run", theory))
    assert kept.problems == []
    assert list(kept.runs[CELLS].iloc[0]) == [None, None, None]
    assert len(kept.theory) == 0
    assert list(kept.theory) == ["run_id", "layer", *THEORY_COLUMNS]
    assert kept.theory.layer.dtype == np.int64


def test_a_prediction_is_no_setting(tmp_path, typed):
    for number, decay in enumerate((-0.5, -0.7)):
        folder = tmp_path / "runs" / str(number)
        with RunWriter(
            folder,
            f"{number:012}",
            {**CONFIG, "seed": number},
            {"theory": {**TOLD, "grad_decay": decay}},
        ) as writer:
            writer.finish("completed", {"grad_decay": decay}, {})
    runs = load(tmp_path / "runs").runs
    assert runs["theory.grad_decay"].nunique() == 2
    assert not [name for name in setting_columns(runs) if name.startswith("theory")]
    assert differing(runs) == []
    settings = [read_run(tmp_path / "runs" / name).settings for name in "01"]
    assert differing_settings(settings) == ["seed"]
    assert "theory" not in typed("ls", "runs").out
    assert "Did you mean 'grad_decay'" in typed("ls", "runs", "grad_dcay>0").err
    listed = json.loads(typed("ls", "runs", "--json").out)["runs"]
    assert {tuple(one["theory"]) for one in listed} == {
        ("not_predicted", "grad_decay", "trainable_depth")
    }


def test_a_run_that_goes_on_keeps_what_was_foretold_when_it_began(tmp_path):
    first = RunWriter(tmp_path, RUN_ID, CONFIG, {"theory": TOLD, "started": "now"})
    record(first)
    first.leave()
    with RunWriter(tmp_path, RUN_ID, CONFIG, {"theory": None, "started": "later"}, keep=3) as again:
        again.finish("completed", {}, {})
    document = read_run(tmp_path).document
    assert (document["theory"], document["started"]) == (TOLD, "now")


def test_the_lists_of_a_prediction_take_a_line_of_the_file(tmp_path):
    text = (made(tmp_path, TOLD) / "run.json").read_text()
    (line,) = [line for line in text.splitlines() if '"theory"' in line]
    assert line.count("preact_ms") == 1
    assert '"delta_rms": [0.5, null, 2.0, "inf"]' in line


def told_of(delta=1.0, act_var=1.0, correlation=0.5, *, depth=40, slope=None):
    """The line on a run whose δ of layer 1, variance and cosine of the last are these."""
    ramp = np.linspace(1.0, 0.0, depth)
    with np.errstate(divide="ignore"):
        deltas = 10.0 ** (math.log10(delta) * ramp) if 0 < delta < INF else [delta, *[1.0] * depth]
    slope = math.log10(delta) / max(1, depth - 1) if slope is None and 0 < delta < INF else slope
    layers = {
        "delta_rms": [*deltas[:depth], 1.0],
        "act_var": [*[1.0] * (depth - 1), act_var, 1.0],
        "correlation": [*[0.5] * (depth - 1), correlation, None],
    }
    return foretold.line({"not_predicted": None, "grad_decay": slope, "layers": layers}, depth)


KEEPS = "theory: the error signal should keep its size"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            told_of(0.236**39),
            "theory: the error signal keeps 23.6 % per layer; "
            "at depth 40 nothing will reach layer 1",
        ),
        (
            told_of(1e-4),
            "theory: the error signal keeps 79 % per layer; at depth 40 layer 1 will get 1e-4 of "
            "what layer 40 gets, which is too little",
        ),
        (
            told_of(10**-2.5),
            "layer 1 will get 0.32 % of what layer 40 gets, which may be too little",
        ),
        (told_of(0.1), "at depth 40 layer 1 will get 10 % of what layer 40 gets, which will do"),
        (told_of(0.8), KEEPS),
        (told_of(1.0), KEEPS),
        (told_of(1e5), "the error signal grows 1.34-fold per layer; at depth 40 layer 1 will get"),
        (told_of(1e5), "layer 1 will get 1e5 times what layer 40 gets, which is too much"),
        (told_of(INF), "theory: at depth 40 it will leave what floats can hold before layer 1"),
        (told_of(1.0, act_var=1e-20), f"{KEEPS}; the signal will die out before layer 40"),
        (
            told_of(1.0, act_var=1e-6),
            f"{KEEPS}; the signal will fade to 0.001 of itself by layer 40",
        ),
        (told_of(1.0, act_var=1e10), f"{KEEPS}; the signal will grow 1e5-fold by layer 40"),
        (told_of(1.0, correlation=0.9999), f"{KEEPS}; all examples will look alike in layer 40"),
        (told_of(1.0, depth=1), ""),
    ],
)
def test_a_line_says_what_will_become_of_the_error_and_of_the_signal(line, says):
    assert says in line
    assert bool(line) == bool(says)


def test_the_line_stands_before_the_first_step_where_people_read_and_nowhere_else(typed):
    words = ("run", "depth=10", "width=8", "steps=1", "data=white", "activation=sigmoid")
    plain = typed(*words).out.splitlines()
    (place,) = [number for number, line in enumerate(plain) if line.startswith("theory: ")]
    assert place == 1
    assert "nothing will reach layer 1" in plain[place] or "too little" in plain[place]
    for ended in (typed(*words, "--json"), typed("sweep", *words[1:], "seed=0,1", "name=two")):
        assert "theory: " not in ended.err
        assert "theory: " not in ended.out


def with_theory(run, **columns):
    """The frames of one run, with what theory foretold of its layers."""
    depth = int(run.runs["depth"].iloc[0])
    table = {name: np.full(depth + 1, 1.0) for name in THEORY_COLUMNS}
    table |= {name: np.array(values, float) for name, values in columns.items()}
    rows = pd.DataFrame(
        {"run_id": run.runs["run_id"].iloc[0], "layer": range(1, depth + 2), **table}
    )
    return type(run)(run.runs, run.steps, run.layers, run.problems, theory=rows)


@pytest.mark.parametrize(("foretells", "expected"), [(-4.0, True), (-2.5, False), (NAN, None)])
def test_a_vanishing_gradient_is_expected_where_theory_is_beyond_the_same_threshold(
    foretells, expected
):
    run = frames(layers={"delta_rms": fading(-4.0)}, activation="tanh")
    theory = [10 ** (foretells * (9 - n) / 9) for n in range(10)] + [1.0]
    told = with_theory(run, delta_rms=theory)
    assert found(told)["vanishing_gradient"].expected_by_theory is expected
    strict = found(told, vanishing_gradient__decades=2.0)["vanishing_gradient"]
    assert strict.expected_by_theory is (None if expected is None else True)
    assert found(run)["vanishing_gradient"].expected_by_theory is None


def test_an_ill_that_theory_has_not_at_the_start_came_with_training():
    deltas = np.array([fading(0.0)] * 6 + [fading(-5.0)] * 4)
    run = frames(layers={"delta_rms": deltas}, activation="tanh")
    finding = found(with_theory(run))["vanishing_gradient"]
    assert finding.since_step == 50
    assert finding.expected_by_theory is False
    assert foretold.told(finding).endswith("it came with training.")
    early = found(with_theory(run, delta_rms=fading(-5.0)))["vanishing_gradient"]
    assert foretold.told(early) == "Theory has it at the start."


@pytest.mark.parametrize(
    ("rule", "measured", "foretells"),
    [
        ("exploding_gradient", {"delta_rms": fading(4.0)}, {"delta_rms": fading(5.0)}),
        (
            "signal_collapse",
            {"act_var": np.geomspace(1.0, 1e-8, 11)},
            {"act_var": np.geomspace(1.0, 1e-6, 11)},
        ),
        (
            "signal_blowup",
            {"act_var": np.geomspace(1.0, 1e8, 11)},
            {"act_var": np.geomspace(1.0, 1e7, 11)},
        ),
        ("correlation_collapse", {"correlation": 0.9999}, {"correlation": [0.9999] * 11}),
        (
            "correlation_collapse",
            {"correlation": np.geomspace(0.6, 0.001, 11)},
            {"correlation": np.geomspace(0.6, 0.002, 11)},
        ),
    ],
)
def test_each_finding_on_gradient_signal_and_likeness_is_held_against_theory(
    rule, measured, foretells
):
    run = frames(layers=measured)
    assert found(with_theory(run, **foretells))[rule].expected_by_theory is True
    against = found(with_theory(run))[rule]
    if rule != "correlation_collapse" or np.ndim(measured["correlation"]):
        assert against.expected_by_theory is False
        assert foretold.told(against).startswith("Theory did not foretell it: wide networks")
    assert found(run)[rule].expected_by_theory is None


def test_of_other_findings_theory_says_nothing():
    run = with_theory(frames(steps={"train_loss": 2.3, "val_accuracy": 0.1, "train_accuracy": 0.1}))
    (finding,) = diagnose(run)[0].findings
    assert finding.rule == "chance_plateau"
    assert (finding.expected_by_theory, foretold.told(finding)) == (None, "")


def test_the_words_and_the_document_say_whether_theory_foretold_it(typed):
    words = ("activation=sigmoid", "depth=10", "width=32", "steps=1", "data=white")
    for seed in range(3):
        assert typed("run", *words, f"seed={seed}", f"name=s/{seed}".replace("/", "-")).status == 0
    alone = typed("diagnose", "runs/s-0").out
    assert "Theory foretold it." in alone
    assert "Theory foretold it." in typed("diagnose", "runs").out
    document = json.loads(typed("diagnose", "runs/s-0", "--json").out)
    told = {one["rule"]: one["expected_by_theory"] for one in document["runs"][0]["findings"]}
    assert told["vanishing_gradient"] is True
    assert "expected" in repr(vgrad.diagnose("runs/s-0"))


def test_a_bit_that_flips_in_a_prediction_is_noticed(tmp_path):
    file = made(tmp_path, TOLD) / "run.json"
    whole = file.read_bytes()
    start = whole.index(b'"theory"') - 4
    for place in range(start, len(whole) - 1, 7):
        data = bytearray(whole)
        data[place] ^= 1 << place % 7
        file.write_bytes(data)
        try:
            assert read_run(tmp_path).document == json.loads(whole)
        except DamagedFileError:
            continue
    file.write_bytes(whole)
    assert read_run(tmp_path).document["theory"] == TOLD


def test_runs_of_an_arm_are_read_with_one_prediction_between_them(tmp_path):
    one, two = (read_run(made(tmp_path / name, TOLD)).document["theory"] for name in "ab")
    assert one is two


@pytest.mark.parametrize(("foretells", "seen"), [(True, True), (False, False)])
def test_the_live_view_has_the_line_whole_however_narrow_it_is(foretells, seen):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=40, height=24)
    told = "theory: the error signal keeps 23.6 % per layer; at depth 40 nothing will reach layer 1"
    with LiveView(console, foretells=foretells) as view:
        view.foretell(told)
        names = {"activation": {"name": "sigmoid"}, "init": {"name": "matched"}}
        view.start({"name": "one", "depth": 40, "width": 8, **names}, Path("runs/one"), 5)
        view.record(0, {"train_loss": 2.3}, [0.1] * 41)
        view.step(5)
    words = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue()).split()
    assert (" ".join(told.split()) in " ".join(words)) == seen

"""Claims, judged on runs whose numbers are written down here."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from vgrad.claims import FAILS, HOLDS, OPEN, Claim, all_of, judge, said, sentence_on, verdict_on
from vgrad.errors import ConfigError
from vgrad.interval import Interval
from vgrad.listing import Filter
from vgrad.quantity import Quantity
from vgrad.study import Answer, document
from vgrad.study_file import Study, read

ACCURACY = Quantity("final_val_accuracy")


def run(depth: int, seed: int, accuracy: float, status: str = "completed", **more: Any) -> Any:
    settings = {"activation": "relu", "init": "he_normal", "depth": depth, "seed": seed}
    settings |= {key: more.pop(key) for key in ("activation", "init") if key in more}
    ended = {"run_id": f"{settings}", "status": status, "path": "p"}
    return {**settings, **ended, "final_val_accuracy": accuracy, "grad_decay": -0.1, **more}


def frames(*runs: Any, layers: Any = None, steps: Any = None) -> Any:
    """What `vgrad.load` returns, as far as claims look at it."""
    tables = [pd.DataFrame(rows or []) for rows in (steps, layers)]
    return SimpleNamespace(runs=pd.DataFrame(runs), steps=tables[0], layers=tables[1])


def filters(*words: str) -> tuple[Filter, ...]:
    keys = [word.replace(">=", "=").partition("=") for word in words]
    return tuple(
        Filter(word, key, ">=" if ">=" in word else "=", value)
        for word, (key, _, value) in zip(words, keys, strict=True)
    )


def claim(side: str, *bounds: float, **more: Any) -> Claim:
    given = {"says": "…", "of": ACCURACY, "where": filters("depth=10"), **more}
    return Claim(side=side, bounds=bounds, **given)


DEEP = [run(10, seed, value) for seed, value in enumerate((0.70, 0.72, 0.74))]
DEEPER = [run(40, seed, value) for seed, value in enumerate((0.10, 0.11, 0.12))]


def verdict(one: Claim, *runs: Any, **tables: Any) -> str:
    return judge([one], frames(*(runs or [*DEEP, *DEEPER]), **tables))[0].verdict


@pytest.mark.parametrize(
    ("side", "bounds", "expected"),
    [
        ("above", (0.5,), HOLDS),
        ("above", (0.9,), FAILS),
        ("above", (0.72,), OPEN),
        ("below", (0.9,), HOLDS),
        ("below", (0.5,), FAILS),
        ("below", (0.72,), OPEN),
        ("between", (0.5, 0.9), HOLDS),
        ("between", (0.1, 0.5), FAILS),
        ("between", (0.8, 0.9), FAILS),
        ("between", (0.71, 0.9), OPEN),
        ("between", (0.715, 0.725), OPEN),
    ],
)
def test_the_whole_interval_decides(side, bounds, expected):
    assert verdict(claim(side, *bounds)) == expected


@pytest.mark.parametrize("side", ["above", "below"])
def test_an_interval_that_ends_at_the_number_does_not_decide(side):
    assert verdict_on(Interval(0.5, 0.5, 0.5, 3), side, (0.5,)) == OPEN
    assert verdict_on(Interval(0.6, 0.5, 0.7, 3), side, (0.5,)) == OPEN
    assert verdict_on(Interval(0.4, 0.3, 0.5, 3), side, (0.5,)) == OPEN


def test_no_limits_decide_nothing():
    assert verdict_on(Interval(0.5, math.nan, math.nan, 1), "above", (0.1,)) == OPEN


def test_all_arms_must_show_what_is_claimed():
    assert all_of([HOLDS, HOLDS]) == HOLDS
    assert all_of([HOLDS, OPEN]) == OPEN
    assert all_of([HOLDS, OPEN, FAILS]) == FAILS
    assert all_of([]) == OPEN


def test_a_claim_about_several_arms_is_judged_in_each():
    (judged,) = judge([claim("above", 0.5, where=())], frames(*DEEP, *DEEPER))
    assert [one.arm for one in judged.measured] == ["depth=10", "depth=40"]
    assert [one.verdict for one in judged.measured] == [HOLDS, FAILS]
    assert judged.verdict == FAILS


def test_a_difference_is_taken_between_arms_that_are_alike_in_all_else():
    tanh = [run(d, s, 0.9 + s / 100, activation="tanh") for d in (10, 40) for s in range(3)]
    one = claim("above", 0.4, where=filters("depth=10"), minus=filters("depth=40"))
    (judged,) = judge([one], frames(*DEEP, *DEEPER, *tanh))
    assert [round(each.interval.value, 3) for each in judged.measured] == [0.61, 0.0]
    assert [each.verdict for each in judged.measured] == [HOLDS, FAILS]


def test_a_choice_is_compared_with_one_that_has_settings_of_its_own():
    elu = {"activation": "elu", "activation.alpha": 1.0}
    runs = [run(10, seed, 0.1 + seed / 100, **elu) for seed in range(3)]
    one = claim("above", 0.5, where=filters("activation=relu"), minus=filters("activation=elu"))
    assert verdict(one, *DEEP, *runs) == HOLDS


def test_what_has_no_partner_is_not_decided():
    one = claim("above", 0.5, minus=filters("depth=41"))
    (judged,) = judge([one], frames(*DEEP, *DEEPER))
    assert judged.verdict == OPEN
    assert "no runs with depth=41" in judged.measured[0].why


def test_runs_that_are_not_there_leave_a_claim_open_and_the_nearest_are_named():
    (judged,) = judge([claim("above", 0.5, where=filters("depth=20"))], frames(*DEEP, *DEEPER))
    assert judged.verdict == OPEN
    assert judged.why == "no runs with depth=20. depth is 10 or 40"


def test_one_seed_decides_nothing():
    (judged,) = judge([claim("above", 0.1)], frames(DEEP[0]))
    assert judged.verdict == OPEN
    assert judged.measured[0].why == "one seed says nothing of others"


def test_a_run_that_diverged_has_no_result_and_leaves_the_claim_open():
    runs = [*DEEP, run(10, 3, 0.99, status="diverged")]
    (judged,) = judge([claim("above", 0.1)], frames(*runs))
    assert judged.verdict == OPEN
    assert judged.measured[0].why == "1 of 4 runs have no finite number"


def test_what_a_run_that_diverged_was_at_its_start_counts():
    runs = [run(10, seed, 0.5, status="diverged", grad_decay=1 + seed / 10) for seed in range(3)]
    assert verdict(claim("above", 0.5, of=Quantity("grad_decay")), *runs) == HOLDS


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf, None])
def test_a_number_that_is_missing_or_not_finite_leaves_the_claim_open(odd):
    assert verdict(claim("above", -1.0), *DEEP, run(10, 3, odd)) == OPEN


def test_a_median_may_be_taken_where_a_minority_is_infinite():
    values = [0.9 + seed / 100 for seed in range(8)] + [math.inf]
    runs = [run(10, seed, value) for seed, value in enumerate(values)]
    assert verdict(claim("above", 0.5, statistic="median"), *runs) == HOLDS


def test_runs_that_have_not_ended_count_for_nothing():
    (judged,) = judge([claim("above", 0.5)], frames(*DEEP, run(10, 3, 0.0, status="interrupted")))
    assert judged.verdict == HOLDS
    assert judged.measured[0].interval.count == 3
    assert verdict(claim("above", 0.5), run(10, 0, 0.5, status="failed")) == OPEN


def test_a_share_of_runs_is_exact():
    runs = [run(10, seed, 0.5, status="diverged") for seed in range(8)]
    share = Quantity(share=Filter("status=diverged", "status", "=", "diverged"))
    assert verdict(claim("above", 0.6, of=share), *runs) == HOLDS
    assert verdict(claim("above", 0.6, of=share), *runs[:3]) == OPEN
    assert verdict(claim("below", 0.6, of=share), *runs) == FAILS


def records(column: str, values: dict[tuple[int, int], float]) -> list[dict[str, Any]]:
    """Rows of `.layers` for the runs of DEEP: (step, layer) → value, a little more in each run."""
    return [
        {"run_id": one["run_id"], "step": step, "layer": layer, column: value + place / 1000}
        for place, one in enumerate(DEEP)
        for (step, layer), value in values.items()
    ]


@pytest.mark.parametrize(
    ("layer", "step", "expected"),
    [
        ("first", "first", 0.1),
        ("first", "last", 0.5),
        ("last", "last", 0.6),
        ("output", "last", 0.7),
        (10, "first", 0.2),
        (1, 99, 0.1),
        (1, 100, 0.5),
    ],
)
def test_a_number_is_taken_from_the_layer_and_the_step_that_are_named(layer, step, expected):
    values = {(0, 1): 0.1, (0, 10): 0.2, (0, 11): 0.3}
    values |= {(100, 1): 0.5, (100, 10): 0.6, (100, 11): 0.7}
    of = Quantity("dead", layer, step)
    (judged,) = judge(
        [claim("above", 0.0, of=of)], frames(*DEEP, layers=records("dead", values), steps=[])
    )
    assert judged.measured[0].interval.value == pytest.approx(expected + 0.001)


def test_the_hidden_layers_are_taken_together():
    values = {(0, layer): float(layer == 3) for layer in range(1, 12)}
    of = Quantity("dead", "hidden")
    (judged,) = judge([claim("above", 0.0, of=of)], frames(*DEEP, layers=records("dead", values)))
    assert judged.measured[0].interval.value == pytest.approx(0.1 + 0.001)


def test_a_last_record_without_the_number_is_passed_over():
    values = {(0, 1): 0.5, (100, 1): math.nan}
    of = Quantity("update_ratio", "first")
    layers = records("update_ratio", values)
    assert verdict(claim("above", 0.4, of=of), *DEEP, layers=layers) == HOLDS
    of, layers = Quantity("delta_rms", "first"), records("delta_rms", values)
    assert verdict(claim("above", 0.4, of=of), *DEEP, layers=layers) == OPEN


def test_sizes_are_compared_by_their_logarithm():
    layers = records("delta_rms", {(0, 1): 1e-2})
    of = Quantity("delta_rms", "first", log10=True)
    (judged,) = judge([claim("below", -1.0, of=of)], frames(*DEEP, layers=layers))
    assert judged.measured[0].interval.value == pytest.approx(-1.96, abs=0.01)
    layers = records("delta_rms", {(0, 1): 0.0})
    assert verdict(claim("below", -1.0, of=of), *DEEP, layers=layers) == OPEN


def test_a_column_of_the_steps_is_taken_at_its_step():
    steps = [
        {"run_id": one["run_id"], "step": step, "train_loss": step + place / 100}
        for place, one in enumerate(DEEP)
        for step in (0, 5, 9)
    ]
    of = Quantity("train_loss", step=5)
    (judged,) = judge([claim("above", 4.0, of=of)], frames(*DEEP, steps=steps))
    assert judged.measured[0].interval.value == pytest.approx(5.01)


@pytest.mark.parametrize(
    ("one", "says"),
    [
        (claim("above", 0, of=Quantity("final_val_acuracy")), "Did you mean 'final_val_accuracy'?"),
        (claim("above", 0, where=filters("dpth=10")), "Did you mean 'depth'?"),
        (claim("above", 0, minus=filters("innit=he_normal")), "Did you mean 'init'?"),
        (claim("above", 0, where=filters("final_val_accuracy=1")), "No setting"),
        (claim("above", 0, where=filters("init>=3")), "compares sizes"),
    ],
)
def test_a_claim_about_what_runs_do_not_have_is_refused(one, says):
    with pytest.raises(ConfigError, match=says.replace("?", r"\?")):
        judge([one], frames(*DEEP))


def test_a_claim_and_its_numbers_can_be_said():
    one = claim("above", 0.1, of=Quantity("dead", "first", log10=True), minus=filters("depth=2"))
    assert said(one) == "mean log10 dead, layer first, step last less that with depth=2 above 0.1"
    (judged,) = judge([claim("between", 0.5, 0.9)], frames(*DEEP, *DEEPER))
    assert said(judged.claim) == "mean final_val_accuracy between 0.5 and 0.9"
    assert sentence_on(judged.measured[0]) == "0.72 (95 %: 0.67 to 0.77; 3 runs)"


def three(own: float, xavier: float, he: float, **more: Any) -> list[Any]:
    """Three seeds each of three inits whose means are these."""
    means = {"critical": own, "xavier_normal": xavier, "he_normal": he}
    return [
        run(10, seed, mean + 0.001 * (seed - 1), init=name, **more)
        for name, mean in means.items()
        for seed in range(3)
    ]


def against(among: str, bound: float = 0.0) -> Claim:
    minus = filters("init=xavier_normal,he_normal")
    return claim("above", bound, where=filters("init=critical"), minus=minus, among=among)


@pytest.mark.parametrize(
    ("among", "verdict", "value", "rival"),
    [("highest", FAILS, -0.1, "he_normal"), ("lowest", HOLDS, 0.3, "xavier_normal")],
)
def test_of_several_the_one_that_is_asked_for_is_compared_with(among, verdict, value, rival):
    (judged,) = judge([against(among)], frames(*three(0.7, 0.4, 0.8)))
    (one,) = judged.measured
    assert judged.verdict == verdict
    assert one.interval.value == pytest.approx(value)
    assert rival in one.against
    assert f"compared with {one.against}" in sentence_on(one)
    study = Study("one", Path(), "Which?", (), ())
    told = document(Answer(study, Path(), Path(), 3, (judged,), ()))
    assert told["claims"][0]["measured"][0]["against"] == one.against


def test_without_the_word_it_is_not_said_which_is_meant():
    (judged,) = judge([against("")], frames(*three(0.7, 0.4, 0.8)))
    assert judged.verdict == OPEN
    assert "it is not said which is meant" in judged.measured[0].why


def test_an_arm_that_has_no_number_is_not_the_best():
    runs = three(0.7, 0.4, math.nan)
    (judged,) = judge([against("highest")], frames(*runs))
    assert "xavier_normal" in judged.measured[0].against
    (judged,) = judge([against("highest")], frames(*three(0.7, math.nan, math.nan)))
    assert judged.verdict == OPEN
    assert "has a finite number" in judged.measured[0].why


def test_the_claim_says_which_is_meant():
    assert "less that with init=xavier_normal,he_normal, the highest of them" in said(
        against("highest")
    )


TEXT = """\
question: Why?
sweep: ["init=he_normal,xavier_normal,critical"]
claims:
  - {says: It is., of: final_val_accuracy, where: [init=critical], is: above, value: 0, MORE}
"""


def test_a_file_can_say_it(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT.replace("MORE", 'minus: ["init=he_normal,xavier_normal"], among: lowest'))
    assert read(path).claims[0].among == "lowest"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("minus: [init=he_normal], among: best", "Known: highest, lowest"),
        ("among: highest", "there is no minus"),
    ],
)
def test_a_slip_in_it_is_told(more, words, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT.replace("MORE", more))
    with pytest.raises(ConfigError, match=words):
        read(path)

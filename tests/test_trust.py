"""The labelled set: its labels follow from theory and arithmetic, and vgrad gets them right."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import labelled_theory as theory
from labelled import CASES
from labelled_case import BOUNDS, RULES
from labelled_drawn import MARGIN, OF_TRAINING, drawn, trained
from labelled_theory import Start
from labelled_trial import fixes, scores, share_called_sick, tally, trial, wrong_verdicts
from vgrad.diagnose import RULES as OURS
from vgrad.gaussian import expect
from vgrad.parts.activations import ACTIVATIONS

LOST = 1e-9  # of a weight, at most: 60 times below what float32 can hold
KEPT = 3e-5  # by the same upper bound, which is at most some 30 times too high
FEW = (  # small and quick to run, one or more for each rule
    "relu-he-3",
    "tanh-xavier-5",
    "sigmoid-xavier-10",
    "relu-normal-0.01-5",
    "identity-orthogonal-1.5-20",
    "tanh-30-2",
    "relu-bias-scatter-8-3",
    "relu-bias-10-5",
    "relu-constant-3",
    "relu-lr-1e-9",
    "leaky-mse-lr-100-2",
    "neuron-mse_sigmoid",
)
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
with_theory = pytest.mark.parametrize(
    "case", [case for case in CASES if case.start], ids=lambda case: case.name
)


def right(judged) -> bool:
    """Whether nothing was missed, nothing was false, and every verdict was right."""
    missed, false = tally(judged, "missed"), tally(judged, "false")
    wrong = [(run.case.name, run.diagnosis.verdict) for run in wrong_verdicts(judged)]
    assert not missed, missed
    assert not false, false
    return not wrong


def test_the_set_is_as_large_as_it_is_said_to_be():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) >= 60
    assert len({case.typed for case in CASES}) == len(CASES)
    assert sum(case.well for case in CASES) >= 25
    assert all(case.why for case in CASES)


def test_the_set_knows_every_rule_and_has_three_cases_for_each():
    assert set(RULES) == set(OURS)
    for rule in RULES:
        assert sum(rule in case.must for case in CASES) >= 3, rule


@with_theory
def test_a_label_follows_from_the_numbers(case):
    for rule, bound in BOUNDS.items():
        number = bound.number(case.start)
        if rule in case.must:
            assert number >= bound.ill, (rule, number)
        elif rule not in case.may and not math.isnan(number):
            assert number <= bound.well, (rule, number)


@with_theory
def test_a_verdict_follows_from_the_decades(case):
    if "divergence" in case.must | case.may:
        return
    decades = theory.decades(case.start)
    if case.verdicts == {"vanishing"}:
        assert decades <= -3
    elif case.verdicts == {"exploding"}:
        assert decades >= 3
    elif case.verdicts == {"healthy"}:
        assert abs(decades) <= 2


@with_theory
def test_updates_are_lost_where_float32_cannot_hold_them(case):
    words = case.words
    rate = float(words.get("optimizer.lr", 0.02))
    if words.get("optimizer") == "adam":
        ratio = theory.first_ratio(rate, case.start.gain / math.sqrt(theory.WIDTH))
        holds = 2.0**-53 if words.get("dtype") == "float64" else 2.0**-24
        assert (ratio < holds) == ("lost_updates" in case.must)
    elif "lost_updates" in case.must:
        assert theory.smallest_ratio(case.start, rate) <= LOST
    elif "lost_updates" not in case.may and case.start.residual == "none":
        assert theory.smallest_ratio(case.start, rate) >= KEPT


@every_case
def test_rules_that_must_be_silent_in_a_case_are_many(case):
    if case.verdicts in ({"healthy"}, {"vanishing"}, {"exploding"}):
        assert len(set(RULES) - case.must - case.may) >= 4


@pytest.mark.parametrize(
    ("name", "gain", "s", "value"),
    [
        ("relu", math.sqrt(2.0), 3.0, 1.0),
        ("relu", 1.0, 0.2, 0.5),
        ("leaky_relu", 1.0, 1.0, (1 + 1e-4) / 2),
        ("identity", 1.5, 7.0, 2.25),
        ("tanh", 1.0, 1e-4, 1.0),
        ("sigmoid", 1.0, 1e-4, 1 / 16),
        ("selu", 1.0, 1.0, 1.0716),  # Klambauer et al. 2017, theorem 1: Lipschitz near 1
    ],
)
def test_chi_is_what_is_known_in_closed_form(name, gain, s, value):
    assert theory.chi(name, gain, s) == pytest.approx(value, rel=2e-3)


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "elu", "gelu", "swish", "softplus"])
@pytest.mark.parametrize("s", [0.3, 1.0, 3.0])
def test_chi_agrees_with_the_quadrature_of_vgrad(name, s):
    function = ACTIVATIONS[name].function

    def slope_square(z: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            z = z.clone().requires_grad_()
            (slope,) = torch.autograd.grad(function(z).sum(), z)
        return slope.square()

    assert theory.chi(name, 1.0, s) == pytest.approx(expect(slope_square, s * s), rel=1e-5)


def test_two_examples_of_a_relu_meet_as_the_arc_cosine_kernel_says():
    c = 0.3
    angle = math.acos(c)
    kernel = (math.sin(angle) + (math.pi - angle) * c) / (2 * math.pi)  # Cho & Saul 2009
    assert theory.overlap("relu", 1.0, c, 0.0) == pytest.approx(kernel, rel=2e-3)


def test_a_tanh_network_in_the_ordered_phase_forgets_its_inputs_and_a_chaotic_one_parts_them():
    ordered = Start("tanh", 0.6, 20, bias_std=0.5)
    chaotic = Start("tanh", 10.0, 20, scale="unit")
    assert theory.layers(ordered)[-1].cosine > 0.9999
    assert theory.layers(chaotic)[-1].cosine < 0.01
    assert theory.decades(ordered) < 0 < theory.decades(chaotic)


def test_the_dead_are_half_of_the_relus_where_all_inputs_are_alike():
    shares = [theory._dead("relu", 1.0, c, 0.0) for c in (0.0, 0.9, 0.999999)]
    assert shares[0] < 1e-9
    assert np.all(np.diff(shares) > 0)
    assert shares[-1] == pytest.approx(0.5, abs=0.01)


def test_some_of_the_set_is_diagnosed_right(tmp_path):
    some = [case for case in CASES if case.name in FEW]
    assert len(some) == len(FEW)
    assert right(trial(tmp_path / "few", some, seeds=(0, 1)))


def test_drawn_configs_are_the_same_ones_each_time_and_labelled_by_numbers_alone():
    cases = drawn(20)
    assert cases == drawn(20)
    assert len({case.typed for case in cases}) == 20
    assert set(MARGIN) == set(BOUNDS)
    for case in cases:
        assert case.must <= set(BOUNDS)
        assert case.may >= OF_TRAINING
        assert case.start is not None
    assert trained(10) == trained(10)
    assert all(case.well for case in trained(10))


@pytest.mark.slow
def test_well_networks_that_are_trained_raise_no_false_alarm(tmp_path):
    judged = trial(tmp_path / "trained", trained(60), seeds=(0, 1))
    sick, well = share_called_sick(judged)
    assert well == len(judged)
    assert sick <= well / 50


@pytest.mark.slow
def test_a_network_that_nobody_has_chosen_is_diagnosed_as_theory_has_it(tmp_path):
    judged = trial(tmp_path / "drawn", drawn(120), seeds=(0, 1))
    for score in scores(judged):
        if score.positives:
            assert score.recall >= 0.95, score
        assert score.false <= 0.05 * max(score.hits, 20), score
    sick, well = share_called_sick(judged)
    assert sick <= well / 50
    assert not wrong_verdicts(judged)


@pytest.mark.slow
def test_the_diagnosis_can_be_trusted(tmp_path):
    judged = trial(tmp_path / "all", CASES, seeds=range(5))
    for score in scores(judged):
        assert score.precision >= 0.95, score
        assert score.recall >= 0.95, score
    sick, well = share_called_sick(judged)
    assert sick <= well / 50
    assert len(wrong_verdicts(judged)) <= len(judged) / 50
    fixed = fixes(tmp_path / "fixed", [run for run in judged if run.seed == 0])
    of_gradient = [one for one in fixed if one.of_gradient]
    for some in (of_gradient, fixed):
        assert sum(one.improved for one in some) >= 0.9 * len(some)

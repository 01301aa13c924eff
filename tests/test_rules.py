"""Each rule: what it must find, what it must let pass, and numbers that are none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from diagnosis_frames import INF, NAN, STUCK, WHEN, fading, found, frames
from vgrad.diagnose import RULES, diagnose
from vgrad.diagnose.normal import closed_for_all
from vgrad.store import LAYER_COLUMNS, STEP_COLUMNS

T = len(WHEN)
VALUES = [0.0, 1e-300, 0.1, 1.0, 1e300, INF, NAN, -1.0]
STEEP = np.array([10.0**-layer for layer in range(11)])  # variance that fades by 10 a layer


def late(before, after, since=5):
    """A value until a record, another from then on: [T, 1]."""
    return np.where(np.arange(T)[:, None] >= since, after, before)


TRIGGERS = {
    "vanishing_gradient": dict(layers={"delta_rms": fading(-4)}),
    "exploding_gradient": dict(layers={"delta_rms": fading(4)}),
    "signal_collapse": dict(layers={"act_var": STEEP}),
    "signal_blowup": dict(layers={"act_var": 1 / STEEP}),
    "saturation": dict(activation="tanh", layers={"saturated": 0.9}),
    "dead_units": dict(layers={"dead": late(0.02, 0.7)}),
    "dead_layer": dict(layers={"dead": late(0.02, [0.1] * 4 + [1.0] + [0.1] * 6)}),
    "symmetric_units": dict(init="constant", layers={"weight_gain": 0.0}),
    "sign_locked_weights": dict(layers={"sign_coherence": 0.97}),
    "correlation_collapse": dict(layers={"correlation": 0.9999}),
    "lost_updates": dict(layers={"lost_updates": [0.9] * 4 + [0.0] * 7}),
    "update_ratio": dict(layers={"update_ratio": [1e-9] * 4 + [1e-3] * 7}),
    "chance_plateau": dict(steps=STUCK),
    "divergence": dict(status="diverged", first_bad_step=7, first_bad_layer=3),
    "slow_start": dict(loss="mse_sigmoid", layers={"delta_rms": 0.002},
                       steps={"train_loss": [0.5] * 8 + [0.3, 0.1]}),
}  # fmt: skip
NEAR_MISSES = {
    "vanishing_gradient": dict(layers={"delta_rms": fading(-1.9)}, steps=STUCK),
    "exploding_gradient": dict(layers={"delta_rms": fading(1.9)}, steps=STUCK),
    "signal_collapse": dict(layers={"act_var": STEEP**0.5}),
    "signal_blowup": dict(layers={"act_var": STEEP**-0.5}),
    "saturation": dict(activation="tanh", layers={"saturated": 0.5}),
    "dead_units": dict(layers={"dead": 0.4}),
    "dead_layer": dict(layers={"dead": [0.98] * 11}),
    "symmetric_units": dict(layers={"weight_gain": 0.01}),
    "sign_locked_weights": dict(layers={"sign_coherence": [0.99] * 5 + [0.6] * 6}),
    "correlation_collapse": dict(layers={"correlation": 0.999}),
    "lost_updates": dict(layers={"lost_updates": 0.4}),
    "update_ratio": dict(layers={"update_ratio": [1e-5] * 5 + [0.2] * 6}),
    "chance_plateau": dict(steps={"train_loss": 2.3, "val_accuracy": 0.25}),
    "divergence": dict(steps={"train_loss": [2.3, 500.0] + [2.0] * 8}),
    "slow_start": dict(loss="mse_sigmoid", layers={"delta_rms": 0.03},
                       steps={"train_loss": [0.5] * 8 + [0.3, 0.1]}),
}  # fmt: skip


def test_every_rule_of_the_contract_is_there_and_has_both_kinds_of_case():
    assert set(RULES) == set(TRIGGERS) == set(NEAR_MISSES)


def test_a_healthy_run_has_no_findings():
    (diagnosis,) = diagnose(frames())
    assert (diagnosis.verdict, diagnosis.findings) == ("healthy", ())


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_finds_what_it_is_for(rule):
    finding = found(frames(**TRIGGERS[rule]))[rule]
    assert finding.confidence in ("sure", "likely")
    assert finding.why.endswith(".")
    assert finding.unit
    assert finding.remedies
    assert finding.since_step is not None


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_lets_a_near_miss_pass(rule):
    assert rule not in found(frames(**NEAR_MISSES[rule]))


@pytest.mark.parametrize("value", [NAN, INF, -INF, 0.0])
@pytest.mark.parametrize("column", [*LAYER_COLUMNS, *STEP_COLUMNS])
def test_a_column_without_numbers_breaks_no_rule(column, value):
    part = "layers" if column in LAYER_COLUMNS else "steps"
    (diagnosis,) = diagnose(frames(**{part: {column: value}}))
    for finding in diagnosis.findings:
        assert finding.why.isprintable()


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("when", [(), (0,), (0, 1), (5, 6)])
@pytest.mark.parametrize("status", ["completed", "diverged", "interrupted", "failed"])
def test_shallow_and_short_runs_can_be_judged(depth, when, status):
    run = frames(depth, when=when, status=status)
    (diagnosis,) = diagnose(run)
    assert {one.rule for one in diagnosis.findings} <= {"divergence"}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from(VALUES), min_size=4, max_size=4),
    st.sampled_from(["relu", "tanh", "sigmoid", "prelu"]),
)
@example([1e-300, INF, 1e-300, INF], "relu")
def test_any_numbers_at_all_can_be_judged(values, activation):
    layers = {name: np.array(values) for name in LAYER_COLUMNS}
    steps = {name: values[0] for name in STEP_COLUMNS}
    (diagnosis,) = diagnose(frames(3, layers=layers, steps=steps, activation=activation))
    assert diagnosis.verdict in ("healthy", "vanishing", "exploding", "diverged", "unsure")


def test_a_vanishing_gradient_is_found_though_the_weight_gradients_are_level():
    run = frames(40, layers={"delta_rms": fading(-6, 40), "weight_grad_norm": 0.1}, steps=STUCK)
    finding = found(run)["vanishing_gradient"]
    assert finding.layers == (1, 20)
    assert finding.value == pytest.approx(-6)
    assert "the weight gradients hide it" in finding.why


def test_a_gradient_below_the_float_format_is_told_by_the_line_through_the_others():
    deltas = np.array(fading(-60, 40))
    deltas[deltas < 1e-38] = 0.0
    finding = found(frames(40, layers={"delta_rms": deltas}))["vanishing_gradient"]
    assert finding.value == pytest.approx(-60, abs=0.5)
    assert "below what float32 holds" in finding.why


def test_between_healthy_and_ill_the_loss_decides_or_nobody_does():
    unsure = found(frames(layers={"delta_rms": fading(-2.5)}))["vanishing_gradient"]
    assert unsure.confidence == "unsure"
    ill = found(frames(layers={"delta_rms": fading(-2.5)}, steps=STUCK))["vanishing_gradient"]
    assert ill.confidence == "likely"


def test_a_gradient_that_vanishes_in_training_is_told_with_its_step_and_no_new_init():
    deltas = np.array([fading(-4 if step >= 50 else 0) for step in WHEN])
    finding = found(frames(layers={"delta_rms": deltas}))["vanishing_gradient"]
    assert finding.since_step == 50
    assert not any("init=" in fix for fix in finding.remedies)


def test_half_of_the_units_of_a_layer_that_reads_alike_examples_are_closed_by_chance():
    alike = {"correlation": 0.9999, "dead": 0.55}
    assert "dead_units" not in found(frames(layers=alike))
    assert "dead_units" in found(frames(layers={"correlation": 0.5, "dead": 0.55}))


@pytest.mark.parametrize(
    ("cosine", "batch", "share"), [(0, 4, 1 / 16), (0.5, 9, 0.1), (1, 64, 0.5)]
)
def test_the_chance_of_a_closed_unit_is_that_of_equally_correlated_gaussians(cosine, batch, share):
    assert closed_for_all(np.array([cosine], float), batch)[0] == pytest.approx(share, abs=2e-3)


def test_a_rectifier_is_closed_for_half_of_its_inputs_and_well():
    for name in ("relu", "leaky_relu", "elu", "gelu", "identity"):
        assert "saturation" not in found(frames(activation=name, layers={"saturated": 0.55}))


def test_small_updates_at_the_end_of_a_schedule_or_of_the_learning_are_no_ill():
    tiny = {"update_ratio": late(1e-3, 1e-9, 4), "lost_updates": late(0.0, 1.0, 4)}
    fall = {"lr": [0.02] * 4 + [1e-9] * 6}
    assert found(frames(layers=tiny, steps=fall)) == {}
    learnt = {"train_loss": [2.3, 2.0, 1.0, 0.5] + [0.01] * 6}
    assert found(frames(layers=tiny, steps=learnt)) == {}
    assert {"update_ratio", "lost_updates"} <= found(frames(layers=tiny, steps=STUCK)).keys()


def test_too_short_a_run_or_random_labels_are_no_plateau():
    assert "chance_plateau" not in found(frames(when=(0, 1, 2, 50), steps=STUCK))
    assert "chance_plateau" not in found(frames(data="white", steps=STUCK))
    assert "chance_plateau" not in found(frames(steps=STUCK, chance=None))


def test_the_accuracy_of_a_plateau_is_said_to_be_a_mean_of_its_end():
    ended = found(frames(steps=STUCK | {"val_accuracy": [0.1] * 8 + [0.08, 0.12]}))
    assert ended["chance_plateau"].value == pytest.approx(0.1)
    assert "the mean of the last quarter" in ended["chance_plateau"].unit


def test_a_loss_that_still_falls_makes_a_plateau_unsure():
    falls = STUCK | {"train_loss": [2.3 - 0.0005 * step for step in range(0, 400, 4)]}
    run = frames(when=tuple(range(0, 400, 4)), steps=falls)
    assert found(run)["chance_plateau"].confidence == "unsure"


def test_what_a_network_shows_while_it_diverges_is_no_ill_of_its_own():
    losses = [2.3, 2.2, 2.1, 50.0, 1e9, INF, INF, INF, INF, INF]
    wild = {"act_var": late(0.5, 1e20 / STEEP, 3), "dead": late(0.02, 0.9, 3)}
    run = frames(status="diverged", layers=wild, steps={"train_loss": losses})
    assert set(found(run)) == {"divergence"}


def test_divergence_names_the_first_bad_step_and_layer():
    finding = found(frames(**TRIGGERS["divergence"]))["divergence"]
    assert (finding.since_step, finding.layers) == (7, (3, 3))
    at_once = found(frames(status="diverged", first_bad_step=0))["divergence"]
    assert "starts from is too large" in at_once.why


def test_constant_weights_with_random_biases_or_a_single_unit_are_not_symmetric():
    same = {"weight_gain": 0.0}
    assert "symmetric_units" not in found(frames(layers=same, init__bias_std=0.1))
    assert "symmetric_units" not in found(frames(layers=same, width=1))
    assert found(frames(layers=same, model__dropout=0.5))["symmetric_units"].confidence == "likely"


def test_a_chaotic_start_that_parts_what_was_alike_is_a_collapse_of_the_correlation_too():
    parted = {"correlation": [0.8 * 0.5**layer for layer in range(11)]}
    finding = found(frames(layers=parted))["correlation_collapse"]
    assert "chaotic" in finding.why


def test_an_untrained_network_that_scores_by_luck_is_stuck_all_the_same():
    lucky = STUCK | {"val_accuracy": [0.24] + [0.08] * 9}
    assert found(frames(steps=lucky))["chance_plateau"].since_step == 0
    lost = STUCK | {"val_accuracy": [0.1, 0.1, 0.5, 0.5, 0.4] + [0.1] * 5}
    assert found(frames(steps=lost))["chance_plateau"].since_step == 20

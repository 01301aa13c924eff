"""What is said of a run in plain words."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles import INF, NAN, STUCK, fading, profile, rows
from vgrad.diagnose import describe, number, percent, summarise


def config(depth, activation="sigmoid", init="xavier_normal", **settings):
    return {
        "activation": {"name": activation},
        "init": {"name": init},
        "optimizer": {"name": "sgd", "lr": 0.01},
        "depth": depth,
        "dtype": "float32",
    } | settings


def told(deltas, *, end=None, status="completed", chance=0.1, steps=None, columns=None, **settings):
    """What is said of a run, as one text, and its verdict."""
    depth = len(deltas) - 1
    first = profile(deltas, **(columns or {}))
    last = profile(end, **(columns or {})) if end else first
    summary = summarise(first, last, steps or rows(), depth, status, chance=chance)
    return " ".join(describe(config(depth, **settings), summary, first, last)), summary["verdict"]


def test_a_vanishing_gradient_is_told_in_shares_and_linked_to_the_chance_level():
    text, verdict = told(fading(0.24, 20), steps=rows(**STUCK))
    assert verdict == "vanishing"
    assert "Each layer towards the input keeps 24 % of the error signal; " in text
    assert "layer 1 of 20 gets 1.7e-12 of what layer 20 gets." in text
    assert "stays at chance (10 %): the layers near the input get almost no signal" in text
    assert "Try activation=selu init=lecun_normal, or fewer layers: depth=3." in text


def test_a_vanishing_gradient_is_named_as_the_reason_though_the_loss_fell_a_little():
    text, verdict = told(fading(0.24, 20), steps=rows(loss=(2.67, 2.29), accuracy=(0.1, 0.12)))
    assert verdict == "vanishing"
    assert "stays at chance (10 %): the layers near the input get almost no signal to learn" in text


def test_an_error_signal_that_passes_the_upper_layers_by_does_not_vanish():
    deltas = [0.05, 0.0, 0.0, 0.0, 0.0, 0.05]
    steps = rows(loss=(2.3, 0.3), accuracy=(0.1, 0.9))
    text, verdict = told(deltas, end=[1.0] * 6, steps=steps)
    assert verdict == "healthy"
    assert "the error signal passes layer 5 by and reaches layer 1; after" in text
    assert "layer 1 gets as much as layer 5" in text
    text, verdict = told(deltas, steps=rows(**STUCK))
    assert verdict == "unsure"
    assert "vanish" not in text


def test_activations_that_no_input_moves_have_no_spread_to_keep():
    text, _ = told([1.0] * 6, columns={"act_var": [0.0] * 6, "preact_ms": [0.0] * 6})
    assert "All examples have the same activations" in text
    assert "spread" not in text


def test_a_run_that_diverges_before_its_first_update_is_not_told_of_its_rate():
    steps = [rows(loss=(NAN, NAN), accuracy=(0.1, 0.1))[0]]
    text, _ = told([NAN] * 6, status="diverged", steps=steps, init="he_normal")
    assert "No update was made yet: what it starts from is too large. Try init=matched." in text
    assert "optimizer.lr" not in text


def test_what_an_automatic_gain_stands_for_is_told():
    first = profile([1.0] * 6)
    summary = summarise(first, first, rows(), 5, "completed", chance=0.1)
    summary |= {"resolved_init": "lecun_normal", "resolved_gain": 1.5335304}
    words = describe(config(5, init="lecun_normal"), summary, first, first)
    assert "init.gain=auto stands for 1.5335 here." in words


def test_random_labels_are_named_as_the_reason_for_chance():
    text, _ = told([1.0] * 6, steps=rows(**STUCK), data={"name": "white"})
    assert "Validation accuracy is at chance (10 %): the labels are random." in text
    assert "learning rate" not in text


def test_a_lucky_last_batch_is_no_fit():
    steps = rows(loss=(2.67, 2.29), accuracy=(0.1, 3 / 16))
    steps[-1]["val_accuracy"] = 0.1
    text, _ = told(fading(0.24, 20), steps=steps)
    assert "fits" not in text
    assert "stays at chance (10 %): the layers near the input get almost no signal to learn" in text


def test_a_run_that_fits_its_training_data_is_not_said_to_lack_a_signal():
    steps = rows(accuracy=(0.1, 0.95))
    steps[-1]["val_accuracy"] = 0.1
    text, verdict = told(fading(0.24, 20), steps=steps)
    assert verdict == "vanishing"
    assert "It fits what it trains on (95 %), but validation accuracy stays at chance (10" in text
    assert "almost no signal" not in text


def test_a_gradient_that_training_mended_lacked_its_signal_at_the_start():
    text, _ = told(fading(0.5, 20), end=fading(0.99, 20), steps=rows(**STUCK))
    assert "training has mended it" in text
    assert ": at the start the layers near the input got almost no signal to learn from." in text


@pytest.mark.parametrize("status", ["interrupted", "failed"])
def test_of_a_run_cut_short_it_is_told_what_the_last_evaluation_gave(status):
    evaluated_once = [*rows(**STUCK)[:1], {"step": 37, "train_loss": 2.3, "train_accuracy": 0.1}]
    text, _ = told(fading(0.24, 20), status=status, steps=evaluated_once)
    assert "Validation accuracy was 10 % when last evaluated, at step 0 (chance is 10 %)." in text
    assert "after 37 steps" in text
    assert "stays at chance" not in text
    better = rows(accuracy=(0.5, 0.4), step=20)
    text, _ = told(fading(1, 5), status=status, steps=better)
    assert "accuracy was 40 % when last evaluated, at step 20, 50 % at best (chance" in text
    text, _ = told(fading(1, 5), status=status, steps=better, chance=None)
    assert "accuracy was 40 % when last evaluated, at step 20, 50 % at best." in text


def test_what_the_matched_init_stood_for_is_told():
    first = profile(fading(1, 5))
    summary = summarise(first, first, rows(), 5, "completed", chance=0.1)
    summary |= {"resolved_init": "lecun_normal"}
    words = describe(config(5, "selu", "matched"), summary, first, first)
    assert "init=matched stands for lecun_normal here." in words
    words = describe(config(5, "selu", "lecun_normal"), summary, first, first)
    assert "stands for" not in " ".join(words)


@pytest.mark.parametrize(
    ("near", "far", "words", "expected"),
    [
        (1e200, 1e-150, "more than 1e300 times", "exploding"),
        (1e-200, 1e150, "less than 1e-300 of", "vanishing"),
    ],
)
def test_a_ratio_beyond_what_a_float_can_hold_is_told_as_a_bound(near, far, words, expected):
    text, verdict = told([near, far, 0.1])
    assert verdict == expected
    assert text.startswith(f"Layer 1 of 2 gets {words} what layer 2 gets.")


def test_an_exploding_gradient_is_told_as_a_factor():
    text, verdict = told(fading(2.1, 20), activation="tanh", init="normal")
    assert verdict == "exploding"
    assert "Each layer towards the input multiplies the error signal by 2.1; " in text
    assert "layer 1 of 20 gets 1.3e6 times what layer 20 gets." in text
    assert "Try init=matched" in text


def test_a_healthy_gradient_gets_no_advice():
    text, verdict = told(fading(1.02, 40), activation="selu", init="lecun_normal")
    assert verdict == "healthy"
    assert "keeps its order of magnitude on the way back; layer 1 of 40 gets 2.2 times" in text
    assert "Validation accuracy is 95 % (chance is 10 %)." in text
    assert "Try" not in text


def test_what_float32_cannot_hold_is_named_with_its_layers():
    text, _ = told([0.0] * 6 + fading(0.01, 14))
    assert "keeps 1 % of the error signal; in layers 1 to 6 of 20 the signal is below" in text
    assert "below what float32 can hold" in text
    text, _ = told([0.0, 1.0, 0.1])
    assert "In layer 1 of 2 the signal is below what float32 can hold." in text


def test_a_signal_that_reaches_no_layer_is_told_apart_from_one_that_fades():
    text, verdict = told([0.0] * 10 + [0.1], init="zeros", activation="relu")
    assert verdict == "vanishing"
    assert "No error signal reaches the hidden layers: at the start it is exactly 0" in text
    assert "Try init=matched" in text


def test_training_that_mends_the_gradient_is_told():
    text, _ = told(fading(0.5, 20), end=fading(0.99, 20))
    assert (
        "After 600 steps layer 1 gets 83 % of what layer 20 gets: training has mended it." in text
    )


def test_training_that_kills_the_gradient_is_told():
    dead = {"dead": [0.0, 0.0, 1.0, 0.2, None]}
    text, verdict = told(fading(1.0, 4), end=[0.0] * 4 + [0.3], columns=dead)
    assert verdict == "vanishing"
    assert "After 600 steps nothing arrives in layer 1." in text
    assert "Layer 3 is dead" in text


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"correlation": [0.9, 0.99, 0.99996, None]}, "Depth makes all inputs alike"),
        ({"act_var": [1.0, 1e-3, 1e-9, 1.0]}, "fade on the way forward: their variance shrinks "),
        ({"act_var": [1.0, 1e3, 1e9, 1.0]}, "grow on the way forward: their variance rises from "),
        ({"saturated": [0.9, 0.8, 0.7, None]}, "80 % of the activations are saturated"),
        ({"dead": [0.1, 0.6, 0.2, None]}, "60 % of the units of layer 2 are dead"),
        ({"act_var": [0.9, 0.9, 0.8, 1.0]}, "keep their spread on the way forward"),
    ],
)
def test_the_activations_are_told_by_what_is_worst(columns, words):
    assert words in told(fading(1.0, 3), columns=columns)[0]


def test_inputs_that_training_parted_are_not_called_alike():
    first = profile([1.0, 1.0, 0.1], correlation=[0.9, 0.9995, None])
    last = profile([1.0, 1.0, 0.1], correlation=[0.5, 0.4, None])
    summary = summarise(first, last, rows(), 2, "completed", chance=0.1)
    text = " ".join(describe(config(2), summary, first, last))
    assert "is 0.9995 in layer 2 at the start; training has parted them (0.4)." in text


@pytest.mark.parametrize(("depth", "words"), [(0, "There is no hidden layer"), (1, "one hidden")])
def test_a_shallow_net_has_no_depth_to_cross(depth, words):
    text, verdict = told([0.5] * depth + [0.1])
    assert words in text
    assert verdict == "healthy"


def test_without_records_nothing_is_said_of_the_gradient():
    summary = summarise(None, None, rows(), 20, "completed", chance=0.1)
    assert describe(config(20), summary, None, None) == [
        "The layers were not recorded, so nothing is known about the gradient.",
        "Validation accuracy is 95 % (chance is 10 %).",
    ]


def test_divergence_says_where_it_began_and_asks_for_a_smaller_step():
    summary = summarise(profile(fading(1, 5)), None, rows(), 5, "diverged")
    summary |= {"first_bad_step": 17, "first_bad_layer": 3}
    text = " ".join(describe(config(5), summary, profile(fading(1, 5)), None))
    assert "It diverged at step 17: numbers became infinite or undefined, first in layer 3." in text
    assert "Try a smaller step: optimizer.lr=0.001." in text


def test_divergence_from_an_exploding_start_asks_for_another_init():
    text, _ = told(fading(5, 9), status="diverged", activation="relu", init="normal")
    assert "Try init=matched" in text
    assert "optimizer.lr" not in text


def test_an_interruption_says_after_how_many_steps():
    text, _ = told(fading(1, 5), status="interrupted", steps=rows(step=1))
    assert "It was interrupted after 1 step; what was recorded is kept." in text


def test_a_rectifier_with_too_small_weights_is_sent_to_he():
    text, _ = told(fading(0.7, 40), activation="relu", init="xavier_uniform")
    assert "Try init=he_normal" in text


def test_random_labels_that_are_learnt_by_heart_are_told():
    steps = rows()
    steps[-1]["val_accuracy"] = 0.11
    text, _ = told(fading(1, 5), steps=steps)
    assert "It fits what it trains on (95 %), but validation accuracy stays at chance" in text


def test_a_healthy_gradient_that_learns_nothing_is_not_blamed():
    text, _ = told(fading(1, 5), steps=rows(**STUCK))
    assert "but not for want of a gradient" in text


def test_accuracy_that_was_lost_again_is_told():
    steps = rows(accuracy=(0.1, 0.1))
    steps[0]["val_accuracy"] = 0.8
    assert "fell back to chance (10 %) from 80 %" in told(fading(1, 5), steps=steps)[0]


def test_a_regression_is_told_by_its_losses():
    steps = [{"step": 0, "train_loss": 1.24}, {"step": 9, "train_loss": 0.031, "val_loss": 0.04}]
    text, _ = told(fading(1, 5), steps=steps, chance=None)
    assert "The training loss went from 1.2 to 0.031; the validation loss is 0.04." in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (0.2412, "0.24"), (3.04e-13, "3e-13"), (2.13, "2.1"), (924, "920"),
        (9999, "1e4"), (1.25e6, "1.2e6"), (9.99e-4, "0.001"), (-0.5, "-0.5"), (NAN, "nan"),
        (INF, "inf"), (1e-320, "1e-320"), (100, "100"),
    ],
)  # fmt: skip
def test_numbers_are_written_for_people(value, text):
    assert number(value) == text


def test_shares_are_written_with_at_most_one_decimal():
    assert [percent(s) for s in (0.1, 0.9534, 1.0, NAN)] == ["10 %", "95.3 %", "100 %", "nan"]


VALUES = st.none() | st.floats() | st.sampled_from([0.0, 1e-45, 1e-300, 1e300])


@given(
    st.lists(VALUES, min_size=1, max_size=6),
    st.lists(VALUES, min_size=1, max_size=6),
    st.sampled_from(["completed", "diverged", "interrupted", "failed"]),
    VALUES,
)
def test_any_numbers_at_all_can_be_told(deltas, others, status, value):
    depth = len(deltas) - 1
    columns = ("act_var", "act_mean", "correlation", "saturated", "dead", "preact_ms")
    first = {"delta_rms": deltas} | dict.fromkeys(columns, others)
    steps = [{"step": 0, "train_loss": 1.0, "val_accuracy": value, "grad_norm": value}]
    steps += [{"step": 3, "train_loss": value, "train_accuracy": value, "val_loss": value}]
    summary = summarise(first, first, steps, depth, status, chance=0.1)
    words = describe(config(depth), summary, first, first)
    assert all(sentence.isprintable() and sentence.endswith(".") for sentence in words)
    assert isinstance(json.dumps(summary), str)


def test_importing_it_needs_neither_torch_nor_pandas():
    code = "import vgrad.diagnose, sys; print({'torch', 'pandas', 'numpy'} & sys.modules.keys())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"

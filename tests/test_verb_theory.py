"""`vgrad theory` as a person types it, and as a program reads it."""

from __future__ import annotations

import json

import pytest

import vgrad

ROW = [
    "layer",
    "fan_in",
    "fan_out",
    "sigma_w2",
    "sigma_b2",
    "preact_ms",
    "act_mean",
    "act_var",
    "gate_ms",
    "chi1",
    "correlation",
    "delta_rms",
    "weight_grad_norm",
    "delta_spread",
    "preact_spread",
]
KEYS = {
    "fixed_point": ["q", "c", "chi1", "chi_c", "dq"],
    "depth_scale": ["q", "c", "gradient"],
    "critical": ["sigma_w", "sigma_b", "q", "why"],
    "gain": ["preserves_q1", "chi1_at_q1", "critical_at_origin"],
}
SCALARS = ["grad_decay", "trainable_depth", "not_predicted"]


@pytest.mark.parametrize("words", [[], ["activation=maxout"], ["model.norm=batch"], ["depth=0"]])
def test_the_document_has_the_names_that_scripts_are_written_against(words, typed):
    ended = typed("theory", "data=white", *words, "--json")
    document = json.loads(ended.out)
    assert ended.status == 0
    assert list(document) == ["layers", *KEYS, *SCALARS]
    assert all(list(row) == ROW for row in document["layers"])
    assert {key: list(document[key]) for key in KEYS} == KEYS


def test_every_square_layer_has_the_gain_and_the_bias_that_were_asked_for(typed):
    words = ["activation=tanh", "init=lecun_normal", "init.gain=1.5", "init.bias_std=0.3"]
    document = json.loads(typed("theory", "data=white", *words, "--json").out)
    assert len(document["layers"]) == 11
    for row in document["layers"]:
        assert row["sigma_w2"] == pytest.approx(2.25)
        assert row["sigma_b2"] == pytest.approx(0.09)
    assert document["critical"]["sigma_b"] == pytest.approx(0.3)


def test_infinity_is_written_as_a_word(typed):
    words = ["activation=relu", "init=lecun_normal", "init.gain=3", "--json"]
    document = json.loads(typed("theory", "data=white", *words).out)
    assert document["fixed_point"]["q"] == "inf"


def test_it_says_how_deep_a_network_may_be_and_what_would_make_it_critical(typed):
    out = typed("theory", "activation=tanh", "init=lecun_normal", "init.gain=0.8").out
    assert "trainable to about depth 13" in out
    assert "20 % below it; init=lecun_normal init.gain=1 would be critical" in out
    assert "E[z²]" in out


def test_a_deep_network_is_shown_without_its_middle(typed):
    lines = typed("theory", "depth=100", "activation=tanh", "data=white").out.splitlines()
    assert any(line.split() == ["…"] for line in lines)
    assert len(lines) < 40


def test_what_is_not_predicted_is_said(typed):
    out = typed("theory", "activation=softmax").out
    assert out.startswith("not predicted: activation=softmax")


def test_nothing_is_written(typed, tmp_path):
    typed("theory", "depth=2")
    assert list(tmp_path.iterdir()) == []


def test_a_slip_is_answered_as_by_run(typed):
    ended = typed("theory", "activation=tanhh")
    assert ended.status == 2
    assert "Did you mean 'tanh'" in ended.err


def test_python_gets_the_same(typed):
    document = json.loads(typed("theory", "activation=sigmoid", "data=white", "--json").out)
    assert vgrad.theory("activation=sigmoid", "data=white").document() == document


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["activation=tanh", "depth=5"], "with which δ has the same size in layers 1 and 5"),
        (["activation=tanh", "depth=5"], "only a limit, which init.limit=true takes"),
        (["activation=gelu", "depth=5"], "there is no critical point to take it from"),
        (["activation=tanh", "init.limit=true"], "σ_w = 1, that of the critical point, where"),
        (["activation=tanh", "init.bias_std=0.3"], "σ_w = 1.39558, that of the critical point; q*"),
        (["activation=sigmoid"], "gates are nearly shut there"),
        (["activation=relu"], "every length is kept there"),
        (["activation=tanh", "model.norm=layer"], "norms, shortcuts and dropout are left out"),
    ],
)
def test_what_a_critical_init_took_its_gain_from_is_said(words, says, typed):
    out = typed("theory", "init=critical", "data=white", *words).out
    (line,) = [line for line in out.splitlines() if line.startswith("init=critical: ")]
    assert says in line
    assert "would be critical" not in out


def test_other_inits_say_nothing_of_it(typed):
    assert "init=critical" not in typed("theory", "activation=tanh", "data=white").out


def test_the_remedy_keeps_the_biases_as_the_config_has_them(typed):
    words = ["theory", "activation=tanh", "data=white", "init=lecun_normal", "init.bias=1"]
    assert "init.gain=1.91131 init.bias=1 would be critical" in typed(*words).out
    out = typed(*words, "init.bias_std=0.5").out
    (line,) = [line for line in out.splitlines() if line.startswith("this config")]
    settings = [word for word in line.split() if word.startswith("init")]
    assert settings[-2:] == ["init.bias=1", "init.bias_std=0.5"]
    found = vgrad.theory("activation=tanh", "data=white", *settings).fixed_point
    assert found is not None
    assert found.chi1 == pytest.approx(1.0, abs=1e-4)


def test_weights_that_are_not_random_are_not_held_against_the_critical_point(typed):
    out = typed("theory", "activation=tanh", "data=white", "init=identity").out
    assert "not predicted" in out
    assert "this config" not in out


def test_a_gain_that_keeps_the_length_is_said_to_do_so_without_biases(typed):
    words = ["theory", "activation=gelu", "data=white", "init.bias_std=0.1"]
    assert "without biases σ_w = 1.5335 keeps q = 1" in typed(*words).out


@pytest.mark.parametrize(
    ("words", "goes"),
    [(["activation=softplus"], "q → ∞"), (["activation=tanh", "init=xavier_normal"], "q* = 0")],
)
def test_a_limit_that_lengths_never_come_near_to_is_no_promise_of_depth(words, goes, typed):
    """χ₁ = 1 is that of the limit alone: at depth 20 these keep 6 and 27 % of δ."""
    said = typed("theory", "data=white", "depth=20", *words).out
    assert f"far from the input: {goes}, c* = 1, χ₁ → 1" in said
    assert "ξ sets no limit to the depth" in said
    assert "trainable at any depth" not in said
    assert "trainable at any depth" in typed("theory", "activation=relu", "init=he_normal").out

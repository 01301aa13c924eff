"""Expectations over a normal variable: against closed forms and another quadrature."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from scipy import stats

from vgrad.errors import ConfigError
from vgrad.gaussian import expect, gain
from vgrad.parts.activations import ACTIVATIONS, kinks
from vgrad.registry import Registry, Setting

QS = [1e-4, 1e-2, 1.0, 7.0, 100.0]
every_q = pytest.mark.parametrize("q", QS)
ELEMENTWISE = [name for name, entry in ACTIVATIONS.items() if entry.elementwise]


def arcsine(q):
    """E[erf²(z)] (Williams 1997)."""
    return 2.0 / math.pi * math.asin(2.0 * q / (1.0 + 2.0 * q))


def gelu_square(q):
    """E[(z Φ(z))²], by parts."""
    root = math.sqrt(1.0 + 2.0 * q)
    return q / 4.0 + q / (2.0 * math.pi) * (math.asin(q / (1.0 + q)) + 2.0 * q / ((1.0 + q) * root))


def clamped_square(q):
    """E[min(1, |z|)²]."""
    edge = 1.0 / math.sqrt(q)
    inside = q * stats.chi2.cdf(edge**2, 3)
    return inside + 2.0 * stats.norm.sf(edge)


# name → f, its kinks, E[f(z)] as a function of q
CLOSED_FORMS = {
    "one": (torch.ones_like, (), lambda q: 1.0),
    "square": (torch.square, (), lambda q: q),
    "eighth power": (lambda z: z**8, (), lambda q: 105.0 * q**4),
    "magnitude": (torch.abs, (0.0,), lambda q: math.sqrt(2.0 * q / math.pi)),
    "relu squared": (lambda z: z.relu().square(), (0.0,), lambda q: q / 2.0),
    "relu": (torch.relu, (0.0,), lambda q: math.sqrt(q / (2.0 * math.pi))),
    "step": (lambda z: (z > 0).double(), (0.0,), lambda q: 0.5),
    "tail": (
        lambda z: (z > 0.05).double(),
        (0.05,),
        lambda q: stats.norm.sf(0.05 / math.sqrt(q)),
    ),
    "hard tanh squared": (
        lambda z: z.clamp(-1.0, 1.0).square(),
        (-1.0, 1.0),
        clamped_square,
    ),
    "sigmoid": (torch.sigmoid, (), lambda q: 0.5),
    "erf squared": (lambda z: z.erf().square(), (), arcsine),
    "gelu squared": (lambda z: torch.nn.functional.gelu(z).square(), (), gelu_square),
    "sine squared": (
        lambda z: torch.sin(30.0 * z).square(),
        (),
        lambda q: -math.expm1(-1800.0 * q) / 2.0,
    ),
    "bump squared": (
        lambda z: torch.exp(-2.0 * z.square()),
        (),
        lambda q: 1.0 / math.sqrt(1.0 + 4.0 * q),
    ),
}
every_form = pytest.mark.parametrize(
    ("f", "kinks", "closed"), CLOSED_FORMS.values(), ids=CLOSED_FORMS
)


@every_form
@every_q
def test_expectations_are_those_of_the_closed_form(f, kinks, closed, q):
    assert expect(f, q, kinks) == pytest.approx(closed(q), rel=1e-10, abs=0.0)


@pytest.mark.parametrize("q", [1e-300, 1e-30, 1e12, 1e100])
@pytest.mark.parametrize("form", ["one", "square", "relu", "step", "bump squared"])
def test_they_hold_for_variances_that_vanish_and_explode(form, q):
    f, kinks, closed = CLOSED_FORMS[form]
    assert expect(f, q, kinks) == pytest.approx(closed(q), rel=1e-10, abs=0.0)


@pytest.mark.parametrize("form", ["relu squared", "hard tanh squared"])
def test_a_kink_that_nobody_named_is_found(form):
    f, _, closed = CLOSED_FORMS[form]
    shifted = expect(lambda z: f(z - 0.3) - f(z), 1.0)
    assert shifted == pytest.approx(
        expect(lambda z: f(z - 0.3), kinks=(-0.7, 0.3, 1.3)) - closed(1.0)
    )


def test_an_odd_function_has_no_mean():
    assert abs(expect(torch.tanh, 2.0)) < 1e-12


def test_without_variance_the_value_at_zero_is_left():
    assert expect(torch.cos, 0.0) == 1.0


def test_what_is_infinite_or_undefined_stays_so():
    assert expect(lambda z: z.exp().exp()) == math.inf
    assert math.isnan(expect(torch.sqrt))


def test_what_turns_too_often_is_refused_rather_than_guessed():
    with pytest.raises(ArithmeticError, match="100000 pieces"):
        expect(lambda z: torch.sin(1e6 * z).square())


def by_tanh_sinh(f, q, kinks):
    """E[f(z)] by the double exponential rule on 600 pieces (Takahasi & Mori 1974)."""
    scale = math.sqrt(q)
    corners = torch.tensor([kink / scale for kink in kinks], dtype=torch.float64)
    grid = torch.linspace(-15.0, 15.0, 601, dtype=torch.float64)
    edges = torch.cat([grid, corners[corners.abs() < 15.0]]).sort().values[:, None]
    t = torch.linspace(-3.2, 3.2, 129, dtype=torch.float64)
    u = torch.tanh(math.pi / 2 * t.sinh())
    weights = math.pi / 2 * t.cosh() * (1.0 - u.square()) * (t[1] - t[0])
    half = (edges[1:] - edges[:-1]) / 2.0
    x = (edges[1:] + edges[:-1]) / 2.0 + half * u
    density = torch.exp(-0.5 * x.square()) / math.sqrt(2.0 * math.pi)
    return float((f(scale * x) * density * half * weights).sum())


@pytest.mark.parametrize("q", [1e-4, 1.0, 100.0])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_the_mean_square_of_every_activation_agrees_with_another_quadrature(name, q):
    entry = ACTIVATIONS[name]

    def square(z):
        return entry.function(z, **entry.settings).square()

    places = kinks(entry, entry.settings)
    assert expect(square, q, places) == pytest.approx(by_tanh_sinh(square, q, places), rel=1e-9)


KNOWN_GAINS = {
    "identity": 1.0,
    "relu": math.sqrt(2.0),
    "selu": 1.0,
    "gelu": 1.5335304,
    "swish": 1.6765325,
    "mish": 1.4868476,
}


@pytest.mark.parametrize("name", KNOWN_GAINS)
def test_known_gains_come_out(name):
    entry = ACTIVATIONS[name]
    assert gain(entry, entry.settings) == pytest.approx(KNOWN_GAINS[name], abs=5e-8)


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.25, 1.0, -1.0])
def test_a_leaky_relu_has_the_gain_of_its_slope(slope):
    expected = math.sqrt(2.0 / (1.0 + slope**2))
    assert gain(ACTIVATIONS["leaky_relu"], {"slope": slope}) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_weights_of_that_gain_keep_the_mean_square_of_every_activation(name):
    entry = ACTIVATIONS[name]
    if entry.mean_square is None and not entry.elementwise:
        with pytest.raises(ConfigError, match=r"init\.gain=auto .* Write init\.gain=NUMBER"):
            gain(entry, entry.settings)
        return
    draw = torch.Generator().manual_seed(0)
    z = torch.randn(4000, 60, generator=draw, dtype=torch.float64)
    extra = [torch.rand(z.shape, generator=draw, dtype=z.dtype)] if entry.noisy else []
    squares = entry.function(z, *extra, **entry.own(entry.settings)).square()
    error = float(squares.std()) / math.sqrt(squares.numel()) / float(squares.mean())
    measured = float(squares.mean()) * gain(entry, entry.settings) ** 2
    assert measured == pytest.approx(1.0, abs=6 * error + 1e-12)


def registry():
    return Registry(
        "activation",
        "activations",
        facts={"kinks": (), "elementwise": True, "mean_square": None},
        common={"common": Setting(1.0, "no setting of φ")},
    )


def test_the_gain_asks_for_the_kinks_at_the_runs_settings():
    known, asked = registry(), []

    def kinks(*, corner):
        asked.append(corner)
        return (corner,)

    @known.entry(source="test", kinks=kinks)
    def clip(z, *, corner=1.0):
        """φ(z) = min(corner, z)."""
        return z.clamp(max=corner)

    assert gain(known["clip"], {"corner": 0.0, "common": 3.0}) == pytest.approx(math.sqrt(2.0))
    assert asked == [0.0]


def test_a_mean_square_that_is_stated_is_taken():
    known = registry()

    @known.entry(source="test", elementwise=False, mean_square=lambda *, pieces: 4.0 * pieces)
    def stated(z, *, pieces=1):
        """φ."""
        raise AssertionError

    assert gain(known["stated"], {"pieces": 4}) == 0.25


def test_a_gain_is_computed_once_for_each_entry_and_settings():
    calls = Counter()

    def entry():
        known = registry()

        @known.entry(source="test")
        def scaled(z, *, by=1.0):
            """φ(z) = by · z."""
            calls[by] += 1
            return by * z

        return known["scaled"]

    first, second = entry(), entry()
    assert [gain(first, {"by": by}) for by in (2.0, 4.0, 2.0)] == pytest.approx([0.5, 0.25, 0.5])
    once = calls.copy()
    gain(first, {"by": 2.0})
    assert calls == once
    gain(second, {"by": 2.0})  # another activation that goes by the same name
    assert calls[2.0] > once[2.0]


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda z, *, by=0.0: by * z, r"activation\.by=0\.0 has E\[h²\] = 0"),
        (lambda z, *, by=1.0: (z * 100).exp(), r"has E\[h²\] = inf"),
        (lambda z, *, by=1e6: torch.sin(by * z), r"activation\.by=1000000\.0 varies too fast"),
    ],
    ids=["zero", "infinite", "too fast"],
)
def test_an_activation_without_such_a_gain_is_named_with_what_to_write(function, words):
    known = registry()
    function.__doc__ = "φ."
    known.entry(source="test", name="odd")(function)
    with pytest.raises(ConfigError, match=words) as raised:
        gain(known["odd"], known["odd"].settings)
    assert str(raised.value).endswith("Write init.gain=NUMBER.")


def test_what_is_not_elementwise_and_states_nothing_is_refused():
    known = registry()

    @known.entry(source="test", elementwise=False)
    def mixed(z):
        """φ."""
        return z.softmax(-1)

    with pytest.raises(ConfigError, match="activation=mixed is not elementwise"):
        gain(known["mixed"], {})

"""Registries: what an entry is made from, what its messages say, and what holds for all entries."""

from __future__ import annotations

import copy
import inspect

import pytest

from vgrad.config import REGISTRIES
from vgrad.errors import ConfigError, UnknownNameError
from vgrad.registry import Registry, Setting

EVERY_ENTRY = [(kind, name) for kind, registry in REGISTRIES.items() for name in registry]
every_entry = pytest.mark.parametrize(
    ("kind", "name"), EVERY_ENTRY, ids=[f"{kind}-{name}" for kind, name in EVERY_ENTRY]
)


@pytest.fixture
def shapes():
    """A registry with one entry that uses all there is to say."""
    registry = Registry(
        "shape", "shapes", facts={"corners": 0}, common={"scale": Setting(1.0, "size")}
    )

    @registry.entry(source="Euclid, Elements I", corners=4)
    def square(size, *, side: float = 2.0, filled: bool = True):
        """Area = side²,
        in the unit of the side.

        This is not part of the formula.
        """
        return side**2

    return registry


def test_an_entry_holds_what_its_function_and_decorator_say(shapes):
    entry = shapes["square"]
    assert entry.name == "square"
    assert entry.formula == "Area = side², in the unit of the side."
    assert entry.source == "Euclid, Elements I"
    assert entry.function(None, side=3.0) == 9.0


def test_settings_are_the_common_ones_and_then_the_keyword_only_arguments(shapes):
    assert list(shapes["square"].settings.items()) == [
        ("scale", 1.0),
        ("side", 2.0),
        ("filled", True),
    ]


def test_an_entry_may_set_its_own_default_for_a_common_setting(shapes):
    @shapes.entry(source="here")
    def dot(*, scale=3.0):
        """Area = 0."""

    assert shapes["dot"].settings == {"scale": 3.0}
    assert shapes["square"].settings["scale"] == 1.0


def test_facts_are_read_as_attributes_and_have_defaults(shapes):
    @shapes.entry(source="here")
    def circle():
        """Area = πr²."""

    assert shapes["square"].corners == 4
    assert shapes["circle"].corners == 0
    with pytest.raises(AttributeError, match="colour"):
        _ = shapes["circle"].colour


def test_an_entry_can_be_copied(shapes):
    assert copy.copy(shapes["square"]) == shapes["square"]


def test_an_entry_may_be_named_otherwise_than_its_function(shapes):
    @shapes.entry(source="here", name="line")
    def segment():
        """Area = 0."""

    assert shapes["line"].function is segment
    assert "segment" not in shapes


def test_the_decorator_returns_the_function_itself(shapes):
    def point():
        """Area = 0."""

    assert shapes.entry(source="here")(point) is point


def test_a_registry_is_a_mapping_in_the_order_of_declaration(shapes):
    for name in ("zebra", "ant"):
        shapes.entry(source="here", name=name)(shapes["square"].function)
    assert list(shapes) == ["square", "zebra", "ant"]
    assert len(shapes) == 3
    assert "ant" in shapes
    assert "bee" not in shapes
    assert dict(shapes.items())["ant"].name == "ant"


def test_an_unknown_name_is_answered_with_the_nearest_one_and_all_that_are_valid(shapes):
    shapes.entry(source="here", name="circle")(shapes["square"].function)
    with pytest.raises(UnknownNameError) as raised:
        _ = shapes["sqaure"]
    assert str(raised.value) == (
        "No shape is named 'sqaure'. Did you mean 'square'? Known: circle, square."
    )


def test_a_name_like_no_other_is_answered_without_a_guess(shapes):
    with pytest.raises(ConfigError) as raised:
        _ = shapes["xyz"]
    assert str(raised.value) == "No shape is named 'xyz'. Known: square."


def test_an_unknown_name_is_shown_without_the_error_beneath_it(shapes):
    with pytest.raises(UnknownNameError) as raised:
        _ = shapes["xyz"]
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_a_name_cannot_be_declared_twice(shapes):
    before = shapes["square"]
    with pytest.raises(TypeError, match="The shape 'square' is declared twice"):
        shapes.entry(source="here")(before.function)
    assert shapes["square"] is before


def test_an_unknown_fact_is_refused(shapes):
    with pytest.raises(TypeError, match=r"shape 'square2': unknown facts \['colour'\]"):
        shapes.entry(source="here", name="square2", colour="red")(shapes["square"].function)
    assert "square2" not in shapes


def test_a_function_without_a_docstring_is_refused(shapes):
    def bare():
        return 0

    with pytest.raises(TypeError, match="shape 'bare' needs a docstring"):
        shapes.entry(source="here")(bare)
    assert "bare" not in shapes


@pytest.mark.parametrize("kind", REGISTRIES)
def test_a_registry_is_found_under_its_own_kind(kind):
    assert REGISTRIES[kind].kind == kind
    assert len(REGISTRIES[kind]) > 0


@every_entry
def test_every_entry_has_a_formula_and_a_source(kind, name):
    entry = REGISTRIES[kind][name]
    assert entry.formula.endswith(".")
    assert "\n" not in entry.formula
    assert entry.source.strip() == entry.source != ""


@every_entry
def test_every_setting_has_a_plain_default(kind, name):
    for default in REGISTRIES[kind][name].settings.values():
        assert default is not inspect.Parameter.empty
        assert default is None or isinstance(default, bool | int | float | str)


@every_entry
def test_every_range_is_of_a_setting_whose_default_lies_in_it(kind, name):
    entry = REGISTRIES[kind][name]
    for setting, (low, high) in entry.ranges.items():
        default = entry.settings[setting]
        assert low < high
        assert default is None or low <= default <= high


@pytest.mark.parametrize("typed", ["Circle", "CIRCLE", "ring", "Rings"])
def test_another_case_and_another_name_are_told_the_right_one(typed):
    registry = Registry("shape", "shapes")

    @registry.entry(source="Archimedes", also=("ring",))
    def circle():
        """Area = π r²."""

    @registry.entry(source="Euclid")
    def square():
        """Area = side²."""

    with pytest.raises(UnknownNameError, match="Did you mean 'circle'"):
        registry[typed]

"""An axis's scale: where each number stands, and which ticks are named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgrad.figures.scale import choose, number, power


@given(st.floats(-300, 300), st.floats(0, 400))
def test_any_range_of_sizes_gets_a_few_ticks_within_it(low: float, span: float) -> None:
    scale = choose(10.0 ** np.array([low, min(low + span, 307)]), "log")
    places = [place for place, _ in scale.ticks()]
    assert 2 <= len(places) <= 12
    assert all(scale.low <= place <= scale.high for place in places)
    assert len({label for _, label in scale.ticks()}) == len(places)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1))
def test_any_numbers_at_all_have_a_place_or_a_rail(values: list[float]) -> None:
    array = np.array(values)
    scale = choose(array)
    on_rails = sum(scale.marks(array).values(), np.zeros(len(array), dtype=int))
    placed = np.isfinite(scale.place(array))
    assert (placed ^ (on_rails > 0)).all()
    low, high = scale.limits
    assert np.isfinite([low, high]).all()
    assert (scale.place(array)[placed] >= low).all()
    assert (scale.place(array)[placed] <= high).all()
    assert all(low < place < high for place in scale.rails.values())


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.05, "0.05"), (-20, "−20"), (1e-30, "10⁻³⁰"), (2e-5, "2·10⁻⁵"), (-1e7, "−10⁷")],
)
def test_a_tick_reads_as_a_person_writes_it(value: float, text: str) -> None:
    assert number(value) == text
    assert power(-12) == "10⁻¹²"

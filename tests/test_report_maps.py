"""The cells of heat maps on their way to the page: packed, and read back as its script does."""

from __future__ import annotations

import base64
import gzip

import numpy as np
import pytest

from vgrad.figures import Sheet
from vgrad.figures.live import Cells
from vgrad.figures.scale import choose
from vgrad.report.compact import NONE, RAILS
from vgrad.report.maps import Maps, pack_maps
from vgrad.report.picture import Picture


def picture(values: np.ndarray, present: np.ndarray | None = None, prefer: str = "log") -> Picture:
    """A picture with one map."""
    sheet = Sheet(1, "a map")
    there = np.ones(values.shape, dtype=bool) if present is None else present
    scale = choose(values[there], "log" if prefer == "log" else "auto")
    steps = tuple(range(values.shape[1]))
    sheet.cells[0] = Cells("delta_rms", (1.0, 2.0, 30.0, 40.0), steps, values, there, scale, True)
    return Picture("map", "", sheet)


def read_back(maps: Maps, slug: str = "map") -> np.ndarray:
    """The codes of a map, [layers, steps]."""
    told = maps.of_panel[slug, 0]
    data = np.frombuffer(gzip.decompress(base64.b64decode(maps.packed)), dtype=np.uint8)
    count = len(data) // 2
    codes = (data[:count].astype(np.int32) | data[count:].astype(np.int32) << 8).astype(np.int16)
    size = told["layers"] * len(told["steps"])
    rows = codes[told["start"] : told["start"] + size].reshape(told["layers"], -1)
    return np.cumsum(rows, axis=1, dtype=np.int16)


def test_a_size_comes_back_to_half_a_percent() -> None:
    values = 10.0 ** np.random.default_rng(0).uniform(-30, 5, (7, 9))
    maps = pack_maps([picture(values)])
    told = maps.of_panel["map", 0]
    back = 10.0 ** (told["offset"] + told["unit"] * read_back(maps).astype(float))
    assert back == pytest.approx(values, rel=0.005)


def test_a_share_comes_back_to_a_part_in_a_thousand() -> None:
    values = np.random.default_rng(1).uniform(0.4, 0.6, (3, 4))
    maps = pack_maps([picture(values, prefer="auto")])
    told = maps.of_panel["map", 0]
    back = told["offset"] + told["unit"] * read_back(maps)
    assert back == pytest.approx(values, abs=1e-3)


def test_what_has_no_colour_is_named() -> None:
    values = np.array([[1.0, np.nan, np.inf], [0.0, -np.inf, 1.0]])
    present = np.array([[True, True, True], [True, True, False]])
    codes = read_back(pack_maps([picture(values, present)]))
    assert codes[0, 1:].tolist() == [RAILS["NaN"], RAILS["∞"]]
    assert codes[1].tolist() == [RAILS["0"], RAILS["−∞"], NONE]


def test_maps_stand_one_after_the_other() -> None:
    first, second = picture(np.full((2, 3), 10.0)), picture(np.full((4, 5), 100.0))
    both = [first, Picture("second", "", second.sheet)]
    maps = pack_maps(both)
    assert maps.of_panel["second", 0]["start"] == 6
    assert set(read_back(maps).ravel().tolist()) == {500}
    assert set(read_back(maps, "second").ravel().tolist()) == {1000}


def test_without_maps_nothing_is_packed() -> None:
    assert pack_maps([]) == Maps("", {})

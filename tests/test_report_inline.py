"""matplotlib's SVG on a page: short, and still the same drawing."""

from __future__ import annotations

import re

import matplotlib.pyplot as plt
import numpy as np
import pytest

from vgrad.figures.activations import FORMATS
from vgrad.report import inline
from vgrad.report.inline import Styles

BOX = (0.0, 0.0, 300.0, 200.0)


def drawn() -> str:
    """A line with markers and a band below it, as matplotlib writes them."""
    figure, axes = plt.subplots(figsize=(4, 3))
    axes.set_gid("panel-0")
    rng = np.random.default_rng(0)
    x, y = np.arange(30.0), rng.normal(size=30)
    axes.plot(x, y, marker="o", gid="arm-3")
    axes.fill_between(x, y - 0.1, y + 0.1, gid="band-3", alpha=0.2)
    svg = FORMATS[".svg"](figure).decode()
    plt.close(figure)
    return svg


@pytest.fixture(scope="module")
def page() -> str:
    styles = Styles()
    panels = inline.panels(drawn(), {"panel-0": BOX}, "a-figure-of-a-long-name", styles)
    panels += inline.panels(drawn(), {"panel-0": BOX}, "another-one", styles)
    return "".join(map(inline.write, panels))


def test_each_reference_of_a_figure_has_its_only_target(page: str) -> None:
    targets = re.findall(r' id="([^"]+)"', page)
    assert len(set(targets)) == len(targets)
    references = set(re.findall(r"#([\w-]+)", page))
    assert references == set(targets)


def test_references_are_short_for_there_are_thousands(page: str) -> None:
    assert max(map(len, re.findall(r"#([\w-]+)", page))) <= 4


def test_groups_that_say_nothing_are_left_out(page: str) -> None:
    assert "<g>" not in page
    assert "<g />" not in page
    assert page.count('data-arm="3"') == 2


def test_lines_keep_hundredths_of_a_point_and_bands_tenths(page: str) -> None:
    line, band = (re.search(rf'data-{kind}="3">(.*?)</g>', page) for kind in ("arm", "band"))
    assert line
    assert band
    digits = [max(map(len, re.findall(r"\.(\d+)", one[1]))) for one in (line, band)]
    assert digits == [2, 1]

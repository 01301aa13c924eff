"""The reference pages of the docs: what they say, and that they are of today."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from PIL import Image

from vgrad import reference
from vgrad.config import REGISTRIES
from vgrad.phrases import typed
from vgrad.registry import Registry, Setting

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("kind", REGISTRIES)
def test_a_page_of_the_docs_is_what_the_registry_says_now(kind):
    stands = (DOCS / reference.FOLDER / f"{REGISTRIES[kind].plural}.md").read_text("utf-8")
    assert stands == reference.page(REGISTRIES[kind]), "run `make docs`"


def test_each_registry_has_a_page_and_nothing_else_has_one():
    pages = {path.name for path in (DOCS / reference.FOLDER).iterdir()}
    assert pages == {f"{registry.plural}.md" for registry in REGISTRIES.values()}


def test_the_picture_of_the_docs_shows_the_activations_of_now():
    with Image.open(DOCS / reference.PICTURE) as image:
        shows = image.info["Description"].split()
    assert shows == list(REGISTRIES["activation"]), "run `make docs`"


def test_the_index_of_the_docs_links_to_every_page():
    index = (DOCS / "index.md").read_text()
    for registry in REGISTRIES.values():
        assert f"({reference.FOLDER}/{registry.plural}.md)" in index


@pytest.mark.parametrize("kind", REGISTRIES)
def test_a_page_has_every_entry_with_its_settings_and_source(kind):
    text = reference.page(REGISTRIES[kind])
    before, *sections = text.split("\n## ")
    assert [section.split("\n")[0] for section in sections] == list(REGISTRIES[kind])
    for section, entry in zip(sections, REGISTRIES[kind].values(), strict=True):
        assert f"- Source: {reference._prose(entry.source)}" in section
        for name, default in entry.settings.items():
            row = f"| `{name}` | `{typed(default)}` | "
            assert row in section or row in before


def test_pages_are_written_where_they_are_asked_for(tmp_path):
    (tmp_path / "images").mkdir()
    reference.main([str(tmp_path)])
    pages = sorted(path.name for path in (tmp_path / reference.FOLDER).iterdir())
    assert pages == sorted(f"{registry.plural}.md" for registry in REGISTRIES.values())
    assert (tmp_path / reference.PICTURE).exists()


@pytest.fixture
def shapes():
    """A registry of one entry that has settings of every kind."""
    shapes = Registry("shape", "shapes", common={"scale": Setting(1.0, "its |size|", (0.0, 2.5))})

    @shapes.entry(
        source="Euclid, Elements I",
        ranges={
            "side": (math.nextafter(0.0, 1.0), math.inf),
            "corners": (3, 1_000),
            "share": (0.0, math.nextafter(1.0, 0.0)),
        },
        choices={"side": ("auto",), "unit": ("metre", "inch")},
    )
    def square(
        *,
        side: float | str = 2.0,
        unit: str = "metre",
        filled: bool = True,
        corners: int | None = None,
        share: float = 0.5,
        label: str | None = None,
    ):
        """Area = side² * 1,
        where a < b, |a| and `x|y`.

        More
        about it.

        Raises:
            ValueError: never.
        """

    return shapes


def test_an_entry_is_shown_with_all_that_is_known_of_it(shapes, monkeypatch):
    monkeypatch.setattr(reference, "TITLES", reference.TITLES | {"shape": "Shapes"})
    text = reference.page(shapes)
    assert text.startswith("# Shapes\n\n")
    assert text.endswith(
        r"""
Every shape has these settings:

| setting | default | may be | means |
| --- | --- | --- | --- |
| `scale` | `1` | a number ≥ 0 and ≤ 2.5 | its \|size\| |

## square

Area = side² \* 1, where a \< b, |a| and `x|y`.

More about it.

| setting | default | may be |
| --- | --- | --- |
| `side` | `2` | a number > 0, `auto` |
| `unit` | `metre` | `metre`, `inch` |
| `filled` | `true` | true or false |
| `corners` | `null` | a whole number ≥ 3 and ≤ 1,000, `null` |
| `share` | `0.5` | a number ≥ 0 and < 1 |
| `label` | `null` | text, `null` |

- Source: Euclid, Elements I
"""
    )

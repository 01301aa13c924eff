"""The page in a real browser: what a reader does with it, and that it never complains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pages import Visit, make_sweep, visit
from reporting import build_unpainted, write_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a sweep."""
    return make_sweep(tmp_path_factory.mktemp("sweep"))


def rows(seen: Visit) -> list[str]:
    """The rows of the table of verdicts that are shown."""
    found = seen.page.locator("#verdicts tbody tr:visible")
    return [text.replace("\t", " ") for text in found.all_inner_texts()]


def first_line(seen: Visit) -> str:
    """The first moving line, as it is drawn now."""
    return str(seen.page.evaluate("document.querySelector('.moved path.bent').getAttribute('d')"))


def press(seen: Visit, word: str) -> None:
    seen.page.locator(f'#arms button[data-word="{word}"]').click()


def visible_arms(seen: Visit) -> int:
    """Lines of the first panel of profiles that are displayed."""
    return int(
        seen.page.evaluate(
            """[...document.querySelectorAll('.theme svg[data-live] [data-arm]')]
               .filter((line) => getComputedStyle(line).display !== 'none').length"""
        )
    )


def test_the_first_screen_holds_question_answer_and_headline(open_page: Visit) -> None:
    foot = open_page.page.locator(".headline .panel").last.bounding_box()
    assert foot is not None
    assert foot["y"] + foot["height"] <= 800
    assert open_page.page.locator("h1").is_visible()


def test_the_table_sorts_by_click_and_by_key(open_page: Visit) -> None:
    head = open_page.page.locator('#verdicts th[data-column="result.slope"]')
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert "selu" in rows(open_page)[0]
    head.locator("button").press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert "sigmoid" in rows(open_page)[0]


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ("relu", 4),
        ("activation=relu depth=8", 2),
        ("depth>2 init=he_normal", 3),
        ("accuracy<0.5", 2),
        ("result.accuracy<0.5", 2),
        ("acc>=0.5", 10),
        ("activation!=relu,selu", 4),
        ("nothing", 0),
    ],
)
def test_the_table_is_filtered_by_text_and_by_key(open_page: Visit, words: str, left: int) -> None:
    open_page.page.locator("#filter").fill(words)
    assert len(rows(open_page)) == left
    assert open_page.page.locator("#found").inner_text() == f"{left} of 12"


def test_a_button_hides_its_arms_in_all_figures_and_shows_them_again(open_page: Visit) -> None:
    before = visible_arms(open_page)
    press(open_page, "activation=sigmoid")
    assert visible_arms(open_page) < before
    assert open_page.page.locator("#shown").inner_text() == "8 of 12 shown"
    press(open_page, "activation=sigmoid")
    assert visible_arms(open_page) == before


def test_the_slider_moves_the_profiles_and_brings_them_back(open_page: Visit) -> None:
    slider = open_page.page.locator("[data-slider]")
    slider.focus()
    slider.press("End")
    open_page.page.wait_for_selector(".moved")
    assert open_page.page.locator(".slider [data-step]").inner_text() == "step 100"
    last = first_line(open_page)
    slider.press("ArrowLeft")
    open_page.page.wait_for_function(
        "(last) => document.querySelector('.moved path.bent').getAttribute('d') !== last", arg=last
    )
    slider.press("Home")
    open_page.page.wait_for_function("!document.querySelector('.moved')")


def test_at_step_0_the_slider_draws_what_was_drawn_before_training(open_page: Visit) -> None:
    drawn = """(moved) => [...document.querySelectorAll('.theme svg[data-live]')]
        .filter((svg) => svg.dataset.title.startsWith('Error signal'))
        .slice(0, 1).flatMap((svg) => [...svg.querySelectorAll('[data-arm]')])
        .map((line) => pointsOf(line.querySelector(moved ? 'path.bent' : 'path[d]')))"""
    reader = """const pointsOf = (path) => { const at = path.getBBox();
        return [at.x, at.y, at.width, at.height].map((n) => Math.round(n)); };"""
    before = open_page.page.evaluate(f"(() => {{ {reader} return ({drawn})(false); }})()")
    open_page.page.locator("[data-slider]").press("ArrowRight")
    open_page.page.wait_for_selector(".moved")
    after = open_page.page.evaluate(f"(() => {{ {reader} return ({drawn})(true); }})()")
    assert len(before) == len(after) > 0
    for one, other in zip(before, after, strict=True):
        assert all(abs(a - b) <= 2 for a, b in zip(one, other, strict=True)), (one, other)


def test_the_pointer_names_the_nearest_line_and_dims_the_others(open_page: Visit) -> None:
    line = open_page.page.locator(".headline [data-arms] path").first
    spot = line.bounding_box()
    assert spot is not None
    open_page.page.mouse.move(spot["x"] + 1, spot["y"] + 1)
    open_page.page.wait_for_selector("#note", state="visible")
    assert "Final accuracy" in open_page.page.locator("#note").inner_text()
    dim = """[...document.querySelectorAll('.headline [data-arm]')]
        .some((line) => getComputedStyle(line).opacity === '0.1')"""
    assert open_page.page.evaluate(dim)


def test_the_keyboard_walks_along_the_lines(open_page: Visit) -> None:
    panel = open_page.page.locator("svg[data-live]").first
    panel.focus()
    said = []
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        panel.press(key)
        said.append(open_page.page.locator("#note").inner_text())
    assert "depth 2" in said[0]
    assert "depth 8" in said[1]
    assert said[1] != said[2]


def test_the_state_is_in_the_address_and_comes_back(
    open_page: Visit, chromium: Browser, file: Path
) -> None:
    press(open_page, "activation=relu")
    open_page.page.locator("#filter").fill("depth=8")
    open_page.page.locator('#verdicts th[data-column="result.accuracy"] button').click()
    open_page.page.locator("[data-slider]").press("End")
    open_page.page.wait_for_selector(".moved")
    open_page.page.wait_for_function("location.hash.includes('step=')")
    fragment = open_page.page.url.partition("#")[2]
    with visit(chromium, file, fragment) as again:
        again.page.wait_for_selector(".moved")
        assert rows(again) == rows(open_page)
        assert again.page.locator("#shown").inner_text() == "8 of 12 shown"
        assert first_line(again) == first_line(open_page)
        assert again.complaints == []


@pytest.mark.parametrize("fragment", ["step=x&pin=y&off=z&sort=&theme=blue", "%%%", "run-1", "&=&"])
def test_a_fragment_that_makes_no_sense_does_no_harm(
    chromium: Browser, file: Path, fragment: str
) -> None:
    with visit(chromium, file, fragment) as seen:
        assert len(rows(seen)) == 12
        assert seen.complaints == []


def test_every_run_is_listed_with_its_command_when_it_is_asked_for(open_page: Visit) -> None:
    open_page.page.locator("#every-run > summary").click()
    open_page.page.wait_for_selector("#every-run tbody tr")
    assert open_page.page.locator("#every-run tbody tr").count() == 24
    open_page.page.locator("#every-run tbody button").first.click()
    told = open_page.page.locator("#every-run .one").inner_text()
    assert "vgrad run " in told
    assert "run_id" in told


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_window_and_axe_finds_nothing_serious(
    chromium: Browser, file: Path, width: int, scheme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with visit(chromium, file, "step=10", width, color_scheme=scheme, bypass_csp=True) as seen:
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
        for element in seen.page.locator("details").all():
            element.evaluate("(details) => { details.open = true; }")
        found = Axe().run(seen.page).response["violations"]
        grave = [one for one in found if one["impact"] in ("serious", "critical")]
        told = [(one["id"], [node["html"][:200] for node in one["nodes"][:3]]) for one in grave]
        assert told == []


def test_without_script_the_figures_and_verdicts_are_all_there(
    chromium: Browser, file: Path
) -> None:
    with visit(chromium, file, java_script_enabled=False) as seen:
        assert len(rows(seen)) == 12
        assert not seen.page.locator("#arms").is_visible()
        assert seen.page.locator("section.theme svg").first.is_visible()


def test_the_page_of_one_run_complains_of_nothing(chromium: Browser, tmp_path: Path) -> None:
    with visit(chromium, build_unpainted([write_run(tmp_path / "run")])) as seen:
        assert seen.complaints == []
        assert seen.page.locator("svg").first.is_visible()


NAUGHTY = st.text(max_size=30) | st.sampled_from(
    [
        "</script><script>throw 1</script>",
        "<img src=x onerror=throw(1)>",
        "javascript:alert(1)",
        '"><svg onload=alert(1)>',
        "{{7*7}}",
        "constructor",
        "__proto__",
        "\u202e\u0000\ud7ff",
        "' OR 1=1 --",
        "&lt;b&gt;",
    ]
)


def test_500_naughty_strings_as_names_raise_nothing(
    chromium: Browser, tmp_path: Path, naughty: list[str]
) -> None:
    for place, name in enumerate(naughty):
        label = f"activation-{place % 50} {name}"
        write_run(
            tmp_path / f"{place}", activation=label, depth=1, name=name, steps=[0, 1], seed=place
        )
    with visit(chromium, build_unpainted([tmp_path])) as seen:
        assert seen.complaints == []
        assert len(seen.requests) == 1
        seen.page.locator("#every-run > summary").click()
        seen.page.wait_for_selector("#every-run tbody tr")
        for button in seen.page.locator("#every-run tbody button").all()[:20]:
            button.click()
        assert seen.complaints == []


@pytest.fixture(scope="module")
def naughty() -> list[str]:
    """500 texts that programs have stumbled over."""
    found: list[str] = []

    @settings(
        max_examples=520,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(NAUGHTY)
    def collect(text: str) -> None:
        found.append(json.dumps(text, ensure_ascii=False)[1:-1])

    collect()
    return found[:500]

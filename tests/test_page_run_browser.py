"""The page of one run, and the heat maps of any page, in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pages import Visit, make_sweep, visit
from reporting import build_unpainted, write_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator

pytestmark = pytest.mark.browser
STEPS = [0, 1, 10, 50, 100]
HEAT = 'svg[data-map][data-title="Error signal δ"]'


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of one run."""
    folder = tmp_path_factory.mktemp("one") / "run"
    run = write_run(folder, depth=6, decay=-0.3, final=0.8, steps=STEPS)
    return build_unpainted([run], whole=True)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a sweep of which a run diverges."""
    folder = tmp_path_factory.mktemp("sweep")
    ends = {"fails_at": 50, "status": "diverged"}
    write_run(folder / "bad", activation="tanh", depth=8, decay=0.1, steps=STEPS, **ends)
    return make_sweep(folder)


def note(seen: Visit) -> str:
    seen.page.wait_for_selector("#note", state="visible")
    return seen.page.locator("#note").inner_text()


def point_at(seen: Visit, spot: Locator) -> None:
    """Move the pointer to the middle of an element."""
    spot.scroll_into_view_if_needed()
    box = spot.bounding_box()
    assert box is not None
    seen.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def path_of(seen: Visit, name: str) -> str:
    """How the line of a step is drawn in the first panel."""
    return str(
        seen.page.evaluate(
            """(name) => {
              const svg = document.querySelector('svg[data-strands]');
              const names = JSON.parse(svg.dataset.live).strands;
              const number = Object.keys(names).find((one) => names[one].startsWith(name));
              const group = svg.querySelector(`[data-arm="${number}"]`);
              const paths = [...group.querySelectorAll('path[d]')].filter(
                (path) => !path.closest('defs') && getComputedStyle(path).display !== 'none');
              return paths.map((path) => path.getAttribute('d')).join(' ');
            }""",
            name,
        )
    )


def test_the_pointer_names_a_step_of_the_run_and_dims_the_others(open_page: Visit) -> None:
    dots = open_page.page.locator(".headline svg[data-strands] [data-arm]").first.locator("use")
    point_at(open_page, dots.nth(2))
    told = note(open_page)
    assert "step" in told
    assert "Error signal δ: " in told
    assert "in layer 3" in told
    dim = """(svg) => [...svg.querySelectorAll('[data-arm]')]
        .map((line) => getComputedStyle(line).opacity)"""
    first = open_page.page.locator(".headline svg[data-strands]").first
    assert {"0.1", "1"} == set(first.evaluate(dim))


def test_a_lit_step_dims_no_panel_that_has_it_not(open_page: Visit) -> None:
    dots = open_page.page.locator(".headline svg[data-strands] [data-arm]").first.locator("use")
    point_at(open_page, dots.nth(2))
    note(open_page)
    faded = """[...document.querySelectorAll('svg:not([data-strands]) [data-arm]')]
        .some((line) => getComputedStyle(line).opacity === '0.1')"""
    assert not open_page.page.evaluate(faded)


def test_the_pointer_names_the_curves_and_their_numbers(open_page: Visit) -> None:
    curve = open_page.page.locator(".headline svg[data-strands]").nth(1)
    point_at(open_page, curve.locator("[data-arm] use").last)
    told = note(open_page)
    assert told.startswith(("validation", "training batch"))
    assert "Accuracy: " in told
    assert " % at step 100" in told
    assert "at step 100" in told


def test_the_slider_moves_one_line_and_leaves_the_first_and_the_last(open_page: Visit) -> None:
    before = {name: path_of(open_page, name) for name in ("step 0", "step 50", "step 100")}
    slider = open_page.page.locator("[data-slider]")
    slider.focus()
    slider.press("ArrowRight")
    slider.press("ArrowRight")
    open_page.page.wait_for_selector(".moved")
    assert open_page.page.locator(".slider [data-step]").inner_text() == "step 1"
    assert path_of(open_page, "step 50") != before["step 50"]
    assert path_of(open_page, "step 0") == before["step 0"]
    assert path_of(open_page, "step 100") == before["step 100"]
    now = open_page.page.locator(".headline [data-now]").inner_text()
    assert now == "The line of step 50 is now of step 1."
    slider.press("Home")
    open_page.page.wait_for_function("!document.querySelector('.moved')")
    assert path_of(open_page, "step 50") == before["step 50"]


def test_a_line_that_was_moved_is_named_by_the_step_that_it_shows(open_page: Visit) -> None:
    open_page.page.locator("[data-slider]").press("End")
    open_page.page.wait_for_selector(".moved")
    panel = open_page.page.locator("svg[data-strands]").first
    panel.focus()
    said = set()
    for _ in range(3):
        panel.press("ArrowDown")
        said.add(note(open_page).splitlines()[0])
    assert said == {"step 0 (before training)", "step 100"}


def test_the_steps_keys_and_state_are_in_the_address(
    open_page: Visit, chromium: Browser, file: Path
) -> None:
    open_page.page.locator("[data-slider]").press("End")
    open_page.page.wait_for_function("location.hash.includes('step=100')")
    open_page.page.locator("svg[data-strands]").first.press("ArrowRight")
    open_page.page.locator("svg[data-strands]").first.press("Enter")
    open_page.page.wait_for_function("location.hash.includes('pin=')")
    with visit(chromium, file, open_page.page.url.partition("#")[2]) as again:
        again.page.wait_for_selector(".moved")
        assert path_of(again, "step 50") == path_of(open_page, "step 50")
        assert again.complaints == []


def test_the_page_of_one_run_shows_where_its_gradient_is_lost(open_page: Visit) -> None:
    heads = open_page.page.locator("h2").all_text_contents()
    assert "Where the gradient is lost" in heads
    assert "Inside the layers" in heads
    assert heads.index("Layer by layer") < heads.index("Where the gradient is lost")


def test_a_cell_of_a_heat_map_says_what_it_holds(open_page: Visit) -> None:
    heat = open_page.page.locator(HEAT)
    heat.scroll_into_view_if_needed()
    point_at(open_page, heat.locator("image").first)
    told = note(open_page)
    assert told.startswith("Error signal δ: ")
    assert "in layer 4 at step 10" in told
    assert open_page.page.locator("rect.cell").count() == 1
    open_page.page.mouse.move(2, 2)
    open_page.page.wait_for_selector("#note", state="hidden")
    assert open_page.page.locator("rect.cell").count() == 0


def test_the_keyboard_walks_over_a_heat_map_to_the_output_layer(open_page: Visit) -> None:
    heat = open_page.page.locator(HEAT)
    heat.focus()
    for key in ["ArrowUp"] * 7 + ["ArrowRight"]:
        heat.press(key)
    open_page.page.wait_for_function(
        "document.querySelector('#note').innerText.includes('in the output layer at step 1')"
    )
    heat.press("Escape")
    open_page.page.wait_for_selector("#note", state="hidden")


def test_a_cell_that_is_not_a_number_is_named(chromium: Browser, sweep: Path) -> None:
    with visit(chromium, sweep) as seen:
        map_of_bad = seen.page.locator("figure", has_text="tanh").locator(HEAT).first
        map_of_bad.scroll_into_view_if_needed()
        map_of_bad.focus()
        map_of_bad.press("ArrowRight")
        for _ in range(3):
            map_of_bad.press("ArrowRight")
        seen.page.wait_for_function(
            "document.querySelector('#note').innerText.includes('Error signal δ: ∞')"
        )
        assert "in layer 1 at step 50" in note(seen)
        assert seen.complaints == []
        assert len(seen.requests) == 1


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_one_run_is_shown_in_any_window_and_axe_finds_nothing_serious(
    chromium: Browser, file: Path, width: int, scheme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with visit(chromium, file, "step=10", width, color_scheme=scheme, bypass_csp=True) as seen:
        seen.page.wait_for_selector(".moved")
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
        for element in seen.page.locator("details").all():
            element.evaluate("(details) => { details.open = true; }")
        found = Axe().run(seen.page).response["violations"]
        grave = [one for one in found if one["impact"] in ("serious", "critical")]
        assert [(one["id"], [n["html"][:200] for n in one["nodes"][:3]]) for one in grave] == []


@pytest.mark.parametrize("steps", [[0], [0, 1], []])
def test_a_run_of_hardly_any_records_has_a_page_without_complaints(
    chromium: Browser, tmp_path: Path, steps: list[int]
) -> None:
    run = write_run(tmp_path / "run", depth=3, steps=steps, status="killed")
    with visit(chromium, build_unpainted([run])) as seen:
        assert seen.complaints == []
        assert seen.page.locator("h1").is_visible()

"""The page of a report: what it says and shows."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import shlex
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb

from reporting import HOSTILE, Outline, build_unpainted, report, words, write_run
from vgrad.command import command, overrides
from vgrad.diagnose import number
from vgrad.errors import StoreError
from vgrad.figures.palette import (
    ACTIVATION_COLOURS,
    DARK,
    EARLY,
    INK,
    LATE,
    MIDDLE,
    MUTED,
    SPARE_COLOURS,
    TRAIN,
    VALIDATION,
)
from vgrad.store import load

STEPS = [0, 1, 10, 50, 100, 300, 600]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs: one that vanishes, one that learns, one that diverged, one killed."""
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "sigmoid", steps=STEPS)
    well: dict[str, Any] = {"decay": -0.01, "final": 0.953, "steps": STEPS}
    write_run(folder / "selu", activation="selu", init="lecun_normal", **well)
    ill: dict[str, Any] = {"decay": 0.4, "fails_at": 4, "status": "diverged"}
    write_run(folder / "relu", activation="relu", steps=[0, 1, 4], **ill)
    write_run(folder / "killed", activation="tanh", decay=-0.02, status="killed", steps=[0, 1, 2])
    return folder


@pytest.fixture(scope="module")
def page(runs: Path) -> Outline:
    return report(runs, whole=True)


@pytest.fixture(scope="module")
def alone(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Outline:
    return report(runs / "sigmoid", out=tmp_path_factory.mktemp("out"))


@pytest.fixture(params=["page", "alone"])
def either(request: pytest.FixtureRequest) -> Outline:
    """The page on several runs and that on one."""
    outline: Outline = request.getfixturevalue(request.param)
    return outline


def test_the_page_refers_to_nothing_outside_itself(either: Outline) -> None:
    for tag, attributes in either.tags:
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:image/png;base64,")), (tag, name, value)
    assert "//" not in either.style
    assert "url(" not in either.style
    assert "@import" not in either.style


def test_the_page_has_one_script_and_forbids_all_that_it_does_not_need(either: Outline) -> None:
    names = {tag for tag, _ in either.tags}
    assert not names & {"link", "iframe", "object", "embed", "base", "form"}
    assert not any(name.startswith("on") for _, attributes in either.tags for name in attributes)
    assert "default-src 'none'" in policy(either)
    assert "unsafe" not in policy(either)
    kinds = [attributes.get("type") for tag, attributes in either.tags if tag == "script"]
    assert kinds == ["application/json", None]


def test_the_policy_admits_the_pages_own_style_and_script_and_nothing_else(
    either: Outline,
) -> None:
    assert f"style-src '{digest(either.style)}'" in policy(either)
    assert f"script-src '{digest(either.scripts[-1])}'" in policy(either)
    assert not [tag for tag, attributes in either.tags if "style" in attributes]


def packed(outline: Outline, key: str) -> bytes:
    return gzip.decompress(base64.b64decode(json.loads(outline.scripts[0])[key]))


def policy(outline: Outline) -> str:
    return next(str(a["content"]) for _, a in outline.tags if a.get("http-equiv"))


def digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_every_id_is_unique_and_every_reference_has_its_target(either: Outline) -> None:
    ids = [attributes["id"] for _, attributes in either.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = set()
    for _, attributes in either.tags:
        for value in filter(None, attributes.values()):
            wanted |= set(re.findall(r"url\(#([^)]+)\)", value))
            wanted |= {value[1:]} if value.startswith("#") and len(value) > 1 else set()
    assert wanted - set(ids) == set()
    assert wanted


def test_every_class_of_a_figure_has_its_rule_in_light_and_dark(either: Outline) -> None:
    used = {
        name for _, a in either.tags for name in str(a.get("class") or "").split() if name[0] == "f"
    }
    drawn = {name for name in used if re.fullmatch(r"f\d+", name)}
    assert drawn
    assert all(f".{name}{{" in either.style for name in drawn)
    light, dark = either.style.split('data-theme="dark"', 1)
    for variable in set(re.findall(r"var\((--c[0-9a-f]{6})\)", either.style)):
        assert f"{variable}:" in light
        assert f"{variable}:" in dark


def test_the_page_is_for_everyone(either: Outline) -> None:
    first = dict(either.tags)
    assert first["html"]["lang"] == "en"
    assert "width=device-width" in str(
        next(a["content"] for _, a in either.tags if a.get("name") == "viewport")
    )
    pictures = [a for tag, a in either.tags if tag == "svg" and "aria-hidden" not in a]
    assert pictures
    assert all(a.get("role") == "img" and a.get("aria-label") for a in pictures)
    figures_ = [tag for tag, _ in either.tags if tag == "figure"]
    assert len(figures_) == len([tag for tag, _ in either.tags if tag == "figcaption"])
    assert all(a.get("scope") for tag, a in either.tags if tag == "th")


def test_the_page_says_why_a_deep_sigmoid_network_stays_at_chance(alone: Outline) -> None:
    assert "Why does this 20-layer sigmoid network not learn?" in alone.text
    assert "Because its gradient vanishes" in alone.text
    assert "keeps 24 % of the error signal" in alone.text
    assert "stays at chance (10 %)" in alone.text
    assert "What was found" in alone.text
    assert "vanishing gradient" in alone.text


def test_the_page_has_the_runs_numbers_and_verdicts(page: Outline) -> None:
    for part in ("sigmoid", "vanishing", "94.7 %", "healthy", "diverged", "× 0.24", "interrupted"):
        assert part in page.text, part
    assert "Of 4 runs, 2 completed, 1 diverged and 1 was interrupted." in page.text
    assert "The gradient vanishes for sigmoid" in page.text


def test_the_page_of_one_run_shows_where_its_gradient_is_lost_and_its_state(
    tmp_path: Path,
) -> None:
    run = write_run(tmp_path / "run", depth=2, steps=[0, 1, 50])
    text = report(run, whole=True).text
    for heading in ("Layer by layer", "Where the gradient is lost", "Inside the layers"):
        assert heading in text
    assert "figures/lost.svg" in text
    assert "figures/updates.svg" in text
    assert "figures/before-training.svg" not in text


def test_the_page_of_one_run_has_its_layers_numbers_config_and_versions(
    alone: Outline, runs: Path
) -> None:
    layers = load(runs / "sigmoid").layers
    delta = layers.loc[(layers["step"] == 0) & (layers["layer"] == 1), "delta_rms"].item()
    assert number(delta, 3) in alone.text
    for part in ("optimizer.lr", "0.01", "run_id", "2.13.0", "vgrad run activation=sigmoid"):
        assert part in alone.text, part


def test_a_run_that_was_killed_is_shown_as_interrupted(runs: Path) -> None:
    told = words(runs / "killed")
    assert "interrupted" in told
    assert "after 2 steps" in told


def test_a_run_killed_before_its_first_record_is_shown(tmp_path: Path) -> None:
    outline = report(write_run(tmp_path / "run", status="killed", steps=[]))
    assert "interrupted" in outline.text
    assert "svg" not in {tag for tag, _ in outline.tags}


def test_a_run_that_was_interrupted_at_chance_is_not_said_to_stay_there(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", status="interrupted", steps=[0, 50, 60])
    told = words(run)
    assert "accuracy was 10 % when last evaluated, at step 50 (chance is 10 %)." in told
    assert "stays at chance" not in told
    assert "not learn" not in told
    write_run(tmp_path / "other", activation="selu", status="interrupted", steps=[0, 50, 60])
    assert "at chance" not in words(tmp_path)


def test_the_page_says_what_the_matched_init_stood_for(tmp_path: Path) -> None:
    told = {"resolved_init": "lecun_normal"}
    run = write_run(tmp_path / "run", init="matched", steps=[0, 1], summarised=told)
    assert "init=matched stands for lecun_normal here." in words(run)


def test_a_run_without_records_of_its_layers_shows_its_curves(tmp_path: Path) -> None:
    outline = report(write_run(tmp_path / "run", final=0.9, layers=False, steps=[0, 50]))
    assert "layers were not recorded" in outline.text
    assert "Layer by layer" not in outline.text
    assert "What was learnt" in outline.text


def test_a_regression_is_shown_with_its_losses(tmp_path: Path) -> None:
    outline = report(write_run(tmp_path / "run", data={"name": "sine"}, final=None, steps=[0, 50]))
    assert "validation loss" in outline.text
    assert "accuracy" not in outline.text


@pytest.mark.parametrize("depth", [0, 1])
def test_a_network_of_hardly_any_layers_is_shown(depth: int, tmp_path: Path) -> None:
    assert "svg" in {
        tag for tag, _ in report(write_run(tmp_path / "run", depth=depth, steps=[0, 1])).tags
    }


def test_a_damaged_run_is_named_and_the_others_are_shown(tmp_path: Path) -> None:
    write_run(tmp_path / "good", depth=2, steps=[0, 1])
    broken = write_run(tmp_path / "broken", activation="relu", steps=[0, 1]) / "layers.parquet"
    broken.write_bytes(broken.read_bytes()[:1000])
    outline = report(tmp_path)
    assert "Not everything could be read" in outline.text
    assert str(broken) in outline.text
    assert "sigmoid network" in outline.text


SENSELESS = (
    {"depth": "twenty"},
    {"depth": 10**12},
    {"depth": -1},
    {"depth": None},
    {"activation": None},
    {"dtype": {"name": "float32"}},
    {"optimizer": [1, 2, 3]},
)
NO_NUMBERS = ("reach", "verdict", "chance", "final_val_accuracy", "resolved_init")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Outline:
    """The page on a good run among others whose config or summary makes no sense."""
    folder = tmp_path_factory.mktemp("mixed")
    few: dict[str, Any] = {"depth": 2, "steps": [0, 1]}
    write_run(folder / "good", activation="selu", **few)
    for seed, change in enumerate(SENSELESS, 1):
        write_run(folder / f"odd-{seed}", seed=seed, written=change, **few)
    for field in NO_NUMBERS:
        write_run(folder / field, activation=field, summarised={field: ["<b>"]}, **few)
    return report(folder)


def test_runs_whose_config_makes_no_sense_stop_no_other(mixed: Outline) -> None:
    assert "selu" in mixed.text
    for place, change in enumerate(SENSELESS, 1):
        refused = f"odd-{place}/run.json is left out, as it makes no sense"
        assert (refused in mixed.text) is ("depth" in change), change


@pytest.mark.parametrize("field", NO_NUMBERS)
def test_a_summary_of_another_kind_is_refused_by_name(field: str, mixed: Outline) -> None:
    assert f"{field}/run.json is left out, as it makes no sense" in mixed.text
    assert "b" not in {tag for tag, _ in mixed.tags}


def test_only_senseless_runs_are_refused_with_a_message(tmp_path: Path) -> None:
    write_run(tmp_path / "odd", written={"depth": "twenty"})
    with pytest.raises(StoreError, match="makes no sense"):
        build_unpainted([tmp_path])
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("many", [False, True])
def test_a_hostile_name_comes_out_as_it_is(many: bool, tmp_path: Path) -> None:
    write_run(tmp_path / "a", name=HOSTILE, depth=2, steps=[0, 1])
    if many:
        write_run(tmp_path / "b", name="\x1b[31m\u202e", init="he_normal", depth=2, steps=[0, 1])
    outline = report(tmp_path, whole=many)
    assert HOSTILE in outline.text
    assert [tag for tag, _ in outline.tags].count("script") == 2
    assert not set("\x1b\u202e") & set(outline.text)
    svgs = (tmp_path / "report" / "figures").glob("*.svg")
    assert any(HOSTILE in "".join(ElementTree.parse(svg).getroot().itertext()) for svg in svgs)


def test_a_report_leaves_a_page_figures_and_tables(runs: Path, page: Outline) -> None:
    folder = runs / "report"
    figures = {path.name for path in (folder / "figures").iterdir()}
    slugs = {name.split(".")[0] for name in figures}
    assert figures == {f"{slug}.{kind}" for slug in slugs for kind in ("png", "svg")}
    assert {"headline", "before-training", "at-the-end", "learning", "run-1-profiles"} <= slugs
    named = re.findall(r"figures/([\w-]+)\.svg", page.text)
    assert sorted(named) == sorted(slugs)
    tables = {path.name for path in (folder / "tables").iterdir()}
    assert {"runs.csv", "steps.csv", "layers.csv", "arms.csv", "before-training.csv"} <= tables


def test_many_runs_are_compared_and_none_is_drawn_by_itself(tmp_path: Path) -> None:
    for seed in range(10):
        write_run(tmp_path / f"{seed}", seed=seed, depth=3, steps=[0, 1], name="sweep")
    outline = report(tmp_path)
    assert "none is drawn by itself" in outline.text
    assert "sweep/7" in packed(outline, "runs").decode()
    assert not list((tmp_path / "report" / "figures").glob("run-*"))


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=20)


@given(
    st.dictionaries(
        st.sampled_from(["activation", "data.root", "optimizer.lr", "depth", "model.bias"]),
        st.one_of(TEXTS, st.integers(), st.booleans(), st.floats(allow_nan=False, width=32)),
    )
)
def test_the_command_gives_each_setting_back(settings: dict[str, Any]) -> None:
    program, verb, *typed = shlex.split(
        command(overrides({**settings, "name": "x", "epochs": None}))
    )
    assert (program, verb) == ("vgrad", "run")
    parsed = OverridesParser.create().parse_overrides(typed)
    values = {override.key_or_group: override.value() for override in parsed}
    assert values == settings


def test_text_on_a_dark_card_can_be_read() -> None:
    def luminance(name: str) -> float:
        rgb = np.array(to_rgb(name))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    card = luminance(DARK["#ffffff"])
    lines = [*ACTIVATION_COLOURS.values(), *SPARE_COLOURS, EARLY, MIDDLE, LATE, TRAIN, VALIDATION]
    for colour in [*lines, INK, MUTED]:
        assert (luminance(DARK[colour]) + 0.05) / (card + 0.05) >= 3, colour

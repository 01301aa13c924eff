"""The report: what the page says and shows, and what it leaves on disk."""

from __future__ import annotations

import base64
import errno
import hashlib
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb

from vgrad.diagnose import number, summarise
from vgrad.errors import StoreError, WriteError
from vgrad.figures.style import (
    ACTIVATION_COLOURS,
    EARLY,
    INK,
    LATE,
    MIDDLE,
    MUTED,
    SPARE_COLOURS,
    TRAIN,
    VALIDATION,
)
from vgrad.report import build
from vgrad.report.command import command
from vgrad.report.inline import DARK
from vgrad.report.tables import write_tables
from vgrad.store import LAYER_COLUMNS, RunWriter, load

STEPS = [*range(11), *range(15, 51, 5), *range(75, 601, 25)]
HOSTILE = r"a$\frac$ <script>alert(1)</script>"


def write_run(
    folder: Path,
    *,
    activation: str = "sigmoid",
    init: str = "xavier_normal",
    depth: int = 20,
    decay: float = -0.62,
    final: float | None = 0.1,
    fails_at: int | None = None,
    status: str = "completed",
    steps: list[int] | None = None,
    layers: bool = True,
    written: Mapping[str, Any] | None = None,
    summarised: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Path:
    """A run folder as the program leaves it, with made-up records of a plausible network.

    Args:
        folder: where to write it.
        activation, init, depth: of its config.
        decay: decades by which the error signal changes in each layer towards the input.
        final: the validation accuracy that it ends with; it begins at chance. None for a
            regression, which has no accuracy.
        fails_at: the step at which everything becomes infinite, if any.
        status: how it ends; "killed" leaves it as a killed process does.
        steps: the recorded steps.
        layers: whether the layers were recorded.
        written, summarised: what run.json says instead in its config and its summary.
        **settings: more of its config.
    """
    config = {
        "activation": {"name": activation},
        "init": {"name": init, "bias": 0.0, "bias_std": 0.0},
        "loss": {"name": "cross_entropy"},
        "data": {"name": "digits", "scale": "standard"},
        "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.0},
        "model": {"name": "mlp", "bias": True},
        "depth": depth,
        "width": 64,
        "steps": 600,
        "epochs": None,
        "batch_size": 64,
        "seed": 0,
        "device": "cpu",
        "dtype": "float32",
        "probe": {"every": None},
        "eval": {"every": None},
        "name": folder.name,
    } | settings
    run_id = hashlib.sha256(repr(config | {"name": ""}).encode()).hexdigest()[:12]
    about = {"versions": {"vgrad": "0.1.0", "torch": "2.13.0"}, "device": "cpu"}
    writer = RunWriter(folder, run_id, config | dict(written or {}), about)
    rows, profiles = [], []
    for step in STEPS if steps is None else steps:
        values = layer_values(depth, decay, step)
        row = step_values(step, final)
        if step == fails_at:
            values[:], row["train_loss"], row["grad_norm"] = np.inf, np.inf, np.nan
        writer.record(step, row, values if layers else None)
        rows.append({"step": step, **row})
        if layers:
            profiles.append({name: values[:, i].tolist() for i, name in enumerate(LAYER_COLUMNS)})
        if step == fails_at:
            break
    if status == "killed":
        writer._let_go()
        return folder
    first, last = (profiles[0], profiles[-1]) if profiles else (None, None)
    chance = None if final is None else 0.1
    summary = summarise(first, last, rows, depth, status, chance=chance)
    writer.finish(status, summary | dict(summarised or {}), {"total_s": 1.25})
    return folder


def layer_values(depth: int, decay: float, step: int) -> np.ndarray:
    """The measured columns of all layers at one step, [depth + 1, columns]."""
    layer = np.arange(1, depth + 2)
    rng = np.random.default_rng(step)
    noise = rng.normal(0, 0.02, depth + 1)
    late = step / 600
    delta = 10 ** (-1.5 + decay * (1 - 0.15 * late) * (depth + 1 - layer) + noise)
    variance = 10 ** (-1.2 + 0.45 * decay * (layer - 1) * (1 - 0.3 * late) + noise)
    values = np.full((depth + 1, len(LAYER_COLUMNS)), 0.1)
    named = {
        "delta_rms": delta,
        "weight_grad_norm": 30 * delta,
        "act_mean": 0.5 + 0.02 * noise,
        "act_var": variance,
        "preact_ms": variance,
        "correlation": np.full(depth + 1, 0.9),
    }
    for name, column in named.items():
        values[:, LAYER_COLUMNS.index(name)] = column
    return values


def step_values(step: int, final: float | None) -> dict[str, float | None]:
    """The row of steps.parquet of one step."""
    done = 1 - np.exp(-step / 120)
    noise = float(np.random.default_rng(step).normal(0, 0.02))
    accuracy = 0.1 + ((final or 0.9) - 0.1) * float(done)
    loss = 2.303 - 2.4 * (accuracy - 0.1)
    evaluated, classes = step % 50 == 0, final is not None
    return {
        "train_loss": loss + noise,
        "train_accuracy": float(np.clip(accuracy + noise, 0, 1)) if classes else None,
        "val_loss": loss + 0.05 if evaluated else None,
        "val_accuracy": accuracy if evaluated and classes else None,
        "lr": 0.01,
        "grad_norm": 1.0,
    }


class Outline(HTMLParser):
    """What a page is made of: its tags with their attributes, its text, its style sheet."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.style = ""
        self._inside: str = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self.style += data
        else:
            self.words.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def report(*paths: Path, out: Path | None = None) -> Outline:
    """The page on some runs, read back."""
    return Outline(build(paths, out).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs: one that vanishes, one that learns, one that diverged, one killed."""
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "sigmoid")
    write_run(folder / "selu", activation="selu", init="lecun_normal", decay=-0.01, final=0.953)
    write_run(folder / "relu", activation="relu", decay=0.4, fails_at=4, status="diverged")
    write_run(folder / "killed", activation="tanh", decay=-0.02, status="killed", steps=[0, 1, 2])
    return folder


@pytest.fixture(scope="module")
def page(runs: Path) -> Outline:
    return report(runs)


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


def test_the_page_has_no_script_and_forbids_all_that_it_does_not_need(either: Outline) -> None:
    names = {tag for tag, _ in either.tags}
    assert not names & {"script", "link", "iframe", "object", "embed", "base", "form"}
    assert not any(name.startswith("on") for _, attributes in either.tags for name in attributes)
    policy = next(str(a["content"]) for _, a in either.tags if a.get("http-equiv"))
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "script-src" not in policy


def test_the_policy_admits_the_pages_own_style_and_no_style_stands_elsewhere(
    either: Outline,
) -> None:
    digest = base64.b64encode(hashlib.sha256(either.style.encode()).digest()).decode()
    policies = [str(a.get("content")) for _, a in either.tags if a.get("http-equiv")]
    assert f"'sha256-{digest}'" in policies[0]
    assert not [tag for tag, attributes in either.tags if "style" in attributes]


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
    light, dark = either.style.split("prefers-color-scheme: dark", 1)
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


def test_the_page_has_the_runs_numbers_and_verdicts(page: Outline) -> None:
    for words in ("sigmoid", "vanishing", "94.7 %", "healthy", "diverged", "× 0.24", "interrupted"):
        assert words in page.text, words
    assert "Of 4 runs, 2 completed, 1 diverged and 1 was interrupted." in page.text
    assert "1 run stays at chance: its gradient vanishes." in page.text


def test_the_page_of_one_run_has_its_layers_numbers_config_and_versions(
    alone: Outline, runs: Path
) -> None:
    layers = load(runs / "sigmoid").layers
    delta = layers.loc[(layers["step"] == 0) & (layers["layer"] == 1), "delta_rms"].item()
    assert number(delta, 3) in alone.text
    for words in ("optimizer.lr", "0.01", "run_id", "2.13.0", "vgrad run activation=sigmoid"):
        assert words in alone.text, words


def test_a_run_that_was_killed_is_shown_as_interrupted(runs: Path, tmp_path: Path) -> None:
    outline = report(runs / "killed", out=tmp_path / "out")
    assert "interrupted" in outline.text
    assert "after 2 steps" in outline.text


def test_a_run_killed_before_its_first_record_is_shown(tmp_path: Path) -> None:
    outline = report(write_run(tmp_path / "run", status="killed", steps=[]))
    assert "interrupted" in outline.text
    assert "svg" not in {tag for tag, _ in outline.tags}


def test_a_run_without_records_of_its_layers_shows_its_curves(tmp_path: Path) -> None:
    outline = report(write_run(tmp_path / "run", final=0.9, layers=False))
    assert "layers were not recorded" in outline.text
    assert "Layer by layer" not in outline.text
    assert "What was learnt" in outline.text


def test_a_regression_is_shown_with_its_losses(tmp_path: Path) -> None:
    outline = report(write_run(tmp_path / "run", data={"name": "sine"}, final=None))
    assert "validation loss" in outline.text
    assert "accuracy" not in outline.text


@pytest.mark.parametrize("depth", [0, 1])
def test_a_network_of_hardly_any_layers_is_shown(depth: int, tmp_path: Path) -> None:
    assert "svg" in {tag for tag, _ in report(write_run(tmp_path / "run", depth=depth)).tags}


def test_a_damaged_run_is_named_and_the_others_are_shown(tmp_path: Path) -> None:
    write_run(tmp_path / "good")
    broken = write_run(tmp_path / "broken", activation="relu") / "layers.parquet"
    broken.write_bytes(broken.read_bytes()[:1000])
    outline = report(tmp_path)
    assert "Not everything could be read" in outline.text
    assert str(broken) in outline.text
    assert "sigmoid network" in outline.text


@pytest.mark.parametrize(
    "change",
    [
        {"depth": "twenty"},
        {"depth": 10**12},
        {"depth": -1},
        {"depth": None},
        {"activation": None},
        {"dtype": {"name": "float32"}},
        {"optimizer": [1, 2, 3]},
    ],
)
def test_a_run_whose_config_makes_no_sense_stops_no_other(
    change: dict[str, Any], tmp_path: Path
) -> None:
    write_run(tmp_path / "good")
    write_run(tmp_path / "odd", written=change)
    assert "sigmoid" in report(tmp_path).text


@pytest.mark.parametrize("field", ["reach", "verdict", "chance", "final_val_accuracy"])
def test_a_summary_of_another_kind_is_refused_by_name(field: str, tmp_path: Path) -> None:
    write_run(tmp_path / "good")
    write_run(tmp_path / "odd", activation="relu", summarised={field: ["<b>"]})
    outline = report(tmp_path)
    assert "Not everything could be read" in outline.text
    assert "b" not in {tag for tag, _ in outline.tags}


def test_only_senseless_runs_are_refused_with_a_message(tmp_path: Path) -> None:
    write_run(tmp_path / "odd", written={"depth": "twenty"})
    with pytest.raises(StoreError, match="makes no sense"):
        build([tmp_path])
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("many", [False, True])
def test_a_hostile_name_comes_out_as_it_is(many: bool, tmp_path: Path) -> None:
    write_run(tmp_path / "a", name=HOSTILE)
    if many:
        write_run(tmp_path / "b", name="\x1b[31m\u202e", init="he_normal")
    outline = report(tmp_path)
    assert HOSTILE in outline.text
    assert "script" not in {tag for tag, _ in outline.tags}
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
    assert {path.name for path in (folder / "tables").iterdir()} == {
        "runs.csv",
        "steps.csv",
        "layers.csv",
    }


def test_the_same_runs_give_the_same_report(runs: Path, tmp_path: Path) -> None:
    for out in ("a", "b"):
        build([runs / "selu"], tmp_path / out)
    files = [p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file()]
    assert files
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def test_tables_keep_nan_and_infinity_and_disarm_formulas(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "text": ["=1+1", "+x", "-x", "@x", "plain", None],
            "number": [1e-30, -2.5, np.inf, -np.inf, np.nan, 0.0],
            "whole": range(6),
        }
    )
    write_tables(tmp_path / "tables", {"t": frame})
    rows = [line.split(",") for line in (tmp_path / "tables" / "t.csv").read_text().splitlines()]
    assert [row[0].strip('"') for row in rows] == [
        "text", "'=1+1", "'+x", "'-x", "'@x", "plain", "",
    ]  # fmt: skip
    assert [row[1] for row in rows[1:]] == ["1e-30", "-2.5", "inf", "-inf", "nan", "0"]
    assert [row[2] for row in rows[1:]] == list("012345")


def test_a_report_replaces_the_one_before_and_nothing_else(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", final=0.9)
    folder = build([run]).parent
    (folder / "notes.txt").write_text("mine")
    (folder / "figures" / "old.svg").write_text("of an earlier report")
    assert build([run]).parent == folder
    assert (folder / "notes.txt").read_text() == "mine"
    assert not (folder / "figures" / "old.svg").exists()
    assert [path.name for path in run.iterdir() if path.name.startswith(".report")] == []


@pytest.mark.parametrize("name", ["index.html", "figures", "tables"])
def test_what_no_report_left_is_not_written_over(name: str, tmp_path: Path) -> None:
    run, out = write_run(tmp_path / "run"), tmp_path / "mine"
    out.mkdir()
    (out / name).mkdir()
    with pytest.raises(StoreError, match="no report of vgrad"):
        build([run], out)
    assert [path.name for path in out.iterdir()] == [name]


def test_a_report_that_fails_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(tmp_path / "run")
    before = build([run]).read_bytes()

    def full(folder: Path, frames: dict[str, pd.DataFrame]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys.modules["vgrad.report"], "write_tables", full)
    with pytest.raises(WriteError, match="No space left"):
        build([run])
    assert (run / "report" / "index.html").read_bytes() == before
    assert not list(run.glob(".report*"))


@pytest.mark.parametrize("out", ["file", "file/report"])
def test_a_folder_that_cannot_be_written_is_refused_in_one_message(
    out: str, tmp_path: Path
) -> None:
    run = write_run(tmp_path / "run")
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match=r"cannot be written to .*--out DIR"):
        build([run], tmp_path / out)
    assert (tmp_path / "file").read_text() == "not a folder"


def test_a_folder_without_runs_is_refused_and_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no run"):
        build([tmp_path])
    assert not list(tmp_path.iterdir())


def test_a_report_can_go_to_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    out = tmp_path / "my réport #1" / "$x"
    assert build([run], out) == out / "index.html"
    assert (out / "figures").is_dir()
    assert not (run / "report").exists()


def test_many_runs_are_compared_and_none_is_drawn_by_itself(tmp_path: Path) -> None:
    for seed in range(10):
        write_run(tmp_path / f"{seed}", seed=seed, depth=3, steps=[0, 1], name="sweep")
    outline = report(tmp_path)
    assert "none is drawn by itself" in outline.text
    assert "sweep/7" in outline.text
    assert not list((tmp_path / "report" / "figures").glob("run-*"))


@pytest.mark.slow
def test_a_report_on_120_runs_is_at_most_2_megabytes(tmp_path: Path) -> None:
    for i in range(120):
        write_run(tmp_path / f"{i}", seed=i, depth=40, decay=-0.005 * i)
    assert build([tmp_path]).stat().st_size <= 2_000_000


def test_a_report_needs_neither_torch_nor_pyplot(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    code = (
        "import sys; from vgrad.report import build; build([sys.argv[1]]); "
        "print(sorted({'torch', 'matplotlib.pyplot', 'hydra'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, run], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=20)


@given(
    st.dictionaries(
        st.sampled_from(["activation", "data.root", "optimizer.lr", "depth", "model.bias"]),
        st.one_of(TEXTS, st.integers(), st.booleans(), st.floats(allow_nan=False, width=32)),
    )
)
def test_the_command_gives_each_setting_back(settings: dict[str, Any]) -> None:
    program, verb, *typed = shlex.split(command({**settings, "name": "x", "epochs": None}))
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

"""What a report says of a sweep: its arms, its answer, its tables, and what it leaves out."""

from __future__ import annotations

import csv
import getpass
import json
import re
import socket
from pathlib import Path

import numpy as np
import pytest

from reporting import Outline, build_unpainted, words, write_run
from vgrad.errors import ConfigError
from vgrad.report.arm_table import latex
from vgrad.report.compact import in_script
from vgrad.report.inline import short
from vgrad.report.markdown import escaped

STEPS = [0, 1, 50, 100]
ACCURACIES = {"sigmoid": 0.1, "selu": 0.9, "relu": 0.5}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three activations at two depths, three seeds each; deep sigmoid nets vanish."""
    folder = tmp_path_factory.mktemp("sweep")
    for activation, final in ACCURACIES.items():
        for depth in (2, 8):
            for seed in range(3):
                write_run(
                    folder / f"{activation}-{depth}-{seed}",
                    activation=activation,
                    depth=depth,
                    seed=seed,
                    decay=-0.6 - 0.01 * seed if activation == "sigmoid" else -0.01,
                    final=final + 0.01 * seed if depth == 8 or final > 0.1 else 0.8,
                    steps=STEPS,
                    name="sweep",
                )
    return folder


@pytest.fixture(scope="module")
def written(sweep: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its report in every format."""
    out = tmp_path_factory.mktemp("out")
    build_unpainted([sweep], out, formats=["html", "md", "latex", "csv"])
    return out


@pytest.fixture(scope="module")
def page(written: Path) -> Outline:
    return Outline((written / "index.html").read_text(encoding="utf-8"))


def test_the_question_names_what_differs_and_the_largest_depth(page: Outline) -> None:
    assert "Which activation still trains at depth 8?" in page.text


def test_the_answer_says_what_trains_what_vanishes_how_fast_and_what_to_change(
    page: Outline,
) -> None:
    assert "At depth 8, 1 of 3 settings still train" in page.text
    assert "The gradient vanishes for sigmoid (−0.6" in page.text
    assert "decades a layer, δ × 0.2" in page.text
    assert re.search(r"activation=selu takes \w+ from [\d.]+.%", page.text)


def test_a_difference_that_the_seeds_do_not_support_is_not_claimed(tmp_path: Path) -> None:
    finals = {"selu": (0.7, 0.8, 0.9), "tanh": (0.72, 0.83, 0.88)}
    for activation, accuracies in finals.items():
        for seed, final in enumerate(accuracies):
            write_run(
                tmp_path / f"{activation}{seed}",
                activation=activation,
                depth=3,
                decay=0.0,
                seed=seed,
                final=final,
                steps=[0, 600],
            )
    text = words(tmp_path)
    assert "Their seeds do not tell which of these is best." in text
    assert "is best" not in text.replace("of these is best", "")


def test_with_one_seed_a_setting_no_difference_is_judged(tmp_path: Path) -> None:
    for activation, final in {"selu": 0.9, "tanh": 0.6}.items():
        path = tmp_path / activation
        write_run(path, activation=activation, depth=3, decay=0.0, final=final, steps=[0, 600])
    assert "differences between these are not judged" in words(tmp_path)


def test_an_arm_has_one_row_with_its_mean_and_interval(page: Outline) -> None:
    rows = [attributes for tag, attributes in page.tags if tag == "tr" and "data-row" in attributes]
    assert len(rows) == 6
    assert re.search(r"selu 8 3 healthy −0\.0\d+ .{0,20}\d\d(\.\d)? % ± \d", page.text)


def test_the_slider_data_hold_the_profiles_of_every_arm(page: Outline) -> None:
    data = json.loads(page.scripts[0])
    assert data["steps"] == STEPS
    assert [arm["values"]["depth"] for arm in data["arms"]] == ["2", "8"] * 3
    assert data["series"]
    live = [json.loads(str(a["data-live"])) for _, a in page.tags if "data-live" in a]
    assert {panel["series"] for panel in live if panel["series"] is not None} == {
        *range(len(data["series"]))
    }


def test_every_figure_of_arms_has_its_numbers_behind_it(page: Outline) -> None:
    named = set(re.findall(r"tables/([\w-]+)\.csv", page.text))
    assert {"depth", "before-training", "at-the-end", "learning"} <= named


def test_the_markdown_report_shows_the_same_words_and_its_pictures(
    written: Path, page: Outline
) -> None:
    text = (written / "report.md").read_text(encoding="utf-8")
    assert "# Which activation still trains at depth 8?" in text
    assert "**The gradient vanishes** for sigmoid" in text
    for name in re.findall(r"\(figures/([\w-]+\.png)\)", text):
        assert (written / "figures" / name).is_file()
    assert text.count("```sh\nvgrad run ") == 18


def test_the_latex_table_has_a_row_for_each_arm(written: Path) -> None:
    text = (written / "tables" / "arms.tex").read_text(encoding="utf-8")
    assert text.count(r"\pm") == 12
    for word in (r"\toprule", r"\midrule", r"\bottomrule", "activation & depth & runs"):
        assert word in text


def test_the_csv_table_has_the_intervals(written: Path) -> None:
    with (written / "tables" / "arms.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    for row in rows:
        low, mean, high = (float(row[f"accuracy{end}"]) for end in ("_low", "", "_high"))
        assert low <= mean <= high
        assert float(row["grad_decay_low"]) <= float(row["grad_decay"])
        assert row["runs"] == "3"


def test_a_report_without_pictures_draws_none(sweep: Path, tmp_path: Path) -> None:
    table = build_unpainted([sweep], tmp_path / "out", formats=["csv"])
    assert table == tmp_path / "out" / "tables" / "arms.csv"
    assert not (tmp_path / "out" / "figures").exists()
    assert build_unpainted([sweep], tmp_path / "out", formats=["latex"]).name == "arms.tex"


def test_a_format_that_is_not_known_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'htm'.*'html'.*csv, html, latex, md"):
        build_unpainted([tmp_path], formats=["htm"])


def test_a_facet_that_does_not_differ_is_refused(sweep: Path) -> None:
    with pytest.raises(ConfigError, match="--facet"):
        build_unpainted([sweep], facet="width", formats=["csv"])


def test_a_question_stands_at_the_top_and_what_was_claimed_below(
    tmp_path: Path,
) -> None:
    for seed in range(2):
        write_run(tmp_path / f"{seed}", seed=seed, depth=1, steps=[0], layers=False)
    claims = [("holds", "So & so <i>."), ("not decided", "And so.")]
    said = {"question": "Why <b>?", "claims": claims}
    build_unpainted([tmp_path], tmp_path, formats=["md", "html"], **said)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert r"# Why \<b\>?" in text
    assert r"- **holds**: So \& so \<i\>." in text
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<h1>Why &lt;b&gt;?</h1>" in page
    assert '<dt class="holds">holds</dt><dd>So &amp; so &lt;i&gt;.</dd>' in page
    assert '<dt class="not-decided">not decided</dt>' in page


def test_an_anonymous_report_names_no_person_machine_or_folder(tmp_path: Path) -> None:
    user, host = getpass.getuser(), socket.gethostname()
    folder = tmp_path / "secretplace"
    for seed in range(2):
        write_run(
            folder / f"{seed}",
            seed=seed,
            depth=2,
            steps=[0, 1],
            name="hiddenname",
            data={"name": "idx", "root": f"/home/{user}/data of {host}"},
        )
    out = tmp_path / "out"
    build_unpainted([folder], out, anonymous=True, formats=["html", "md", "latex", "csv"])
    for path in out.rglob("*.*"):
        text = path.read_bytes().decode("utf-8", "ignore")
        for word in ("secretplace", "hiddenname", str(tmp_path), f"/home/{user}", f"of {host}"):
            assert word not in text, (path.name, word)


def test_a_report_tells_what_it_does(sweep: Path, tmp_path: Path) -> None:
    told: list[str] = []
    build_unpainted([sweep], tmp_path, formats=["csv"], tell=told.append)
    assert told == ["reading the runs", "judging the runs", "writing"]


def test_json_in_a_script_cannot_end_it() -> None:
    assert "<" not in in_script({"a": "</script><!--", "b": "\u2028"})
    assert json.loads(in_script({"a": "</script>\u2028"})) == {"a": "</script>\u2028"}


def test_a_short_path_goes_through_the_same_points() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 300, (50, 2)).round(2)
    words = "  L ".join(f"{x:g} {y:g}" for x, y in points)
    numbers = [float(n) for n in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", short(f"M {words}"))]
    walked = np.cumsum(np.array(numbers).reshape(-1, 2), axis=0)
    assert np.abs(walked - points).max() < 0.011


def test_text_comes_out_of_latex_and_markdown_as_it_was() -> None:
    assert latex("50 % & a_b #1 {x} ~^\\") == (
        r"50 \% \& a\_b \#1 \{x\} \textasciitilde{}\textasciicircum{}\textbackslash{}"
    )
    assert escaped("a|b # c *d* <e>") == r"a\|b \# c \*d\* \<e\>"

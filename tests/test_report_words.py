"""What a report says in words: no more than the seeds show, and settings as they are typed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from reporting import build_unpainted, content, words, write_run
from vgrad.command import command, overrides
from vgrad.figures import Key
from vgrad.interval import Interval
from vgrad.phrases import typed
from vgrad.report.answer import Sentence, spread
from vgrad.report.arm_table import as_csv, as_latex
from vgrad.report.claimed import claimed
from vgrad.report.content import cells, columns, on_diverged
from vgrad.report.inline import Styles
from vgrad.report.legend import legend, outline
from vgrad.report.markdown import _sentence, as_markdown
from vgrad.report.naming import in_words
from vgrad.report.picture import theme_title

STEPS = [0, 600]


def write_arms(folder: Path, arms: dict[str, Sequence[float]], **more: Any) -> Path:
    """An arm for each activation, with a run for each final accuracy."""
    for activation, finals in arms.items():
        for seed, final in enumerate(finals):
            write_run(
                folder / f"{activation}{seed}",
                activation=activation,
                final=final,
                seed=seed,
                **{"depth": 3, "decay": -0.01, "steps": STEPS} | more,
            )
    return folder


@pytest.fixture
def losses(tmp_path: Path) -> Path:
    """A sweep over the loss and over the learning rate."""
    for loss in ("cross_entropy", "mse"):
        for lr in (0.1, 50.0):
            write_run(
                tmp_path / f"{loss}{lr}",
                loss={"name": loss},
                optimizer={"name": "sgd", "lr": lr, "momentum": 0.0},
                depth=2,
                steps=STEPS,
            )
    return tmp_path


def test_a_setting_keeps_its_column_beside_a_result_of_the_same_name(losses: Path) -> None:
    made = content(losses)
    assert [cells(row, made)["loss"].text for row in made.rows[::2]] == ["cross_entropy", "mse"]
    assert list(columns(made))[:3] == ["loss", "optimizer.lr", "result.runs"]
    head = next(csv.reader(io.StringIO(as_csv(made))))
    assert len(set(head)) == len(head)
    assert {"loss", "val_loss", "val_loss_low", "accuracy"} <= set(head)


def test_settings_stand_as_they_are_typed(losses: Path) -> None:
    made = content(losses)
    assert {cells(row, made)["optimizer.lr"].text for row in made.rows} == {"0.1", "50"}
    settings = {"optimizer.lr": 50.0, "probe.every": 0.0, "steps": 60, "model.bias": True}
    shown = "vgrad run optimizer.lr=50 probe.every=0 steps=60 model.bias=true"
    assert command(overrides(settings)) == shown
    exact = 0.12345678901234567
    assert float(typed(exact)) == exact
    assert in_words(exact) == "0.123457"
    assert (typed(1e-05), typed(None), typed(float("inf"))) == ("1e-05", "null", "inf")


def test_what_the_seeds_do_not_decide_is_not_denied(tmp_path: Path) -> None:
    write_arms(tmp_path, {"selu": (0.9, 0.9), "relu": (0.3, 0.8), "tanh": (0.12, 0.13)})
    found = {row.arm.settings["activation"]: row.trains for row in content(tmp_path).rows}
    assert found == {"selu": True, "relu": None, "tanh": False}
    told = words(tmp_path)
    assert "1 of 3 settings train, and 1 is not decided by these seeds" in told
    assert "Not decided: relu (" in told


def test_the_one_that_is_as_good_as_the_best_is_named(tmp_path: Path) -> None:
    write_arms(tmp_path, {"selu": (0.9, 0.9), "relu": (0.89, 0.9), "tanh": (0.7, 0.7)})
    assert "by these seeds relu is not told from it" in words(tmp_path)


@pytest.mark.parametrize(
    ("half", "told"), [(0.0039, "0.4"), (0.0104, "1"), (0.161, "16.1"), (0.0003, "0.03")]
)
def test_a_share_and_its_interval_have_the_same_digits(half: float, told: str) -> None:
    assert spread(Interval(0.957, 0.957 - half, 0.957 + half, 5)) == f"95.7 % ± {told}"


def test_a_range_of_paces_has_both_its_ends(tmp_path: Path) -> None:
    for init, decay in (("he_normal", -0.5), ("xavier_normal", -0.6)):
        write_arms(tmp_path / init, {"sigmoid": (0.1, 0.1)}, depth=20, decay=decay, init=init)
        write_arms(tmp_path / init, {"selu": (0.9, 0.9)}, depth=20, init=init)
    assert "−0.5 to −0.6 decades a layer, δ × 0.32 to 0.25" in words(tmp_path)


def test_where_none_surely_trains_the_answer_says_how_many_are_open(tmp_path: Path) -> None:
    write_arms(tmp_path, {"selu": (0.2, 0.9), "relu": (0.3, 0.8), "tanh": (0.12, 0.13)})
    told = words(tmp_path)
    assert "None of 3 settings surely train, and 2 are not decided by these seeds" in told
    assert "What to change" not in told or "of these 2" not in told


def test_runs_that_diverged_have_no_result_and_the_report_says_so(tmp_path: Path) -> None:
    write_arms(tmp_path, {"selu": (0.8, 0.9), "relu": (0.8, 0.9)})
    for name in ("selu", "tanh"):
        write_run(
            tmp_path / f"{name}9",
            activation=name,
            depth=3,
            seed=9,
            decay=-0.01,
            final=0.1,
            fails_at=1,
            status="diverged",
            steps=[0, 1],
        )
    made = content(tmp_path)
    rows = {row.arm.settings["activation"]: row for row in made.rows}
    assert rows["selu"].accuracy is not None
    assert rows["selu"].accuracy.count == 2
    assert rows["selu"].accuracy.value == rows["relu"].accuracy.value  # type: ignore[union-attr]
    assert rows["selu"].trains is not True
    assert (rows["tanh"].accuracy, rows["tanh"].trains) == (None, False)
    assert on_diverged(made.rows) == (
        "The 2 runs that diverged have no result: accuracy and loss are of the others."
    )
    assert on_diverged(made.rows) in as_markdown(made)
    told = words(tmp_path)
    assert "keeps" not in told  # one seed of tanh shows no difference
    latex = as_latex(made)
    assert "healthy 2, diverged 1" in latex
    assert "tanh & 1 & diverged" in latex


def test_what_keeps_an_arm_from_diverging_is_told(tmp_path: Path) -> None:
    write_arms(tmp_path, {"selu": (0.88, 0.88)})
    ends = {"fails_at": 1, "status": "diverged"}
    write_arms(tmp_path, {"tanh": (0.1, 0.1)}, steps=[0, 1], **ends)
    told = words(tmp_path)
    assert "`activation=selu` keeps tanh from diverging, and takes it to 8" in told


def test_a_number_in_the_answer_stands_with_its_key(tmp_path: Path) -> None:
    for size in (1, 500):
        write_run(tmp_path / f"{size}", depth=8, steps=STEPS, batch_size=size)
    told = words(tmp_path)
    assert "batch_size=500" in told
    assert " 500" not in told


def test_one_run_ends_and_several_end(tmp_path: Path) -> None:
    write_arms(tmp_path, {"selu": (0.8,)})
    write_run(tmp_path / "cut", activation="relu", status="killed", layers=False, steps=[])
    assert "1 runs" not in words(tmp_path)


def test_code_in_markdown_keeps_its_blanks() -> None:
    part = Sentence("Change", "`init=he` takes a_b to 9 %; try `x` for `y` now.")
    assert _sentence(part) == r"**Change**: `init=he` takes a\_b to 9 %; try `x` for `y` now."


def test_an_anonymous_report_names_no_folder_of_a_damaged_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("alice-secret") / "by bob"
    write_run(folder / "good", depth=2, steps=STEPS)
    bad = write_run(folder / "carols run", depth=2, steps=STEPS, seed=1)
    (bad / "run.json").write_text("{")
    made = content(Path("alice-secret"), anonymous=True, paths=["alice-secret"])
    assert made.problems
    told = as_markdown(made)
    assert "run.json" in told
    for word in ("alice", "bob", "carols"):
        assert word not in told


def test_a_study_says_what_its_page_answers(tmp_path: Path) -> None:
    assert claimed([tmp_path]).question is None
    told = {"question": "Why <b>?", "claims": [["holds", "So."], ["not decided", "And so."]]}
    (tmp_path / "study.json").write_text(json.dumps(told))
    found = claimed([tmp_path])
    assert (found.question, found.problem) == ("Why <b>?", "")
    assert list(found.claims) == [("holds", "So."), ("not decided", "And so.")]
    assert claimed([tmp_path, tmp_path]).question is None


def page(folder: Path, **more: Any) -> str:
    """The report as Markdown."""
    return build_unpainted([folder], formats=["md"], **more).read_text(encoding="utf-8")


def test_the_page_of_a_studys_folder_keeps_its_question(tmp_path: Path) -> None:
    for seed in range(2):
        write_run(tmp_path / f"{seed}", depth=1, seed=seed, steps=[0], layers=False)
    told = {"question": "What of it?", "claims": [["fails", "So."]]}
    (tmp_path / "study.json").write_text(json.dumps(told))
    text = page(tmp_path)
    assert "# What of it?" in text
    assert "- **fails**: So." in text
    text = page(tmp_path, question="Else?")
    assert "# Else?" in text
    assert "What was claimed" not in text
    (tmp_path / "study.json").write_text("{")
    warned: list[str] = []
    text = build_unpainted([tmp_path], formats=["md"], warn=warned.append).read_text(
        encoding="utf-8"
    )
    assert "The question and the claims of the study are left out" in text
    assert len(warned) == 1


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "3",
        "[" * 100_000,
        "\udcff",
        json.dumps({"question": "q"}),
        json.dumps({"question": 3, "claims": []}),
        json.dumps({"question": "q", "claims": [["holds"]]}),
        json.dumps({"question": "q", "claims": [["great", "x"]]}),
        json.dumps({"question": "q", "claims": [[["holds"], "x"]]}),
        json.dumps({"question": "q", "claims": [["holds", 3]]}),
        json.dumps({"question": "q", "claims": "holds"}),
    ],
)
def test_a_damaged_study_is_left_out_with_a_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "study.json").write_text(text, errors="surrogateescape")
    found = claimed([tmp_path])
    assert (found.question, list(found.claims)) == (None, [])
    assert "study.json" in found.problem


def test_the_legend_shows_the_markers_of_the_figure() -> None:
    keys = [Key("plain", "#101010"), Key("marked <i>", "#101010", marker="s")]
    plain, marked = str(legend(keys, Styles())).split("</li>")[:2]
    assert (plain.count("<path"), marked.count("<path")) == (1, 2)
    assert "marked &lt;i&gt;" in marked
    assert len({outline(shape) for shape in "os^DvP"}) == 6


def test_a_heading_speaks_of_depth_only_where_it_differs(losses: Path, tmp_path: Path) -> None:
    arms = content(losses).arms
    assert "depth" not in theme_title("depth", arms)
    assert "depth" not in theme_title("lost", arms)
    for depth in (3, 4):
        write_run(losses / f"{depth}", depth=depth, steps=STEPS)
    assert "with depth" in theme_title("depth", content(losses).arms)

"""Studies: as files, carried out from their sweep to their claims, and listed."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from commands import Ended, Terminal, work_nothing
from vgrad import pack
from vgrad.arms import setting_columns
from vgrad.errors import ConfigError, UnknownNameError
from vgrad.interrupt import Interrupted, heard
from vgrad.report import build
from vgrad.store import Frames, load
from vgrad.study import grids_of
from vgrad.study_file import Study, files, find, read
from vgrad.verbs.study import main

SHIPPED = (
    "batch_size",
    "critical",
    "depth",
    "learning_rate",
    "losses",
    "remedies",
    "trainability",
)
TINY = """\
question: Does a deeper network lose more?
sweep: [activation=sigmoid, init=xavier_normal, "depth=2,4", "seed=0,1", width=8, steps=2,
        data.train_size=40, data.test_size=20]
claims:
  - says: The gradient vanishes in each layer.
    of: grad_decay
    where: [activation=sigmoid]
    is: below
    value: 0
  - says: The loss is negative.
    of: final_train_loss
    where: [depth=4]
    is: below
    value: -1
"""
CHOICES = ("activation", "init", "loss", "optimizer", "depth", "batch_size")
SINGLE_CORE = "hydra.launcher.workers=1"


def no_page(
    folders: list[Path], *, question: str, claims: list[tuple[str, str]], frames: Frames
) -> Path:
    """In the place of `report.build`, which takes most of a small study's time."""
    page = folders[0] / "report" / "index.html"
    page.parent.mkdir(exist_ok=True)
    page.write_text("\n".join([question, *(f"{became}: {says}" for became, says in claims)]))
    return page


@pytest.fixture
def study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Any:
    """`vgrad study` in an empty folder that has `mine/study/tiny.yaml`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vgrad.study.build", no_page)
    write("tiny", TINY)

    def typed(*words: str) -> Ended:
        capsys.readouterr()
        with heard():
            main([*words, "--config-dir=mine"])
        return Ended(0, *capsys.readouterr())

    return typed


def write(name: str, text: str) -> Path:
    path = Path("mine/study") / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def with_claim(**changes: Any) -> str:
    """A study with one claim, some keys of which are otherwise; None takes one away."""
    claim = {"says": "a", "of": "grad_decay", "where": ["depth=2"], "is": "below", "value": 0}
    claim = {key: value for key, value in {**claim, **changes}.items() if value is not None}
    return json.dumps({"question": "Why?", "sweep": ["depth=2"], "claims": [claim]})


def test_a_study_makes_its_runs_and_its_page_and_judges_its_claims(study):
    ended = study("tiny", SINGLE_CORE)
    assert "\nDoes a deeper network lose more?\n\nholds " in ended.out
    assert "holds" in ended.out
    assert "fails" in ended.out
    assert "Of 2 claims 1 holds, 1 fails.\n" in ended.out
    (folder,) = Path("runs").iterdir()
    assert folder.name.startswith("study-tiny-")
    assert f"page: {folder}/report/index.html\n" in ended.out
    kept = json.loads((folder / "study.json").read_text())
    assert kept == {
        "question": "Does a deeper network lose more?",
        "claims": [
            ["holds", "The gradient vanishes in each layer."],
            ["fails", "The loss is negative."],
        ],
    }
    assert "done: 4 runs" not in ended.out, "a study closes with its claims"
    page = (folder / "report" / "index.html").read_text().splitlines()
    assert page[0] == "Does a deeper network lose more?"
    assert [line.partition(":")[0] for line in page[1:]] == ["holds", "fails"]

    again = study("tiny", SINGLE_CORE, "seed=0", "--json")
    told = json.loads(again.out)
    assert told["folder"] == str(folder), "the runs that are there are used again"
    assert told["study"] == "tiny"
    assert told["answer"] == "Of 2 claims 1 holds, 1 fails."
    assert told["runs"] == 4
    first = told["claims"][0]
    assert (first["verdict"], first["is"], first["value"]) == ("holds", "below", 0.0)
    assert [arm["arm"] for arm in first["measured"]] == ["depth=2", "depth=4"]
    assert first["measured"][0]["low"] < first["measured"][0]["value"] < 0
    assert first["measured"][0]["count"] == 2
    assert first["measured"][0]["against"] is None  # nothing was to be chosen from
    assert "made" not in again.out


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_every_claim_that_is_shipped_holds(name, study):
    told = json.loads(study(name, "--json").out)
    assert {claim["says"]: claim["verdict"] for claim in told["claims"]} == {
        claim["says"]: "holds" for claim in told["claims"]
    }


@pytest.mark.slow
def test_a_study_makes_a_page(study, monkeypatch):
    monkeypatch.setattr("vgrad.study.build", build)
    told = json.loads(study("tiny", "--json").out)
    assert "<html" in Path(told["page"]).read_text()


def test_several_sweeps_go_to_one_folder_and_overrides_stand_in_the_place_of_their_values(study):
    small = "width=4, steps=1, data.train_size=20, data.test_size=10"
    write(
        "parts",
        f"""
question: Which?
sweep:
  - [activation=relu, "seed=0,1", depth=1, {small}]
  - [activation=tanh, "seed=0,1", depth=1, {small}]
claims:
  - {{says: A is deep., of: grad_decay, where: [depth=2], is: below, value: 0}}
""",
    )
    told = json.loads(study("parts", "depth=1", "seed=3", "name=here", SINGLE_CORE, "--json").out)
    assert told["folder"] == "runs/here"
    assert told["runs"] == 2
    assert told["answer"] == "Of 1 claim none holds, 1 is not decided by these seeds."
    (claim,) = told["claims"]
    assert claim["verdict"] == "not decided"
    assert claim["why"] == "no runs with depth=2. depth is 1"


def test_without_a_name_the_studies_are_listed_with_their_questions(study):
    write("broken", "question: [")
    listed = study().out
    assert "tiny   " in listed
    assert "Does a deeper network lose more?" in listed
    assert "cannot be read" in listed.split("depth")[0]
    told = {one["name"]: one for one in json.loads(study("--json").out)["studies"]}
    assert told.keys() == {*SHIPPED, "tiny", "broken"}
    assert told["tiny"]["question"] == "Does a deeper network lose more?"
    assert "problem" in told["broken"]


def test_an_unknown_study_is_refused_with_the_nearest(study):
    with pytest.raises(UnknownNameError, match=r"No study is named 'dept'\. Did you mean 'depth'"):
        study("dept")


def test_an_override_in_the_place_of_the_name_is_refused(study):
    with pytest.raises(ConfigError, match="Which study"):
        study("depth=3")


def test_a_folder_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match="is not a folder"):
        files("nowhere")


def test_a_study_of_the_user_comes_before_ours(study):
    write("depth", TINY)
    assert find("depth", "mine").question == "Does a deeper network lose more?"
    assert find("depth").question != "Does a deeper network lose more?"


@pytest.mark.parametrize("name", SHIPPED)
def test_every_study_that_is_shipped_can_be_read(name):
    study = find(name)
    assert study.question.endswith("?")
    assert len(study.claims) >= 4
    assert all(claim.says.endswith(".") for claim in study.claims)
    assert len({claim.says for claim in study.claims}) == len(study.claims)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_claim_that_is_shipped_speaks_of_values_that_its_sweep_has(name):
    study = find(name)
    swept: dict[str, set[str]] = {}
    for key, _, values in (line.partition("=") for grid in study.grids for line in grid):
        swept.setdefault(key, set()).update(values.split(","))
    for one in (one for claim in study.claims for one in (*claim.where, *claim.minus)):
        if one.key in CHOICES and one.sign == "=":
            assert set(one.value.split(",")) <= swept[one.key], one.word


@pytest.mark.parametrize("name", SHIPPED)
def test_the_documents_have_the_question_of_every_study(name):
    text = (Path(__file__).parents[1] / "docs" / "studies.md").read_text()
    assert f"| `{name}` | {find(name).question} |" in text


def test_the_study_in_the_documents_can_be_read(tmp_path):
    text = (Path(__file__).parents[1] / "docs" / "studies.md").read_text()
    path = tmp_path / "mine.yaml"
    path.write_text(text.split("```yaml\n")[1].split("```")[0])
    assert len(read(path).claims) == 2


def test_the_shipped_studies_are_all_tested():
    assert tuple(files()) == SHIPPED


def grids(*overrides: str, sweep: tuple[tuple[str, ...], ...]) -> list[list[str]]:
    return grids_of(Study("mine", Path(), "Why?", sweep, ()), overrides)


SWEEP = (("depth=2,10", "seed=range(3)", "steps=300"),)


def test_an_override_takes_the_place_of_the_values_of_its_key():
    assert grids("depth=5", "data=mnist", sweep=SWEEP)[0][:-1] == [
        "seed=range(3)",
        "steps=300",
        "depth=5",
        "data=mnist",
    ]


def test_epochs_take_the_place_of_steps():
    assert grids("epochs=2", sweep=SWEEP)[0][:-1] == ["depth=2,10", "seed=range(3)", "epochs=2"]


def test_more_seeds_go_to_the_same_folder_and_other_settings_to_another():
    (*_, name), *_ = grids(sweep=SWEEP)
    (*_, more), *_ = grids("seed=range(10)", "hydra.launcher.workers=1", "device=cpu", sweep=SWEEP)
    (*_, other), *_ = grids("data=mnist", sweep=SWEEP)
    assert name.startswith("name=study-mine-")
    assert name == more
    assert name != other


def test_a_name_that_is_given_is_the_folder():
    assert grids("name=mine", sweep=SWEEP)[0][-1] == "name=mine"


BAD = [
    ("[1, 2]", "must hold the keys question, sweep, claims"),
    ("", "must hold the keys|question is missing"),
    ("question: a\nquestion: b", "cannot be read"),
    ("question: [", "cannot be read"),
    ("question: Why?", "sweep is missing"),
    ("question: 3\nsweep: [depth=2]", "question must be a text"),
    ("question: Why?\nsweep: depth=2", "sweep must be a list"),
    ("question: Why?\nsweep: [depth]", "not of the form KEY=VALUE"),
    ("question: Why?\nsweep: [[depth=2], []]", "sweep has an empty list"),
    ("question: Why?\nsweep: [depth=2]\nclaim: []", "Did you mean 'claims'"),
    ("question: Why?\nsweep: [depth=2]\nclaims: {}", "claims must be a list"),
    ("question: Why?\nsweep: [depth=2]\nclaims: [3]", "claim 1: it must have the keys"),
    ("question: !!python/object/apply:os.system [touch x]\nsweep: [depth=2]", "cannot be read"),
    (with_claim(say="b"), "claim 1: No key is named 'say'. Did you mean 'says'"),
    (with_claim(says=None), "claim 1: says is missing"),
    (with_claim(value="much"), "value must be a number, not 'much'"),
    (with_claim(value=True), "value must be a number"),
    (with_claim(value=[1, 2]), "value must be a number"),
    (with_claim(value="nan"), "value must be a number"),
    (with_claim(**{"is": "between"}), "value must be two numbers"),
    (with_claim(value=[2, 1], **{"is": "between"}), "smaller number first"),
    (with_claim(**{"is": "bellow"}), "Did you mean 'below'"),
    (with_claim(where="depth=2"), "where must be a list of conditions"),
    (with_claim(where=["depth"]), "'depth' is no condition"),
    (with_claim(where=["depth>a"]), "compares sizes"),
    (with_claim(statistic="maen"), "Did you mean 'mean'"),
    (with_claim(statistic="median", minus=["depth=3"]), "always the mean"),
    (with_claim(of="dead"), "say which, as in layer: first"),
    (with_claim(of="dead", layer="frist"), "layer must be first, last, output, hidden or a number"),
    (with_claim(of="dead", layer=0), "layer must be"),
    (with_claim(of="deed", layer=1), "Did you mean 'dead'"),
    (with_claim(step=3), "step has no meaning"),
    (with_claim(of="train_loss", step=-1), "step must be first, last or a number"),
    (with_claim(log10="yes"), "log10 must be true or false"),
    (with_claim(of="status=diverged", minus=["depth=3"]), "no minus, no statistic"),
    (with_claim(of="status=diverged", layer=2), "layer has no meaning"),
]


@pytest.mark.parametrize(("text", "says"), BAD)
def test_a_file_with_a_mistake_is_refused_with_one_message(text, says, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says.replace("?", r"\?")) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_interpolation_in_a_study_stays_as_it_stands(tmp_path, monkeypatch):
    monkeypatch.setenv("VGRAD_SECRET", "hunter2")
    path = tmp_path / "mine.yaml"
    path.write_text("question: '${oc.env:VGRAD_SECRET}'\nsweep: ['depth=${oc.env:VGRAD_SECRET}']")
    study = read(path)
    assert study.question == "${oc.env:VGRAD_SECRET}"
    assert study.grids == (("depth=${oc.env:VGRAD_SECRET}",),)


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("of: grad_decay", "of: grad_deacy", "Did you mean 'grad_decay'"),
        ("of: grad_decay", "of: final_val_acuracy", "Did you mean 'final_val_accuracy'"),
        ("of: grad_decay", "of: stauts=diverged", "Did you mean 'status'"),
        ("where: [activation=", "where: [activtion=", "Did you mean 'activation'"),
        ("where: [depth=4]", "where: [verdict=healthy]", "no key is named 'verdict'"),
        ("where: [depth=4]", "where: [depth=4]\n    minus: [inti=zeros]", "Did you mean 'init'"),
    ],
)
def test_a_slip_in_a_claim_is_told_before_anything_is_run(right, wrong, says, study):
    assert right in TINY
    write("off", TINY.replace(right, wrong))
    with pytest.raises(ConfigError, match=says):
        study("off", SINGLE_CORE)
    assert not Path("runs").exists()
    told = {one["name"]: one for one in json.loads(study("--json").out)["studies"]}
    assert says.split("'")[1] in told["off"]["problem"]


def test_claims_may_speak_of_all_that_a_run_has(study):
    study("tiny", SINGLE_CORE, "seed=0", "depth=2", "name=here")
    frames = load("runs/here")
    settings = set(setting_columns(frames.runs))
    for column in map(str, frames.runs.columns):
        read(write("any", with_claim(of=column)))
        read(write("any", with_claim(of=f"{column}=1")))
        if column in settings:
            read(write("any", with_claim(where=[f"{column}=1"])))


def test_a_study_that_is_interrupted_says_how_far_it_is(study, monkeypatch, capsys):
    def stopped(part, report, should_stop):
        os.kill(os.getpid(), signal.SIGTERM)
        assert should_stop()
        return work_nothing(part, report, should_stop)

    monkeypatch.setattr(pack, "work", stopped)
    with pytest.raises(Interrupted):
        study("tiny", SINGLE_CORE)
    assert "stopped: " in (out := capsys.readouterr().out)
    assert "the same command goes on from there" in out
    (folder,) = Path("runs").iterdir()
    assert not (folder / "study.json").exists()


@pytest.mark.parametrize("columns", [50, 70, 150])
def test_nothing_is_wider_than_the_terminal_is_said_to_be(columns, study, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = study().out.splitlines()
    studies = [line for line in lines if not line.startswith("`vgrad study NAME`")]
    assert max(map(len, studies)) <= columns
    assert columns < 100 or max(map(len, studies)) > 100


def test_the_folder_of_studies_is_no_choice_of_a_run(typed: Terminal):
    for word in ("study=depth", "+study=depth"):
        assert typed("run", word).status == 2

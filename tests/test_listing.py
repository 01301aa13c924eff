"""`vgrad ls`: which runs are shown, in which order, and what a terminal has room for."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import pytest
from rich.cells import cell_len

from commands import Ended, assert_refused
from recording import begin, write_killed
from vgrad.errors import ConfigError
from vgrad.listing import split
from vgrad.listing.columns import Column, choose, column
from vgrad.listing.filters import Filter
from vgrad.store.document import write_document

SEAL = {"sha256": "0" * 64}
ACTIVATIONS = ("relu", "selu", "tanh")
DEPTHS = (2, 10, 40)


def leave(folder: Path, number: int = 0, status: str = "completed", **config) -> None:
    """What `vgrad ls` reads of a run that has ended."""
    accuracy = (number * 37 % 100) / 100
    verdict = "healthy" if accuracy > 0.5 else "vanishing"
    known = {"verdict": verdict if status == "completed" else status}
    folder.mkdir(parents=True)
    document = {
        "format": 1,
        "run_id": f"{number:012}",
        "status": status,
        "config": config,
        "started": f"2026-11-21T10:{number % 60:02}:00+00:00",
        "timings": {},
        "summary": {**known, "final_val_accuracy": accuracy, "grad_decay": -0.5 * number},
        "files": {"layers.parquet": SEAL, "steps.parquet": SEAL},
    }
    write_document(folder, document)


@pytest.fixture
def sweep(typed):
    """18 runs of three activations, three depths and two seeds under runs/sweep, one diverged."""
    runs = itertools.product(ACTIVATIONS, DEPTHS, (0, 1))
    for number, (activation, depth, seed) in enumerate(runs):
        leave(
            Path("runs/sweep") / f"{number:012}",
            number,
            "diverged" if number == 7 else "completed",
            activation={"name": activation, **({"alpha": 1.5} if activation == "selu" else {})},
            init={"name": "matched", "gain": None},
            data={"name": "digits"},
            depth=depth,
            width=64,
            seed=seed,
            name="sweep",
        )
    return typed


def numbers(ended: Ended) -> list[int]:
    """The runs of a JSON listing, by number."""
    assert ended.status == 0, ended.err
    return [int(run["run_id"]) for run in json.loads(ended.out)["runs"]]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], range(18)),
        (["activation=relu"], range(6)),
        (["activation==relu"], range(6)),
        (["activation=relu,tanh", "seed=1"], [1, 3, 5, 13, 15, 17]),
        (["activation!=relu,tanh"], range(6, 12)),
        (["depth>10"], [4, 5, 10, 11, 16, 17]),
        (["depth>=10", "depth<40", "seed!=0"], [3, 9, 15]),
        (["depth<=2", "activation=tanh"], [12, 13]),
        (["status=diverged"], [7]),
        (["verdict=healthy", "activation=relu"], [2, 5]),
        (["final_val_accuracy>=0.9"], [8, 16]),
        (["grad_decay=-0.5"], [1]),
        (["depth=40.0", "seed=0"], [4, 10, 16]),
        (["run_id=000000000003"], [3]),
        (["activation.alpha=1.5", "depth=2"], [6, 7]),
        (["activation.alpha=null", "depth=2", "seed=0"], [0, 12]),
        (["activation.alpha>1", "depth=2"], [6, 7]),
        (["init.gain=null"], range(18)),
        (["name=sweep,other"], range(18)),
        (["activation=maxout"], []),
        (["depth>40"], []),
    ],
    ids=str,
)
def test_filters_choose_the_runs_for_which_all_hold(words, expected, sweep):
    assert numbers(sweep("ls", *words, "--json")) == list(expected)
    assert numbers(sweep("ls", "runs/sweep", *words, "--json")) == list(expected)


def test_sorting_shows_the_largest_numbers_and_the_first_letters_first(sweep):
    accuracy = [n * 37 % 100 for n in range(18)]
    best = sorted(range(18), key=lambda n: -accuracy[n])
    assert numbers(sweep("ls", "--sort", "final_val_accuracy", "--json")) == best
    assert numbers(sweep("ls", "--sort=final_val_accuracy", "--limit", "3", "--json")) == best[:3]
    assert numbers(sweep("ls", "--sort", "final_val_accuracy", "--reverse", "--json")) == best[::-1]
    by_name = numbers(sweep("ls", "--sort", "activation", "--json"))
    assert by_name == list(range(18))
    back = numbers(sweep("ls", "--sort", "activation", "--reverse", "--json"))
    assert back == [*range(12, 18), *range(6, 12), *range(6)]


def test_what_has_no_number_is_last_either_way(typed):
    lrs = ["nan", 2.0, "inf", None, "-inf", 10]
    for number, lr in enumerate(lrs):
        leave(Path(f"runs/{number}"), number, loss=1.0)
        document = json.loads(Path(f"runs/{number}/run.json").read_bytes())
        document["summary"]["final_val_loss"] = lr
        write_document(Path(f"runs/{number}"), document)
    assert numbers(typed("ls", "--sort", "final_val_loss", "--json")) == [2, 5, 1, 4, 0, 3]
    assert numbers(typed("ls", "--sort", "final_val_loss", "--reverse", "--json"))[-2:] == [0, 3]
    assert numbers(typed("ls", "final_val_loss=nan", "--json")) == [0]
    assert numbers(typed("ls", "final_val_loss=inf,-inf", "--json")) == [2, 4]
    assert numbers(typed("ls", "final_val_loss>=10", "--json")) == [2, 5]
    assert numbers(typed("ls", "final_val_loss!=null", "--json")) == [0, 1, 2, 4, 5]
    shown = typed("ls", "--sort", "final_val_loss").out
    assert all(text in shown for text in ("inf", "-inf", "nan", "–"))


def test_a_limit_alone_keeps_the_newest(sweep):
    assert numbers(sweep("ls", "--limit", "2", "--json")) == [16, 17]
    assert numbers(sweep("ls", "--limit", "2", "--reverse", "--json")) == [17, 16]
    assert len(numbers(sweep("ls", "--limit", "99", "--json"))) == 18


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["activaton=relu"], ["'activaton'", "Did you mean 'activation'?"]),
        (["--sort", "accuracy"], ["Did you mean 'final_val_accuracy'?"]),
        (["--sort", "alpha"], ["Did you mean 'activation.alpha'?"]),
        (["depth>deep"], ["'deep' is not a number"]),
        (["activation>2"], ["activation is no number", "relu, selu or tanh"]),
        (["--limit", "0"], ["at least 1"]),
        (["--limit", "few"], ["--limit"]),
        (["nowhere"], ["There is no folder nowhere"]),
        (["=relu"], ["There is no folder =relu"]),
        (["--srot", "depth"], ["--sort"]),
    ],
    ids=str,
)
def test_what_cannot_be_answered_is_refused(words, says, sweep):
    assert_refused(sweep("ls", *words), *says)


def test_a_filter_that_fits_none_says_what_there_is(sweep):
    shown = sweep("ls", "activation=rleu")
    assert (shown.status, shown.err) == (0, "")
    assert "None of the 18 runs fits activation=rleu." in shown.out
    assert "Did you mean activation=relu? activation is relu, selu or tanh." in shown.out


def test_a_word_that_exists_is_a_path_whatever_its_name(typed):
    leave(Path("depth=2/run"), 1, depth=2)
    leave(Path("runs/other"), 2, depth=2)
    assert numbers(typed("ls", "depth=2", "--json")) == [1]
    assert numbers(typed("ls", "depth=2", "runs", "depth<3", "--json")) == [1, 2]
    paths, filters = split(["depth=2", "a!=b", "runs"])
    assert paths == [Path("depth=2"), Path("runs")]
    assert filters == [Filter("a!=b", "a", "!=", "b")]


def test_one_of_two_folders_may_be_empty(typed):
    leave(Path("runs/one"), 1, depth=2)
    Path("empty").mkdir()
    assert numbers(typed("ls", "empty", "runs", "--json")) == [1]
    assert "No runs in empty yet" in typed("ls", "empty").out
    assert "No runs in runs, empty" not in typed("ls", "runs", "empty").out


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 200])
def test_a_sweep_is_shown_by_what_differs_at_every_width(columns, sweep, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = sweep("ls", "runs/sweep")
    lines = shown.out.splitlines()
    assert max(map(cell_len, lines)) <= max(columns, 60)
    head = lines[0].split()
    assert head[:2] == ["run", "activation"]
    assert "init" not in head
    assert sum(line.startswith("0000") for line in lines) == 18
    assert any(line.startswith("18 runs: 17 completed, 1 diverged.") for line in lines)
    if columns >= 60:
        assert head[2:4] == ["depth", "seed"]
        assert "All have init=matched data=digits width=64." in lines
        assert lines[2].split() == [f"{0:012}", "relu", "2", "0", *lines[2].split()[4:]]
        assert "vanishing, 0 %" in lines[2]


def test_through_a_pipe_there_are_no_colours_and_on_a_terminal_the_sorted_column(sweep):
    shown = sweep("ls", "runs/sweep", "--sort", "grad_decay", "--limit", "4").out
    assert "\x1b" not in shown
    assert "decay" in shown.split("───")[0]
    assert "18 runs: 17 completed, 1 diverged; 4 are shown." in shown


def test_settings_without_room_are_named(typed, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    for number in range(3):
        many = {f"setting_number_{key}": number for key in range(30)}
        leave(Path(f"runs/s/{number:012}"), number, depth=number, data=many, name="s")
    shown = typed("ls", "runs/s").out
    assert max(map(cell_len, shown.splitlines()[:5])) <= 60
    assert "more; --json shows everything." in shown
    assert shown.splitlines()[-1].count("data.setting_number_") <= 6


def test_single_runs_are_shown_by_what_they_are_of(typed):
    for number, name in enumerate(("first", "second")):
        leave(Path("runs") / name, number, activation={"name": "relu"}, depth=number, name=name)
    lines = typed("ls").out.splitlines()
    assert next(line for line in lines if line.strip()).split() == [
        *("run", "what", "when", "state", "result")
    ]
    assert "runs:" not in "".join(lines)
    assert "1 of 2 runs: 1 completed." in typed("ls", "depth=1").out


def test_running_and_damaged_runs_are_among_the_others(sweep):
    writer = begin(Path("runs/sweep/alive"), "a" * 12, name="sweep")
    write_killed(Path("runs/sweep/dead"), "b" * 12)
    Path("runs/sweep/000000000003/run.json").write_text("{")
    shown = sweep("ls", "runs/sweep")
    assert shown.err.count("cannot be read") == 1
    assert "19 runs: 16 completed, 1 diverged, 1 interrupted, 1 running." in shown.out
    states = json.loads(sweep("ls", "runs/sweep", "status=running,interrupted", "--json").out)
    assert [run["status"] for run in states["runs"]] == ["running", "interrupted"]
    assert len(states["problems"]) == 1
    writer.finish("completed", {}, {})


def test_texts_that_would_move_the_cursor_are_shown_as_what_they_are(typed, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for number, text in enumerate(("a\x1b[2J", "日本語の値", "e\u0301\u202e")):
        config = {"note": text, f"key\x1b{number}": number}
        leave(Path(f"runs/s/{number:012}"), number, **config, name="s")
    for words in (["ls", "runs/s"], ["ls", "runs/s", "--sort", "note"]):
        shown = typed(*words).out
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert "日本語の値" in shown
        assert max(map(cell_len, shown.splitlines()[:5])) <= 80
    assert "\x1b" not in typed("ls", "note=x\x1b[2J").out


def test_a_heading_is_broken_where_its_key_is():
    wide = column("final_val_accuracy", [0.91234, math.nan, None])
    assert wide.heading == ["final_", "val_", "accuracy"]
    assert list(wide.cells) == ["0.9123", "nan", "–"]
    assert wide.right
    assert column("depth", [True, None]).cells == ["true", "–"]
    assert column("name", ["x" * 100]).width == 24


def test_the_first_columns_have_room_first():
    columns = [Column(key, ["x" * size]) for key, size in (("a", 9), ("b", 20), ("c", 5))]
    assert [one.key for one in choose(columns, 40)] == ["a", "b", "c"]
    assert [one.key for one in choose(columns, 20)] == ["a", "c"]
    assert [one.key for one in choose(columns, 1)] == ["a"]


def test_a_size_is_compared_with_a_number_only():
    with pytest.raises(ConfigError, match="compares sizes"):
        Filter("depth<", "depth", "<", "")
    assert not Filter("bias>0", "bias", ">", "0").fits({"bias": True})
    assert Filter("bias=true", "bias", "=", "True").fits({"bias": True})
    assert not Filter("seed=1", "seed", "=", "1").fits({"seed": "1x"})
    assert Filter("seed>1", "seed", ">", "1").fits({"seed": 2**63})

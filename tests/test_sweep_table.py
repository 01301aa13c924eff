"""What is counted of a sweep while it runs, and the table that closes it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from sweep_runs import FOLDER, Clock, canonical, document, packs
from vgrad.terminal import PackShown
from vgrad.terminal.sweep_table import closing, rows_of
from vgrad.terminal.sweep_tally import Tally, ending, opening


def begun(*seconds, workers=1, finished=0):
    clock = Clock()
    tally = Tally(clock)
    tally.begin(packs(*seconds), finished, workers)
    return tally, clock


def table(runs, keys=("activation", "depth", "seed"), width=100, folder=FOLDER):
    """The closing table's lines."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    shown = closing(runs, keys, folder, console)
    assert shown is not None
    console.print(shown)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_the_time_left_is_what_is_expected_until_something_is_measured():
    tally, _ = begun(8.0, 4.0, workers=2)
    assert tally.seconds_left == 8.0  # the longest cannot be shared
    assert begun(4.0, 4.0, 4.0, 4.0, workers=2)[0].seconds_left == 8.0


def test_the_time_left_follows_what_was_measured():
    tally, clock = begun(10.0, 10.0, 10.0)
    tally.started(0)
    clock.now += 30.0  # three times as long as expected
    tally.done(0)
    assert tally.seconds_left == pytest.approx(60, rel=0.2)
    tally.started(1)
    clock.now += 15.0
    tally.progress(1, 0.5)
    assert tally.seconds_left == pytest.approx(45, rel=0.2)
    assert tally.share == pytest.approx(0.5)


def test_what_the_folder_held_already_counts_as_done():
    tally, _ = begun(10.0, finished=30)
    assert tally.share == 0.75
    assert opening(tally) == "10 runs in 1 stack, 1 worker, about 10 s; 30 of 40 are there already"
    tally, _ = begun(finished=30)
    assert (tally.share, tally.seconds_left) == (1, 0)
    assert opening(tally) == "all 30 runs are there already"


def test_halves_take_the_place_of_the_stack_that_did_not_fit():
    tally, _ = begun(10.0, 10.0)
    tally.started(0)
    tally.progress(0, 0.6)
    tally.failed(0, again=True)
    assert (tally.in_all, tally.share, len(tally.in_state("waiting"))) == (20, 0, 2)
    tally.added([PackShown("half", 5, 5.0)] * 2)
    assert (tally.in_all, len(tally.in_state("waiting"))) == (20, 3)
    tally.done(2)
    assert tally.share == 0.25


def test_a_stack_that_is_started_again_is_not_replaced_by_later_ones():
    tally, _ = begun(10.0)
    tally.started(0)
    tally.failed(0, again=True)
    tally.started(0)
    tally.added(packs(10.0))
    assert (tally.in_all, len(tally.in_state("running"))) == (20, 1)


def test_a_run_that_is_told_twice_counts_once():
    tally, _ = begun(10.0)
    tally.ended(0, document(status="interrupted"))
    assert tally.made == 0
    tally.ended(0, document(verdict="vanishing"))
    tally.ended(0, document(verdict="vanishing"))
    assert tally.made == 1
    assert +tally.verdicts == {"vanishing": 1}


def test_the_best_and_the_worst_are_named_by_the_settings_that_differ():
    tally, _ = begun(10.0)
    tally.ended(0, document("relu", 10, accuracy=0.5))
    tally.ended(0, document("selu", 10, accuracy=0.953))
    tally.ended(0, document("tanh", 40, accuracy=0.1, extra={"name": "c"}))
    assert tally.extremes() == {"best": "95.3 %  selu · depth 10", "worst": "10 %  tanh · depth 40"}


def test_without_an_accuracy_the_lowest_finite_loss_is_the_best():
    tally, _ = begun(10.0)
    for depth, loss in ((1, 0.25), (2, "nan"), (3, 1.5), (4, "inf")):
        run = document(depth=depth, accuracy=None, final_val_loss=loss)
        tally.ended(0, run)
    assert tally.extremes() == {"best": "0.25  depth 1", "worst": "1.5  depth 3"}


def test_a_whole_sweep_says_what_was_made_and_what_was_there():
    tally, clock = begun(10.0, finished=2)
    made = [document(seed=seed) for seed in range(9)] + [document(seed=9, status="diverged")]
    for run in made:
        tally.ended(0, run)
    clock.now += 5.0
    tally.done(0)
    runs = [*made, document(seed=10), document(seed=11)]
    assert ending(tally, runs) == (
        "done: 12 runs",
        "10 made in 5.0 s (2 runs/s), 2 were there already, 1 diverged",
        True,
    )


def test_a_stopped_sweep_says_that_the_same_command_goes_on():
    tally, _ = begun(10.0, 10.0)
    runs = [document(), document(seed=1, status="interrupted")]
    head, _, whole = ending(tally, runs)
    assert not whole
    assert head == "stopped: 1 of 20 runs are done; the same command goes on from there"


def test_runs_that_failed_are_told_apart_from_runs_that_were_not_begun():
    tally, _ = begun(10.0)
    tally.started(0)
    tally.ended(0, document())
    tally.failed(0, again=False)
    head, made, _ = ending(tally, [document()])
    assert head == "done: 1 of 10 runs; the same command tries the other 9 again"
    assert made.endswith("9 failed")


def test_a_row_is_the_mean_and_the_standard_error_over_seeds():
    runs = [
        document(seed=seed, accuracy=accuracy, grad_decay=-0.5 - accuracy / 100)
        for seed, accuracy in enumerate((0.7, 0.8, 0.9))
    ]
    heading, _, row, *rest = table(runs)
    assert heading.split() == ["n", "accuracy", "%", "grad_decay", "verdict"]
    # the sample's standard deviation is 10 points; over the root of three seeds 5.8
    assert row.split("  ") == ["3", "80.0 ± 5.8", "-0.508 ± 0.001", "healthy 3/3"]
    assert "The same in all: activation relu, depth 10." in rest
    assert "Mean ± standard error over 3 seeds" in " ".join(rest)


def test_a_single_run_has_no_error_and_no_count():
    heading, _, row, *_, caption = table([document(), document("tanh", verdict="vanishing")])
    assert heading.split() == ["activation", "accuracy", "%", "grad_decay", "verdict"]
    assert row.split() == ["relu", "90.0", "-0.100", "healthy"]
    assert "±" not in caption


def test_rows_stand_in_the_order_of_the_sweep_with_numbers_ascending():
    runs = [document(name, depth) for name in ("tanh", "relu") for depth in (40, 2, 10)]
    values = [row.values for row in rows_of(runs, ["activation", "depth"])]
    assert values == [(name, depth) for name in ("tanh", "relu") for depth in (2, 10, 40)]


def test_diverged_runs_have_a_column_and_spoil_no_mean():
    lost = {"accuracy": None, "status": "diverged", "verdict": "diverged"}
    runs = [
        document(seed=0, accuracy=None, final_val_loss=0.5),
        document(seed=1, final_val_loss="nan", **lost),
        document("tanh", final_val_loss="inf", **lost),
    ]
    heading, _, relu, tanh, *rest = table(runs)
    assert heading.split("  ")[-1] == "diverged"
    assert "val loss" in heading
    assert relu.split()[1:] == ["2", "0.5", "-0.100", "±", "0.000", "healthy", "1/2", "1"]
    assert tanh.split()[1:] == ["1", "–", "-0.100", "1"]
    assert "2 runs diverged, and count in no mean of what came at the end." in " ".join(rest)


def test_runs_that_did_not_end_are_in_no_row():
    runs = [document(), document("tanh", status="interrupted"), document("selu", status="failed")]
    assert [row.values for row in rows_of(runs, ["activation"])] == [("relu",)]
    assert closing(runs[1:], ["activation"], FOLDER, Console(file=io.StringIO())) is None


def test_many_rows_are_cut_to_the_best_and_the_worst():
    folder = Path("runs/my sweep")
    runs = [document(depth=depth, accuracy=depth / 100) for depth in range(100)]
    lines = table(runs, folder=folder)
    depths = [line.split()[0] for line in lines[2:53]]
    assert depths == [*map(str, range(99, 74, -1)), "…", *map(str, range(24, -1, -1))]
    assert "Of 100 rows the 25 best and the 25 worst are shown, 50 are left out." in lines
    assert "All runs: vgrad ls 'runs/my sweep' --sort final_val_accuracy" in lines


def test_the_canonical_sweep_is_shown_whole_at_80_columns():
    lines = table([*canonical()], ["activation", "init", "depth", "seed"], width=80)
    assert max(map(len, lines)) <= 80
    assert sum("90.0 ± 0.0  -0.100 ± 0.000" in line for line in lines) == 48
    assert sum("diverged 2/5" in line for line in lines) == 2


@settings(max_examples=40, deadline=None)
@given(st.integers(20, 200), st.integers(0, 12), st.booleans())
def test_the_table_fits_any_width_however_much_is_swept(width, count, several):
    keys = [f"model.setting_{n}" for n in range(count)]
    runs = [
        document(seed=seed, extra={"model": {f"setting_{n}": f"value {k}" for n in range(count)}})
        for k in range(3)
        for seed in range(1 + several)
    ]
    lines = table(runs, keys, width=width)
    assert max(map(len, lines)) <= width
    shown = " ".join(" ".join(lines).split())
    assert count == 0 or "value 2" in shown


def test_where_room_is_short_a_key_is_headed_by_its_last_part_unless_two_share_it():
    def runs(*keys):
        trees = [{group: {key: f"{k} {'x' * 8}" for key in keys} for group in "ab"} for k in "12"]
        return [document(extra=tree) for tree in trees]

    keys = ["a.one_setting", "b.other_setting"]
    heading, *_ = table(runs("one_setting", "other_setting"), keys, width=58)
    assert heading.split()[:2] == ["one_setting", "other_setting"]
    heading, *_ = table(runs("setting"), ["a.setting", "b.setting"], width=58)
    assert heading.split()[:2] == ["a.setting", "b.setting"]


def test_a_table_that_is_too_wide_gives_up_what_is_told_elsewhere_first():
    runs = [*canonical()]
    keys = ["activation", "init", "depth", "seed"]
    headings = [table(runs, keys, width=width)[0].split() for width in (120, 86, 80, 60)]
    assert ["n" in heading for heading in headings] == [True, False, False, False]
    assert ["diverged" in heading for heading in headings] == [True, True, False, False]
    assert ["grad_decay" in heading for heading in headings] == [True, True, True, False]
    assert table(runs, keys, width=40)[0] == "activation sigmoid · init xavier_normal"

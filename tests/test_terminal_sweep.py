"""What a person sees of a sweep, on a terminal and in a pipe."""

from __future__ import annotations

import io
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from pseudo_terminal import terminal_output
from sweep_runs import FOLDER, Clock, document, packs, play
from vgrad.terminal import PlainSweepView, SilentSweepView, choose_sweep_view
from vgrad.terminal.sweep_live import LiveSweepView
from vgrad.terminal.sweep_tally import Tally

NASTY = "a\x1b[31m[bold]x[/bold] <script>\n\u202e:smile:"
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
DRIVER = """
from pathlib import Path
from vgrad.terminal import PackShown, choose_sweep_view
run = {"status": "completed", "path": "a", "config": {"depth": 2}, "summary": {}}
with choose_sweep_view(json=JSON) as view:
    view.begin(Path("runs/all"), [PackShown("relu 2 × 8", 1, 1.0)], 0, 1)
    view.started(0)
    view.progress(0, 0.5)
    BODY
    view.ended(0, run)
    view.done(0)
    view.finish([run], ["depth"], Path("runs/all"))
"""


def plain(**more):
    file = io.StringIO()
    return PlainSweepView(file, **more), file


def live(width=80, height=24):
    console = Console(
        file=io.StringIO(), force_terminal=True, width=width, height=height, color_system=None
    )
    return LiveSweepView(console), console.file


def on_a_terminal(body="pass", *, json=False, **more):
    """What a program that drives a view sends to a terminal, and its exit status."""
    return terminal_output(DRIVER.replace("JSON", str(json)).replace("BODY", body), **more)


def test_the_plain_view_writes_a_line_for_each_tenth_and_each_failure():
    view, file = plain(clock=Clock())
    play(view)
    lines = file.getvalue().splitlines()
    assert lines[0] == "runs/all: 40 runs in 4 stacks, 2 workers, about 10 s"
    assert 8 <= sum("/40 runs" in line for line in lines) <= 11
    assert "relu 10 × 64 failed: 3 GB are too many; its 10 runs are tried again." in lines
    assert not CONTROL.search(file.getvalue())
    assert lines[-4] == "done: 40 runs"
    assert lines[-2:] == ["Files:  runs/all", "Report: vgrad report runs/all"]


def test_the_plain_view_does_not_stay_silent_for_long():
    clock = Clock()
    view, file = plain(clock=clock)
    view.begin(FOLDER, packs(1000.0), 0, 1)
    view.started(0)
    for second in range(100):
        clock.now += 1.0
        view.progress(0, second / 1e4)
    assert file.getvalue().count("/10 runs") == 3


def test_a_reader_that_goes_away_does_not_end_the_sweep():
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        play(PlainSweepView(stream))


def test_the_plain_view_writes_what_the_encoding_can_hold():
    raw = io.BytesIO()
    view = PlainSweepView(io.TextIOWrapper(raw, encoding="ascii"))
    play(view)
    assert b"relu 10 ? 64 failed" in raw.getvalue()


@pytest.mark.parametrize("make", [lambda: plain(), lambda: live(200)])
def test_texts_that_others_chose_are_shown_literally(make):
    view, file = make()
    play(view, label=NASTY, folder=Path("runs") / NASTY, activation=NASTY)
    text = ESCAPES.sub("", file.getvalue()).replace("\r", "")
    assert "a\\x1b[31m[bold]x[/bold] <script>\\n\\u202e:smile:" in text
    assert not CONTROL.search(text)


def test_the_silent_view_says_nothing(capsys):
    with SilentSweepView() as view:
        play(view)
    assert capsys.readouterr() == ("", "")


def test_a_pipe_gets_plain_lines_on_the_stream_that_is_for_people(capsys):
    with choose_sweep_view() as view:
        play(view)
    out, err = capsys.readouterr()
    assert out.startswith("runs/all: 40 runs")
    assert err == ""
    with choose_sweep_view(json=True) as view:
        play(view)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("runs/all: 40 runs")


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
@pytest.mark.parametrize("height", [6, 12, 24, 50])
def test_the_live_view_fits_its_terminal(width, height):
    view, file = live(width, height)
    with view:
        view.begin(FOLDER, packs(*[5.0] * 100), 7, 60)
        for pack in range(60):
            view.started(pack)
            view.progress(pack, pack / 60)
            view.ended(pack, document(depth=pack))
        view._drawing.refresh()
        drawn = ESCAPES.sub("", file.getvalue().split("\x1b[2K")[-1]).replace("\r", "")
    assert max(map(len, drawn.split("\n"))) <= width
    assert drawn.count("\n") < height


def test_the_live_view_shows_the_runs_the_stacks_and_the_extremes():
    clock = Clock()
    view, file = live()
    view._tally = Tally(clock)
    with view:
        view.begin(FOLDER, packs(10.0, 10.0, 10.0), 7, 2)
        view.started(0)
        view.started(1)
        clock.now += 5.0
        view.progress(0, 0.5)
        view.ended(0, document("selu", accuracy=0.95))
        view.ended(0, document("relu", accuracy=0.1, status="diverged", verdict="diverged"))
        view._drawing.refresh()
        text = file.getvalue()
    for part in ("runs/all", "9/37 runs", "0.4/s", "5.0 s so far", "0 done · 2 running · 1 waiting",
                 "relu 0 × 64", " 50 %", "best    95 %  selu", "worst   95 %  selu",
                 "1 healthy · 1 diverged"):  # fmt: skip
        assert part in text


def test_the_live_view_leaves_a_line_for_a_failure_and_the_closing_table():
    view, file = live()
    with view:
        play(view)
    text = file.getvalue()
    assert "failed: 3 GB are too many; its 10 runs are tried again." in text
    assert "40/40 runs" in text
    assert re.search(r"3 +10 +80.0 ± 0.0", text)
    assert text.endswith("Report  vgrad report runs/all\n")


def test_the_live_view_gives_the_cursor_back_after_a_fault():
    def fails():
        with view:
            view.begin(FOLDER, packs(1.0), 0, 1)
            raise ValueError("boom")

    view, file = live()
    with pytest.raises(ValueError, match="boom"):
        fails()
    assert file.getvalue().rstrip().endswith("\x1b[?25h")
    view.close()


@pytest.mark.parametrize("value", [math.nan, math.inf, "nan", "-inf", None, "x", True, [], 1e300])
def test_no_number_in_a_summary_stops_the_words(value):
    for view, _ in (plain(), live()):
        run = document(accuracy=value, grad_decay=value, final_val_loss=value, verdict=value)
        with view:
            view.begin(FOLDER, packs(1.0), 0, 1)
            view.ended(0, run)
            view.finish([run, document(seed=1)], ["depth", "activation.alpha"], FOLDER)


def test_a_terminal_gets_the_live_table_and_its_cursor_back():
    text, status = on_a_terminal()
    assert status == 0
    assert "━" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert "vgrad report runs/all" in text


def test_with_json_the_table_is_drawn_on_standard_error():
    assert "━" in on_a_terminal(json=True)[0]


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"PYTHONIOENCODING": "ascii"}])
def test_a_terminal_that_can_do_little_gets_plain_lines(environment):
    text, status = on_a_terminal(**environment)
    assert status == 0
    assert "\x1b" not in text
    assert "0/1 runs" in text


def test_a_program_that_forgets_to_close_gives_the_cursor_back():
    text, status = on_a_terminal(
        "view.__class__.__exit__ = lambda *error: None; raise SystemExit(3)"
    )
    assert status == 3
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_choosing_a_view_of_a_sweep_in_a_pipe_imports_neither_rich_nor_torch():
    code = (
        "import vgrad.terminal as t, sys; t.choose_sweep_view(); "
        "print({'rich', 'torch', 'pandas', 'numpy'} & {*sys.modules})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"

import io
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pseudo_terminal import terminal_output
from vgrad.terminal import PlainView, SilentView, choose_view, literal
from vgrad.terminal.live import LiveView
from vgrad.terminal.picture import Picture, Scale, relative_decades

NASTY = "a\x1b[31m[bold]x[/bold]$\\frac$ <script>\n\u202e:smile:"
SHOWN = "a\\x1b[31m[bold]x[/bold]$\\frac$ <script>\\n\\u202e:smile:"
RUN = {"status": "completed", "summary": {"verdict": "vanishing"}}
WORDS = ["Each layer keeps 24 % of it.", "Try init=he_normal."]
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
DRIVER = """
from pathlib import Path
from vgrad.terminal import choose_view
config = {"name": "sigmoid-9", "depth": 9, "width": 64, "activation": {"name": "sigmoid"}}
with choose_view(json=JSON) as view:
    view.start(config, Path("runs/sigmoid-9"), 10)
    for step in range(11):
        view.record(step, {"train_loss": 2.3}, [0.24 ** (9 - k) for k in range(10)])
        view.step(step)
    LOOP
    view.finish({"status": "completed", "summary": {"verdict": "vanishing"}}, ["Try selu."])
"""


def config(depth=20, name="sigmoid-20"):
    return {
        "name": name,
        "depth": depth,
        "width": 64,
        "activation": {"name": "sigmoid"},
        "init": {"name": "xavier_normal"},
    }


def fading(keep, depth):
    return [keep ** (depth - layer) for layer in range(1, depth + 1)] + [0.1]


def play(view, depth=20, name="sigmoid-20", steps=100, status="completed"):
    """A whole run, as `pack` shows it."""
    view.start(config(depth, name), Path("runs") / name, steps)
    for step in range(steps + 1):
        if step % 5 == 0:
            row = {"train_loss": 2.3 - step / 100, "train_accuracy": 0.5, "val_accuracy": None}
            view.record(step, row, fading(0.24, depth))
        view.step(step)
    view.finish(RUN | {"status": status}, WORDS)


def lines(picture, width=80, height=24):
    return [line.plain for line in picture.lines(width, height)]


def live(width=80, height=24, **settings):
    console = Console(
        file=io.StringIO(), force_terminal=True, width=width, height=height, **settings
    )
    return LiveView(console), console.file


def on_a_terminal(*, json=False, loop="", **more):
    """What a program that drives a view sends to a terminal, and its exit status."""
    return terminal_output(DRIVER.replace("JSON", str(json)).replace("LOOP", loop), **more)


def test_a_bar_is_as_long_as_its_layer_has_decades_left():
    picture = Picture(3)
    picture.show([1e-4, 1e-2, 1.0, 99.0])
    title, *bars, axis = lines(picture, width=71)
    assert title == "error signal δ, from the input down to the output (layer 3 = 1)"
    assert [bar.count("█") for bar in bars] == [20, 40, 60]
    assert [bar.split()[-1] for bar in bars] == ["1e-4", "0.01", "1"]
    assert axis.split() == ["10⁻⁶", "10⁻³", "1"]


def test_the_scale_widens_and_never_narrows():
    scale = Scale().widened([-11.2, 0.0])
    assert (scale.low, scale.high) == (-12, 0)
    assert scale.widened([-1.0, 0.5]) == scale
    assert scale.widened([4.0]) == Scale(-12, 6)
    assert scale.widened([-1000.0, math.inf, math.nan]).low == -45


def test_sizes_are_relative_to_the_last_hidden_layer():
    assert relative_decades([1e-3, 0.1]) == pytest.approx([-2, 0])
    assert relative_decades([0.0, 0.1]) == [-math.inf, 0]
    assert relative_decades([0.1, 0.0]) == [0, -math.inf]
    assert relative_decades([0.0, 0.0]) == [-math.inf, -math.inf]
    sizes = relative_decades([None, math.nan, math.inf, 1.0])
    assert [str(size) for size in sizes] == ["nan", "nan", "inf", "0.0"]


def test_zero_infinity_and_nan_are_named_beside_their_bars():
    picture = Picture(4)
    picture.show([0.0, math.nan, math.inf, 1.0])
    assert [bar.split()[-1] for bar in lines(picture)[1:-1]] == ["0", "nan", "inf", "1"]


@pytest.mark.parametrize("depth", [1, 5, 20, 22, 23, 40, 44, 100, 1000])
def test_a_net_of_any_depth_fits_and_begins_at_layer_1(depth):
    picture = Picture(depth)
    picture.show(fading(0.9, depth))
    drawn = lines(picture, width=40, height=24)
    assert len(drawn) <= 24
    assert drawn[1].split()[0] == "1"
    assert len(drawn) - 2 >= min(depth, 10)


def test_two_layers_share_a_row_by_halves():
    picture = Picture(4)
    picture.show([1e-6, 1e-3, 1e-3, 1.0])
    first, second = lines(picture, width=41, height=4)[1:-1]
    assert "█" not in first
    assert "▄" in first
    assert second.count("█") == second.count("▄")


@given(
    st.lists(st.none() | st.floats(min_value=0) | st.just(math.nan), max_size=60),
    st.integers(0, 200),
    st.integers(0, 60),
)
def test_the_picture_fits_any_terminal_whatever_the_numbers(deltas, width, height):
    picture = Picture(len(deltas))
    picture.show(deltas)
    drawn = picture.lines(width, height)
    assert len(drawn) <= height
    assert all(line.cell_len <= width for line in drawn)


@pytest.mark.parametrize("width", [40, 60, 100, 200])
@pytest.mark.parametrize("height", [5, 24, 50])
@pytest.mark.parametrize("depth", [0, 1, 20, 100])
def test_the_live_view_fits_its_terminal(width, height, depth):
    view, file = live(width, height, color_system=None)
    play(view, depth)
    drawn = ESCAPES.sub("", file.getvalue().split("\x1b[?25l")[-1]).replace("\r", "")
    assert max(map(len, drawn.split("\n"))) <= width
    assert drawn.split("\x1b[?25h")[0].count("\n") < 3 * height


def test_the_live_view_shows_the_layers_the_progress_and_the_words():
    view, file = live(color_system=None)
    play(view)
    text = file.getvalue()
    for part in ("sigmoid-20", "20 × 64 sigmoid · xavier_normal", "1.7e-12", "100/100", "loss 1.3",
                 "accuracy 50 %", "completed after 0.", "the gradient vanishes", *WORDS,
                 "vgrad report runs/sigmoid-20"):  # fmt: skip
        assert part in text


def test_the_live_view_keeps_where_an_interrupted_run_stopped():
    view, file = live(color_system=None)
    with view:
        view.start(config(), Path("runs/a"), 100)
        view.step(37)
        view.finish({"status": "interrupted", "summary": {}}, ["It was interrupted."])
    assert " 37/100" in file.getvalue()
    assert "interrupted after 0." in file.getvalue()


def test_the_live_view_colours_what_vanishes_unlike_what_is_well():
    picture = Picture(2)
    picture.show([1e-9, 1.0])
    lost, well = (line.spans[1].style.color for line in picture.lines(60, 9)[1:3])
    assert lost.triplet.red > lost.triplet.green
    assert well.triplet.green > well.triplet.red


def test_the_live_view_gives_the_cursor_back_after_a_fault():
    def fails():
        with view:
            view.start(config(), Path("runs/a"), 10)
            raise ValueError("boom")

    view, file = live()
    with pytest.raises(ValueError, match="boom"):
        fails()
    assert file.getvalue().rstrip().endswith("\x1b[?25h")
    view.close()


@pytest.mark.parametrize("make", [lambda: live(color_system=None), lambda: plain()])
def test_names_that_others_chose_are_shown_literally(make):
    view, file = make()
    play(view, name=NASTY)
    text = ESCAPES.sub("", file.getvalue())
    assert SHOWN in text.replace("\n", "")
    assert not CONTROL.search(text.replace("\r", ""))


def test_literal_leaves_words_alone_and_escapes_what_cannot_be_printed():
    assert literal("δ × 10 % [b]") == "δ × 10 % [b]"
    assert literal("\x07\x9b\ud800\u2028") == "\\x07\\x9b\\ud800\\u2028"


def plain():
    file = io.StringIO()
    return PlainView(file), file


def test_the_plain_view_writes_some_ten_lines_without_control_characters():
    view, file = plain()
    play(view, steps=600)
    text = file.getvalue()
    assert 10 <= text.count("step ") <= 12
    assert not CONTROL.search(text)
    first, second, *_ = text.splitlines()
    assert first == "sigmoid-20: 20 × 64 sigmoid · xavier_normal · 600 steps"
    assert second.startswith("step   0/600  loss 2.3  accuracy 50 %  layer 1 gets 1.7e-12 of ")
    assert text.splitlines()[-4:] == [
        *WORDS,
        "Files:  runs/sigmoid-20",
        "Report: vgrad report runs/sigmoid-20",
    ]


@pytest.mark.parametrize("steps", [0, 1, 7, 100_003])
def test_the_plain_view_keeps_its_pace_when_nothing_is_recorded(steps):
    view, file = plain()
    view.start(config(), Path("runs/a"), steps)
    for step in range(steps + 1):
        view.step(step)
    assert file.getvalue().count("\n") <= 12
    assert steps < 10 or file.getvalue().count("step ") >= 4


def test_the_plain_view_writes_what_the_encoding_can_hold():
    raw = io.BytesIO()
    view = PlainView(io.TextIOWrapper(raw, encoding="ascii"))
    play(view)
    assert b"20 ? 64 sigmoid" in raw.getvalue()


def test_a_reader_that_goes_away_does_not_end_the_run():
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        play(PlainView(stream))


def test_a_folder_with_spaces_is_quoted_for_the_shell():
    view, file = plain()
    play(view, name="my run")
    assert "vgrad report 'runs/my run'" in file.getvalue()


def test_the_silent_view_says_nothing(capsys):
    with SilentView() as view:
        play(view)
    assert capsys.readouterr() == ("", "")


def test_a_pipe_gets_plain_lines_on_the_stream_that_is_for_people(capsys):
    with choose_view() as view:
        play(view)
    with choose_view(json=True) as view:
        play(view)
    out, err = capsys.readouterr()
    assert out == err
    assert out.startswith("sigmoid-20: ")


def test_a_terminal_gets_the_live_picture_and_its_cursor_back():
    text, status = on_a_terminal()
    assert status == 0
    assert "█" in text
    assert "\x1b[38;5;" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert "vgrad report runs/sigmoid-9" in text


def test_with_json_the_picture_is_drawn_on_standard_error():
    assert "█" in on_a_terminal(json=True)[0]


def test_no_color_is_respected():
    text, _ = on_a_terminal(NO_COLOR="1")
    assert "█" in text
    assert not re.search(r"\x1b\[[0-9;]*(3[0-9]|4[0-9]|9[0-9])[;m]", text)


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"PYTHONIOENCODING": "ascii"}])
def test_a_terminal_that_can_do_little_gets_plain_lines(environment):
    text, status = on_a_terminal(**environment)
    assert status == 0
    assert "\x1b" not in text
    assert "step 10/10" in text


def test_an_interrupt_gives_the_cursor_back():
    text, status = on_a_terminal(loop="while True: view.step(10)", interrupt=True)
    assert status != 0
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert "KeyboardInterrupt" in text


def test_choosing_a_view_in_a_pipe_imports_neither_rich_nor_torch():
    code = (
        "import vgrad.terminal as t, sys; t.choose_view(); print({'rich','torch'} & {*sys.modules})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"

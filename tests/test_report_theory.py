"""What a report shows of the predictions that runs were recorded with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reporting import write_run
from vgrad.report.assemble import Wishes, content_of, only
from vgrad.report.content import Content
from vgrad.report.formats import write
from vgrad.report.run import collect
from vgrad.store import Frames, load

STEPS = [0, 50]
COLUMNS = ("preact_ms", "act_mean", "act_var", "gate_ms", "correlation", "delta_rms",
           "weight_grad_norm", "delta_spread", "preact_spread")  # fmt: skip


def foretold(runs: pd.DataFrame) -> pd.DataFrame:
    """A prediction for each run: every size is 1, the spread a tenth of a decade."""
    parts = []
    for run_id, depth in zip(runs["run_id"], runs["depth"], strict=True):
        values = {name: np.full(depth + 1, 0.1 if "spread" in name else 1.0) for name in COLUMNS}
        layer = np.arange(1, depth + 2)
        parts.append(pd.DataFrame({"run_id": run_id, "layer": layer, **values}))
    nothing = pd.DataFrame(columns=["run_id", "layer", *COLUMNS])
    return pd.concat(parts, ignore_index=True) if parts else nothing


def content(folder: Path, known: pd.Series | None = None, **columns: Any) -> tuple[Content, Frames]:
    """The content of a report on some runs, those that are known with a prediction."""
    frames = load(folder)
    runs, refused = collect(frames)
    told = frames.runs if known is None else frames.runs[known.to_numpy()]
    frames = replace(frames, runs=frames.runs.assign(**columns), theory=foretold(told))
    frames = only(frames, runs, refused)
    wishes = Wishes(paths=[folder])
    return content_of(frames, runs, wishes, {"html"}, lambda what: None), frames


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three gains at three depths."""
    folder = tmp_path_factory.mktemp("gains")
    for gain in (0.5, 1.0, 2.0):
        for depth in (2, 4, 8):
            init = {"name": "lecun_normal", "gain": gain, "bias": 0.0, "bias_std": 0.1}
            told = {"init": init, "device": "cpu", "name": "gains"}
            write_run(folder / f"{gain}-{depth}", depth=depth, decay=-0.1, steps=STEPS,
                      written=told, device=str(gain))  # a run_id of its own  # fmt: skip
    return folder


def test_a_sweep_shows_the_predictions_and_the_depth_to_which_it_trains(sweep):
    made, _ = content(sweep, **{"theory.trainable_depth": 5.0, "theory.not_predicted": None})
    slugs = [picture.slug for picture in made.themes["theory"]]
    assert slugs == ["predicted", "trainability"]
    assert made.themes["theory"][0].caption.startswith("Theory misses")


def test_the_page_has_them_with_their_numbers(sweep, tmp_path):
    made, frames = content(sweep, **{"theory.trainable_depth": 5.0, "theory.not_predicted": None})
    write(tmp_path, made, frames, ["html"])
    page = (tmp_path / "index.html").read_text()
    assert "Predicted and measured" in page
    assert "How deep a network may be" in page
    rows = pd.read_csv(tmp_path / "tables" / "predicted.csv")
    assert rows["label"].str.endswith("measured − predicted, decades").any()
    cells = pd.read_csv(tmp_path / "tables" / "trainability.csv")
    assert (cells["label"] == "6 ξ, predicted").sum() == 3
    assert (tmp_path / "figures" / "trainability.png").is_file()


def test_an_arm_of_which_nothing_was_foretold_is_named_with_the_reason_of_its_run(sweep):
    frames = load(sweep)
    known = frames.runs["init.gain"] < 2.0
    reasons = np.where(known, None, "nothing <b>averages</b> out")
    made, _ = content(sweep, known, **{"theory.not_predicted": reasons})
    note = made.themes["theory"][0].sheet.note
    assert "Not predicted:" in note
    assert "nothing <b>averages</b> out" in note, "it is escaped where the page is written"


def test_runs_without_predictions_have_no_such_part(sweep):
    made, _ = content(sweep, pd.Series(False, index=load(sweep).runs.index))
    assert "theory" not in made.themes


def test_a_run_by_itself_shows_its_prediction(tmp_path):
    folder = write_run(tmp_path / "one", depth=4, decay=-0.1, steps=STEPS)
    made, frames = content(folder)
    (own,) = made.own.values()
    assert own["theory"].slug == "theory"
    assert "decades" in own["theory"].caption
    out = tmp_path / "out"
    out.mkdir()
    write(out, made, frames, ["html"])
    assert "Predicted and measured" in (out / "index.html").read_text()


def test_a_run_that_theory_says_nothing_of_has_no_such_picture(tmp_path):
    folder = write_run(tmp_path / "one", depth=4, steps=STEPS)
    made, _ = content(folder, pd.Series([False]))
    (own,) = made.own.values()
    assert "theory" not in own


def test_a_network_without_hidden_layers_is_not_drawn(tmp_path):
    folder = write_run(tmp_path / "one", depth=0, steps=STEPS)
    made, _ = content(folder)
    (own,) = made.own.values()
    assert "theory" not in own

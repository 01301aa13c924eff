"""Made-up runs of plausible networks, and the page on them read back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import ExitStack
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from vgrad.diagnose import summarise
from vgrad.report import build
from vgrad.report.assemble import Wishes, content_of
from vgrad.report.content import Content
from vgrad.report.run import collect
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
    command: Any = None,
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
        command: the overrides that repeat it, as its run.json has them; None for none.
        **settings: more of its config.
    """
    config = config_of(folder.name, activation, init, depth) | settings
    run_id = hashlib.sha256(repr(config | {"name": ""}).encode()).hexdigest()[:12]
    about: dict[str, Any] = {"versions": {"vgrad": "0.1.0", "torch": "2.13.0"}, "device": "cpu"}
    about |= {} if command is None else {"command": command}
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


def config_of(name: str, activation: str, init: str, depth: int) -> dict[str, Any]:
    """A config as run.json holds it."""
    return {
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
        "name": name,
    }


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


def content(folder: Path, **wishes: Any) -> Content:
    """What a report says, without its pictures."""
    frames = load(folder)
    runs, _ = collect(frames)
    return content_of(frames, runs, Wishes(**wishes), drawn=(), tell=lambda what: None)


def words(folder: Path) -> str:
    """The question and the answer of a report."""
    made = content(folder)
    answer = " ".join(f"{part.lead} {part.text}" for part in made.answer)
    return f"{made.question} {answer}"


class Outline(HTMLParser):
    """What a page is made of: its tags with their attributes, its text, its style sheet."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.style = ""
        self.scripts: list[str] = []
        self._inside: str = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self.style += data
        elif self._inside == "script":
            self.scripts.append(data)
        else:
            self.words.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def build_unpainted(*words: Any, whole: bool = False, **more: Any) -> Path:
    """`vgrad.report.build` with empty PNGs, which take half of its time.

    Args:
        *words: what it takes.
        whole: whether a page about one run has more than its headline, profiles, maps and curves,
            and each of a few runs has pictures of its own.
        **more: likewise.
    """
    with ExitStack() as patched:
        patched.enter_context(patch("vgrad.figures.png", return_value=b""))
        if not whole:
            patched.enter_context(patch("vgrad.report.picture.BESIDE", ()))
            patched.enter_context(patch("vgrad.report.assemble.MOST_DRAWN", 1))
        return build(*words, **more)


def report(*paths: Path, out: Path | None = None, whole: bool = False) -> Outline:
    """The page on some runs, read back."""
    return Outline(build_unpainted(paths, out, whole=whole).read_text(encoding="utf-8"))

"""The lines of text that every view shows: the heading, the measures and the closing."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from vgrad.diagnose import name_of, number, percent

VERDICTS = {
    "healthy": "the gradient is healthy",
    "vanishing": "the gradient vanishes",
    "exploding": "the gradient explodes",
    "unsure": "no clear verdict on the gradient",
}
MEASURES = {"train_loss": "loss", "train_accuracy": "accuracy", "val_accuracy": "validation"}


def literal(text: str) -> str:
    """A text that others chose, as one line: what is not printable is shown as its escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def heading(config: Mapping[str, Any], steps: int) -> str:
    """What is trained, on one line."""
    parts = [name_of(config, kind) for kind in ("activation", "init", "loss", "optimizer", "data")]
    size = f"{config['depth']} × {config['width']}"
    return literal(f"{size} {' · '.join(filter(None, parts))} · {steps} steps")


def measures(latest: Mapping[str, Any]) -> dict[str, str]:
    """The last recorded loss and accuracies, by the short name that they are shown under."""
    shown = {short: latest.get(column) for column, short in MEASURES.items()}
    if shown["validation"] is None and latest.get("val_loss") is not None:
        del shown["validation"]
        shown["validation loss"] = latest["val_loss"]
    return {
        short: number(value, digits=3) if "loss" in short else percent(value)
        for short, value in shown.items()
        if value is not None
    }


def headline(run: Mapping[str, Any], seconds: float) -> str:
    """How the run ended, in one line."""
    verdict = VERDICTS.get(run.get("summary", {}).get("verdict", ""))
    after = f"{run['status']} after {seconds:.1f} s"
    return f"{after}: {verdict}" if verdict else after


def commands(folder: Path) -> dict[str, str]:
    """Where the files are, and what to type next, each as a shell takes it."""
    path = shlex.quote(literal(str(folder)))
    return {"Files": path, "Report": f"vgrad report {path}"}


def duration(seconds: float) -> str:
    """A time for people: 3.2 s, 41 s, 2 min 05 s, 3 h 07 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes_left:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def roughly(seconds: float) -> str:
    """A time that was foretold: below some seconds it is not worth a number."""
    return "under 5 s" if seconds < 5 else f"about {duration(seconds)}"


def say(line: str, stream: TextIO) -> None:
    """Write a line as the encoding can hold it; a reader that goes away ends the talk only."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        print(line.encode(encoding, "replace").decode(encoding), file=stream, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

"""Work for jobs, in the place of training: each kind of pack says in its name what it does."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from vgrad.errors import StoreError

DEADLINE_S = 30.0


def document(name: str, status: str = "completed", **more: Any) -> dict[str, Any]:
    return {"run_id": name, "status": status, "path": f"runs/{name}", **more}


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition to hold; fail if it does not in time."""
    end = monotonic() + DEADLINE_S
    while not condition():
        assert monotonic() < end, "waited in vain"
        sleep(0.01)


def work(
    pack: tuple[str, Path], report: Callable[[Any], None], should_stop: Callable[[], bool]
) -> list[dict[str, Any]]:
    """Do what the pack's first word says, in the folder that it names."""
    kind, folder = pack
    starts = _count(folder / f"{kind}.starts")
    if kind == "raise":
        raise ValueError("this pack is broken")
    if kind == "refuse":
        raise StoreError("runs/x is being written by another vgrad.")
    if kind == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "told":
        os.kill(os.getpid(), signal.SIGTERM)
        until(should_stop)
        return [document(kind, "interrupted")]
    if kind == "last" or (kind == "preempted" and starts == 1):
        report(document("first"))
        (folder / f"{kind}.pid").write_text(str(os.getpid()))
        if kind == "preempted":
            os.kill(os.getpid(), signal.SIGUSR2)
        until(should_stop)
        return [document("first"), document(kind, "interrupted")]
    if kind == "see":
        threads, gpus = map(os.environ.get, ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES"))
        return [document(kind, cwd=os.getcwd(), threads=threads, gpus=gpus)]
    report(0.5)
    report(document("first"))
    print("stdout of", kind, file=sys.stderr)
    return [document("first"), document(kind, starts=starts)]


def _count(path: Path) -> int:
    """How often it has been called with this file."""
    with path.open("a") as file:
        file.write("x")
    return len(path.read_text())

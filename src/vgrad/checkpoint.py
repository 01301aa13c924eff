"""When a pack writes down its state, where, and whether it can go on from what is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from importlib.metadata import version
from pathlib import Path
from time import monotonic

import torch

from vgrad.errors import StoreError
from vgrad.store import RunWriter, checkpoint
from vgrad.store.columns import CHECKPOINT
from vgrad.train import Saved

# Between versions the names and the meaning of what is saved may change.
VERSIONS = {package: version(package) for package in ("vgrad", "torch")}
EVERY = 60.0  # seconds between two, where the config does not say it in steps


class Checkpoint:
    """The checkpoint of a pack: one file in the folder of its first run, for all of them.

    Args:
        folder: of the first run.
        ids: the run_id of each run of the stack, in its order.
        every: steps between two; 0 for never, None for about once a minute.

    Attributes:
        counts: how many records each run had of each table, by its place in the stack.
    """

    def __init__(self, folder: Path, ids: Sequence[str], every: int | None) -> None:
        self._path = folder / CHECKPOINT
        self._ids, self._every = list(ids), every
        self._last = monotonic()
        self.counts: Mapping[int, Sequence[int]] = {}

    def is_due(self, step: int) -> bool:
        """Whether to write one before this step."""
        if self._every is None:
            return monotonic() > self._last + EVERY
        return self._every > 0 and step % self._every == 0

    def save(self, saved: Saved, writers: Mapping[int, RunWriter], pool: Executor) -> None:
        """Write one, once the records that it goes on from are on the disk.

        Raises:
            WriteError: the disk failed; the checkpoint before it stays.
        """
        if self._every == 0:
            return
        each = pool.map(lambda writer: writer.sync(saved.step), writers.values())
        counts = dict(zip(map(str, writers), each, strict=True))
        about = {
            **VERSIONS,
            "ids": self._ids,
            "step": saved.step,
            "runs": list(saved.runs),
            "counts": counts,
        }
        tensors = {name: tensor.cpu().numpy() for name, tensor in saved.state.items()}
        checkpoint.write(self._path, tensors, about)
        self._last = monotonic()

    def load(self) -> Saved | None:
        """The state that is there of this very stack; None if there is none that can be read."""
        if self._every == 0:
            return None
        try:
            found = checkpoint.read(self._path)
        except (StoreError, FileNotFoundError):
            return None
        about = found.about
        if any(about.get(key) != value for key, value in {**VERSIONS, "ids": self._ids}.items()):
            return None
        self.counts = {int(run): counts for run, counts in about["counts"].items()}
        state = {name: torch.from_numpy(values.copy()) for name, values in found.tensors.items()}
        return Saved(int(about["step"]), tuple(about["runs"]), state)

    def remove(self) -> None:
        """Delete it, where there is one."""
        checkpoint.remove(self._path)

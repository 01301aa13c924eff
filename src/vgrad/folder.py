"""Run folders before a run: what stands in the way, found out without writing anything."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vgrad import store
from vgrad.config import WITHOUT_EFFECT, RunConfig, flatten, run_id, shorten
from vgrad.errors import DamagedFileError, StoreError
from vgrad.store.columns import CHECKPOINT, LOCK, LOG, TABLES

ELSEWHERE = "Give this one a folder of its own with name=NAME"
OWN = {
    LOCK,
    LOG,
    CHECKPOINT,
    ".hydra",
    "report",
    *(t.journal for t in TABLES),
    *(t.parquet for t in TABLES),
}


def check_run_folder(folder: Path, config: RunConfig) -> None:
    """See whether a run of a resolved config may go to the folder.

    It may replace an earlier run of the same config, and nothing else.

    Raises:
        StoreError: it may not, with what stands in the way.
    """
    _check_writable(folder)
    if not folder.exists():
        return
    if (folder / "run.json").exists():
        _check_earlier(folder, config)
    elif other := sorted(path.name for path in folder.iterdir() if not _is_own(path.name)):
        raise StoreError(
            f"{folder} holds something else than a run: {shorten(other[0])}. {ELSEWHERE}."
        )


def check_sweep_folder(folder: Path) -> None:
    """See whether a sweep may go to the folder: a new one, an empty one, or that of a sweep.

    Hidden files count for nothing: a sweep that was killed at once leaves only such.

    Raises:
        StoreError: it may not, with what stands in the way.
    """
    _check_writable(folder)
    if (folder / "run.json").exists():
        raise StoreError(f"{folder} holds a single run, not a sweep. {ELSEWHERE}.")
    if not folder.exists() or (folder / "multirun.yaml").exists():
        return
    if any(not path.name.startswith(".") for path in folder.iterdir()):
        raise StoreError(f"{folder} holds something else than a sweep. {ELSEWHERE}.")


def finished(folder: Path, config: RunConfig) -> dict[str, Any] | None:
    """What run.json holds, where the folder has all of a run of this config: up to its end."""
    try:
        run = store.read_run(folder)
    except StoreError:
        return None
    done = run.status in ("completed", "diverged") and run.run_id == run_id(config)
    return dict(run.document) if done and store.is_whole(run) else None


def _is_own(name: str) -> bool:
    return name in OWN or (name.startswith(".") and name.endswith(".part"))


def _check_earlier(folder: Path, config: RunConfig) -> None:
    try:
        run = store.read_run(folder)
    except DamagedFileError as error:
        raise StoreError(f"{error} Delete {folder}, or keep it. {ELSEWHERE}.") from error
    if run.status == "running":
        raise StoreError(
            f"{folder} is being written by another vgrad. Wait for it to end, or give this run a "
            "folder of its own with name=NAME."
        )
    if run.run_id != run_id(config):
        there, here = _flat(run.config), _flat(config.plain())
        raise StoreError(
            f"{folder} holds a run of another config: {_differences(there, here)}. {ELSEWHERE}."
        )


def _flat(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {key.removesuffix(".name"): value for key, value in flatten(store.encode(tree)).items()}


def _differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """The first few settings that differ."""
    keys = [
        key
        for key in here
        if key.split(".")[0] not in WITHOUT_EFFECT and there.get(key) != here[key]
    ]
    if not keys and here.get("data.path"):
        return f"{here['data.path']} has changed since"
    if not keys:
        return "its settings mean something else in this version"
    words = [f"{key} is {there.get(key)} there and {here[key]} here" for key in keys[:3]]
    return ", ".join(words) + (f", and {len(keys) - 3} more differ" if len(keys) > 3 else "")


def _check_writable(folder: Path) -> None:
    """See whether the folder can be made, or be written where it is there."""
    try:
        parent = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {error.strerror}.") from error
    if not parent.is_dir():
        raise StoreError(f"{folder} cannot be written: {parent} is not a folder.")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise StoreError(f"{folder} cannot be written: {parent} is write-protected for you.")

"""Run folders: where they are, and what each one's run.json says. Without pandas or pyarrow."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

from vgrad.errors import StoreError
from vgrad.store import foretold
from vgrad.store.columns import ALWAYS, CHECKPOINT, DOCUMENT, LOCK, TABLES
from vgrad.store.disk import read_file
from vgrad.store.document import RUNNING, decode, parse, read_bytes
from vgrad.store.lock import is_held

SIGNS = {DOCUMENT, *(t.journal for t in TABLES), *(t.parquet for t in TABLES)}


@dataclass(frozen=True)
class RunFile:
    """What a run folder's run.json says.

    Attributes:
        path: the folder.
        document: run.json as it stands, with infinity and NaN as texts.
        status: `running`, `completed`, `diverged`, `interrupted` or `failed`; a run whose
            process is gone without having ended it is `interrupted`.
        data: the bytes of run.json.
    """

    path: Path
    document: Mapping[str, Any]
    status: str
    data: bytes = field(repr=False, compare=False)

    @property
    def run_id(self) -> str:
        """The hash that names what determines the run's result."""
        return str(self.document["run_id"])

    @property
    def config(self) -> dict[str, Any]:
        """What the run was made from, nested as in run.json."""
        return dict(self.document["config"])

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The config with flat keys as on the command line, `activation`, `activation.alpha`."""
        return dict(flat(self.config))

    @property
    def summary(self) -> dict[str, Any]:
        """What came of the run, with infinity and NaN as numbers; empty until it has ended."""
        return dict(decode(self.document["summary"]))

    @cached_property
    def row(self) -> dict[str, Any]:
        """The run's row of `.runs`: settings, `run_id`, `status`, `path`, summary, prediction."""
        path = os.fsencode(self.path).decode("utf-8", "backslashreplace")
        known = {"run_id": self.run_id, "status": self.status, "path": path}
        theory = foretold.cells(self.document)
        return {**self.settings, **known, **dict(flat(self.summary)), **theory, **known}

    def is_current(self) -> bool:
        """Whether run.json still holds the same bytes."""
        try:
            return read_bytes(self.path) == self.data
        except StoreError:
            return False


def read_run(folder: Path | str) -> RunFile:
    """What the folder's run.json says, and whether the run still lives.

    Raises:
        DamagedFileError: run.json is missing, or not what vgrad writes.
        StoreError: a newer vgrad wrote it.
    """
    folder = Path(folder)
    data = read_bytes(folder)
    document = parse(folder, data)
    while document["status"] == RUNNING and not is_held(folder):
        # The process may have ended the run between the two looks.
        again = read_bytes(folder)
        if again == data:
            return RunFile(folder, document, "interrupted", data)
        data, document = again, parse(folder, again)
    return RunFile(folder, document, document["status"], data)


def is_whole(run: RunFile) -> bool:
    """Whether the tables of a run that has ended are the files that it wrote."""
    for table in TABLES:
        if table not in ALWAYS and table.parquet not in run.document["files"]:
            continue
        seal = run.document["files"].get(table.parquet, {})
        try:
            data = read_file(run.path / table.parquet)
        except (FileNotFoundError, StoreError):
            return False
        if hashlib.sha256(data).hexdigest() != seal.get("sha256"):
            return False
    return True


def tidy(folder: Path, *, with_checkpoint: bool) -> None:
    """Delete what a kill left in the folder of a run that has ended, and that nothing needs.

    Args:
        folder: the run's; nobody else writes it.
        with_checkpoint: whether a checkpoint is of no more use either.
    """
    names = {LOCK, *(table.journal for table in TABLES)}
    if with_checkpoint:
        names.add(CHECKPOINT)
    with suppress(OSError):
        for entry in list(os.scandir(folder)):
            if entry.name in names or (entry.name.startswith(".") and entry.name.endswith(".part")):
                os.unlink(entry)


def find_runs(path: Path | str) -> list[Path]:
    """The run folders in a tree, the folder itself included, in the order of their names.

    Links to folders are followed, each folder is visited once; hidden ones are left out.

    Raises:
        StoreError: there is no such folder, or no run in it.
    """
    return list(_search(Path(path))[0].values())


def read_runs(*paths: Path | str) -> tuple[list[RunFile], list[str]]:
    """All the runs in some folders, each folder once, and a line for each that is refused.

    Raises:
        StoreError: a path is no folder, or holds no run.
    """
    runs: dict[tuple[int, int], RunFile] = {}
    problems: list[str] = []
    for path in paths:
        folders, unreadable = _search(Path(path))
        problems += unreadable
        for identity, folder in folders.items():
            if identity in runs:
                continue
            try:
                runs[identity] = read_run(folder)
            except StoreError as error:
                problems.append(str(error))
    return list(runs.values()), list(dict.fromkeys(problems))


def _search(top: Path) -> tuple[dict[tuple[int, int], Path], list[str]]:
    """The run folders in a tree by identity, and a line for each that cannot be looked into."""
    _check_folder(top)
    found: dict[tuple[int, int], Path] = {}
    unreadable: list[str] = []
    seen: set[tuple[int, int]] = set()

    def note(error: OSError) -> None:
        unreadable.append(f"{error.filename} cannot be read: {error.strerror}.")

    for here, folders, files in os.walk(top, onerror=note, followlinks=True):
        identity = _identity(here)
        if identity is None or identity in seen:
            folders.clear()
            continue
        seen.add(identity)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if not SIGNS.isdisjoint(files):
            found[identity] = Path(here)
    if not found:
        raise StoreError(
            unreadable[0]
            if unreadable
            else f"{top} holds no run of vgrad: neither it nor a folder in it has a {DOCUMENT}. "
            "`vgrad run` makes one."
        )
    return found, unreadable


def _identity(folder: str) -> tuple[int, int] | None:
    """What tells a folder from all others, whatever path leads to it; None when it is gone."""
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _check_folder(path: Path) -> None:
    if os.path.isdir(path):
        return
    if os.path.exists(path):
        raise StoreError(f"{path} is a file: give the folder of a run, or one that holds runs.")
    siblings: list[str] = []
    with suppress(OSError):
        siblings = os.listdir(path.parent)
    near = get_close_matches(path.name, siblings, n=1)
    guess = f" Did you mean {path.with_name(near[0])}?" if near else ""
    raise StoreError(f"There is no folder {path}.{guess}")


def flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a tree by dotted key; a choice's `name` stands under the choice's own key."""
    for key, value in tree.items():
        name = f"{prefix}.{key}" if prefix else key
        if prefix and key == "name":
            name = prefix
        if isinstance(value, Mapping):
            yield from flat(value, name)
        else:
            yield name, value

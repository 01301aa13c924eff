"""A checkpoint: what training needs to go on from a step, as tensors and a little JSON.

It is a file of the safetensors format, which can hold nothing but numbers. A SHA-256 of all that
it says stands in its metadata: safetensors itself would read a flipped bit as another number.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from safetensors import SafetensorError

from vgrad.errors import DamagedFileError, StoreError
from vgrad.store.disk import aside, part_of, read_file, sync_folder, writing
from vgrad.store.document import decode, encode

FORMAT = 1  # raised when older programs could no longer read it
LONGEST = 16 << 20  # bytes of the header: the tensors' names, and what it says about them
FIELDS = {"format", "about", "sha256"}

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        tensors: by name; arrays of their own, which may be written to.
        about: plain data, with infinity and NaN as numbers and tuples as lists.
    """

    tensors: dict[str, Array]
    about: dict[str, Any]


def write(path: Path, tensors: Mapping[str, Array], about: Mapping[str, Any]) -> None:
    """Write a checkpoint whole: after a kill there is the one before or this one.

    Args:
        path: where to; an earlier one is replaced.
        tensors: what to keep, of any layout in memory.
        about: plain data that JSON can hold.

    Raises:
        StoreError, WriteError: it cannot be written; the one before stays.
    """
    plain = {name: _plain(tensor) for name, tensor in tensors.items()}
    metadata = {"format": str(FORMAT), "about": json.dumps(encode(about), allow_nan=False)}
    metadata["sha256"] = _seal(plain, metadata["about"])
    data = safetensors.numpy.save(plain, metadata)
    assert int.from_bytes(data[:8], "little") <= LONGEST, "`about` says too much"
    with writing(path), aside(path) as file:
        file.write(data)


def read(path: Path, limit: int | None = None) -> Checkpoint:
    """What a checkpoint holds, if it is what was written.

    Args:
        path: which.
        limit: the most bytes that it may have; by default what half of the memory can hold.

    Raises:
        FileNotFoundError: there is none.
        DamagedFileError: it was cut or changed, or is no checkpoint.
        StoreError: a newer vgrad wrote it.
    """
    data = read_file(path, limit)
    try:
        metadata = _metadata(data)
        if int(metadata["format"]) > FORMAT:
            raise StoreError(
                f"{path} has format {metadata['format']}: a newer vgrad wrote it, "
                f"and this one reads formats up to {FORMAT}."
            )
        tensors = safetensors.numpy.load(data)
        about = decode(json.loads(metadata["about"]))
    except (SafetensorError, ValueError, KeyError, RecursionError) as error:
        raise DamagedFileError(path, "it is no checkpoint, or was cut") from error
    if metadata != {**metadata, "format": str(FORMAT), "sha256": _seal(tensors, metadata["about"])}:
        raise DamagedFileError(path, "it was changed since it was written")
    return Checkpoint(tensors, about)


def remove(path: Path) -> None:
    """Delete a checkpoint, with what was left of a half-written one; it may be gone already.

    Raises:
        StoreError, WriteError: it cannot be deleted.
    """
    there = [file for file in (path, part_of(path)) if os.path.lexists(file)]
    for file in there:
        with writing(file):
            file.unlink(missing_ok=True)
    if there:
        with writing(path):
            sync_folder(path.parent)


def _plain(tensor: Array) -> Array:
    """The tensor as safetensors takes it: one piece of memory, little-endian."""
    array = np.asarray(tensor)
    return np.require(array, array.dtype.newbyteorder("<"), "C")


def _metadata(data: bytes) -> dict[str, str]:
    """The texts in the header.

    Raises:
        ValueError: it is not the header of a checkpoint.
    """
    length = int.from_bytes(data[:8], "little")
    if length > min(LONGEST, len(data) - 8):
        raise ValueError("the header is longer than it can be")
    header = json.loads(data[8 : 8 + length])
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    if not isinstance(metadata, dict) or metadata.keys() != FIELDS:
        raise ValueError("it has other metadata")
    if not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError("metadata are texts")
    return metadata


def _seal(tensors: Mapping[str, Array], about: str) -> str:
    """The SHA-256 of the names, dtypes, shapes and bytes, and of what is said about them."""
    parts = [[name, array.dtype.name, array.shape] for name, array in sorted(tensors.items())]
    digest = hashlib.sha256(json.dumps([FORMAT, parts, about]).encode())
    for _, array in sorted(tensors.items()):
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()

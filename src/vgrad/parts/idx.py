"""Arrays of bytes from IDX files, the format of MNIST, plain or compressed with gzip.

A file is a big-endian header (a magic number, then the length of each axis, 4 bytes each) and one
byte per value; see Y. LeCun, C. Cortes & C. Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import lazy_loader as lazy

from vgrad.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = lazy.load("numpy")

MAX_BYTES = 2**28
"""The most that a file may hold once unpacked; full MNIST needs a sixth of it."""

_GZIP = b"\x1f\x8b"
_BYTES_OF_AXES = {1: 0x0801, 3: 0x0803}


def read(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The array [N, *shape] that a file holds; no more is unpacked than its header promises.

    Args:
        path: the file; whether it is compressed is told by its first bytes, not by its name.
        shape: of one item, `()` for labels and `(28, 28)` for images.

    Raises:
        DataError: the file cannot be read, is cut short or damaged, holds something else, nothing,
            or more than `MAX_BYTES`.
    """
    try:
        with _unpacked(path) as file:
            count = _promised_count(file.read(4 * (len(shape) + 2)), shape)
            size = count * math.prod(shape)
            body = file.read(size)
            if len(body) < size:
                raise EOFError
            if file.read(1):  # at its end gzip also compares its own checksum
                raise _IdxError(f"holds more than the {count} items that its header promises")
    except EOFError:
        raise DataError(f"{path} is cut short: it ends before what its header promises.") from None
    except _IdxError as error:
        raise DataError(f"{path} {error}.") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged: gzip cannot unpack it ({error}).") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    return np.frombuffer(body, np.uint8).reshape(count, *shape)


class _IdxError(Exception):
    """What a file does that it should not, to be said after its name."""


@contextmanager
def _unpacked(path: Path) -> Iterator[BinaryIO]:
    with path.open("rb") as raw:
        if raw.peek(2)[:2] == _GZIP:
            with gzip.open(raw) as file:
                yield cast(BinaryIO, file)
        else:
            yield raw


def _promised_count(header: bytes, shape: tuple[int, ...]) -> int:
    if len(header) < 4 * (len(shape) + 2):
        raise EOFError
    magic, count, *found = (int(word) for word in np.frombuffer(header, ">u4"))
    expected = _BYTES_OF_AXES[len(shape) + 1]
    if magic != expected:
        kind = "images" if shape else "labels"
        raise _IdxError(f"is no IDX file of {kind}: its magic number is {magic}, not {expected}")
    if tuple(found) != shape:
        raise _IdxError(f"holds images of {_times(found)} pixels; they must be {_times(shape)}")
    if count == 0:
        raise _IdxError("is empty: its header promises 0 items")
    if count * math.prod(shape) > MAX_BYTES:
        most = MAX_BYTES // math.prod(shape)
        raise _IdxError(f"promises {count} items; at most {most} of this size are read")
    return count


def _times(sides: tuple[int, ...] | list[int]) -> str:
    return " x ".join(str(side) for side in sides)

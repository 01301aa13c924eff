"""Made data: how it is drawn, and the data sets with as many inputs as one likes.

The first N examples of a part are the same for every size of both parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lazy_loader as lazy

from vgrad.errors import ConfigError
from vgrad.parts.dataset import DATASETS, Dataset

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = lazy.load("numpy")

MAX_VALUES = 2**27
"""The most numbers in the inputs of a data set that is made: 512 MiB of float32."""

SIZES = {"train_size": (1, 10**9), "test_size": (1, 10**9), "seed": (0, 2**63 - 1)}
"""The ranges of the settings that all made data have."""

_LABELLED = SIZES | {"dim": (1, 10**4), "classes": (2, 10**4)}


def generator(seed: int, purpose: str) -> np.random.Generator:
    """A stream of its own for each purpose: the first N examples are the same for every size."""
    return np.random.default_rng([seed, *purpose.encode()])


def check_volume(rows: int, columns: int) -> None:
    """See whether so many examples of so many values can be made.

    Raises:
        ConfigError: they are more than `MAX_VALUES`.
    """
    if rows * columns > MAX_VALUES:
        raise ConfigError(
            f"data.train_size + data.test_size = {rows} examples of {columns} values are too many "
            f"to make; with this width at most {MAX_VALUES // columns} are made."
        )


@DATASETS.entry(
    source="Zhang, Bengio, Hardt, Recht & Vinyals 2017, arXiv:1611.03530 (random labels)",
    ranges=_LABELLED,
)
def white(
    *, dim: int = 64, classes: int = 10, train_size: int = 2048, test_size: int = 512, seed: int = 0
) -> Dataset:
    """x i.i.d. N(0, 1), labels uniformly random: nothing to learn, for measuring signals."""
    check_volume(train_size + test_size, max(dim, classes))

    def draw(part: str, size: int) -> tuple[NDArray[Any], NDArray[Any]]:
        x = generator(seed, f"{part} x").standard_normal((size, dim), np.float32)
        return x, generator(seed, f"{part} y").integers(classes, size=size)

    return Dataset(*draw("train", train_size), *draw("test", test_size), classes, "classification")


@DATASETS.entry(
    source="Gardner & Derrida 1989, Three unfinished works on the optimal storage capacity of "
    "networks (teacher and student)",
    ranges=_LABELLED | {"noise": (0.0, 1.0)},
)
def gaussian(
    *,
    dim: int = 64,
    classes: int = 10,
    noise: float = 0.0,
    train_size: int = 2048,
    test_size: int = 512,
    seed: int = 0,
) -> Dataset:
    """x i.i.d. N(0, 1), label = argmax tanh(x A) B, a random network of `dim` hidden units.

    The columns of A and B are random directions of length 1, so that the hidden units' inputs have
    variance 1 and the classes are nearly balanced. The inputs are those of `white` for the same
    seed, and a share `noise` of all labels, drawn at random, is replaced by the labels of `white`.
    """
    blank = white(dim=dim, classes=classes, train_size=train_size, test_size=test_size, seed=seed)
    directions = generator(seed, "teacher").standard_normal((dim, dim + classes))
    A, B = np.split(directions / np.linalg.norm(directions, axis=0), [dim], axis=1)

    def label(part: str, x: NDArray[Any], random_y: NDArray[Any]) -> NDArray[Any]:
        replaced = generator(seed, f"{part} noise").random(len(x)) < noise
        return np.where(replaced, random_y, np.argmax(np.tanh(x.astype(np.float64) @ A) @ B, 1))

    train_y = label("train", blank.train_x, blank.train_y)
    test_y = label("test", blank.test_x, blank.test_y)
    return Dataset(blank.train_x, train_y, blank.test_x, test_y, classes, "classification")


@DATASETS.entry(
    source="Minsky & Papert 1969, Perceptrons; Shalev-Shwartz, Shamir & Shammah 2017, "
    "arXiv:1703.07950 (why gradients tell so little of it)",
    ranges=SIZES | {"bits": (1, 10**4)},
)
def parity(
    *, bits: int = 8, train_size: int = 2048, test_size: int = 512, seed: int = 0
) -> Dataset:
    """x i.i.d. ±1, `bits` of them; label = the number of inputs that are +1, mod 2.

    There are 2^bits different inputs: where that is not far more than `train_size`, the test
    examples are among those that were learnt from.
    """
    check_volume(train_size + test_size, bits)

    def draw(part: str, size: int) -> tuple[NDArray[Any], NDArray[Any]]:
        ones = generator(seed, f"{part} x").integers(2, size=(size, bits), dtype=np.int8)
        return np.float32(2) * ones - np.float32(1), ones.sum(1, dtype=np.int64) % 2

    return Dataset(*draw("train", train_size), *draw("test", test_size), 2, "classification")

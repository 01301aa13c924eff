"""Data sets: real images, and made ones whose every property is known.

An entry is a function of its settings that returns a `Dataset`. The facts of an entry are its
`task` (classification or regression), the `batch_size` that a run takes where it names none, and
the `ranges` of its settings, both ends included.

Images have two scales: `unit`, from 0 to 1, and `standard`, where each pixel has mean 0 over the
training images and all pixels together have variance 1 (LeCun, Bottou, Orr & Müller 1998,
doi:10.1007/3-540-49430-8_2, section 4.3: a mean that all inputs share slows learning).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import lazy_loader as lazy

from vgrad.errors import ConfigError, DataError, did_you_mean
from vgrad.parts import image_set
from vgrad.parts.image_set import Images
from vgrad.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = lazy.load("numpy")

DATASETS = Registry("data", "datasets", facts={"task": "classification", "batch_size": 64})

SCALES = ("unit", "standard")
MAX_VALUES = 2**27
"""The most numbers in the inputs of a data set that is made: 512 MiB of float32."""

_SIZES = {"train_size": (1, 10**9), "test_size": (1, 10**9)}
_MADE = _SIZES | {"seed": (0, 2**63 - 1)}
_LABELLED = _MADE | {"dim": (1, 10**4), "classes": (2, 10**4)}


@dataclass(frozen=True, eq=False)
class Dataset:
    """Examples to learn from and examples to judge by; the arrays cannot be written to.

    Attributes:
        train_x: inputs, float32 [N, D].
        train_y: class numbers, int64 [N], or targets, float32 [N, K].
        test_x: as `train_x`, other examples.
        test_y: as `train_y`.
        classes: the number of classes, None for regression.
        task: classification or regression.
    """

    train_x: NDArray[np.float32]
    train_y: NDArray[Any]
    test_x: NDArray[np.float32]
    test_y: NDArray[Any]
    classes: int | None
    task: str

    def __post_init__(self) -> None:
        for array in (self.train_x, self.train_y, self.test_x, self.test_y):
            array.setflags(write=False)

    @property
    def input_dim(self) -> int:
        """D, the number of inputs of a network for it."""
        return int(self.train_x.shape[1])

    @property
    def output_dim(self) -> int:
        """The number of outputs of a network for it: of classes, or of targets K."""
        return int(self.train_y.shape[1]) if self.classes is None else self.classes


def load(name: str, settings: Mapping[str, Any]) -> Dataset:
    """The data set of that name, made or read once per process for the same settings.

    Raises:
        UnknownNameError: there is no such data set.
        ConfigError: a setting is none of the valid ones.
        DataError: the data cannot be found, fetched or read.
    """
    return _load(name, tuple(sorted(settings.items())))


@lru_cache(maxsize=4)  # a sweep over data.seed would otherwise keep every one in memory
def _load(name: str, settings: tuple[tuple[str, Any], ...]) -> Dataset:
    dataset: Dataset = DATASETS[name].function(**dict(settings))
    return dataset


@DATASETS.entry(
    source="Alpaydin & Kaynak 1998, UCI Optical Recognition of Handwritten Digits, test part; "
    "embedded in scikit-learn",
    ranges=_SIZES,
)
def digits(
    *, train_size: int | None = None, test_size: int | None = None, scale: str = "standard"
) -> Dataset:
    """1,797 real handwritten digits of 8 × 8 pixels; every fifth is a test image.

    Image i is a test image where i mod 5 = 4 (359 of them, 1,438 for training), and the file's
    own order is kept.
    """
    _check_scale(scale)
    rows = _digits_rows()
    held_out = np.arange(len(rows)) % 5 == 4
    train, test = (
        Images(rows[part, :-1], rows[part, -1], "data=digits") for part in (~held_out, held_out)
    )
    return _image_dataset(
        train.first("train_size", train_size), test.first("test_size", test_size), 16, scale
    )


@DATASETS.entry(
    source="LeCun, Bottou, Bengio & Haffner 1998, Gradient-based learning applied to document "
    "recognition",
    batch_size=16,
    ranges=_SIZES,
)
def mnist(
    *,
    root: str | None = None,
    train_size: int | None = None,
    test_size: int | None = None,
    scale: str = "standard",
) -> Dataset:
    """60,000 and 10,000 real handwritten digits of 28 × 28 pixels.

    They are read from the folder `root`, whatever number it holds, else from the user's cache
    folder, into which they are downloaded if need be.
    """
    _check_scale(scale)
    folder = image_set.MNIST.folder(root)
    train = image_set.read(folder, "train").first("train_size", train_size)
    test = image_set.read(folder, "test").first("test_size", test_size)
    return _image_dataset(train, test, 255, scale)


@DATASETS.entry(
    source="Zhang, Bengio, Hardt, Recht & Vinyals 2017, arXiv:1611.03530 (random labels)",
    ranges=_LABELLED,
)
def white(
    *, dim: int = 64, classes: int = 10, train_size: int = 2048, test_size: int = 512, seed: int = 0
) -> Dataset:
    """x i.i.d. N(0, 1), labels uniformly random: nothing to learn, for measuring signals."""
    _check_volume(train_size + test_size, max(dim, classes))

    def draw(part: str, size: int) -> tuple[NDArray[Any], NDArray[Any]]:
        x = _generator(seed, f"{part} x").standard_normal((size, dim), np.float32)
        return x, _generator(seed, f"{part} y").integers(classes, size=size)

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
    directions = _generator(seed, "teacher").standard_normal((dim, dim + classes))
    A, B = np.split(directions / np.linalg.norm(directions, axis=0), [dim], axis=1)

    def label(part: str, x: NDArray[Any], random_y: NDArray[Any]) -> NDArray[Any]:
        replaced = _generator(seed, f"{part} noise").random(len(x)) < noise
        return np.where(replaced, random_y, np.argmax(np.tanh(x.astype(np.float64) @ A) @ B, 1))

    train_y = label("train", blank.train_x, blank.train_y)
    test_y = label("test", blank.test_x, blank.test_y)
    return Dataset(blank.train_x, train_y, blank.test_x, test_y, classes, "classification")


@DATASETS.entry(
    source="Lang & Witbrock 1988, Learning to tell two spirals apart",
    ranges=_MADE | {"classes": (2, 10**4), "turns": (0.0, 100.0), "noise": (0.0, 100.0)},
)
def spirals(
    *,
    classes: int = 2,
    turns: float = 1.0,
    noise: float = 0.05,
    train_size: int = 2048,
    test_size: int = 512,
    seed: int = 0,
) -> Dataset:
    """x = √6 t (cos a, sin a) + noise · N(0, 1), a = 2π (turns · t + label / classes), t ~ U(0, 1).

    Each class is an arm, the labels take turns, and without noise the inputs' mean square is 1.
    """
    _check_volume(train_size + test_size, 2)

    def draw(part: str, size: int) -> tuple[NDArray[Any], NDArray[Any]]:
        y = np.arange(size) % classes
        t = _generator(seed, f"{part} t").random(size)
        angle = 2 * math.pi * (turns * t + y / classes)
        x = math.sqrt(6) * t[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        x += noise * _generator(seed, f"{part} noise").standard_normal((size, 2))
        return x.astype(np.float32), y

    return Dataset(*draw("train", train_size), *draw("test", test_size), classes, "classification")


@DATASETS.entry(
    source="a standard toy problem of regression",
    task="regression",
    ranges=_MADE | {"periods": (0.0, 100.0), "noise": (0.0, 100.0)},
)
def sine(
    *,
    periods: float = 1.0,
    noise: float = 0.1,
    train_size: int = 2048,
    test_size: int = 512,
    seed: int = 0,
) -> Dataset:
    """y = sin(π · periods · x / √3) + noise · N(0, 1), x ~ U(−√3, √3), which has variance 1."""
    _check_volume(train_size + test_size, 1)

    def draw(part: str, size: int) -> tuple[NDArray[Any], NDArray[Any]]:
        edge = math.sqrt(3)
        x = _generator(seed, f"{part} x").uniform(-edge, edge, (size, 1))
        y = np.sin(math.pi * periods * x / edge)
        y += noise * _generator(seed, f"{part} noise").standard_normal((size, 1))
        return x.astype(np.float32), y.astype(np.float32)

    return Dataset(*draw("train", train_size), *draw("test", test_size), None, "regression")


def _generator(seed: int, purpose: str) -> np.random.Generator:
    """A stream of its own for each purpose: the first N examples are the same for every size."""
    return np.random.default_rng([seed, *purpose.encode()])


def _check_volume(rows: int, columns: int) -> None:
    if rows * columns > MAX_VALUES:
        raise ConfigError(
            f"data.train_size + data.test_size = {rows} examples of {columns} values are too many "
            f"to make; with this width at most {MAX_VALUES // columns} are made."
        )


def _check_scale(scale: str) -> None:
    if scale not in SCALES:
        raise ConfigError(f"No data.scale is named {scale!r}.{did_you_mean(scale, SCALES)}")


@cache
def _digits_rows() -> NDArray[np.uint8]:
    """One row per image, 64 pixels of 0 to 16 and the label: uint8 [1797, 65].

    The file is the one that `sklearn.datasets.load_digits` reads, found without importing
    scikit-learn, which would take most of a second.
    """
    from importlib.metadata import distribution

    file = distribution("scikit-learn").locate_file("sklearn/datasets/data/digits.csv.gz")
    return np.loadtxt(str(file), np.uint8, delimiter=",")


def _image_dataset(train: Images, test: Images, white_level: int, scale: str) -> Dataset:
    """Images on the wanted scale; `standard` is taken from the training images given here."""
    if scale == "unit":
        shift, spread = np.zeros(()), float(white_level)
    else:
        shift, spread = _moments(train)
    train_x, test_x = (part.pixels.astype(np.float32) for part in (train, test))
    for x in (train_x, test_x):
        x -= shift.astype(np.float32)
        x /= np.float32(spread)
    train_y, test_y = (part.labels.astype(np.int64) for part in (train, test))
    return Dataset(train_x, train_y, test_x, test_y, image_set.CLASSES, "classification")


def _moments(images: Images) -> tuple[NDArray[np.float64], float]:
    """The mean image, and the root mean square of all deviations from it.

    They are made from sums of whole numbers, so that nothing cancels.
    """
    pixels, count = images.pixels, len(images.pixels)
    sums = pixels.sum(0, dtype=np.int64)
    squares = int(np.einsum("nd,nd->", pixels, pixels, dtype=np.int64))
    variance = (count * squares - int(sums @ sums)) / (count**2 * pixels.shape[1])
    if variance == 0:
        raise DataError(
            f"The training images of {images.source} do not differ, so they have no variance to "
            "scale by: take more images or data.scale=unit."
        )
    return sums / count, math.sqrt(variance)

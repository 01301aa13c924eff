"""Data sets of real images.

Images have two scales: `unit`, from 0 to 1, and `standard`, where each pixel has mean 0 over the
training images and all pixels together have variance 1 (LeCun, Bottou, Orr & Müller 1998,
doi:10.1007/3-540-49430-8_2, section 4.3: a mean that all inputs share slows learning).
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import lazy_loader as lazy

from vgrad.errors import DataError
from vgrad.parts import image_set
from vgrad.parts.dataset import DATASETS, Dataset
from vgrad.parts.image_set import Images, ImageSet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = lazy.load("numpy")

_SIZES = {"train_size": (1, 10**9), "test_size": (1, 10**9)}
_SCALES = {"scale": ("unit", "standard")}


@DATASETS.entry(
    source="Alpaydin & Kaynak 1998, UCI Optical Recognition of Handwritten Digits, test part; "
    "embedded in scikit-learn",
    ranges=_SIZES,
    choices=_SCALES,
)
def digits(
    *, train_size: int | None = None, test_size: int | None = None, scale: str = "standard"
) -> Dataset:
    """1,797 real handwritten digits of 8 × 8 pixels; every fifth is a test image.

    Image i is a test image where i mod 5 = 4 (359 of them, 1,438 for training), and the file's
    own order is kept.
    """
    rows = _digits_rows()
    held_out = np.arange(len(rows)) % 5 == 4
    train, test = (
        Images(rows[part, :-1], rows[part, -1], "data=digits") for part in (~held_out, held_out)
    )
    return _dataset(
        train.first("train_size", train_size), test.first("test_size", test_size), 16, scale
    )


@DATASETS.entry(
    source="LeCun, Bottou, Bengio & Haffner 1998, Gradient-based learning applied to document "
    "recognition, doi:10.1109/5.726791",
    batch_size=16,
    ranges=_SIZES,
    choices=_SCALES,
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
    return _read(image_set.MNIST, root, train_size, test_size, scale)


@DATASETS.entry(
    source="Xiao, Rasul & Vollgraf 2017, arXiv:1708.07747",
    batch_size=16,
    ranges=_SIZES,
    choices=_SCALES,
)
def fashion_mnist(
    *,
    root: str | None = None,
    train_size: int | None = None,
    test_size: int | None = None,
    scale: str = "standard",
) -> Dataset:
    """60,000 and 10,000 real pictures of clothes, 28 × 28 pixels: harder than `mnist`.

    They are found, and downloaded, as those of `mnist` are; their files have the same names.
    """
    return _read(image_set.FASHION_MNIST, root, train_size, test_size, scale)


def _read(
    published: ImageSet, root: str | None, train_size: int | None, test_size: int | None, scale: str
) -> Dataset:
    folder = published.folder(root)
    train = image_set.read(folder, "train").first("train_size", train_size)
    test = image_set.read(folder, "test").first("test_size", test_size)
    return _dataset(train, test, 255, scale)


@cache
def _digits_rows() -> NDArray[np.uint8]:
    """One row per image, 64 pixels of 0 to 16 and the label: uint8 [1797, 65].

    The file is the one that `sklearn.datasets.load_digits` reads, found without importing
    scikit-learn, which would take most of a second.
    """
    from importlib.metadata import distribution

    file = distribution("scikit-learn").locate_file("sklearn/datasets/data/digits.csv.gz")
    return np.loadtxt(str(file), np.uint8, delimiter=",")


def _dataset(train: Images, test: Images, white_level: int, scale: str) -> Dataset:
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

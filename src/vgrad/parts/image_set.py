"""Labelled images from four IDX files: MNIST, and whatever is kept in the same form."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import lazy_loader as lazy

from vgrad.errors import DataError
from vgrad.parts import idx
from vgrad.parts.download import fetch

if TYPE_CHECKING:
    import numpy as np
    import pooch
    from numpy.typing import NDArray
else:
    pooch = lazy.load("pooch")

CLASSES = 10
SHAPE = (28, 28)
FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}


@dataclass(frozen=True, eq=False)
class Images:
    """Labelled images in their file's order.

    Attributes:
        pixels: grey values as stored, uint8 [N, D].
        labels: class numbers, uint8 [N].
        source: where they come from, for messages.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    source: str

    def first(self, setting: str, size: int | None) -> Images:
        """The first `size` of them, all if None; `setting` is what the user calls that number.

        Raises:
            DataError: there are not that many.
        """
        if size is None:
            return self
        count = len(self.labels)
        if not 1 <= size <= count:
            raise DataError(
                f"data.{setting}={size}, but {self.source} has {count} images for it: "
                f"valid are 1 to {count}."
            )
        return Images(self.pixels[:size], self.labels[:size], self.source)


@dataclass(frozen=True)
class ImageSet:
    """A published set of 28 × 28 images in ten classes.

    Attributes:
        name: as in `data=NAME`, and of its folder in the cache.
        mirrors: addresses that end in a slash, tried in turn.
        md5: of each of the four files, by name.
    """

    name: str
    mirrors: tuple[str, ...]
    md5: Mapping[str, str]

    def folder(self, root: str | None) -> Path:
        """The folder that holds the files: `root`, or the cache, into which they are downloaded.

        Raises:
            DataError: `root` is no folder, or the files can be had from nowhere.
        """
        if root is not None:
            return _named_folder(root)
        folder = cache_folder() / self.name
        try:
            problems = fetch(self.md5, self.mirrors, folder)
        except OSError as error:
            raise DataError(
                f"The cache folder {folder} cannot be written: {error.strerror or error}. Set "
                "VGRAD_CACHE to another, or name a folder that holds the files: data.root=FOLDER."
            ) from None
        if problems:
            raise DataError(
                f"data={self.name} could not be downloaded ({'; '.join(problems)}). Wanted are "
                f"the original {', '.join(self.md5)}: put them into {folder}, or name the "
                "folder that holds them with data.root=FOLDER. data=digits needs no download."
            )
        return folder


def read(folder: Path, part: Literal["train", "test"]) -> Images:
    """The training or the test images in a folder, however many it holds.

    Raises:
        DataError: a file is missing or damaged, or images and labels do not fit each other.
    """
    images_file, labels_file = (_existing(folder, name) for name in FILES[part])
    images = idx.read(images_file, SHAPE)
    labels = idx.read(labels_file, ())
    if len(images) != len(labels):
        raise DataError(
            f"{images_file} holds {len(images)} images and {labels_file.name} {len(labels)} "
            "labels: each image needs one label."
        )
    if (highest := int(labels.max())) >= CLASSES:
        raise DataError(f"{labels_file} holds the label {highest}; valid are 0 to {CLASSES - 1}.")
    return Images(images.reshape(len(images), -1), labels, str(folder))


def cache_folder() -> Path:
    """Where downloads are kept: VGRAD_CACHE, else the user's cache folder of this system."""
    return Path(os.environ.get("VGRAD_CACHE") or pooch.os_cache("vgrad")).expanduser()


def _named_folder(root: str) -> Path:
    folder = Path(os.path.expanduser(root))
    if os.path.isdir(folder):
        return folder
    if os.path.exists(folder):
        raise DataError(f"data.root={root} is a file; name the folder that holds it.")
    near = get_close_matches(folder.name, [p.name for p in folder.parent.glob("*/")], n=1)
    guess = f" Did you mean {str(folder.with_name(near[0]))!r}?" if near else ""
    raise DataError(f"data.root={root}: there is no such folder.{guess}")


def _existing(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / name.removesuffix(".gz")):
        if os.path.isfile(path):
            return path
    wanted = ", ".join(name for pair in FILES.values() for name in pair)
    raise DataError(f"{folder} holds no {name}. Needed are {wanted} (or the same without .gz).")


MNIST = ImageSet(
    name="mnist",
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ),
    md5={
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    },
)

# Addresses: the authors' repository, and what its README names; that has the checksums as well
# (https://github.com/zalandoresearch/fashion-mnist, "Get the Data").
FASHION_MNIST = ImageSet(
    name="fashion_mnist",
    mirrors=(
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    md5={
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    },
)

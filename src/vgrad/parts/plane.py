"""Made data in the plane: classes that no straight line parts.

In all of them the labels take turns or are a function of the point, and the inputs are shifted
and scaled by constants: without noise they have mean 0 and variance 1, or mean square 1 for the
spirals. Noise comes before that scaling, in the unit of the figure's own definition, except for
the spirals.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import lazy_loader as lazy

from vgrad.parts.dataset import DATASETS, Dataset
from vgrad.parts.made import SIZES, check_volume, generator
from vgrad.parts.ranges import BELOW_ONE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = lazy.load("numpy")

_NOISE = {"noise": (0.0, 100.0)}


@DATASETS.entry(
    source="Lang & Witbrock 1988, Learning to tell two spirals apart",
    ranges=SIZES | _NOISE | {"classes": (2, 10**4), "turns": (0.0, 100.0)},
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
    check_volume(train_size + test_size, 2)

    def draw(part: str, size: int) -> tuple[NDArray[Any], NDArray[Any]]:
        y = np.arange(size) % classes
        t = generator(seed, f"{part} t").random(size)
        angle = 2 * math.pi * (turns * t + y / classes)
        x = math.sqrt(6) * t[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        x += noise * generator(seed, f"{part} noise").standard_normal((size, 2))
        return x.astype(np.float32), y

    return Dataset(*draw("train", train_size), *draw("test", test_size), classes, "classification")


@DATASETS.entry(
    source="scikit-learn's make_moons; Pedregosa et al. 2011, arXiv:1201.0490",
    ranges=SIZES | _NOISE,
)
def moons(
    *, noise: float = 0.1, train_size: int = 2048, test_size: int = 512, seed: int = 0
) -> Dataset:
    """x = (cos a, sin a) or (1 − cos a, ½ − sin a), a ~ U(0, π), + noise · N(0, 1), standardised.

    The upper moon is class 0. Standardised by the figure's own mean (½, ¼) and variance
    (¾, 9/16 − 1/π).
    """
    check_volume(train_size + test_size, 2)

    def draw(part: str, size: int) -> tuple[NDArray[Any], NDArray[Any]]:
        y = np.arange(size) % 2
        angle = math.pi * generator(seed, f"{part} angle").random(size)
        x = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        x = np.where(y[:, None] == 0, x, [1.0, 0.5] - x)
        x += noise * generator(seed, f"{part} noise").standard_normal((size, 2))
        x = (x - [0.5, 0.25]) / np.sqrt([0.75, 9 / 16 - 1 / math.pi])
        return x.astype(np.float32), y

    return Dataset(*draw("train", train_size), *draw("test", test_size), 2, "classification")


@DATASETS.entry(
    source="scikit-learn's make_circles; Pedregosa et al. 2011, arXiv:1201.0490",
    ranges=SIZES | _NOISE | {"factor": BELOW_ONE},
)
def circles(
    *,
    factor: float = 0.5,
    noise: float = 0.1,
    train_size: int = 2048,
    test_size: int = 512,
    seed: int = 0,
) -> Dataset:
    """x = r (cos a, sin a) + noise · N(0, 1), standardised; r = 1 or `factor`, a ~ U(0, 2π).

    The outer circle is class 0. Standardised by the figure's own variance, (1 + factor²)/4.
    """
    check_volume(train_size + test_size, 2)

    def draw(part: str, size: int) -> tuple[NDArray[Any], NDArray[Any]]:
        y = np.arange(size) % 2
        angle = 2 * math.pi * generator(seed, f"{part} angle").random(size)
        radius = np.where(y == 0, 1.0, factor)
        x = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        x += noise * generator(seed, f"{part} noise").standard_normal((size, 2))
        return (x * 2 / math.sqrt(1 + factor**2)).astype(np.float32), y

    return Dataset(*draw("train", train_size), *draw("test", test_size), 2, "classification")


@DATASETS.entry(
    source="Ho & Kleinberg 1996, Building projectable classifiers of arbitrary complexity",
    ranges=SIZES | {"cells": (2, 1000)},
)
def checkerboard(
    *, cells: int = 4, train_size: int = 2048, test_size: int = 512, seed: int = 0
) -> Dataset:
    """x = √3 (2u − 1, 2v − 1), u, v ~ U(0, 1); label = (⌊cells · u⌋ + ⌊cells · v⌋) mod 2.

    A board of cells × cells fields in two colours.
    """
    check_volume(train_size + test_size, 2)

    def draw(part: str, size: int) -> tuple[NDArray[Any], NDArray[Any]]:
        place = generator(seed, f"{part} x").random((size, 2))
        field = (cells * place).astype(np.int64)
        return (math.sqrt(3) * (2 * place - 1)).astype(np.float32), field.sum(1) % 2

    return Dataset(*draw("train", train_size), *draw("test", test_size), 2, "classification")

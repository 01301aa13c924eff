"""Made data for regression: a curve, a surface, and a single point."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import lazy_loader as lazy

from vgrad.parts.dataset import DATASETS, Dataset
from vgrad.parts.made import SIZES, check_volume, generator

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = lazy.load("numpy")

_NOISE = {"noise": (0.0, 100.0)}


@DATASETS.entry(
    source="a standard toy problem of regression",
    task="regression",
    ranges=SIZES | _NOISE | {"periods": (0.0, 100.0)},
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
    check_volume(train_size + test_size, 1)

    def draw(part: str, size: int) -> tuple[NDArray[Any], NDArray[Any]]:
        edge = math.sqrt(3)
        x = generator(seed, f"{part} x").uniform(-edge, edge, (size, 1))
        y = np.sin(math.pi * periods * x / edge)
        y += noise * generator(seed, f"{part} noise").standard_normal((size, 1))
        return x.astype(np.float32), y.astype(np.float32)

    return Dataset(*draw("train", train_size), *draw("test", test_size), None, "regression")


@DATASETS.entry(
    source="Franke 1979, A critical comparison of some methods for interpolation of scattered "
    "data, NPS-53-79-003; Franke 1982, doi:10.1090/S0025-5718-1982-0637296-4",
    task="regression",
    ranges=SIZES | _NOISE,
)
def surface(
    *, noise: float = 0.0, train_size: int = 2048, test_size: int = 512, seed: int = 0
) -> Dataset:
    """y = F(u, v) + noise · N(0, 1), Franke's surface; x = √3 (2u − 1, 2v − 1), u, v ~ U(0, 1).

    F is the sum of two hills, a slope and a hollow,
    ¾ exp(−((9u − 2)² + (9v − 2)²)/4) + ¾ exp(−(9u + 1)²/49 − (9v + 1)/10)
    + ½ exp(−((9u − 7)² + (9v − 3)²)/4) − ⅕ exp(−(9u − 4)² − (9v − 7)²).
    It is positive everywhere, so that without noise every loss for positive targets applies.
    """
    check_volume(train_size + test_size, 2)

    def draw(part: str, size: int) -> tuple[NDArray[Any], NDArray[Any]]:
        place = generator(seed, f"{part} x").random((size, 2))
        y = _franke(*place.T)[:, None]
        y += noise * generator(seed, f"{part} noise").standard_normal((size, 1))
        return (math.sqrt(3) * (2 * place - 1)).astype(np.float32), y.astype(np.float32)

    return Dataset(*draw("train", train_size), *draw("test", test_size), None, "regression")


def _franke(u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
    hill = 0.75 * np.exp(-((9 * u - 2) ** 2 + (9 * v - 2) ** 2) / 4)
    slope = 0.75 * np.exp(-((9 * u + 1) ** 2) / 49 - (9 * v + 1) / 10)
    lower_hill = 0.5 * np.exp(-((9 * u - 7) ** 2 + (9 * v - 3) ** 2) / 4)
    hollow = 0.2 * np.exp(-((9 * u - 4) ** 2) - (9 * v - 7) ** 2)
    height: NDArray[np.float64] = hill + slope + lower_hill - hollow
    return height


@DATASETS.entry(
    source="Nielsen 2015, Neural Networks and Deep Learning, chapter 3, "
    "http://neuralnetworksanddeeplearning.com/chap3.html",
    task="regression",
    batch_size=1,
)
def single() -> Dataset:
    """x = 1, y = 0: one example, to see how fast a single neuron learns (depth=0).

    It is the training example and the test example.
    """
    x, y = np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32)
    return Dataset(x, y, x, y, None, "regression")

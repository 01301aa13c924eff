"""All data sets: made ones whose every property is known, real images, and a table of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from vgrad.parts import curves, images, made, plane, table
from vgrad.parts.dataset import DATASETS, Dataset

__all__ = ["DATASETS", "MODULES", "Dataset", "load"]

MODULES = (images, made, plane, curves, table)
"""Where the entries are declared."""


def load(name: str, settings: Mapping[str, Any]) -> Dataset:
    """The data set of that name, made or read once per process for the same settings and content.

    Args:
        name: of the entry.
        settings: some of its settings, of the types and in the ranges that the entry states.

    Raises:
        UnknownNameError: there is no such data set.
        ConfigError: more is asked for than can be made.
        DataError: the data cannot be found, fetched or read.
    """
    fingerprint = DATASETS[name].fingerprint
    content = fingerprint(settings) if fingerprint else None
    return _load(name, tuple(sorted(settings.items())), content)


@lru_cache(maxsize=4)  # a sweep over data.seed would otherwise keep every one in memory
def _load(name: str, settings: tuple[tuple[str, Any], ...], content: str | None) -> Dataset:
    dataset: Dataset = DATASETS[name].function(**dict(settings))
    return dataset

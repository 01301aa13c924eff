"""What a data set is, and the registry of them.

An entry is a function of its settings that returns a `Dataset`. The facts of an entry are its
`task` (classification or regression; None where only the data themselves can tell), the
`batch_size` that a run takes where it names none, and `fingerprint`: for data that a setting only
points at, a function of the settings that names their content.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vgrad.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DATASETS = Registry(
    "data",
    "datasets",
    facts={"task": "classification", "batch_size": 64, "fingerprint": None},
)


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

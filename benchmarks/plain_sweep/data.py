"""The digits, read once in every process: a cache in the script itself could not be pickled."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor

Batch = tuple[Tensor, Tensor]


@cache
def digits() -> tuple[Batch, Batch]:
    """Training and test data; every fifth image is for the test."""
    x, y = load_digits(return_X_y=True)
    held_out = np.arange(len(x)) % 5 == 4
    shift = x[~held_out].mean(0)
    x = (x - shift) / (x[~held_out] - shift).std()
    inputs, labels = torch.tensor(x, dtype=torch.float32), torch.tensor(y)
    return (inputs[~held_out], labels[~held_out]), (inputs[held_out], labels[held_out])

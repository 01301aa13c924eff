"""The errors: each can be told to another process."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from vgrad.errors import DamagedFileError, NoRoomError, StoreError, UnknownNameError, VgradError
from vgrad.progress import LostWorkerError
from vgrad.workers.pool import WorkerError


@pytest.mark.parametrize(
    "error",
    [
        UnknownNameError("activation", "rel", ["relu"]),
        DamagedFileError(Path("run.json"), "it is empty"),
        NoRoomError(3),
        StoreError("broken"),
        LostWorkerError(-9),
        WorkerError("It ended by SIGKILL."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_the_same_in_another_process(error: VgradError):
    told = pickle.loads(pickle.dumps(error))
    assert (type(told), str(told), vars(told)) == (type(error), str(error), vars(error))

"""Calls that a GPU repeats: captured once as a CUDA graph, so that one launch makes them all.

Layers of a deep and narrow net are so small that a GPU waits for the next launch most of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from vgrad.net import Call

WARM_UPS = 3  # what torch asks for before a capture: libraries choose their kernels meanwhile


class Replay:
    """The same calls on the same tensors, time and again.

    What they read must be left in place by each of them: they are made a few times over before
    they are captured. Where they cannot be captured, as they wait for the device or read a
    number from it, they are made anew every time.

    Args:
        calls: what is to be done.
        capture: makes of them one call that does the same; None where there is nothing to gain.
    """

    def __init__(
        self, calls: Sequence[Call], capture: Callable[[Sequence[Call]], Call] | None
    ) -> None:
        self._calls, self._capture = calls, capture
        self._whole: Call | None = None

    def __call__(self) -> None:
        """Make the calls."""
        if self._whole is None and self._capture is not None:
            try:
                self._whole = self._capture(self._calls)
            except RuntimeError:  # torch's for what a graph cannot hold
                self._capture = None
        if self._whole is not None:
            self._whole()
            return
        for call in self._calls:
            call()


def capture_for(device: torch.device) -> Callable[[Sequence[Call]], Call] | None:
    """How calls on a device are captured."""
    return _capture if device.type == "cuda" else None


def _capture(calls: Sequence[Call]) -> Call:
    """A CUDA graph of the calls, as https://docs.pytorch.org/docs/stable/notes/cuda.html has it."""
    aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM_UPS):
            for call in calls:
                call()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for call in calls:
            call()
    return graph.replay

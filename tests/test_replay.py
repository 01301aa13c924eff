"""Calls that are captured once and repeated."""

from __future__ import annotations

import torch

import networks
from vgrad import training
from vgrad.replay import Replay, capture_for
from vgrad.train import train


class Tape:
    """Stands in for a CUDA graph: remembers the calls, and makes them when it is replayed."""

    def __init__(self) -> None:
        self.captured = self.replayed = 0

    def __call__(self, calls):
        self.captured += 1
        for call in [*calls, *calls]:  # as a capture warms up
            call()

        def replay():
            self.replayed += 1
            for call in calls:
                call()

        return replay


def test_calls_are_captured_once_and_then_replayed():
    made, tape = [], Tape()
    replay = Replay([lambda: made.append(1)], tape)
    for _ in range(3):
        replay()
    assert (tape.captured, tape.replayed, len(made)) == (1, 3, 5)


def test_calls_that_cannot_be_captured_are_made_every_time():
    def refuse(calls):
        raise RuntimeError("operation not permitted when stream is capturing")

    made = []
    replay = Replay([lambda: made.append(1)], refuse)
    replay()
    replay()
    assert made == [1, 1]


def test_nothing_is_captured_on_a_cpu():
    assert capture_for(torch.device("cpu")) is None
    assert capture_for(torch.device("cuda")) is not None


def test_a_step_may_be_captured_without_changing_what_is_recorded(monkeypatch):
    """What is made more than once before the capture leaves everything as it was."""
    keys = {"steps": 60, "loss__l1": 0.01, "model__residual": "rezero", "model__dropout": 0.1}
    mixed = ("prelu", "rrelu", "tanh")
    configs = [networks.config(seed=s, activation=a, **keys) for s, a in enumerate(mixed)]
    plain, taped, tape = networks.Seen(), networks.Seen(), Tape()
    data = networks.classification()
    train(configs, data, plain)
    monkeypatch.setattr(training, "capture_for", lambda device: tape)
    train(configs, data, taped)
    assert tape.captured == 1
    assert tape.replayed > 5
    assert [repr(r.steps) for r in plain.records] == [repr(r.steps) for r in taped.records]

"""What training costs, about: seconds on one core, from what a step computes.

The constants were measured on one core of an x86-64 server with AVX-512 (`benchmarks/README.md`);
what this machine does otherwise is found by timing a small product once.
"""

from __future__ import annotations

import math
from functools import cache
from time import perf_counter

import torch

from vgrad.cadence import DENSE, EVALUATIONS, RECORDS, cadence
from vgrad.check import numbers_of
from vgrad.config import RunConfig
from vgrad.parts.datasets import load
from vgrad.threads import at_most
from vgrad.training import EVALUATED

RATE = 60e9  # multiplications and additions a second in the products of a step
IN_CACHE = 80e9  # likewise, of a small product that is made over and over
PER_LAYER = 12e-6  # seconds that a step's calls take in a layer, whatever they work on
PER_UNIT = 2e-9  # of φ, φ′ and what else is done to each unit of each example
PER_RECORD = 1.2  # steps that a record costs to measure
FILES = 0.015  # seconds that the files of a run take
PASS_FORWARD = 1 / 3  # of a step


def seconds(config: RunConfig, runs: int) -> float:
    """What a stack of so many runs of such a config takes on one core of this machine."""
    data = load(config.data.name, config.data.settings)
    assert config.batch_size is not None, "the config is not resolved"
    weights, units = numbers_of(config, data, config.batch_size)
    work = 6.0 * weights * config.batch_size / RATE + units * PER_UNIT
    step = runs * work * slowness() + (config.depth + 1) * PER_LAYER
    records = len(cadence(config.steps, config.probe_every, DENSE, RECORDS))
    tests = len(cadence(config.steps, config.eval_every, 0, EVALUATIONS))
    calls = (config.depth + 1) * PER_LAYER * math.ceil(len(data.test_x) / EVALUATED)
    each = PASS_FORWARD * runs * work * slowness() * len(data.test_x) / config.batch_size + calls
    return float(step * (config.steps + 1 + PER_RECORD * records) + tests * each + FILES * runs)


@cache
def slowness() -> float:
    """How many times longer a small product takes here than where `IN_CACHE` was measured."""
    a, b = torch.ones(8, 64, 64), torch.ones(8, 64, 64)
    out = torch.empty_like(a)
    with at_most(1):
        times = [_time(a, b, out) for _ in range(20)]
    return float(sorted(times)[5] / (8 * 2 * 64**3 / IN_CACHE))


def _time(a: torch.Tensor, b: torch.Tensor, out: torch.Tensor) -> float:
    begun = perf_counter()
    torch.bmm(a, b, out=out)
    return perf_counter() - begun

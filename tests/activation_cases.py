"""The activations at their settings, and points and ways to try them on, for the tests.

`variants` has every entry at its default settings, with each number among them halved, doubled and
negated where that is allowed, and with each word.
"""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch

from vgrad.parts.activations import ACTIVATIONS, kinks

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-6}
EXTREMES = [0.0, 1e-8, -1e-8, 1.0, -1.0, 20.0, -20.0, 45.0, 100.0, -100.0, 1e4, -1e4]
UNITS = 6  # of z, where an entry is not elementwise


def varied(name):
    """The defaults, then each setting moved."""
    entry = ACTIVATIONS[name]
    defaults = dict(entry.settings)
    yield defaults
    for setting, default in defaults.items():
        if isinstance(default, bool):
            others = [not default]
        elif isinstance(default, float):
            others = [0.5 * default, 2.0 * default, -default]
        elif isinstance(default, int):
            others = [1, default + 1]
        else:
            others = [word for word in entry.choices[setting] if word != default]
        low, high = entry.ranges.get(setting, (-math.inf, math.inf))
        for value in others:
            if isinstance(value, str) or low <= value <= high:
                yield {**defaults, setting: value}


def variants(names):
    """A parametrisation over these entries and their settings."""
    cases = [(name, settings) for name in names for settings in varied(name)]
    ids = [f"{name}-{list(settings.values())}" for name, settings in cases]
    return pytest.mark.parametrize(("name", "settings"), cases, ids=ids)


def stating(fact):
    """The entries that state a fact."""
    return [name for name, entry in ACTIVATIONS.items() if getattr(entry, fact)]


ELEMENTWISE = stating("elementwise")
OF_SEVERAL = [name for name in ACTIVATIONS if name not in ELEMENTWISE]
every_variant = variants(ACTIVATIONS)
every_dtype = pytest.mark.parametrize("dtype", TOLERANCE, ids=str)


def points(name, dtype=torch.float64):
    """The extremes, the kinks of all entries and a grid; as [N, UNITS] if not elementwise."""
    corners = [
        kink
        for other, entry in ACTIVATIONS.items()
        for settings in varied(other)
        for kink in kinks(entry, settings)
    ]
    grid = torch.linspace(-9.0, 9.0, 1001, dtype=torch.float64)
    edges = torch.tensor(EXTREMES + sorted(set(corners)), dtype=torch.float64)
    z = torch.cat([edges, grid]).to(dtype)
    return z if ACTIVATIONS[name].elementwise else z[: len(z) // UNITS * UNITS].view(-1, UNITS)


def upstream(h):
    """An error signal of h's shape."""
    return torch.randn(h.shape, dtype=h.dtype, generator=torch.Generator().manual_seed(0))


def function(name, settings):
    return partial(ACTIVATIONS[name].function, **settings)


def by_autograd(phi, z, g=None):
    """φ(z), and g times its derivative; the derivative itself where g is None."""
    leaf = z.clone().requires_grad_()
    h = phi(leaf)
    (gradient,) = torch.autograd.grad(h, leaf, torch.ones_like(h) if g is None else g)
    return h.detach(), gradient


def assert_near(ours, theirs, tolerance):
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)

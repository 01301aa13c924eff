"""`vgrad sweep`: `vgrad run` for each combination of values."""

from __future__ import annotations

from functools import partial

from vgrad.verbs import run

main = partial(run.main, sweep=True)

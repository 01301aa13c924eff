"""What a sweeper is told of a run: one number, which carries what else there is to know."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from vgrad.job import Document


class Told(float):
    """The value of a run, for sweepers that seek the best; NaN where there is none.

    Attributes:
        document: what the run's run.json holds, and its `path`; None if the run could not be made.
        error: why it could not.
    """

    document: Document | None = None
    error: Exception | None = None

    def __float__(self) -> float:
        """The number; for Optuna, only what cannot be made one is a trial that failed.

        Raises:
            ValueError: there is none.
        """
        if math.isnan(self):
            raise ValueError("The run has no value.")
        return super().__float__()


def told(outcome: Document | Exception, objective: str) -> Told:
    """What to tell of a run.

    Args:
        outcome: what its run.json holds, or why it could not be made.
        objective: the field of its summary that is its value. The loss of a run that diverged is
            infinite, so that no run is worse.
    """
    if isinstance(outcome, Exception):
        value = Told(math.nan)
        value.error = outcome
        return value
    value = Told(_value(outcome, objective))
    value.document = outcome
    return value


def _value(document: Mapping[str, Any], objective: str) -> float:
    if document["status"] == "diverged" and objective.endswith("_loss"):
        return math.inf
    value = document["summary"].get(objective)
    return math.nan if value is None else float(value)

"""Which arms' activations a report shows in their distribution, read from their runs' files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from vgrad import figures
from vgrad.arms import Arm
from vgrad.errors import StoreError
from vgrad.figures.split import spread
from vgrad.report.run import Run
from vgrad.store import distributions

MOST_LOOKED_AT = 200  # arms


@dataclass(frozen=True, eq=False)
class Distributed:
    """What is drawn.

    Attributes:
        arms: whose activations.
        quantiles: of these, as `store.distributions` gives them.
        problems: a line for each file that was refused.
    """

    arms: Sequence[Arm]
    quantiles: pd.DataFrame
    problems: Sequence[str]


def distributed(runs: Sequence[Run], arms: Sequence[Arm], mapped: Sequence[Arm]) -> Distributed:
    """The arms that have maps too, and the one that has two peaks in the most layers.

    Args:
        runs: all that are shown.
        arms: all that are compared; of each, or of some spread over many, the first run is
            looked at.
        mapped: those that are shown in any case.
    """
    some = [arms[place] for place in spread(len(arms), MOST_LOOKED_AT)]
    own = {arm.run_ids[0] for arm in some}
    found, problems = _read([run for run in runs if run.file.run_id in own])
    most = figures.most_peaked(found, some)
    chosen = [*mapped, *([most] if most is not None and most not in mapped else [])]
    shown = {run_id for arm in chosen for run_id in arm.run_ids}
    rest, more = _read([run for run in runs if run.file.run_id in shown - own])
    kept = [frame[frame["run_id"].isin(shown)] for frame in (found, rest) if len(frame)]
    quantiles = pd.concat(kept, ignore_index=True) if kept else found
    return Distributed(chosen, quantiles, [*problems, *more])


def _read(runs: Sequence[Run]) -> tuple[pd.DataFrame, list[str]]:
    if not runs:
        return pd.DataFrame(), []
    try:
        return distributions(*[run.file.path for run in runs])
    except StoreError as error:
        return pd.DataFrame(), [str(error)]

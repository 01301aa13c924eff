"""What theory foretold of runs before they were trained, by arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from vgrad.arms import Arm
from vgrad.figures import plain

APART = ("run_id", "layer")  # columns of `Frames.theory` that are none of a prediction
NOT_PREDICTED = "theory.not_predicted"
LONGEST = 200  # letters of a reason

Prediction = Mapping[str, Sequence[float]]


def predictions(theory: pd.DataFrame, arms: Sequence[Arm]) -> dict[int, Prediction]:
    """The number of an arm → what was foretold of it, by layer.

    An arm of which nothing was foretold has no entry. The seed changes nothing in it: that of the
    first run that has one is taken.

    Args:
        theory: as `vgrad.load` gives it.
        arms: what is compared.
    """
    known = set(theory["run_id"])
    firsts = {arm.number: [run_id for run_id in arm.run_ids if run_id in known] for arm in arms}
    first = {number: run_ids[0] for number, run_ids in firsts.items() if run_ids}
    chosen = theory[theory["run_id"].isin(list(first.values()))]
    by_run = dict(tuple(chosen.sort_values("layer").groupby("run_id", sort=False)))
    found: dict[int, Prediction] = {}
    for number, run_id in first.items():
        rows = by_run.get(run_id)
        if rows is not None and rows["delta_rms"].notna().any():
            found[number] = {str(name): rows[name].tolist() for name in rows if name not in APART}
    return found


def reasons(runs: pd.DataFrame, arms: Sequence[Arm]) -> dict[int, str]:
    """The number of an arm → why nothing was foretold of it, where its runs say so."""
    if NOT_PREDICTED not in runs:
        return {}
    told = dict(zip(runs["run_id"], runs[NOT_PREDICTED], strict=True))
    found = {}
    for arm in arms:
        words = [told.get(run_id) for run_id in arm.run_ids]
        reason = next((word for word in words if isinstance(word, str)), None)
        if reason is not None:
            found[arm.number] = plain(reason, LONGEST)
    return found

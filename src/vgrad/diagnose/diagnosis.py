"""Frames → diagnoses: every rule on every run, and what the other seeds say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vgrad.diagnose.finding import LIKELY, SURE, UNSURE, Diagnoses, Diagnosis, Finding
from vgrad.diagnose.fit import fit
from vgrad.diagnose.foretold import expected
from vgrad.diagnose.remedies import fixes
from vgrad.diagnose.rules import RULES, Sign
from vgrad.diagnose.rules.gradient import verdict
from vgrad.diagnose.thresholds import Limits, settle
from vgrad.diagnose.trace import Trace, traces

if TYPE_CHECKING:
    from vgrad.store import Frames

ALL_AGREE, MOST_AGREE = 0.9, 0.5  # share of an arm's seeds
ENOUGH = 3  # seeds from which on their agreement says more than one run's own numbers
GRAVITY = list(RULES)


@dataclass(frozen=True)
class _Seen:
    """One run with what its rules saw."""

    trace: Trace
    signs: Mapping[str, Sign]


def diagnose(frames: Frames, thresholds: Mapping[str, float] | None = None) -> Diagnoses:
    """What is to be said of each run, in the order of `frames.runs`.

    Args:
        frames: what `vgrad.load` returned.
        thresholds: those that are not to be the default, `{"dead_units.share": 0.3}`.

    Raises:
        ConfigError: no threshold has such a name, or it may not have such a value.
    """
    from vgrad.arms import arms

    limits = settle(thresholds)
    seen: dict[str, _Seen] = {}
    words: dict[str, str] = {}
    for trace in traces(frames):
        with np.errstate(all="ignore"):  # infinity and NaN are data, and no rule claims them
            looked = {name: rule.look(trace, limits) for name, rule in RULES.items()}
        signs = {name: sign for name, sign in looked.items() if sign is not None}
        seen[trace.run_id] = _Seen(trace, signs)
        words[trace.run_id] = verdict(trace, limits)
    fellows = {run_id: arm.run_ids for arm in arms(frames.runs) for run_id in arm.run_ids}
    return Diagnoses(
        _diagnosis(
            one, words[run_id], [seen[other] for other in fellows.get(run_id, (run_id,))], limits
        )
        for run_id, one in seen.items()
    )


def _diagnosis(one: _Seen, verdict: str, arm: Sequence[_Seen], limits: Limits) -> Diagnosis:
    trace = one.trace
    findings = [_finding(one, name, arm, limits) for name in one.signs]
    findings.sort(key=lambda found: (found.confidence == UNSURE, GRAVITY.index(found.rule)))
    deltas = trace.hidden("delta_rms")[0].tolist() if trace.begins else []
    return Diagnosis(trace.run_id, verdict, fit(deltas), tuple(findings))


def _finding(one: _Seen, rule: str, arm: Sequence[_Seen], limits: Limits) -> Finding:
    trace, sign = one.trace, one.signs[rule]
    votes = [other.signs.get(rule) for other in arm]
    agreeing = sum(1 for vote in votes if vote is not None and vote.confidence != UNSURE)
    return Finding(
        rule=rule,
        layers=sign.layers,
        since_step=sign.since_step,
        value=sign.value,
        unit=sign.unit,
        confidence=_confidence(sign.confidence, agreeing, len(votes)),
        why=sign.why,
        remedies=fixes(rule, one.signs, trace),
        expected_by_theory=expected(rule, sign, trace.foretold, trace.depth, limits),
    )


def _confidence(own: str, agreeing: int, seeds: int) -> str:
    """How sure a finding is: by the other seeds where there are enough of them."""
    if seeds < ENOUGH or own == UNSURE:
        return own
    if agreeing < MOST_AGREE * seeds:
        return UNSURE
    return SURE if agreeing >= ALL_AGREE * seeds else LIKELY

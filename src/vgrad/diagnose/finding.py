"""What a diagnosis is made of: plain data, with the names of `vgrad diagnose --json`."""

from __future__ import annotations

import html
from dataclasses import dataclass

SURE, LIKELY, UNSURE = "sure", "likely", "unsure"
HEADS = ("run_id", "verdict", "finding", "where", "since", "strength", "theory", "try first")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a run, or may be.

    Attributes:
        rule: the rule that found it, a key of `RULES`.
        layers: the first and the last layer that it concerns; None where it concerns no layer.
        since_step: the recorded step from which it holds; None where no step was recorded.
        value: how strong it is, in `unit`.
        unit: what `value` counts.
        confidence: sure, likely or unsure. Over several seeds of the same arm it says how far
            they agree; for a single run how far the value is from the threshold.
        why: the mechanism, in a sentence.
        remedies: what to do, each the overrides of one fix as typed, the best first.
        expected_by_theory: whether theory foretold it, by the same threshold; None where nothing
            was predicted of the run, or theory does not speak of such things.
    """

    rule: str
    layers: tuple[int, int] | None
    since_step: int | None
    value: float
    unit: str
    confidence: str
    why: str
    remedies: tuple[str, ...] = ()
    expected_by_theory: bool | None = None


@dataclass(frozen=True)
class Slope:
    """The slope of log₁₀ δ over the hidden layers at step 0, in decades per layer.

    Attributes:
        value: least squares, from the output towards the input: negative is vanishing. None
            where fewer than two layers have a δ.
        low, high: its 95 % interval; None where fewer than four layers have a δ.
        r2: the share of the variance of log₁₀ δ that the line accounts for; None where fewer than
            three layers have a δ, or all have the same.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    r2: float | None = None


@dataclass(frozen=True)
class Diagnosis:
    """What is to be said of one run.

    Attributes:
        run_id: of the run.
        verdict: healthy, vanishing, exploding, diverged or unsure: of the gradient alone, at the
            start and in training. Other ills are findings.
        grad_decay: the slope of the error signal over the layers.
        findings: the gravest first, those that are unsure last.
    """

    run_id: str
    verdict: str
    grad_decay: Slope
    findings: tuple[Finding, ...] = ()


class Diagnoses(list[Diagnosis]):
    """Some diagnoses, which show themselves as a table in a notebook."""

    def __repr__(self) -> str:
        lines = ["  ".join(cells).rstrip() for cells in self._rows()]
        return "\n".join(lines) if lines else "no runs"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>"
            for cells in self._rows()
        )
        heads = "".join(f"<th>{head}</th>" for head in HEADS)
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"

    def _rows(self) -> list[tuple[str, ...]]:
        """A row per finding, and one for a run that has none."""
        return [
            (one.run_id, one.verdict, *_cells(finding))
            for one in self
            for finding in (*one.findings, *([] if one.findings else [None]))
        ]


def _cells(finding: Finding | None) -> tuple[str, ...]:
    if finding is None:
        return ("–", "", "", "", "", "")
    layers = "" if finding.layers is None else f"layers {finding.layers[0]}–{finding.layers[1]}"
    since = "" if finding.since_step is None else f"since step {finding.since_step}"
    strength = f"{finding.value:.3g} {finding.unit}"
    theory = {None: "", True: "expected", False: "not expected"}[finding.expected_by_theory]
    fix = finding.remedies[0] if finding.remedies else ""
    return (f"{finding.rule} ({finding.confidence})", layers, since, strength, theory, fix)

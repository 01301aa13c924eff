"""How far a diagnosis can be trusted: the labelled set of `tests/labelled.py`, run and diagnosed.

Each case is a config whose fate is known before it is run. Printed are, by rule, the cases and runs
in which it has to fire, precision and recall; how often a run with which nothing is wrong is called
sick; the verdicts given against the right ones; what was missed and what was false; and how often
the first remedy of the gravest finding did what it is for. The same is then printed of configs that
are drawn at random and labelled by their numbers alone: some judged as they start, others, with
which nothing is wrong, after training. What the folder holds already is not run again.

    python -m benchmarks.trust [--cases relu,sigmoid-xavier-8] [--seeds 5] [--folder runs/labelled]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # where the labelled set stands

from labelled import CASES  # noqa: E402
from labelled_case import Case  # noqa: E402
from labelled_drawn import drawn, trained  # noqa: E402
from labelled_trial import (  # noqa: E402
    Fixed,
    Judged,
    confusion,
    finding_of,
    fixes,
    scores,
    share_called_sick,
    tally,
    trial,
    wrong_verdicts,
)

DRAWN_SEEDS = range(2)


def chosen(words: str) -> list[Case]:
    """The cases whose names begin with one of the words."""
    starts = tuple(words.split(","))
    cases = [case for case in CASES if case.name.startswith(starts)]
    if not cases:
        names = ", ".join(case.name for case in CASES)
        raise SystemExit(f"No case begins with {words}. Known: {names}.")
    return cases


def by_rule(judged: Sequence[Judged]) -> list[str]:
    """Precision and recall, a row a rule, as a table in Markdown."""
    rows = [
        f"| `{s.rule}` | {s.cases} | {s.positives} | {s.hits} | {s.false} | {s.precision:.3f} "
        f"| {s.recall:.3f} |"
        for s in scores(judged)
        if s.positives or s.false
    ]
    return [
        "| rule | cases | runs | found | false | precision | recall |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *rows,
    ]


def mistakes(judged: Sequence[Judged]) -> list[str]:
    """What was missed and what was false, a line each with the reason of its label."""
    reasons = {run.case.name: run.case.why for run in judged}
    lines = [
        f"{kind} {rule} in {name}, {count} seeds: {reasons[name]}"
        for kind in ("missed", "false")
        for (name, rule), count in sorted(tally(judged, kind).items())
    ]
    for run in judged:
        for rule in sorted(run.false):
            found = finding_of(run, rule)
            if found is not None:
                lines.append(
                    f"  {run.case.name} seed {run.seed}: {rule} {found.value:.4g} {found.unit}, "
                    f"layers {found.layers}, since step {found.since_step}, {found.confidence}"
                )
    return lines


def verdicts(judged: Sequence[Judged]) -> list[str]:
    """The verdicts against the right ones, and each that is wrong."""
    wrong = [
        f"wrong verdict: {run.case.name} seed {run.seed} is called {run.diagnosis.verdict}"
        for run in wrong_verdicts(judged)
    ]
    return [confusion(judged).to_string(), *wrong]


def remedies(fixed: Sequence[Fixed]) -> list[str]:
    """How often the first remedy did what it is for, and where it did not."""
    ill = [one for one in fixed if one.of_gradient]
    parts = (("the gradient is ill", ill), ("all", fixed))
    lines = [
        f"first remedies that helped, {what}: {sum(one.improved for one in some)} of {len(some)}; "
        f"healthy afterwards: {sum(one.after.diagnosis.verdict == 'healthy' for one in some)}"
        for what, some in parts
    ]
    for one in fixed:
        if not one.improved:
            lines.append(
                f"  {one.before.case.name} seed {one.before.seed}: {one.finding.rule}, "
                f"{one.finding.remedies[0]} → {one.after.diagnosis.verdict}, "
                f"{', '.join(sorted(one.after.fired)) or 'nothing found'}"
            )
    return lines


def mended(folder: Path, judged: Sequence[Judged], seeds: int) -> list[str]:
    """The ill runs of some seeds made again with their first remedy, and what came of it."""
    some = [run for run in judged if run.seed < seeds and run.case.must]
    if not some:
        return []
    fixed = fixes(folder.with_name(f"{folder.name}-fixed"), some)
    without = [run.case.name for run in some if run.path not in {one.before.path for one in fixed}]
    return ["", *remedies(fixed), f"ill, but without a remedy: {', '.join(without) or 'none'}"]


def told(judged: Sequence[Judged]) -> list[str]:
    """All that is to be said of some runs but for their remedies."""
    sick, well = share_called_sick(judged)
    return [
        *by_rule(judged),
        "",
        f"well, but called sick: {sick} of {well}",
        "",
        *verdicts(judged),
        *mistakes(judged),
    ]


def main() -> None:
    """Run the set, and print how vgrad did."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.trust",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cases", default="", help="those whose names begin so; all by default")
    parser.add_argument("--seeds", type=int, default=5, help="runs of each case")
    parser.add_argument("--folder", type=Path, default=Path("runs/labelled"))
    parser.add_argument("--fixed-seeds", type=int, default=1, help="of them, mended; 0 for none")
    parser.add_argument("--drawn", type=int, default=120, help="configs drawn; 0 for none")
    args = parser.parse_args()
    begun = time.perf_counter()
    cases = chosen(args.cases)
    judged = trial(args.folder, cases, range(args.seeds))
    well = sum(case.well for case in cases)
    print(f"{len(cases)} cases, {well} of them well; {len(judged)} runs\n")
    print("\n".join(told(judged)))
    print("\n".join(mended(args.folder, judged, args.fixed_seeds)))
    for kind, cases in (("drawn", drawn(args.drawn)), ("trained", trained(args.drawn // 2))):
        if args.drawn:
            folder = args.folder.with_name(f"{args.folder.name}-{kind}")
            judged = trial(folder, cases, DRAWN_SEEDS)
            print(f"\n{kind}, drawn at random: {len(cases)} cases, {len(judged)} runs\n")
            print("\n".join([*told(judged), *mended(folder, judged, args.fixed_seeds)]))
    print(f"\n{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()

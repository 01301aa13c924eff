"""`vgrad diagnose`: the verdicts of runs in words, and what to do about them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vgrad.errors import ConfigError
from vgrad.options import Parser
from vgrad.verbs.printing import console, show, stdout_kept

if TYPE_CHECKING:
    from vgrad.diagnose import Diagnosis, Finding
    from vgrad.store import Frames


def main(words: list[str]) -> None:
    """Carry out the verb.

    Raises:
        VgradError: a path holds no run, a threshold is none, or the fix could not be made.
    """
    parser = Parser("diagnose")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="runs, or folders of them")
    parser.add_argument(
        "thresholds", nargs="*", metavar="RULE.NAME=VALUE", help="dead_units.share=0.3"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument(
        "--apply-fix", action="store_true", help="run the best fix, and show before and after"
    )
    parser.add_argument("--thresholds", action="store_true", dest="table", help="show them all")
    args = parser.parse_intermixed_args(words)
    from vgrad.diagnose.thresholds import read, settle

    given = [*args.paths, *args.thresholds]
    paths = [word for word in given if "=" not in word or Path(word).exists()]
    limits = settle(read(word for word in given if word not in paths))
    if args.table:
        _show_thresholds(limits, json=args.json)
        return
    if not paths:
        raise ConfigError("Which runs? `vgrad diagnose runs/NAME`, or `vgrad diagnose runs`.")
    _diagnose(paths, limits, json=args.json, apply=args.apply_fix)


def _diagnose(paths: Sequence[str], limits: dict[str, float], *, json: bool, apply: bool) -> None:
    from vgrad import store
    from vgrad.diagnose import diagnose
    from vgrad.terminal import literal
    from vgrad.verbs import diagnosis_text

    frames = store.load(*paths)
    for problem in frames.problems:
        print(literal(problem), file=sys.stderr)
    if apply and len(frames.runs) != 1:
        raise ConfigError(
            f"--apply-fix mends one run, and {' '.join(paths)} holds {len(frames.runs)}. "
            "Give the folder of one of them."
        )
    found = diagnose(frames, limits)
    if apply:
        _apply(frames, found[0], limits, json=json)
    elif json:
        print(store.dumps(document((frames, found))), end="")
    else:
        on = console(100)
        show(on, diagnosis_text.told(frames, found, on.width))


def _apply(frames: Frames, before: Diagnosis, limits: dict[str, float], *, json: bool) -> None:
    """Run the best fix of a run, and show both."""
    from vgrad import store
    from vgrad.diagnose import diagnose
    from vgrad.verbs import diagnosis_text

    finding = best(before)
    if finding is None:
        if json:
            print(store.dumps(document((frames, [before]))), end="")
        else:
            show(console(100), diagnosis_text.nothing_to_fix(before))
        return
    folder = _run_with(str(frames.runs["path"].iloc[0]), finding.remedies[0], json=json)
    mended = store.load(folder)
    (after,) = diagnose(mended, limits)
    if json:
        print(store.dumps(document((frames, [before]), (mended, [after]))), end="")
        return
    shown = diagnosis_text.compared((frames, before), (mended, after), finding)
    show(console(100), shown)


def _run_with(path: str, fix: str, *, json: bool) -> str:
    """Train a run again with a fix; the folder that it went to."""
    from vgrad import compose, store
    from vgrad.command import overrides
    from vgrad.terminal import choose_view, literal
    from vgrad.verbs import fixing

    run = store.read_run(path)
    settings = fixing.mended(run.settings, fix)
    name = fixing.free_name(run.path.name)
    with stdout_kept(json):
        print(f"With {literal(fix)}:")
        request = compose.Request([*overrides(settings), fixing.named(name)])
        document = compose.run(request, partial(choose_view, json))
    return str(document["path"])


def best(diagnosis: Diagnosis) -> Finding | None:
    """The gravest finding that something can be done about; None where there is none."""
    return next((found for found in diagnosis.findings if found.remedies), None)


def document(*found: tuple[Frames, Sequence[Diagnosis]]) -> dict[str, Any]:
    """The diagnoses of some runs as plain data, each with how its run ended."""
    rows = []
    for frames, diagnoses in found:
        status = dict(zip(frames.runs["run_id"], frames.runs["status"], strict=True))
        rows += [
            {"run_id": one.run_id, "status": status[one.run_id], **asdict(one)} for one in diagnoses
        ]
    return {"runs": rows}


def _show_thresholds(limits: dict[str, float], *, json: bool) -> None:
    from vgrad import store
    from vgrad.diagnose import THRESHOLDS
    from vgrad.verbs import diagnosis_text

    if json:
        table = [asdict(one) | {"value": limits[name]} for name, one in THRESHOLDS.items()]
        print(store.dumps({"thresholds": table}), end="")
    else:
        show(console(100), diagnosis_text.thresholds(limits))

"""`vgrad study`: carries out a study and says what became of its claims, or lists all studies."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from vgrad.errors import ConfigError
from vgrad.interrupt import undisturbed
from vgrad.options import Parser
from vgrad.verbs.printing import console, show, stdout_kept

if TYPE_CHECKING:
    from vgrad.claims import Judged
    from vgrad.study import Answer
    from vgrad.study_file import Study

WIDTH = 100  # of a line of words where nobody says how wide it is
INDENT = 13  # the longest verdict and two spaces
COLOURS = {"holds": "green", "fails": "red", "not decided": "yellow"}


def main(words: list[str]) -> None:
    """Carry out `vgrad study [NAME] [OVERRIDE …]`.

    Raises:
        VgradError: there is no such study, it cannot be read, or its runs cannot be made.
        Interrupted: it was asked to end before its last run.
    """
    parser = Parser("study")
    parser.add_argument("name", nargs="?", metavar="NAME", help="which; without it, the list")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="in place of the study's")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument(
        "-cd", "--config-dir", metavar="DIR", help="a folder with study/NAME.yaml of your own"
    )
    args = parser.parse_intermixed_args(words)
    with undisturbed():
        from vgrad import study_file
    if args.name is None:
        _show_list(study_file.files(args.config_dir), json=args.json)
    elif "=" in args.name:
        names = ", ".join(study_file.files(args.config_dir))
        raise ConfigError(f"Which study? `vgrad study NAME {args.name}`. Known: {names}.")
    else:
        study = study_file.find(args.name, args.config_dir)
        _carry_out(study, args.overrides, args.config_dir, json=args.json)


def _carry_out(
    study: Study, overrides: Sequence[str], config_dir: str | None, *, json: bool
) -> None:
    with undisturbed():
        from vgrad import store
        from vgrad.compose import Request
        from vgrad.study import carry_out, document
        from vgrad.terminal import choose_sweep_view, choose_view
    request = Request(overrides, config_dir=config_dir)
    with stdout_kept(json):
        views = partial(choose_view, json), partial(choose_sweep_view, json)
        answer = carry_out(study, request, *views, _warn)
    for problem in answer.problems:
        _warn(problem)
    if json:
        print(store.dumps(document(answer)), end="")
    else:
        _show_answer(answer)


def _warn(text: str) -> None:
    """A line on standard error, as plain text."""
    from vgrad.terminal import literal

    print(literal(text), file=sys.stderr)


def _show_list(paths: dict[str, Any], *, json: bool) -> None:
    """Each study with its question; one whose file is wrong with the reason in its place."""
    from vgrad import store, study_file
    from vgrad.terminal import literal

    told: list[dict[str, Any]] = []
    for name, path in paths.items():
        try:
            study = study_file.read(path)
            about: dict[str, Any] = {"question": study.question, "claims": len(study.claims)}
        except ConfigError as error:
            about = {"problem": str(error)}
        told.append({"name": name, "path": str(path), **about})
    if json:
        print(store.dumps({"studies": told}), end="")
        return
    widest = max((len(one["name"]) for one in told), default=0)
    for one in told:
        _print(f"{literal(one['name']):{widest}}", one.get("question") or one["problem"], widest)
    print("\n`vgrad study NAME` makes its runs, its page, and says what became of its claims.")


def _show_answer(answer: Answer) -> None:
    from vgrad.terminal import literal

    print(f"\n{literal(answer.study.question)}\n")
    for judged in answer.judged:
        _show_claim(judged)
    print(answer.summary)
    print(f"page: {literal(str(answer.page))}")
    print(f"runs: vgrad ls {literal(str(answer.folder))}")


def _show_claim(judged: Judged) -> None:
    """The verdict and the sentence, and below it what each arm shows."""
    from vgrad.claims import said, sentence_on

    _print(judged.verdict, judged.claim.says, INDENT - 2, COLOURS[judged.verdict])
    _print("", f"claimed: {said(judged.claim)}", INDENT - 2)
    for one in judged.measured:
        odd = f", {one.verdict}" if one.verdict != judged.verdict else ""
        _print("", f"{one.arm}: {sentence_on(one)}{odd}", INDENT - 2)
    if judged.why:
        _print("", judged.why, INDENT - 2)
    print()


def _print(head: str, text: str, width: int, colour: str = "") -> None:
    """A text beside its head, in lines of some width."""
    from rich.table import Table
    from rich.text import Text

    from vgrad.terminal import literal

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=width, no_wrap=True)
    table.add_column()
    table.add_row(Text(head, style=colour), Text(literal(text)))
    show(console(WIDTH), table)

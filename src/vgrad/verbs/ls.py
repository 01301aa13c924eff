"""`vgrad ls`: the runs in a folder."""

from __future__ import annotations

import sys
from pathlib import Path

from vgrad.options import Parser
from vgrad.verbs.printing import console


def main(words: list[str]) -> None:
    """Carry out the verb.

    Raises:
        VgradError: a path is no folder, or a filter cannot be read.
    """
    parser = Parser("ls")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="folders, runs/ by default")
    parser.add_argument(
        "filters",
        nargs="*",
        metavar="FILTER",
        help="which runs: activation=relu,selu seed!=0 'depth>10' 'final_val_accuracy>=0.9'",
    )
    parser.add_argument("--sort", metavar="KEY", help="numbers: largest first; texts: A first")
    parser.add_argument("--reverse", action="store_true", help="the other way round")
    parser.add_argument(
        "--limit", type=int, metavar="N", help="only the first N of those sorted, or the newest N"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document")
    args = parser.parse_intermixed_args(words)
    from vgrad import listing, store
    from vgrad.terminal import literal

    given, filters = listing.split([*args.paths, *args.filters])
    tops = given or [Path("runs")]
    runs, problems = listing.read(*tops) if given or tops[0].exists() else ([], [])
    chosen = listing.select(runs, filters, args.sort, reverse=args.reverse, limit=args.limit)
    if args.json:
        print(store.dumps(listing.document(chosen.runs, problems)), end="")
        return
    for problem in problems:
        print(literal(problem), file=sys.stderr)
    if chosen.runs:
        print("\n".join(listing.lines(chosen, tops, console(160))))
    elif runs:
        words = [one.word for one in filters]
        print(literal(f"None of the {len(runs)} runs fits {' '.join(words)}.{chosen.hint}"))
    elif not problems:
        folders = ", ".join(map(str, tops))
        print(f"No runs in {literal(folders)} yet. `vgrad run` makes one.")

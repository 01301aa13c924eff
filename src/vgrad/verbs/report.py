"""`vgrad report`: a page about one or more runs, or the same as Markdown and tables."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from vgrad.options import Parser

FORMATS = "html, md, latex or csv; several with commas"
LARGE = 100  # run folders from which on the work is told while it is done


def main(words: list[str]) -> None:
    """Carry out the verb.

    Raises:
        VgradError: nothing was written, for the reason that it says.
    """
    parser = Parser("report")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a run's folder, or one of runs")
    parser.add_argument("--out", metavar="DIR", help="where to write; PATH/report by default")
    parser.add_argument("--format", action="append", metavar="NAME", help=f"{FORMATS} (html)")
    parser.add_argument("--x", metavar="KEY", help="the setting that goes to the right")
    parser.add_argument("--hue", metavar="KEY", help="the setting that has the colours")
    parser.add_argument("--facet", metavar="KEY", help="the setting that has panels of its own")
    parser.add_argument(
        "--anonymous", action="store_true", help="leave out user, machine and folders"
    )
    parser.add_argument("--open", action="store_true", help="open it in the browser")
    args = parser.parse_args(words)
    from vgrad.report import build
    from vgrad.terminal import literal

    page = build(
        args.paths,
        None if args.out is None else Path(args.out),
        anonymous=args.anonymous,
        x=args.x,
        hue=args.hue,
        facet=args.facet,
        formats=_formats(args.format),
        tell=_teller(args.paths),
        warn=lambda problem: print(literal(problem), file=sys.stderr),
    )
    print(literal(str(page)))
    if args.open:
        import webbrowser

        webbrowser.open(page.absolute().as_uri())


def _formats(given: list[str] | None) -> list[str]:
    """The formats asked for, each once, in their order."""
    words = [word.strip() for text in given or ["html"] for word in text.split(",")]
    return list(dict.fromkeys(word for word in words if word))


def _teller(paths: list[str]) -> Callable[[str], None]:
    """What says what is being done: a line each on standard error, where it takes a while."""
    if sum(_entries(Path(path)) for path in paths) < LARGE:
        return lambda what: None
    return lambda what: print(f"vgrad report: {what} …", file=sys.stderr, flush=True)


def _entries(folder: Path) -> int:
    try:
        return sum(1 for _ in folder.iterdir())
    except OSError:
        return 0

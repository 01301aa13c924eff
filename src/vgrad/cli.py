"""The command line: verbs to functions, errors to one message and an exit status."""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vgrad.errors import ConfigError, VgradError, did_you_mean
from vgrad.interrupt import Interrupted, heard, undisturbed
from vgrad.options import HELP, VERBS, Parser, RunParser

if TYPE_CHECKING:
    from rich.console import Console

    from vgrad.compose import Request

FAULT, CTRL_C = 1, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out a command.

    Args:
        argv: the words after the program's name; those of this process by default.

    Returns:
        The exit status: 0 it worked, 2 the input was wrong, 1 a fault of the program, 130 and 143
        ended by SIGINT and SIGTERM.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if argv is None:  # the process is ours
        _search_less()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with heard():
            _dispatch(words)
            sys.stdout.flush()
    except VgradError as error:
        return _complain(str(error), error.exit_status)
    except SystemExit as done:  # argparse has shown a help
        return int(done.code or 0)
    except Interrupted as asked:
        return asked.exit_status
    except KeyboardInterrupt:
        return CTRL_C
    except BrokenPipeError:
        # Whoever read our output has gone: nothing is left to say, not even while Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        hint = "" if _debugging() else " VGRAD_DEBUG=1 shows where."
        return _complain(f"A fault of vgrad: {type(error).__name__}: {error}.{hint}", FAULT)
    return 0


def _search_less() -> None:
    """Have Python look for garbage less often: torch's million objects, that stay, are searched."""
    gc.set_threshold(10_000)
    atexit.register(gc.freeze)  # nor at the end


def _dispatch(words: list[str]) -> None:
    """Find the verb, and call its function with the words that follow it."""
    verb, rest = (words[0], words[1:]) if words else ("", [])
    if verb in ("-h", "--help", "help"):
        print(HELP, end="")
    elif verb == "--version":
        from importlib.metadata import version

        print(f"vgrad {version('vgrad')}")
    elif verb in ("-sc", "--shell-completion"):
        _complete(rest)
    elif verb in FUNCTIONS:
        FUNCTIONS[verb](rest)
    elif not verb:
        verbs = ", ".join(VERBS)
        raise ConfigError(f"What is to be done? The verbs are {verbs}; `vgrad --help` says more.")
    elif "=" in verb:
        raise ConfigError(f"{verb!r} is no verb. Did you mean `vgrad run {' '.join(words)}`?")
    else:
        raise ConfigError(f"No verb is named {verb!r}.{did_you_mean(verb, VERBS)}")


def _run(words: list[str], *, sweep: bool = False) -> None:
    args = RunParser("sweep" if sweep else "run").parse_intermixed_args(words)
    with undisturbed():
        from vgrad import compose
    request = compose.Request(args.overrides, args.config_name, args.config_dir)
    if args.cfg:
        print(compose.show(request, args.cfg, args.package, resolve=args.resolve), end="")
    elif sweep and args.dry_run:
        _foretell(request, json=args.json)
    elif sweep or args.multirun:
        _train_many(request, json=args.json)
    else:
        _train_one(request, json=args.json)


def _train_one(request: Request, *, json: bool) -> None:
    from vgrad import compose, store
    from vgrad.terminal import choose_view

    with _stdout_kept(json):
        document, asked = None, None
        try:
            document = compose.run(request, partial(choose_view, json))
        except Interrupted as error:
            document, asked = error.document, error
    if json and document is not None:
        print(store.dumps(document), end="")
    if asked:
        raise asked


def _train_many(request: Request, *, json: bool) -> None:
    from vgrad import listing, store
    from vgrad.sweep import sweep
    from vgrad.terminal import choose_sweep_view, choose_view

    told, asked = None, None
    with _stdout_kept(json):
        try:
            folder = sweep(request, partial(choose_view, json), partial(choose_sweep_view, json))
            told = listing.document(*listing.read(folder)) if json else None
        except Interrupted as error:
            asked = error
            if error.document and "runs" in error.document:
                told = {"runs": error.document["runs"], "problems": []}
    if json and told is not None:
        print(store.dumps(told), end="")
    if asked:
        raise asked


def _foretell(request: Request, *, json: bool) -> None:
    from dataclasses import asdict

    from vgrad import store
    from vgrad.sweep import forecast, lines_of

    told = forecast(request)
    print(store.dumps(asdict(told)) if json else "\n".join(lines_of(told)) + "\n", end="")


def _report(words: list[str]) -> None:
    parser = Parser("report")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a run's folder, or one of runs")
    parser.add_argument("--out", metavar="DIR", help="where to write; PATH/report by default")
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    args = parser.parse_args(words)
    from vgrad.api import report
    from vgrad.terminal import literal

    page = report(*args.paths, out=args.out)
    print(literal(str(page)))
    if args.open:
        import webbrowser

        webbrowser.open(page.absolute().as_uri())


def _list(words: list[str]) -> None:
    parser = Parser("list")
    parser.add_argument("kind", nargs="?", metavar="KIND", help="such as activations, or data")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument(
        "--plot", metavar="FILE", help="draw φ and φ′ of every activation, as PNG, SVG or PDF"
    )
    args = parser.parse_args(words)
    from vgrad import catalogue

    registries = catalogue.find(args.kind)
    if args.plot is not None:
        _plot(Path(args.plot), [registry.kind for registry in registries], quiet=args.json)
    if args.json:
        from vgrad import store

        print(store.dumps(catalogue.document(registries)), end="")
    elif args.plot is None:
        width = _console().width
        _show(*(catalogue.table(registry, width) for registry in registries))


def _plot(path: Path, kinds: list[str], *, quiet: bool) -> None:
    """Draw the activations, and say where they are unless something else is to be printed."""
    if kinds != ["activation"]:
        raise ConfigError("--plot draws activations: `vgrad list activations --plot FILE`.")
    from vgrad import portrait
    from vgrad.terminal import literal

    portrait.draw(path)
    if not quiet:
        print(literal(str(path)))


def _ls(words: list[str]) -> None:
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
        print("\n".join(listing.lines(chosen, tops, _console(160))))
    elif runs:
        words = [one.word for one in filters]
        print(literal(f"None of the {len(runs)} runs fits {' '.join(words)}.{chosen.hint}"))
    elif not problems:
        folders = ", ".join(map(str, tops))
        print(f"No runs in {literal(folders)} yet. `vgrad run` makes one.")


def _complete(words: list[str]) -> None:
    """Shell completion, which never says anything but the words that could follow."""
    from vgrad.completion import complete

    if any(word.startswith("query=") for word in words):
        with contextlib.suppress(Exception), contextlib.redirect_stderr(io.StringIO()):
            complete(words, VERBS)
    else:
        complete(words, VERBS)


FUNCTIONS: dict[str, Callable[[list[str]], None]] = {
    "run": _run,
    "sweep": partial(_run, sweep=True),
    "report": _report,
    "list": _list,
    "ls": _ls,
}


@contextlib.contextmanager
def _stdout_kept(json: bool) -> Iterator[None]:
    """While a JSON document is to come, whatever else is printed goes to standard error."""
    with contextlib.redirect_stdout(sys.stderr) if json else contextlib.nullcontext():
        yield


def _show(*tables: Any) -> None:
    console = _console()
    with console.capture() as captured:
        console.print(*tables, sep="\n")
    for line in captured.get().splitlines():
        print(line.rstrip())


def _console(width_of_pipe: int = 80) -> Console:
    from rich.console import Console

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else width_of_pipe
    return Console(highlight=False, width=width)


def _complain(message: str, status: int) -> int:
    """Say what was wrong, with nothing in it that a terminal would obey."""
    from vgrad.terminal import literal

    if _debugging():
        traceback.print_exc()
    print(f"vgrad: {literal(message)}", file=sys.stderr)
    return status


def _debugging() -> bool:
    return os.environ.get("VGRAD_DEBUG", "") not in ("", "0")

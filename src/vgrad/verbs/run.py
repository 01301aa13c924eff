"""`vgrad run` and `vgrad sweep`: the same words, for one run or for many."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from vgrad.interrupt import Interrupted, undisturbed
from vgrad.options import RunParser
from vgrad.verbs.printing import stdout_kept

if TYPE_CHECKING:
    from vgrad.compose import Request


def main(words: list[str], *, sweep: bool = False) -> None:
    """Carry out either verb.

    Raises:
        VgradError: nothing was done, or one of the runs could not be made.
        Interrupted: it was asked to end, and has ended in order.
    """
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

    with stdout_kept(json):
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
    with stdout_kept(json):
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

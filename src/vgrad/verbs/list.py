"""`vgrad list`: the entries of the registries."""

from __future__ import annotations

from pathlib import Path

from vgrad.errors import ConfigError
from vgrad.options import Parser
from vgrad.verbs.printing import console, show


def main(words: list[str]) -> None:
    """Carry out the verb.

    Raises:
        VgradError: there is no such kind, or the picture cannot be written.
    """
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
        on = console()
        show(on, *(catalogue.table(registry, on.width) for registry in registries))


def _plot(path: Path, kinds: list[str], *, quiet: bool) -> None:
    """Draw the activations, and say where they are unless something else is to be printed."""
    if kinds != ["activation"]:
        raise ConfigError("--plot draws activations: `vgrad list activations --plot FILE`.")
    from vgrad import portrait
    from vgrad.terminal import literal

    portrait.draw(path)
    if not quiet:
        print(literal(str(path)))

"""The functions of `import vgrad`: what the commands do, from Python and in notebooks."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vgrad.diagnose.finding import Diagnoses
    from vgrad.store import Frames
    from vgrad.theory import Prediction


def run(*overrides: str) -> Frames:
    """Train one network and record it, as `vgrad run` does: `vgrad.run("activation=selu")`.

    Args:
        *overrides: `KEY=VALUE`, as on the command line.

    Returns:
        The run's records, as `load` returns them.

    Raises:
        VgradError: nothing was done, for the reason that it says.
        KeyboardInterrupt: Ctrl-C was pressed; what was recorded until then is kept.
    """
    from vgrad import compose
    from vgrad.terminal import choose_view

    with _interruptible():
        document = compose.run(compose.Request(overrides), choose_view)
    return load(document["path"])


def sweep(*overrides: str) -> Frames:
    """Train a network for each combination of values: `vgrad.sweep("depth=2,10", "seed=0,1")`.

    Args:
        *overrides: `KEY=VALUE,VALUE,…`, as on the command line of `vgrad sweep`.

    Returns:
        The records of all the runs, as `load` returns them.

    Raises:
        VgradError: nothing was done, for the reason that it says.
        KeyboardInterrupt: Ctrl-C was pressed; what was recorded until then is kept.
    """
    from vgrad.compose import Request
    from vgrad.sweep import sweep
    from vgrad.terminal import choose_sweep_view, choose_view

    with _interruptible():
        folder = sweep(Request(overrides), choose_view, choose_sweep_view)
    return load(folder)


def load(*paths: str | Path) -> Frames:
    """The records of one run, or of all runs in a tree, as pandas data frames.

    Args:
        *paths: run folders, or folders of them.

    Returns:
        `.runs` with a row per run, `.steps` with a row per recorded step, `.layers` with a row per
        step and layer.

    Raises:
        StoreError: a path is no folder, or holds no run.
    """
    from vgrad import store

    return store.load(*paths)


def diagnose(*paths: str | Path) -> Diagnoses:
    """What is wrong with one or more runs, and what to change, as `vgrad diagnose` says it.

    Args:
        *paths: run folders, or folders of them.

    Returns:
        A diagnosis for each run: its verdict and its findings, the gravest first.

    Raises:
        StoreError: a path is no folder, or holds no run.
    """
    from vgrad.diagnose import diagnose

    return diagnose(load(*paths))


def theory(*overrides: str) -> Prediction:
    """What mean-field theory says of a network, as `vgrad theory` shows it; nothing is trained.

    Args:
        *overrides: `KEY=VALUE`, as on the command line.

    Returns:
        `.layers` layer by layer, `.fixed_point`, `.depth_scale`, `.critical`, `.gain`; `.frame()`
        has the layers as a data frame.

    Raises:
        VgradError: a setting is not valid, or something that it needs is not there.
    """
    from vgrad import compose
    from vgrad.theory import predict

    return predict(compose.config_of(compose.Request(overrides)))


def report(
    *paths: str | Path,
    out: str | Path | None = None,
    x: str | None = None,
    hue: str | None = None,
    facet: str | None = None,
    anonymous: bool = False,
    formats: Sequence[str] = ("html",),
) -> Path:
    """Write a page about one or more runs, with its figures and tables.

    Args:
        *paths: run folders, or folders of them.
        out: the folder to write; `report/` in the first path by default.
        x: the setting that goes along x.
        hue: the setting that has the colours.
        facet: the setting that has panels of its own.
        anonymous: leave out user, machine and folders.
        formats: of "html", "md", "latex" and "csv".

    Returns:
        What was written for the first of the formats: the page, `index.html`.

    Raises:
        ConfigError: a format is not known, or a setting does not differ among the runs.
        StoreError: a path holds no run, or the folder cannot be written.
    """
    from vgrad.report import build

    return build(
        [Path(path) for path in paths],
        None if out is None else Path(out),
        anonymous=anonymous,
        x=x,
        hue=hue,
        facet=facet,
        formats=formats,
    )


@contextmanager
def _interruptible() -> Iterator[None]:
    """What Python raises when a program is asked to end, once the run has ended in order."""
    from vgrad.interrupt import Interrupted

    try:
        yield
    except Interrupted as asked:
        if asked.signal == signal.SIGINT:
            raise KeyboardInterrupt from None
        raise SystemExit(asked.exit_status) from None

"""Pages in a real browser, for tests: Debian's chromium, driven by playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reporting import build_unpainted, write_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@dataclass
class Visit:
    """A page that was opened, with all that it complained of and asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def browser() -> Iterator[Browser]:
    """The browser; nothing is downloaded for it."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert path, f"none of {', '.join(BROWSERS)} is installed"
    with sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=path, args=FLAGS)


@contextmanager
def visit(
    chromium: Browser, file: Path, fragment: str = "", width: int = 1280, **more: Any
) -> Iterator[Visit]:
    """Open a page of a report.

    Args:
        chromium: the browser.
        file: the page.
        fragment: what stands in its address after `#`.
        width: of the window.
        **more: what playwright's new_page takes.
    """
    page = chromium.new_page(viewport={"width": width, "height": 800}, **more)
    seen = Visit(page)
    page.on("console", lambda message: seen.complaints.append(message.text))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on("request", lambda request: seen.requests.append(request.url))
    page.goto(file.as_uri() + (f"#{fragment}" if fragment else ""))
    try:
        yield seen
    finally:
        page.close()


def make_sweep(folder: Path, **more: Any) -> Path:
    """Runs of three activations, two inits and two depths with two seeds, and their page."""
    decays = {"sigmoid": -0.6, "selu": -0.01, "relu": -0.15}
    for activation, decay in decays.items():
        for init in ("he_normal", "xavier_normal"):
            for depth in (2, 8):
                for seed in range(2):
                    write_run(
                        folder / f"{activation}-{init}-{depth}-{seed}",
                        activation=activation,
                        init=init,
                        depth=depth,
                        seed=seed,
                        decay=decay - 0.02 * seed,
                        final=0.1 if depth * decay < -3 else 0.9 - 0.01 * seed,
                        steps=[0, 1, 10, 50, 100],
                        **more,
                    )
    return build_unpainted([folder])

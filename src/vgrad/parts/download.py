"""Files from the first of several mirrors that has them, kept only if their checksum is right."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import lazy_loader as lazy

if TYPE_CHECKING:
    import pooch
    import requests
else:
    pooch = lazy.load("pooch")
    requests = lazy.load("requests")

TIMEOUT = (5.0, 30.0)
"""Seconds to wait for a connection, and for the next bytes."""


def fetch(md5: Mapping[str, str], mirrors: Sequence[str], folder: Path) -> list[str]:
    """Bring what is not yet in `folder` there; a file that is there and whole is left alone.

    A file is written aside and moved into place once its checksum is found right. A mirror that
    fails is left for the next one.

    Args:
        md5: of each file wanted, by name.
        mirrors: addresses that end in a slash, to which a file's name is added.
        folder: where the files go; it is made if need be.

    Returns:
        What went wrong at each mirror; empty once every file is in place.

    Raises:
        OSError: the folder cannot be written.
    """
    pooch.get_logger().setLevel("ERROR")  # it would announce each file on standard error
    problems = []
    for mirror in mirrors:
        try:
            for name, checksum in md5.items():
                pooch.retrieve(mirror + name, f"md5:{checksum}", name, folder, downloader=_download)
        except (requests.RequestException, ValueError) as error:
            problems.append(f"{urlsplit(mirror).netloc}: {_reason(error)}")
        else:
            return []
    return problems


def _download(url: str, path: str, _: object) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    # A mirror that unpacks on the way would send other bytes than those that were summed.
    as_stored = {"Accept-Encoding": "identity"}
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )
    with (
        requests.get(url, headers=as_stored, stream=True, timeout=TIMEOUT) as response,
        open(path, "wb") as file,
        bar,
    ):
        response.raise_for_status()
        size = response.headers.get("Content-Length", "")
        task = bar.add_task(url.rpartition("/")[2], total=int(size) if size.isdecimal() else None)
        for chunk in response.iter_content(2**16):
            file.write(chunk)
            bar.advance(task, len(chunk))


def _reason(error: Exception) -> str:
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP status {error.response.status_code}"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    if isinstance(error, requests.RequestException):
        return "the transfer broke off"
    return "the checksum is wrong"

"""What a study left beside its runs: the question that they answer, and what became of its claims.

The file is plain JSON, and nothing in it is more than text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vgrad.errors import StoreError
from vgrad.store.disk import read_file

STUDY = "study.json"
MOST_BYTES = 1 << 20
VERDICTS = ("holds", "fails", "not decided")


@dataclass(frozen=True)
class Claimed:
    """What a study says of the runs in its folder.

    Attributes:
        question: what it asks; None where there is no study.
        claims: what became of each claim, and its sentence.
        problem: why its file was not used; empty where it was, or where there is none.
    """

    question: str | None = None
    claims: Sequence[tuple[str, str]] = ()
    problem: str = ""


def claimed(paths: Sequence[str | Path]) -> Claimed:
    """What the study says whose folder alone is given; nothing where it is no study's."""
    if len(paths) != 1:
        return Claimed()
    file = Path(paths[0]) / STUDY
    try:
        return _read(json.loads(read_file(file, MOST_BYTES)))
    except (FileNotFoundError, NotADirectoryError):
        return Claimed()
    except (StoreError, ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, StoreError) else f"{file} makes no sense."
        return Claimed(problem=f"{why} The question and the claims of the study are left out.")


def _read(document: Any) -> Claimed:
    """The document, checked.

    Raises:
        ValueError: it is something else.
    """
    question, claims = (
        (document.get("question"), document.get("claims"))
        if isinstance(document, dict)
        else (None, None)
    )
    if not isinstance(question, str) or not isinstance(claims, list):
        raise ValueError(STUDY)
    pairs = [tuple(claim) for claim in claims if isinstance(claim, list)]
    good = [pair for pair in pairs if len(pair) == 2 and pair[0] in VERDICTS]
    if len(good) < len(claims) or not all(isinstance(says, str) for _, says in good):
        raise ValueError(STUDY)
    return Claimed(question, good)

"""run.json: what a run was made from and what came of it, as JSON that every parser takes."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from vgrad.errors import DamagedFileError, StoreError
from vgrad.store.columns import ALWAYS, DOCUMENT, TABLES
from vgrad.store.disk import aside, read_file, writing
from vgrad.store.foretold import THEORY

FORMAT = 1  # raised when older programs could no longer read what a run leaves
RUNNING = "running"
ENDS = ("completed", "diverged", "interrupted", "failed")
SEAL = "sha256"
NOT_NUMBERS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
LARGEST = 4 << 20  # bytes
DEEPEST = 12  # objects within objects
THEORY_LINE, LAST_LINE = f',\n  "{THEORY}": '.encode(), b"\n}\n"
MOST_KEPT = 1 << 16  # bytes of a prediction that is remembered
AS_JSON: dict[str, Any] = {"allow_nan": False, "ensure_ascii": False}


def encode(value: Any) -> Any:
    """Plain data that JSON can hold: NaN and infinity become `"nan"`, `"inf"`, `"-inf"`.

    Mappings become dicts, tuples lists, numpy's numbers Python's, and anything else its text.
    """
    if isinstance(value, Mapping):
        return {encode(str(key)): encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if isinstance(value, bool | int | None):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if hasattr(value, "tolist"):
        return encode(value.tolist())
    return str(value).encode("utf-8", "backslashreplace").decode()


def decode(value: Any) -> Any:
    """What `encode` was given, for values none of whose texts is `nan`, `inf` or `-inf`."""
    if isinstance(value, dict):
        return {key: decode(item) for key, item in value.items()}
    if isinstance(value, list):
        return [decode(item) for item in value]
    return NOT_NUMBERS.get(value, value) if isinstance(value, str) else value


def dumps(value: Any) -> str:
    """The value as valid JSON text, ending in a line feed."""
    return json.dumps(encode(value), indent=2, **AS_JSON) + "\n"


def write_document(folder: Path, document: Mapping[str, Any]) -> dict[str, Any]:
    """Write run.json whole: a reader sees the one before or this one.

    Returns:
        What it holds: the document, encoded and sealed.

    Raises:
        StoreError, WriteError: it cannot be written.
    """
    path = folder / DOCUMENT
    sealed: dict[str, Any] = encode(document)
    sealed[SEAL] = _seal(sealed)
    with writing(path), aside(path) as file:
        file.write(_text(sealed).encode())
    return sealed


def _text(encoded: Mapping[str, Any]) -> str:
    """Indented for people, but for the prediction, whose lists would fill pages."""
    rest = {key: value for key, value in encoded.items() if key != THEORY}
    text = json.dumps(rest, indent=2, **AS_JSON)
    if THEORY in encoded:
        told = json.dumps(encoded[THEORY], **AS_JSON)
        return f"{text[:-2]}{THEORY_LINE.decode()}{told}{LAST_LINE.decode()}"
    return f"{text}\n"


def read_document(folder: Path) -> dict[str, Any]:
    """The folder's run.json, checked.

    Raises:
        DamagedFileError: it is missing, or not what vgrad writes.
        StoreError: a newer vgrad wrote it.
    """
    return parse(folder, read_bytes(folder))


def read_bytes(folder: Path) -> bytes:
    """The folder's run.json as it stands, not looked into.

    Raises:
        DamagedFileError: it is missing, or cannot be read.
    """
    path = folder / DOCUMENT
    try:
        return read_file(path, LARGEST)
    except FileNotFoundError:
        raise DamagedFileError(path, "it is missing") from None


def parse(folder: Path, data: bytes) -> dict[str, Any]:
    """What the bytes of the folder's run.json say, checked.

    Raises:
        DamagedFileError: they are not what vgrad writes.
        StoreError: a newer vgrad wrote them.
    """
    path = folder / DOCUMENT
    try:
        document, sealed = _parsed(data)
        if b"\\u" in data:  # what cannot be printed, half a character, can only come from an escape
            json.dumps(document, ensure_ascii=False).encode()
    except RecursionError:
        raise DamagedFileError(path, "it is nested too deeply") from None
    except ValueError as error:  # JSON or UTF-8
        raise DamagedFileError(path, f"it is not what vgrad writes ({error})") from None
    if wrong := _wrong_field(document, sealed):
        raise DamagedFileError(path, f"it is not what vgrad writes ({wrong})")
    if document["format"] > FORMAT:
        raise StoreError(
            f"{path} has format {document['format']}: a newer vgrad wrote it, "
            f"and this one reads formats up to {FORMAT}."
        )
    return dict(document)


def _parsed(data: bytes) -> tuple[Any, dict[str, str]]:
    """The document, and those of its values whose text for the seal is known."""
    head, there, tail = data.rpartition(THEORY_LINE)
    if not there or not tail.endswith(LAST_LINE) or len(tail) > MOST_KEPT:
        return _loaded(data), {}
    rest, (told, text) = _loaded(head + LAST_LINE), _foretold(tail.removesuffix(LAST_LINE))
    return {**rest, THEORY: told}, {THEORY: text}


@lru_cache(maxsize=256)
def _foretold(text: bytes) -> tuple[Any, str]:
    """A prediction, and its text for the seal: the runs of an arm have the same one."""
    told = _loaded(text)
    return told, json.dumps(told, sort_keys=True)


def _loaded(text: bytes) -> Any:
    value: Any = json.loads(text, parse_constant=_refuse_constant, parse_int=_whole)
    _check_depth(value)
    return value


def _seal(document: Mapping[str, Any], known: Mapping[str, str] | None = None) -> str:
    """The SHA-256 of all but the seal itself: without it a flipped bit is another number.

    Args:
        document: whose.
        known: the JSON text of some of its values, with sorted keys.
    """
    texts = known or {}
    parts = (
        f"{json.dumps(key)}: {texts.get(key) or json.dumps(document[key], sort_keys=True)}"
        for key in sorted(document)
        if key != SEAL
    )
    return hashlib.sha256(f"{{{', '.join(parts)}}}".encode()).hexdigest()


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _whole(digits: str) -> int:
    number = int(digits)
    if not -(2**63) <= number < 2**64:
        raise ValueError("a whole number has more than 64 bits")
    return number


def _check_depth(value: Any, depth: int = 0) -> None:
    """Refuse what is nested so deeply that its readers would break."""
    if depth > DEEPEST:
        raise RecursionError
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in items:
        if isinstance(item, dict | list):
            _check_depth(item, depth + 1)


def _wrong_field(document: Any, sealed: Mapping[str, str]) -> str | None:
    """The first field that is missing or of the wrong kind."""
    if not isinstance(document, dict):
        return "no object"
    if type(document.get("format")) is not int or document["format"] < 1:
        return "no `format`"
    if document["format"] > FORMAT:
        return None
    run_id = document.get("run_id")
    if not (isinstance(run_id, str) and re.fullmatch(r"[\w.-]{1,64}", run_id, re.ASCII)):
        return "no `run_id`"
    if document.get("status") not in (RUNNING, *ENDS):
        return "no `status`"
    for field in ("config", "summary", "timings", "files"):
        if not isinstance(document.get(field), dict):
            return f"no `{field}`"
    if document.get(SEAL) != _seal(document, sealed):
        return "it was changed after it was written"
    files, finished = document["files"], document["status"] != RUNNING
    tables = [t for t in TABLES if t.parquet in files or (t in ALWAYS and finished)]
    if not all(_is_seal(files.get(table.parquet)) for table in tables):
        return "no SHA-256 of a table"
    return None


def _is_seal(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("sha256"), str)

"""Shell completion: the verbs here, the overrides by Hydra's own plugins."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from contextlib import redirect_stdout

from vgrad.catalogue import find
from vgrad.compose import Request, prepare
from vgrad.errors import ConfigError
from vgrad.study_file import files

OPTIONS = ("--json",)  # ours, which Hydra's completion does not know


def complete(words: list[str], verbs: Mapping[str, str]) -> None:
    """Answer `vgrad -sc install=bash`, `uninstall=bash` and `query=bash`.

    Args:
        words: what follows `-sc`.
        verbs: the verbs of the command line with their help.

    Raises:
        ConfigError: the words ask for something else.
    """
    if len(words) != 1 or not re.fullmatch(r"(install|uninstall|query)=(bash|fish|zsh)", words[0]):
        raise ConfigError("Write `vgrad -sc install=bash`, with bash, fish or zsh.")
    if words[0].startswith("query="):
        line = os.environ.get("COMP_LINE", "")
        typed = line.split()[1:]
        if not typed or (len(typed) == 1 and not line.endswith(" ")):
            print(" ".join(verb for verb in verbs if verb.startswith("".join(typed))))
            return
        if typed[0] == "list":
            print(" ".join(registry.plural for registry in find(None)))
            return
        if typed[0] == "study" and (len(typed) == 1 or (len(typed) == 2 and line[-1] != " ")):
            print(" ".join(name for name in files() if name.startswith("".join(typed[1:]))))
            return
        if typed[0] not in ("run", "sweep", "study", "theory"):
            return  # the shell completes the names of files
        os.environ["COMP_LINE"] = _without_verb(line)
    _ask_hydra(words)


def _without_verb(line: str) -> str:
    """The line as one of Hydra's programs would see it."""
    program, verb, *typed = line.split()
    rest = [word for word in typed if word not in OPTIONS][verb == "study" :]
    end = " " if line.endswith(" ") else ""
    return " ".join([program, *(["-m"] if verb in ("sweep", "study") else []), *rest]) + end


def _ask_hydra(words: list[str]) -> None:
    """Print what Hydra offers, but for the studies: to it they are a group of the config."""
    from hydra._internal.hydra import Hydra

    with redirect_stdout(io.StringIO()) as offered:
        Hydra("vgrad", prepare(Request())).shell_completion("config", words)
    print(" ".join(w for w in offered.getvalue().split(" ") if not w.startswith("study")), end="")

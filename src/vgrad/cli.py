"""The command line: verbs to their modules, errors to one message and an exit status."""

from __future__ import annotations

import atexit
import contextlib
import errno
import gc
import io
import os
import sys
import threading
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from vgrad.errors import ConfigError, VgradError, did_you_mean
from vgrad.interrupt import Interrupted, heard
from vgrad.options import HELP, VERBS

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
        if isinstance(error, OSError) and error.filename is None and _is_of_disk(error):
            return _complain(f"What is said here cannot be written: {error.strerror}.", FAULT)
        hint = "" if _debugging() else " VGRAD_DEBUG=1 shows where."
        return _complain(f"A fault of vgrad: {type(error).__name__}: {error}.{hint}", FAULT)
    return 0


def _is_of_disk(error: OSError) -> bool:
    from vgrad.store.disk import FULL

    return error.errno in FULL or error.errno == errno.EIO


def program() -> NoReturn:
    """Carry out the command of this process, and end it.

    Python looks for garbage less often, as torch's million objects stay; and at the end it does
    not take them apart, which would be half a second.
    """
    gc.set_threshold(10_000)
    _open_streams()
    status = main()
    # What multiprocessing does where its processes end, for the same reason.
    threading._shutdown()  # type: ignore[attr-defined]  # awaits what still runs
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(status)


def _open_streams() -> None:
    """Let what was closed for us, as by `>&-`, lead nowhere: Python has None in its place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def _dispatch(words: list[str]) -> None:
    """Find the verb, and give its module the words that follow it."""
    verb, rest = (words[0], words[1:]) if words else ("", [])
    if verb in ("-h", "--help", "help"):
        print(HELP, end="")
    elif verb == "--version":
        from importlib.metadata import version

        print(f"vgrad {version('vgrad')}")
    elif verb in ("-sc", "--shell-completion"):
        _complete(rest)
    elif verb in VERBS:
        import_module(f"vgrad.verbs.{verb}").main(rest)
    elif not verb:
        verbs = ", ".join(VERBS)
        raise ConfigError(f"What is to be done? The verbs are {verbs}; `vgrad --help` says more.")
    elif "=" in verb:
        raise ConfigError(f"{verb!r} is no verb. Did you mean `vgrad run {' '.join(words)}`?")
    else:
        raise ConfigError(f"No verb is named {verb!r}.{did_you_mean(verb, VERBS)}")


def _complete(words: list[str]) -> None:
    """Shell completion, which never says anything but the words that could follow."""
    from vgrad.completion import complete

    if any(word.startswith("query=") for word in words):
        with contextlib.suppress(Exception), contextlib.redirect_stderr(io.StringIO()):
            complete(words, VERBS)
    else:
        complete(words, VERBS)


def _complain(message: str, status: int) -> int:
    """Say what was wrong, with nothing in it that a terminal would obey."""
    from vgrad.terminal import literal

    if _debugging():
        traceback.print_exc()
    print(f"vgrad: {literal(message)}", file=sys.stderr)
    return status


def _debugging() -> bool:
    return os.environ.get("VGRAD_DEBUG", "") not in ("", "0")

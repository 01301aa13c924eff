"""A terminal without a screen: what a program sends to it."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import termios


def terminal_output(
    code: str, *, size: tuple[int, int] = (24, 80), interrupt: bool = False, **environment: str
) -> tuple[str, int]:
    """What a Python program sends to a terminal of some lines and columns, and its exit status.

    With `interrupt` it gets a Ctrl-C as soon as it has drawn a bar.
    """
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, size)
    kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR", "CI")}
    environment = kept | {"TERM": "xterm-256color", "PYTHONUTF8": "1"} | environment
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    sent = b""
    try:
        while chunk := os.read(ours, 65536):
            sent += chunk
            if interrupt and "█".encode() in sent:
                process.send_signal(signal.SIGINT)
                interrupt = False
    except OSError:  # how Linux says that the other side is closed
        pass
    os.close(ours)
    return sent.decode(), process.wait()

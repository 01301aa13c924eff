"""The peak memory of a sweep of 1,000 runs, against the limit that was set.

A sweep runs as a command in a new folder, and the memory of all its processes is looked at ten
times a second: the proportional set size, which counts what processes share once.

    python -m benchmarks.memory [--runs 1000] [--limit 1GB]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time

import psutil

from vgrad.plan import bytes_of

SIZES = ("depth=10", "width=64", "batch_size=64", "steps=50")


def now(process: psutil.Process) -> int:
    """Bytes of a process and of all that it started."""
    total = 0
    for each in [process, *process.children(recursive=True)]:
        try:
            total += each.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--limit", default="1GB")
    args = parser.parse_args()
    seeds = f"seed=range({max(1, args.runs // 4)})"
    words = ["activation=relu,tanh,sigmoid,selu", seeds, *SIZES, "name=memory"]
    command = [sys.executable, "-m", "vgrad", "sweep", *words]
    for limit in (None, args.limit):
        more = [] if limit is None else [f"hydra.launcher.max_memory={limit}"]
        with tempfile.TemporaryDirectory() as folder:
            begun, peak = time.perf_counter(), 0
            process = psutil.Popen([*command, *more], cwd=folder, stdout=subprocess.DEVNULL)
            while process.poll() is None:
                peak = max(peak, now(process))
                time.sleep(0.1)
        seconds = time.perf_counter() - begun
        most = "" if limit is None else f" (limit {bytes_of(limit) / 2**20:,.0f} MB)"
        print(
            f"{args.runs} runs, status {process.returncode}: peak {peak / 2**20:,.0f} MB{most}, "
            f"{seconds:.0f} s"
        )


if __name__ == "__main__":
    main()

"""Run the benchmarks that take minutes, each in a process of its own, one after the other."""

from __future__ import annotations

import subprocess
import sys

BENCHMARKS = tuple(
    f"benchmarks.{name}" for name in ("step", "stack", "startup", "load", "memory", "scaling")
)

for name in BENCHMARKS:
    print(f"\n== {name}", flush=True)
    subprocess.run([sys.executable, "-m", name], check=True)

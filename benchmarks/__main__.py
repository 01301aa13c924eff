"""Run every benchmark, each in a process of its own, one after the other."""

from __future__ import annotations

import subprocess
import sys

BENCHMARKS = ("benchmarks.step", "benchmarks.startup")

for name in BENCHMARKS:
    print(f"\n== {name}", flush=True)
    subprocess.run([sys.executable, "-m", name], check=True)

"""How long commands take as a person types them, start-up included: medians over some rounds.

python -m benchmarks.startup [--rounds 5]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("vgrad")
COMPLETION = {"COMP_LINE": "vgrad run activation=", "COMP_POINT": "21"}

COMMANDS: dict[str, tuple[list[str], dict[str, str], float]] = {
    "vgrad --help": (["--help"], {}, 0.3),
    "vgrad run activation=selu depth=40": (["run", "activation=selu", "depth=40"], {}, 15.0),
    "vgrad theory activation=gelu depth=40": (["theory", "activation=gelu", "depth=40"], {}, 2.0),
    "vgrad ls": (["ls"], {}, 0.3),
    "vgrad list": (["list"], {}, 0.7),
    "completion of activation=": (["-sc", "query=bash"], COMPLETION, 0.7),
    "vgrad report runs": (["report", "runs"], {}, 6.0),
}


def main() -> None:
    """Print the median seconds of each command, and what it may take."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        for name, (words, environment, most) in COMMANDS.items():
            times = []
            for _ in range(rounds):
                begun = time.perf_counter()
                subprocess.run(
                    [PROGRAM, *words],
                    cwd=folder,
                    env=os.environ | environment,
                    check=True,
                    capture_output=True,
                )
                times.append(time.perf_counter() - begun)
            print(f"{name:38}{statistics.median(times):7.2f} s   (at most {most:g} s)")


if __name__ == "__main__":
    main()

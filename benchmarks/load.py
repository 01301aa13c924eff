"""How long it takes to read a sweep of many runs, and the memory: medians of 3 processes.

python -m benchmarks.load [--runs 1000]

The runs are made in a temporary folder by the writer that vgrad uses, 50 records of 41 layers
each, and their files are in the system's cache when they are read.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from vgrad.store import LAYER_COLUMNS, RunWriter
from vgrad.store.foretold import THEORY_COLUMNS

PROGRAM = Path(sys.executable).with_name("vgrad")
ROUNDS = 3
RECORDS, LAYERS = 50, 41
LOAD_MOST, LS_MOST = 3.0, 1.0  # seconds that 1,000 runs may take
LOAD = """
import resource, sys, time
import pandas, vgrad.store.frames  # what every program that uses pandas has
begun = time.perf_counter()
frames = vgrad.load(sys.argv[1])
seconds = time.perf_counter() - begun
assert len(frames.layers) == int(sys.argv[2]), frames
unit = 1 if sys.platform == "darwin" else 1024
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)
"""


def make(folder: Path, runs: int) -> None:
    """A sweep of made-up numbers."""
    draw = np.random.default_rng(0)
    layers = draw.standard_normal((LAYERS, len(LAYER_COLUMNS)))
    absent = np.zeros(layers.shape, dtype=bool)
    absent[-1, 10:13] = True
    told = {name: draw.standard_normal(LAYERS).round(7).tolist() for name in THEORY_COLUMNS}
    theory = {"not_predicted": None, "grad_decay": -0.1, "trainable_depth": 9.0, "layers": told}
    activations = ("sigmoid", "tanh", "relu", "selu", "elu", "gelu", "softplus", "identity")
    inits = ("matched", "he_normal")
    grid = itertools.product(range(runs), activations, inits)
    for number, (seed, activation, init) in enumerate(itertools.islice(grid, runs)):
        config = {
            "activation": {"name": activation},
            "init": {"name": init, "bias": 0.0},
            "depth": LAYERS - 1,
            "width": 64,
            "seed": seed,
            "name": "sweep",
        }
        run_id = f"{number:012x}"
        with RunWriter(folder / run_id, run_id, config, {"theory": theory}) as writer:
            for step in range(RECORDS):
                writer.record(step, {"train_loss": 1.0, "lr": 0.02}, layers + step, absent)
            accuracy = float(draw.random())
            writer.finish("completed", {"final_val_accuracy": accuracy, "verdict": "healthy"}, {})


def load(folder: Path, runs: int) -> tuple[float, float]:
    """Seconds of `vgrad.load`, and the most memory of its process in MB."""
    words = [sys.executable, "-c", LOAD, str(folder), str(runs * RECORDS * LAYERS)]
    ended = subprocess.run(words, check=True, capture_output=True, text=True)
    seconds, memory = map(float, ended.stdout.split())
    return seconds, memory


def ls(folder: Path, *words: str) -> float:
    """Seconds of `vgrad ls`, start-up included."""
    begun = time.perf_counter()
    environment = os.environ | {"COLUMNS": "100"}
    command = [str(PROGRAM), "ls", str(folder), *words]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return time.perf_counter() - begun


def main() -> None:
    """Print the median seconds, and the memory."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "sweep"
        make(folder, runs)
        megabytes = sum(file.stat().st_size for file in folder.rglob("*.parquet")) / 1e6
        print(f"{runs:,} runs, {runs * RECORDS * LAYERS:,} rows of layers, {megabytes:,.0f} MB")
        seconds, memory = zip(*(load(folder, runs) for _ in range(ROUNDS)), strict=True)
        listed = [ls(folder) for _ in range(ROUNDS)]
        chosen = ["activation=relu", "--sort", "final_val_accuracy", "--limit", "10"]
        best = [ls(folder, *chosen) for _ in range(ROUNDS)]
    shown = {
        "vgrad.load": f"{statistics.median(seconds):7.2f} s   ({LOAD_MOST:g} s for 1,000 runs)",
        "  most memory": f"{statistics.median(memory):7.0f} MB",
        "vgrad ls": f"{statistics.median(listed):7.2f} s   ({LS_MOST:g} s for 1,000 runs)",
        "vgrad ls activation=relu --sort …": f"{statistics.median(best):7.2f} s",
    }
    for name, text in shown.items():
        print(f"{name:38}{text}")


if __name__ == "__main__":
    main()

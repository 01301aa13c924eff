"""The colours and line styles of every figure, fixed by name: one meaning wherever it is met.

The nine activations that are met most have Paul Tol's "muted" scheme, which is safe for
colour-blind readers, darkened where a thin line on white would be too pale. The others have
colours between those, so that no more than a dozen lines should share a panel.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

Dash = Any  # what matplotlib takes as a line style

INK, MUTED, GRID, RAIL, PAPER = "#24292f", "#57606a", "#dfe3e8", "#f2f4f7", "#ffffff"
EARLY, MIDDLE, LATE = "#d98e04", "#c2417c", "#2c3e9e"  # the steps of one run
TRAIN, VALIDATION = "#8a94a0", "#0072b2"

ACTIVATION_COLOURS = {
    "sigmoid": "#cc6677",
    "tanh": "#332288",
    "relu": "#117733",
    "leaky_relu": "#2a9d8a",
    "elu": "#2f8fc9",
    "selu": "#882255",
    "gelu": "#aa4499",
    "swish": "#8a8a2b",
    "identity": "#7d8590",
    "scaled_tanh": "#5b4bb5",
    "softsign": "#c7762a",
    "gaussian": "#94502a",
    "sine": "#3f6fa8",
    "hard_tanh": "#1f4fa0",
    "hard_sigmoid": "#a8323f",
    "relu6": "#55772f",
    "prelu": "#0b7a6b",
    "rrelu": "#3d8f5f",
    "celu": "#3a7391",
    "hard_swish": "#857200",
    "mish": "#b8358a",
    "softplus": "#6547a3",
    "squareplus": "#8467b0",
    "maxout": "#a67a00",
    "softmax": "#6b4c3b",
    "crelu": "#468012",
}
SPARE_COLOURS = ("#d9731a", "#4477aa", "#a05a2c", "#6f4fb0", "#5b7f3a", "#b03a4a")

INIT_DASHES: Mapping[str, Dash] = {
    "he_normal": "solid",
    "xavier_normal": (0, (4, 1.5)),
    "lecun_normal": (0, (1, 1.2)),
    "orthogonal": (0, (5, 1.5, 1, 1.5)),
    "matched": (0, (7, 2, 1, 1, 1, 2)),
    "critical": (0, (7, 1.2, 3, 1.2)),
    "he_uniform": (0, (12, 1.2)),
    "xavier_uniform": (0, (2.2, 1.2)),
    "lecun_uniform": (0, (1, 2.4)),
    "heuristic_normal": (0, (6, 3)),
    "heuristic_uniform": (0, (3, 3)),
    "torch_default": (0, (8, 1.5, 2, 1.5)),
    "lsuv": (0, (3, 1, 1, 1)),
    "normal": (0, (9, 3)),
    "uniform": (0, (5, 1, 5, 3)),
    "truncated_normal": (0, (9, 2, 4, 2)),
    "sparse": (0, (1, 4)),
    "identity": (0, (10, 2, 1, 2)),
    "constant": (0, (2, 4)),
    "zeros": (0, (2, 1, 2, 4)),
}
SPARE_DASHES: Sequence[Dash] = (
    (0, (6, 1, 2, 1, 2, 1)),
    (0, (8, 3, 2, 3)),
    (0, (4, 1, 1, 3)),
)

GUIDE_DASH = (0, (1.6, 1.6))  # of a line to compare with

RAMP = (  # viridis without its pale end: numbers in their order
    "#440154",
    "#481668",
    "#482878",
    "#443a83",
    "#3e4a89",
    "#375b8d",
    "#30698e",
    "#2a778e",
    "#25848e",
    "#20928c",
    "#1c9683",
    "#1e9a77",
)
RAMP_ON_DARK = (
    "#3f8fb5",
    "#3596b0",
    "#2d9daa",
    "#27a4a3",
    "#28ab9a",
    "#33b48f",
    "#46c06f",
    "#65cb5e",
    "#89d548",
    "#b0dd2f",
    "#d8e219",
    "#fde725",
)

FATES = {  # a verdict → the tint of its cell
    "healthy": "#dff0dd",
    "vanishing": "#d9e7f7",
    "exploding": "#fde5cc",
    "diverged": "#f6d5dd",
    "unsure": "#eceff2",
}

DARK = {  # each colour of a figure → the same on a dark page
    INK: "#e6e9ed",
    MUTED: "#a3acb7",
    GRID: "#2d343d",
    RAIL: "#222931",
    PAPER: "#161b21",
    EARLY: "#efb23c",
    MIDDLE: "#ef77ad",
    LATE: "#93a4ff",
    TRAIN: "#8a94a0",
    VALIDATION: "#4fb0ea",
    "#cc6677": "#e58e9c",
    "#332288": "#9a92f0",
    "#117733": "#4cbb74",
    "#2a9d8a": "#4cc7b4",
    "#2f8fc9": "#62b6ea",
    "#882255": "#dd6d9f",
    "#aa4499": "#d480c6",
    "#8a8a2b": "#c3c35a",
    "#7d8590": "#a0a8b2",
    "#5b4bb5": "#a79bf2",
    "#c7762a": "#efa35c",
    "#94502a": "#d08c64",
    "#3f6fa8": "#7ba7dc",
    "#1f4fa0": "#7f9df0",
    "#a8323f": "#e8707c",
    "#55772f": "#9bc070",
    "#0b7a6b": "#38bda8",
    "#3d8f5f": "#6cc592",
    "#3a7391": "#72aecd",
    "#857200": "#c9b23a",
    "#b8358a": "#ee7cc4",
    "#6547a3": "#ab8ee6",
    "#8467b0": "#bda3e4",
    "#a67a00": "#dfb240",
    "#6b4c3b": "#b8937d",
    "#468012": "#86c050",
    "#d9731a": "#f0964d",
    "#4477aa": "#79a9d8",
    "#a05a2c": "#cf8d60",
    "#6f4fb0": "#a98be6",
    "#5b7f3a": "#93b86f",
    "#b03a4a": "#e07a88",
    "#dff0dd": "#1d3a24",
    "#d9e7f7": "#1b3350",
    "#fde5cc": "#4a3015",
    "#f6d5dd": "#4d1f30",
    "#eceff2": "#2a3038",
} | dict(zip(RAMP, RAMP_ON_DARK, strict=True))


def activation_colour(name: str) -> str:
    """The colour of an activation; that of one of the user's own follows from its name."""
    return ACTIVATION_COLOURS.get(name) or SPARE_COLOURS[_place(name, len(SPARE_COLOURS))]


def init_dash(name: str) -> Dash:
    """The line style of an initialisation, likewise."""
    return INIT_DASHES.get(name) or SPARE_DASHES[_place(name, len(SPARE_DASHES))]


def ramp(count: int) -> list[str]:
    """So many colours in an order, far apart."""
    last = len(RAMP) - 1
    return [RAMP[round(i * last / max(count - 1, 1))] for i in range(count)]


def _place(name: str, count: int) -> int:
    return zlib.crc32(name.encode()) % count

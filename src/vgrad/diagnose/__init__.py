"""A run's records → numbers and words: what became of the gradient, and what to try next.

Pure functions of plain data. A profile is what one step left of the layers: for each column of
`layers.parquet`, the values of layers 1 … depth + 1, with None for null. NaN and infinity are data.
"""

from vgrad.diagnose.phrases import name_of, number, percent
from vgrad.diagnose.summary import Profile, grad_decay, reach, summarise
from vgrad.diagnose.words import describe

__all__ = [
    "Profile",
    "describe",
    "grad_decay",
    "name_of",
    "number",
    "percent",
    "reach",
    "summarise",
]

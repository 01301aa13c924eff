"""A run's records → findings and words: what became of the gradient, and what to try next.

Pure functions of plain data. A profile is what one step left of the layers: for each column of
`layers.parquet`, the values of layers 1 … depth + 1, with None for null. NaN and infinity are data.
What works on frames is imported when it is first used: a run's end needs neither pandas nor numpy.
"""

from typing import TYPE_CHECKING

import lazy_loader as lazy

from vgrad.diagnose import foretold
from vgrad.diagnose.finding import Diagnosis, Finding, Slope
from vgrad.diagnose.summary import Profile, grad_decay, reach, summarise
from vgrad.diagnose.thresholds import THRESHOLDS
from vgrad.diagnose.words import describe
from vgrad.phrases import name_of, number, percent

if TYPE_CHECKING:
    from vgrad.diagnose.diagnosis import diagnose
    from vgrad.diagnose.rules import RULES
else:
    __getattr__, __dir__, _ = lazy.attach(
        __name__, submod_attrs={"diagnosis": ["diagnose"], "rules": ["RULES"]}
    )

__all__ = [
    "RULES",
    "THRESHOLDS",
    "Diagnosis",
    "Finding",
    "Profile",
    "Slope",
    "describe",
    "diagnose",
    "foretold",
    "grad_decay",
    "name_of",
    "number",
    "percent",
    "reach",
    "summarise",
]

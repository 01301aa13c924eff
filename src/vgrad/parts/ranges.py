"""Ranges of settings, (lowest, highest) with both ends included.

The highest number below 1 stands for 1 left out. What is divided by is 1e−30 or more, so that every
float format holds its reciprocal.
"""

from __future__ import annotations

import math

ANY = (-math.inf, math.inf)
NON_NEGATIVE = (0.0, math.inf)
POSITIVE = (1e-30, math.inf)
BELOW_ONE = (0.0, math.nextafter(1.0, 0.0))
BETWEEN_ZERO_AND_ONE = (POSITIVE[0], BELOW_ONE[1])

"""Ranges of settings, (lowest, highest) with both ends included.

An end that is left out is the number next to it: the lowest above 0, the highest below 1.
"""

from __future__ import annotations

import math

ANY = (-math.inf, math.inf)
NON_NEGATIVE = (0.0, math.inf)
POSITIVE = (math.nextafter(0.0, 1.0), math.inf)
BELOW_ONE = (0.0, math.nextafter(1.0, 0.0))
BETWEEN_ZERO_AND_ONE = (POSITIVE[0], BELOW_ONE[1])

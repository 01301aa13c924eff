"""The labelled set: configs whose fate is known before they are run.

A label comes from mean-field theory or from arithmetic, never from what vgrad says of a run:
`labelled_theory` has the numbers, `labelled_case` says from which number on a word must be used and
up to which it must not. In between, and where one ill brings another about, a rule *may* speak: it
then counts neither for it nor against it. `labelled_trial` runs the set, and
`python -m benchmarks.trust` prints how vgrad did.
"""

from __future__ import annotations

from labelled_case import Case
from labelled_start import CLOSED, EXPLODING, SATURATED, SYMMETRIC
from labelled_updates import DIVERGED, SLOW, UPDATES
from labelled_vanishing import VANISHING
from labelled_well import WELL

CASES: tuple[Case, ...] = (
    *WELL,
    *VANISHING,
    *EXPLODING,
    *SATURATED,
    *CLOSED,
    *SYMMETRIC,
    *UPDATES,
    *DIVERGED,
    *SLOW,
)

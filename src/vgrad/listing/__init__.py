"""The listing of `vgrad ls`: which runs, in which order, for people and for programs."""

from vgrad.listing.filters import Filter, split
from vgrad.listing.runs import document, read
from vgrad.listing.selection import Selection, select
from vgrad.listing.show import lines

__all__ = ["Filter", "Selection", "document", "lines", "read", "select", "split"]

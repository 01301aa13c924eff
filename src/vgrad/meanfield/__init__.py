"""Mean-field theory of one activation: its maps, where they settle, its critical point.

For wide random networks the pre-activations of a layer are normal variables, and a few numbers
follow them through the layers (Poole et al. 2016, arXiv:1606.05340; Schoenholz et al. 2017,
arXiv:1611.01232). What they make of a whole network is `vgrad.theory`.
"""

from __future__ import annotations

from vgrad.meanfield.critical import Critical, Gains, critical, gains
from vgrad.meanfield.fixed_point import FixedPoint, depth_scale, settle
from vgrad.meanfield.phi import Phi
from vgrad.meanfield.scale import Scale

__all__ = [
    "Critical",
    "FixedPoint",
    "Gains",
    "Phi",
    "Scale",
    "critical",
    "depth_scale",
    "gains",
    "settle",
]

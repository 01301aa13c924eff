"""What is done to a gradient before its optimizer has it: clipped, then noise is added.

The settings are those of every optimizer; `vgrad.update` does what they say.
"""

from __future__ import annotations

from vgrad.parts.ranges import NON_NEGATIVE
from vgrad.registry import Setting

SETTINGS = {
    "clip_norm": Setting(
        0.0,
        "the L2 norm to which the gradient of all parameters is cut; 0 is off (Pascanu, Mikolov & "
        "Bengio 2013, arXiv:1211.5063)",
        NON_NEGATIVE,
    ),
    "clip_value": Setting(
        0.0, "the size to which each number of the gradient is cut; 0 is off", NON_NEGATIVE
    ),
    "noise": Setting(
        0.0,
        "η of the Gaussian noise of variance η/(1 + t)^γ on the gradient of update t = 0, 1, …; "
        "0 is off (Neelakantan et al. 2015, arXiv:1511.06807)",
        NON_NEGATIVE,
    ),
    "noise_decay": Setting(0.55, "its γ", NON_NEGATIVE),
}

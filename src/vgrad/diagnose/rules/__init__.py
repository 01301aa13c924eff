"""The rules: a pure function each, from one run's records to what is wrong with it, or None."""

from vgrad.diagnose.rules.forward import (
    correlation_collapse,
    saturation,
    signal_blowup,
    signal_collapse,
)
from vgrad.diagnose.rules.gradient import exploding_gradient, vanishing_gradient
from vgrad.diagnose.rules.loss import chance_plateau, divergence, slow_start
from vgrad.diagnose.rules.rule import Rule, Sign
from vgrad.diagnose.rules.units import (
    dead_layer,
    dead_units,
    sign_locked_weights,
    symmetric_units,
)
from vgrad.diagnose.rules.updates import lost_updates, update_ratio

LOOKS = (  # the gravest first
    divergence,
    symmetric_units,
    dead_layer,
    exploding_gradient,
    vanishing_gradient,
    signal_blowup,
    signal_collapse,
    correlation_collapse,
    dead_units,
    saturation,
    slow_start,
    lost_updates,
    update_ratio,
    sign_locked_weights,
    chance_plateau,
)
RULES: dict[str, Rule] = {look.__name__: Rule(look.__name__, look) for look in LOOKS}

__all__ = ["RULES", "Rule", "Sign"]

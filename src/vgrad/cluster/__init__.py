"""Packs as jobs of a cluster, by submitit; `import vgrad.cluster` alone does not import it."""

from vgrad.cluster.submission import checked
from vgrad.cluster.watch import carry_out

__all__ = ["carry_out", "checked"]

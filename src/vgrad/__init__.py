"""Why does this deep network not learn? Train it, record every layer, and see.

    import vgrad
    frames = vgrad.run("activation=selu", "depth=40")

The functions are imported when they are first used: `import vgrad` itself imports nothing heavy.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vgrad.api import diagnose, load, report, run, sweep, theory

__all__ = ["diagnose", "load", "report", "run", "sweep", "theory"]


class _Package(ModuleType):
    """This package, whose functions come before its modules of the same name.

    Importing the package `vgrad.report` sets the attribute `report`, so that the `__getattr__` of
    PEP 562 would no longer be asked for the function.
    """

    def __getattribute__(self, name: str) -> Any:
        if name in __all__:
            return getattr(import_module("vgrad.api"), name)
        return super().__getattribute__(name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *__all__]


sys.modules[__name__].__class__ = _Package

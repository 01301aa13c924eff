"""The report: one self-contained page, its figures as files, and the numbers as tables.

What draws is imported when it is first used: a run's command needs no matplotlib.
"""

from typing import TYPE_CHECKING

import lazy_loader as lazy

if TYPE_CHECKING:
    from vgrad.report.formats import FORMATS
    from vgrad.report.make import build
    from vgrad.report.picture import Teller
else:
    __getattr__, __dir__, _ = lazy.attach(
        __name__,
        submod_attrs={"formats": ["FORMATS"], "make": ["build"], "picture": ["Teller"]},
    )

__all__ = ["FORMATS", "Teller", "build"]

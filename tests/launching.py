"""In the place of what a launch works with: packs that end at once, workers, and a view."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from commands import execute_nothing
from vgrad.terminal import SilentSweepView, SilentView
from vgrad.workers import Died, Done, Failed, Message, Started


class Shown(SilentSweepView):
    """Remembers what it was told."""

    def __init__(self):
        self.calls = []
        self.stacks = []

    def begin(self, folder, packs, finished, workers):
        self.calls.append(("begin", len(packs), finished, workers))
        self.stacks += packs

    def added(self, packs):
        self.calls.append(("added", [pack.runs for pack in packs]))
        self.stacks += packs

    def started(self, pack):
        self.calls.append(("started", pack))

    def progress(self, pack, share):
        self.calls.append(("progress", pack, share))

    def ended(self, pack, run):
        self.calls.append(("ended", pack, run["run_id"]))

    def done(self, pack):
        self.calls.append(("done", pack))

    def failed(self, pack, message, again):
        self.calls.append(("failed", pack, message, again))

    def told(self, what):
        """The calls of one kind, without its name."""
        return [call[1:] for call in self.calls if call[0] == what]


class Work:
    """In the place of `vgrad.pack.work`: runs that end as soon as they have begun.

    Attributes:
        packs: those that were given, in order.
        fate: what becomes of a pack: an error, the exit code of its worker, or None.
        status: that its runs end with.
    """

    def __init__(self) -> None:
        self.packs: list[Any] = []
        self.fate: Callable[[Any], Exception | int | None] = lambda pack: None
        self.status = "completed"

    def __call__(self, pack, report, should_stop):
        self.packs.append(pack)
        error = self.fate(pack)
        if isinstance(error, Exception):
            raise error
        return self.end(pack, report)

    def end(self, pack, report):
        """Leave the runs of a pack, and report them."""
        documents = []
        for each, written in zip(pack.jobs, pack.written, strict=True):
            if written:
                report(0.5)
                documents.append(ended(each) | {"status": self.status})
                report(documents[-1])
        return documents

    def labels(self) -> list[tuple[int, int]]:
        """The depth of each pack that was begun, and how many runs it had."""
        return [(pack.jobs[0].config.depth, len(pack.jobs)) for pack in self.packs]


class Workers:
    """In the place of the pool: each task in turn, by the work's `fate`."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.waiting: list[tuple[int, Any]] = []
        self.added = 0
        self.made: tuple[Any, ...] = ()
        self.stopped = False

    def __call__(self, work, *made):
        self.made = made
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def add(self, task):
        self.waiting.append((self.added, task))
        self.added += 1
        return self.added - 1

    def events(self, should_stop):
        while self.waiting and not should_stop():
            number, pack = self.waiting.pop(0)
            self.work.packs.append(pack)
            yield Started(number)
            fate = self.work.fate(pack)
            if isinstance(fate, int):
                yield Died(number, fate)
            elif fate is not None:
                yield Failed(number, fate)
            else:
                said = []
                documents = self.work.end(pack, said.append)
                yield from (Message(number, what) for what in said)
                yield Done(number, documents)
        self.stopped = should_stop()


def ended(each):
    """Leave a run that has ended; its document."""
    document = execute_nothing(each.config, each.folder, SilentView(), lambda: False)
    return {**document, "path": str(each.folder)}


def statuses(outcomes):
    """How each run ended: its status, or the type of its error."""
    return [
        type(outcome) if isinstance(outcome, Exception) else outcome["status"]
        for outcome in outcomes
    ]

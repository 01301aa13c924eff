"""How far a sweep is: the runs that have ended, and what takes the place of a pack that fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from vgrad.errors import NoRoomError, StoppedError, VgradError, WriteError
from vgrad.job import Document
from vgrad.pack import Pack
from vgrad.plan import Plan, halves
from vgrad.terminal import PackShown, SweepView

ENDED = ("completed", "diverged")
DEATHS = 2  # of a worker over one pack, before the pack is made in halves


class LostWorkerError(VgradError):
    """A worker died over a pack."""

    exit_status = 1

    def __init__(self, code: int) -> None:
        how = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
        super().__init__(
            f"The worker process {how}; where memory is short, fewer hydra.launcher.workers or "
            "a smaller hydra.launcher.max_memory help."
        )


@dataclass
class Progress:
    """What has become of the packs so far.

    Attributes:
        plan: what is to be done.
        documents: run_id → what its run.json holds, of the runs that have ended.
        errors: run_id → why it could not be made.
    """

    plan: Plan
    view: SweepView
    shift: int  # between the numbers of the packs here and those in the view
    asked_to_stop: Callable[[], bool]
    documents: dict[str, Document] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)
    fault: WriteError | None = None

    def __post_init__(self) -> None:
        self.packs = list(self.plan.packs)
        self._deaths = [0] * len(self.packs)

    def should_stop(self) -> bool:
        """Whether to begin nothing more: the user has asked, or the disk fails."""
        return self.fault is not None or self.asked_to_stop()

    def has(self, name: str) -> bool:
        """Whether a run has ended, and was not only interrupted."""
        return self.documents.get(name, {}).get("status") in ENDED

    def outcome(self, name: str) -> Document | Exception:
        """What became of a run."""
        if self.has(name):
            return self.documents[name]
        if name in self.errors:
            return self.errors[name]
        return self.fault or StoppedError("The sweep ended before this run did.")

    def start(self, number: int) -> None:
        """Show that a pack is begun."""
        self.view.started(self.shift + number)

    def put_back(self, number: int) -> None:
        """Show that a pack's job was preempted."""
        why = "Its job was preempted, and waits again."
        self.view.failed(self.shift + number, why, again=True)

    def hear(self, number: int, news: float | Document) -> None:
        """Pass on what a pack says: the share that is done, or a run that has ended."""
        if isinstance(news, float | int):
            self.view.progress(self.shift + number, float(news))
        elif news["run_id"] not in self.documents or not self.has(news["run_id"]):
            self.documents[news["run_id"]] = news
            if news["status"] in ENDED:
                self.view.ended(self.shift + number, news)

    def finish(self, number: int, documents: Sequence[Document]) -> None:
        """Take the results of a pack."""
        for document in documents:
            self.hear(number, document)
        if all(self.has(name) for name in self._names(number)):
            self.view.done(self.shift + number)

    def fail(self, number: int, error: Exception, *, may_try_again: bool = True) -> list[int]:
        """Take note of a pack that could not be made.

        Returns:
            the numbers of the packs that take its place.
        """
        part = self.packs[number] = self._left(number)
        again: list[Pack] = []
        if not any(part.written):
            self.view.done(self.shift + number)
            return []
        if not may_try_again:
            pass
        elif isinstance(error, NoRoomError) and len(part.jobs) > 1:
            again = halves(part)
        elif isinstance(error, LostWorkerError):
            self._deaths[number] += 1
            if self._deaths[number] < DEATHS:
                self.view.failed(self.shift + number, str(error), again=True)
                return [number]
            again = halves(part) if len(part.jobs) > 1 else []
        self.view.failed(self.shift + number, str(error), again=bool(again))
        if again:
            self.view.added([as_shown(half) for half in again])
            self.packs += again
            self._deaths += [0] * len(again)
            return list(range(len(self.packs) - len(again), len(self.packs)))
        if isinstance(error, WriteError) and not isinstance(error, NoRoomError):
            self.fault = error
        for name in self._names(number):
            self.errors[name] = error
        return []

    def _left(self, number: int) -> Pack:
        """A pack, of which the runs that have ended are not written again."""
        part = self.packs[number]
        pairs = zip(part.jobs, part.written, strict=True)
        return replace(part, written=tuple(w and not self.has(job.run_id) for job, w in pairs))

    def _names(self, number: int) -> list[str]:
        part = self.packs[number]
        pairs = zip(part.jobs, part.written, strict=True)
        return [job.run_id for job, written in pairs if written]


def as_shown(part: Pack) -> PackShown:
    """What a view is told of a pack."""
    return PackShown(part.label, sum(part.written), part.seconds)

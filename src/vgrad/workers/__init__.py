"""Worker processes: each carries out one task at a time; one that dies is replaced."""

from vgrad.workers.forkserver import warm
from vgrad.workers.pool import Died, Event, Pool, WorkerError
from vgrad.workers.worker import Done, Failed, Message, Started

PRELOADED = ("vgrad.pack", "yaml")  # what takes time to import, and every pack needs

__all__ = [
    "PRELOADED",
    "Died",
    "Done",
    "Event",
    "Failed",
    "Message",
    "Pool",
    "Started",
    "WorkerError",
    "warm",
]

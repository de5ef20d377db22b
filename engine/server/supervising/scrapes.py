"""What all workers have counted together, for one of them that is asked for it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from engine.endpoints import Counts
from engine.server.supervising.worker_handle import Worker

# How long the numbers of a worker are waited for, which may be busy taking a generation.
COUNT_SECONDS = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Scrape:
    """A worker that has asked, under a ticket of its own, for what all have counted, and those not heard yet."""

    asker: Worker
    ticket: int
    waits_for: set[Worker]
    deadline: float


class Scrapes:
    """The scrapes that are not answered yet."""

    def __init__(self) -> None:
        self._open: list[Scrape] = []

    def begin(self, asker: Worker, ticket: int, workers: Iterable[Worker]) -> None:
        """Have every worker count for one that is asked for the numbers of all."""
        everybody = set(workers)
        self._open.append(Scrape(asker, ticket, everybody, time.monotonic() + COUNT_SECONDS))
        for one in everybody:
            one.say("count")

    def deadlines(self) -> Iterator[float]:
        """Return the times at which one is to be answered."""
        return (scrape.deadline for scrape in self._open)

    def note(self, worker: Worker) -> None:
        """Wait for a worker's numbers no longer: they are there, or it has ended and the last ones hold."""
        for scrape in self._open:
            scrape.waits_for.discard(worker)

    def answer(self, workers: Iterable[Worker], ended: Counts) -> None:
        """Answer who has waited for all workers, or long enough; then the last numbers of those that are busy hold."""
        now = time.monotonic()
        due = [scrape for scrape in self._open if not scrape.waits_for or scrape.deadline <= now]
        if not due:
            return
        numbers = sum((worker.numbers for worker in workers), ended)
        for scrape in due:
            self._open.remove(scrape)
            scrape.asker.say("numbers", (scrape.ticket, numbers), ("numbers", scrape.ticket))

"""Replace workers one after another, where fresh processes are needed: modules of models or the certificate changed.

A successor starts beside the worker that it replaces, on a socket of its own. Once it serves, new connections come to
it, and the old worker closes those that it has with their next answers, before it ends.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, MutableMapping

from engine.server.heartbeat import LOADING_SECONDS
from engine.server.listening.listener import Addresses
from engine.server.supervising.worker_handle import Worker

Kind = tuple[str | None, str]
"""The modules that a worker imports, and its certificate."""

logger = logging.getLogger("engine")

# How long a worker goes on closing its connections with its answers, before it closes the idle ones and ends.
LEAVE_SECONDS = 2.0
QUEUE_SECONDS = 5.0
STOP_SECONDS = 30.0


class Rolling:
    """The replacement of workers that have modules or a certificate from before; one is replaced at a time."""

    def __init__(self, addresses: Addresses, spare: int, start: Callable[[int, int], Worker]) -> None:
        self._addresses = addresses
        self._spare = spare  # the place from which nobody accepts
        self._start = start
        self.successor: Worker | None = None
        self.leaving: Worker | None = None
        self._since = 0.0
        self._is_told = False
        self.failed = ""  # why no worker can be replaced

    @property
    def workers(self) -> list[Worker]:
        """The processes that this adds to the workers."""
        return [worker for worker in (self.successor, self.leaving) if worker is not None]

    def step(self, workers: Mapping[int, Worker], kind: Kind) -> None:
        """Do what is due, so that in the end all workers are of this kind."""
        if self.leaving is not None:
            self._see_off(self.leaving)
        elif self.successor is not None:
            is_late = time.monotonic() - self.successor.birth > LOADING_SECONDS
            if is_late or self.successor.kind != kind:
                self.successor.process.kill()
        elif not self.failed and (old := _find_outdated(workers, kind)) is not None:
            try:
                self.successor = self._start(old.number, self._spare)
            except Exception as error:  # noqa: BLE001 - there is no room for another process
                self.failed = f"worker {old.number} cannot be replaced: {error}"

    def promote(self, workers: MutableMapping[int, Worker], places: MutableMapping[int, int]) -> None:
        """Put the successor, which serves, in the place of the worker for which it was started."""
        successor = self.successor
        if successor is None:
            return
        old = workers.get(successor.number)
        if old is None or old.kind == successor.kind:  # it has ended meanwhile, and another one is on its way
            successor.process.kill()
            return
        workers[old.number], places[old.number] = successor, successor.place
        self.successor, self.leaving = None, old
        self._since, self._is_told = time.monotonic(), False
        why = "the certificate has" if old.modules == successor.modules else "modules of its models have"
        logger.info("replacing worker %d: %s changed", old.number, why)
        old.say("leave")

    def note_end(self, worker: Worker, kind: Kind) -> None:
        """Note that a successor, or a worker that has been replaced, has ended."""
        if worker is self.leaving:
            self.leaving, self._spare = None, worker.place
        elif worker is self.successor:
            self.successor = None
            if worker.kind == kind:
                self.failed = worker.failed or f"the replacement for worker {worker.number} ended before it was ready"
                logger.error("%s; the previous workers continue", self.failed)

    def _see_off(self, worker: Worker) -> None:
        seconds = time.monotonic() - self._since
        waits = self._addresses.count_waiting(worker.place) and seconds < QUEUE_SECONDS
        if not self._is_told and seconds >= LEAVE_SECONDS and not waits:
            self._is_told = True
            worker.say("count")
            worker.say("stop")
        if seconds >= STOP_SECONDS and not worker.ended.is_set():
            worker.process.kill()


def _find_outdated(workers: Mapping[int, Worker], kind: Kind) -> Worker | None:
    """Find a worker that serves, of another kind; one that does not serve yet accepts nobody, but will."""
    serving = (worker for worker in workers.values() if worker.generation)
    return next((worker for worker in serving if worker.kind != kind), None)

"""The process that keeps the workers: an address to listen on, a published generation, a new worker for each lost.

Everything it does, it does in one thread, one event after another; other threads only tell it what has happened.
"""

from __future__ import annotations

import logging
import os
import queue
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from engine.endpoints import FORGOTTEN, RESTARTS, Counts, SharedCounts
from engine.server.heartbeat import HANG_SECONDS, Monitor
from engine.server.listening.certificate import Certificate
from engine.server.listening.listener import Addresses
from engine.server.logs import Logs
from engine.server.patience import Patience
from engine.server.supervising.rolling import Kind, Rolling
from engine.server.supervising.scrapes import Scrapes
from engine.server.supervising.stopping import answer_and_end
from engine.server.supervising.worker_handle import Worker

logger = logging.getLogger("engine")

Event = Callable[[], None]


class Supervisor:
    """Keeps a number of workers serving the newest generation, until it is told to stop."""

    def __init__(
        self, addresses: Addresses, count: int, logs: Logs, ready: Event, hang_seconds: float = HANG_SECONDS
    ) -> None:
        self._addresses = addresses
        self._logs = logs
        self._ready: Event | None = ready
        self._inbox: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._monitor = Monitor(hang_seconds)
        self._workers: dict[int, Worker] = {}
        self._patience = {number: Patience() for number in range(1, count + 1)}
        self._due = dict.fromkeys(self._patience, 0.0)  # when each worker that is not there is to be started
        self._lost: set[int] = set()  # workers that have ended and whose successors do not serve yet
        self._places = {number: number for number in self._patience}  # the sockets from which they accept
        self._rolling = Rolling(addresses, count + 1, self._make)
        self._generation = 0
        self._announced = 1  # the first one is announced by the command that serves
        self._snapshot = b""
        self._modules = ""
        self._models: Sequence[Mapping[str, Any]] = ()
        self._degraded: Sequence[str] = ()
        self._stale = ""  # why the certificate that is served is not the one in the files
        self._numbers = Counts()  # of the workers that have ended, and of this process
        self._scrapes = Scrapes()
        self._turns = SharedCounts()  # of sequences
        self._heard: Mapping[str, Callable[[Worker, Any], None]] = {
            "counted": self._counted,
            "ended": self._ended,
            "failed": self._failed,
            "scrape": self._scrape,
            "serves": self._serves,
        }
        self._stopping = self._is_hurried = False
        self.stopped_by: int | None = None

    def publish(self, snapshot: bytes, models: Sequence[Mapping[str, Any]], modules: str) -> None:
        """Have every worker serve another generation; `models` are what the status says of its models.

        A worker that was started with other `modules` is replaced.
        """
        self._inbox.put(partial(self._publish, snapshot, models, modules))

    def degrade(self, reasons: Sequence[str]) -> None:
        """Say why what is served is not what the files say."""
        self._inbox.put(partial(self._degrade, reasons))

    def renew(self, certificate: Certificate) -> None:
        """Have workers with another certificate replaced."""
        self._inbox.put(partial(self._renew, certificate))

    def keep_certificate(self, reason: str) -> None:
        """Say why the certificate in the files is not served."""
        self._inbox.put(partial(self._keep_certificate, reason))

    def stop(self, signum: int) -> None:
        """Stop because of a signal; a second one does not wait for anybody. Safe in a signal handler."""
        self._is_hurried = self.stopped_by is not None
        self.stopped_by = signum
        self._inbox.put(self._stop)

    def run(self) -> None:
        """Start the workers, replace each that ends, and come back after a stop."""
        while not self._stopping:
            try:
                self._start_due()
                self._roll()
                self._next_event()()
                self._scrapes.answer(self._everybody(), self._numbers)
                self._take_pulses()
            except Exception:
                logger.exception("unexpected error in the supervisor; continuing")
        answer_and_end(self._addresses, self._everybody(), lambda: self._is_hurried)

    def _next_event(self) -> Event:
        """Wait for something to do, or until something is due.

        No wait is longer than a beat: the kernel may deliver a signal to a thread other than this one, which runs
        Python's handlers. That would not end the wait.
        """
        times = [self._monitor.due, *self._due.values(), *self._scrapes.deadlines()]
        try:
            return self._inbox.get(timeout=max(0.0, min(times) - time.monotonic()))
        except queue.Empty:
            return lambda: None

    def _take_pulses(self) -> None:
        """Have new connections come to no worker that is silent, and end one that is hung."""
        if time.monotonic() < self._monitor.due:
            return
        pulses = {number: worker.pulse for number, worker in self._workers.items() if not worker.is_hung}
        silent = {number for number, pulse in pulses.items() if pulse.is_silent}
        self._monitor.step(pulses.values())
        hung = self._monitor.choose(pulses, is_complete=not self._lost)
        if hung is not None:
            self._end_hung(self._workers[hung])
        if silent != {number for number, pulse in pulses.items() if pulse.is_silent} or hung is not None:
            self._aim()
            self._tell_status()

    def _end_hung(self, worker: Worker) -> None:
        reason = "worker %d (process %d) has not responded for the time of --hang-timeout; killing it"
        logger.error(reason, worker.number, worker.process.pid)
        self._lost.add(worker.number)
        worker.is_hung = True
        worker.process.kill()

    def _start_due(self) -> None:
        now = time.monotonic()
        for number in [number for number, when in self._due.items() if when <= now]:
            del self._due[number]
            self._start(number)

    def _start(self, number: int) -> None:
        try:
            self._workers[number] = self._make(number, self._places[number])
        except Exception as error:  # noqa: BLE001 - killed before it began, or there is no room for another
            self._start_later(number, age=0.0)
            logger.error("worker %d cannot be started: %s", number, error)  # noqa: TRY400 - no traceback says more
            return
        self._tell_status()

    def _make(self, number: int, place: int) -> Worker:
        """Start a worker that serves the newest generation."""
        worker = Worker((number, len(self._patience)), self._addresses, place, self._logs, self._hear)
        self._send_generation(worker)
        return worker

    def _send_generation(self, worker: Worker) -> None:
        """Have a worker serve the newest generation, if there is one and it has imported no other modules."""
        if self._generation and worker.modules in (None, self._modules):
            worker.modules = self._modules
            worker.say("generation", (self._generation, self._snapshot))

    def _kind(self) -> Kind:
        certificate = self._addresses.certificate
        return self._modules, "" if certificate is None else certificate.digest

    def _roll(self) -> None:
        """Replace a worker that has modules or a certificate from before, if nobody else is missing."""
        if self._lost:
            return
        before = self._rolling.failed
        self._rolling.step(self._workers, self._kind())
        if self._rolling.failed != before:
            self._tell_status()

    def _publish(self, snapshot: bytes, models: Sequence[Mapping[str, Any]], modules: str) -> None:
        self._generation += 1
        self._turns.keep(self._generation - 1)  # workers may not have left it yet
        self._snapshot, self._models, self._modules, self._degraded = snapshot, models, modules, ()
        self._rolling.failed = ""
        for worker in [*self._workers.values(), *filter(None, [self._rolling.successor])]:
            self._send_generation(worker)
        if self._generation > 1:
            self._note("reloads", "served")
        self._tell_status()

    def _renew(self, certificate: Certificate) -> None:
        self._addresses.certificate, self._stale, self._rolling.failed = certificate, "", ""
        self._tell_status()

    def _keep_certificate(self, reason: str) -> None:
        self._stale = reason
        self._tell_status()

    def _degrade(self, reasons: Sequence[str]) -> None:
        if reasons:
            self._note("reloads", "refused")
        self._degraded = reasons
        self._tell_status()

    def _hear(self, worker: Worker, word: str, content: Any) -> None:
        """Note what a worker says, from the thread that listens to it, which also answers whose turn it is."""
        if word == "next":
            worker.say("turn", self._turns.answer(*content), kind=("turn", content[0]))
            return
        self._inbox.put(partial(self._heard[word], worker, content))

    def _serves(self, worker: Worker, number: int) -> None:
        worker.generation, worker.failed = number, ""
        if worker is self._rolling.successor:
            self._rolling.promote(self._workers, self._places)
        if self._workers.get(worker.number) is worker and worker.number in self._lost:
            self._lost.discard(worker.number)
            logger.info("worker %d is serving again as process %d", worker.number, worker.process.pid)
        self._aim()
        if all(one.generation == self._generation > self._announced for one in self._workers.values()):
            self._announced = self._generation
            logger.info("now serving generation %d", self._generation)
        if self._ready is not None:
            ready, self._ready = self._ready, None
            ready()
        self._tell_status()

    def _failed(self, worker: Worker, content: tuple[int, str]) -> None:
        worker.failed = f"worker {worker.number} cannot serve generation {content[0]}: {content[1]}"
        self._tell_status()

    def _ended(self, worker: Worker, status: int | None) -> None:
        """Have a worker's place taken by another."""
        if worker in self._rolling.workers or self._workers.get(worker.number) is worker:
            self._numbers += replace(worker.numbers, in_flight=0)
            self._scrapes.note(worker)
        if self._workers.get(worker.number) is not worker:
            self._rolling.note_end(worker, self._kind())
            self._tell_status()
            return
        del self._workers[worker.number]
        self._note("worker_restarts", "hung" if worker.is_hung else "killed" if (status or 0) < 0 else "ended")
        self._start_later(worker.number, time.monotonic() - worker.birth)
        logger.error("worker %d %s; starting a replacement", worker.number, worker.ending(status))
        self._tell_status()

    def _scrape(self, worker: Worker, ticket: int) -> None:
        self._numbers += Counts(events={(FORGOTTEN, ""): self._turns.take_forgotten()})
        self._scrapes.begin(worker, ticket, self._everybody())

    def _everybody(self) -> list[Worker]:
        return [*self._workers.values(), *self._rolling.workers]

    def _counted(self, worker: Worker, numbers: Counts) -> None:
        worker.numbers = numbers
        self._scrapes.note(worker)

    def _aim(self) -> None:
        """Have new connections come to the workers that are there and respond."""
        silent = {number for number, worker in self._workers.items() if worker.pulse.is_silent}
        able = [number for number in self._patience if number not in self._lost | silent]
        self._addresses.aim([self._places[number] for number in able or self._patience])

    def _start_later(self, number: int, age: float) -> None:
        self._lost.add(number)
        self._aim()
        self._due[number] = time.monotonic() + self._patience[number].delay(age)

    def _tell_status(self) -> None:
        """Let every worker know how the service is, for those who ask it."""
        workers = sorted(self._workers.values(), key=lambda worker: worker.number)
        document = {
            "generation": self._generation,
            "degraded": [
                *self._degraded,
                *filter(None, (*(one.failed for one in workers), self._rolling.failed, self._stale)),
            ],
            "supervisor": os.getpid(),
            "workers": [
                {
                    "number": worker.number,
                    "pid": worker.process.pid,
                    "generation": worker.generation,
                    "responds": worker.generation > 0 and not worker.pulse.is_silent,
                }
                for worker in workers
            ],
            "restarts": {reason: self._numbers.events.get(("worker_restarts", reason), 0) for reason in RESTARTS},
            "models": list(self._models),
        }
        for worker in self._everybody():
            worker.say("status", document)

    def _note(self, event: str, outcome: str = "") -> None:
        """Count something that happens now and then."""
        self._numbers += Counts(events={(event, outcome): 1})

    def _stop(self) -> None:
        self._stopping = True

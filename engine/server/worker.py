"""A worker: a process in which Granian answers requests with the newest generation that its supervisor has sent.

The two ends of its channel speak in pairs of a word and a content. The worker hears `generation` (a number and a
snapshot), `status`, `count`, `numbers`, `turn`, `leave`, `drain` and `stop`; it says `alive` again and again, `loads`
before it takes a generation and `serves` or `failed` after it, `scrape` and `counted`, and `next` for the turn of a
request to a sequence. Where the channel ends, so does it.
"""

from __future__ import annotations

import gc
import itertools
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from engine.collecting import pause_collector
from engine.diagnostics import render_diagnostics
from engine.endpoints import Counter, Counts, Meter, ServiceState, Status
from engine.errors import Overloaded, SpecError
from engine.handling import Handler, build_handler
from engine.isolation import take_blame
from engine.models import Predictor, Snapshot, own_predictors, rehearse_models, restore_models
from engine.server.heartbeat import send_heartbeat
from engine.server.http import (
    Front,
    Size,
    Threads,
    Watch,
    most_connections,
    most_threads,
    start_granian,
    stop_signal,
)
from engine.server.listening.listener import Door
from engine.server.logs import Logs
from engine.spec import Spec, divide_for_admin
from engine.tracing import open_spans

logger = logging.getLogger("engine")

# How long a stop waits for a body that does not come; longer only for what is being computed.
BODY_SECONDS = 3.0
# How long an answer may take to be written, once it is computed.
WRITE_SECONDS = 1.0
# How long the end of a worker waits for its last spans to be sent.
SPANS_SECONDS = 2.0
# How long a scrape waits for the numbers of all workers, and a request to a sequence for its turn.
GATHER_SECONDS = 3.0
# What a worker counts as beyond its memory, in thousandths of the machine's, where the kernel has to end a process: its
# supervisor starts another one, but nobody starts another supervisor.
OOM_SCORE = 100
# What is kept for the admin address, so that it answers where clients of the service take everything else.
ADMIN_CONNECTIONS, ADMIN_THREADS = 32, 4
# What Granian may read of a connection beyond the head of its request.
AHEAD_BYTES = 8 * 1024


class Follower:
    """Does what the supervisor says, in a thread of its own."""

    def __init__(self, channel: Connection, front: Front, stop: Callable[[], None], admin: Front | None = None) -> None:
        self._channel = channel
        self._front, self._admin = front, admin
        self._stop = stop
        self._number = 0
        self._is_stopping = False
        self._predictors: Mapping[tuple[str, str], Predictor] = {}
        self._status: Mapping[str, Any] = {}
        self._headers = 0
        self.meter = Meter(front.in_flight)
        self._process = ServiceState(self.status, self._gather, self.meter)
        self._speaking = threading.Lock()
        self._tickets = itertools.count()
        self._asked: dict[int, queue.SimpleQueue[Any]] = {}
        self._generations: queue.SimpleQueue[tuple[int, bytes]] = queue.SimpleQueue()
        self._heard: Mapping[str, Callable[[Any], None]] = {
            "count": lambda _: self._say("counted", self.meter.numbers()),
            "drain": self._drain,
            "generation": self._follow,
            "leave": lambda _: self._close_connections(),  # another worker takes the place of this one
            "numbers": self._learn,
            "status": self._know,
            "stop": lambda _: self._end(),
            "turn": self._learn,
        }

    def begin(self) -> int:
        """Take the first generation, then listen for what comes; raise what keeps it from being served.

        Returns the bytes that the head of a request may have, which holds for this process.
        """
        threading.Thread(target=send_heartbeat, args=(self._channel, self._say), name="heartbeat", daemon=True).start()
        while not (self._number and self._status):  # which whoever asks next may want to see
            self._hear()
        # Whoever listens builds nothing: a sequence waits for what comes.
        self._heard = {**self._heard, "generation": self._generations.put}
        threading.Thread(target=self._live, args=[self._build_next], name="builder", daemon=True).start()
        threading.Thread(target=self._live, args=[self._hear], name="follower", daemon=True).start()
        return self._headers

    def _hear(self) -> None:
        word, content = self._channel.recv()
        self._heard[word](content)

    def _build_next(self) -> None:
        self._follow(self._generations.get())

    def _live(self, step: Callable[[], None]) -> None:
        """Do one step after another, until the supervisor has gone."""
        try:
            while True:
                step()
        except (EOFError, OSError):
            pass
        except Exception:
            logger.exception("this worker lost its supervisor and stops")
        finally:
            self._end()

    def _follow(self, content: tuple[int, bytes]) -> None:
        """Build the handler of a generation beside the one that serves, and put it in its place."""
        number, snapshot = content
        if number <= self._number:
            return
        self._say("loads")
        try:
            with pause_collector():
                handlers, predictors = self._build(number, snapshot)
        except Exception as error:
            self._say("failed", (number, f"{type(error).__name__}: {error}"))
            if not self._number:
                raise
            logger.exception("generation %d cannot be served by this worker", number)
            return
        with pause_collector():
            for front, handler in zip(self._fronts(), handlers, strict=True):
                front.serve(handler)
        self._predictors, self._number = predictors, number
        self.meter.keep({one.route.path for handler in handlers for one in handler.mounted})
        del handler, handlers, predictors
        gc.collect()  # a handler is full of cycles, and the old one may hold large models
        self._say("serves", number)

    def _fronts(self) -> tuple[Front, ...]:
        return (self._front,) if self._admin is None else (self._front, self._admin)

    def _build(self, number: int, payload: bytes) -> tuple[tuple[Handler, ...], Mapping[tuple[str, str], Predictor]]:
        snapshot = Snapshot.load(payload)
        limits = snapshot.spec.service.limits
        self._headers = limits.headers + 3 * limits.url
        predictors = restore_models(snapshot.spec, snapshot.prepared, self._predictors)
        rehearse_models(snapshot.spec, predictors, self._predictors.values())
        for facts in (predictor.facts for predictor in predictors.values()):
            if facts.report.instead:
                logger.warning("%s: %s", facts.name, facts.report.instead)
        specs: tuple[Spec, ...] = (snapshot.spec,) if self._admin is None else divide_for_admin(snapshot.spec)
        if not self._number:
            scheme, count = self._front.environ["wsgi.url_scheme"], partial(self.meter.count, "spans")
            spans = open_spans(os.environ, snapshot.spec.service.title, scheme, count)
            self._process = replace(self._process, spans=spans)
        process = replace(self._process, counters=partial(self._open_counter, number))
        handlers = tuple(build_handler(spec, predictors, process) for spec in specs)
        own = own_predictors(predictors)
        keyed = {(name, snapshot.prepared[name].key): predictor for name, predictor in own.items()}
        return handlers, keyed

    def close_spans(self) -> None:
        """Send the spans that wait, but not for long: a collector may not answer."""
        if self._process.spans is not None:
            self._process.spans.close(SPANS_SECONDS)

    def _say(self, word: str, content: Any = None) -> None:
        with self._speaking:
            self._channel.send((word, content))

    def status(self) -> Status:
        """Say what the supervisor has said last, and whether this worker takes new requests."""
        return Status(ready=not self._is_stopping, document=self._status)

    def _gather(self) -> Counts:
        """Ask for what all workers have counted; where nobody answers in time, or any more, give what this one has."""
        if self._is_stopping:
            return self.meter.numbers()
        try:
            numbers: Counts = self._ask("scrape")
        except (OSError, queue.Empty):
            logger.warning("the workers' metrics could not be collected; showing only one worker's")
            return self.meter.numbers()
        return numbers

    def _open_counter(self, generation: int, name: str) -> Counter:
        """Return a counter that the supervisor keeps for all workers; it raises `Overloaded` where nobody answers."""

        def count(key: bytes) -> int:
            try:
                turn: int = self._ask("next", generation, name, key)
            except (OSError, queue.Empty):
                raise Overloaded("the turn of this request in its sequence cannot be told") from None
            return turn

        return count

    def _ask(self, word: str, *content: Any) -> Any:
        """Ask the supervisor, and wait for the answer; raise `OSError` or `queue.Empty` where none comes."""
        answer: queue.SimpleQueue[Any] = queue.SimpleQueue()
        ticket = next(self._tickets)
        self._asked[ticket] = answer
        try:
            self._say(word, (ticket, *content) if content else ticket)
            return answer.get(timeout=GATHER_SECONDS)
        finally:
            del self._asked[ticket]

    def _learn(self, content: tuple[int, Any]) -> None:
        ticket, told = content
        if (answer := self._asked.get(ticket)) is not None:
            answer.put(told)

    def _know(self, document: Mapping[str, Any]) -> None:
        self._status = document

    def _drain(self, _: Any) -> None:
        """Say that the service stops, beside closing the connections; delayed answers are sent now."""
        self._is_stopping = True
        self._close_connections()
        self._end_waits()

    def _close_connections(self) -> None:
        """Close each connection with its next answer."""
        for front in self._fronts():
            front.draining = True

    def _end_waits(self) -> None:
        for front in self._fronts():
            front.waits.end()

    def _end(self) -> None:
        """Answer what has been read, but wait only so long for a body that does not come."""
        self._close_connections()  # not that the service stops: this worker may only have been replaced
        self._end_waits()
        self._stop()
        threading.Thread(target=self._leave, name="leave", daemon=True).start()

    def _leave(self) -> None:
        begin = busy = now = time.monotonic()
        while now - begin < BODY_SECONDS or now - busy < WRITE_SECONDS:
            time.sleep(0.05)
            now = time.monotonic()
            busy = now if any(front.is_computing() for front in self._fronts()) else busy
        self.close_spans()
        logging.shutdown()  # with os._exit, nobody else writes the last lines
        os._exit(0)


def run_worker(number: int, workers: int, door: Door, channel: Connection, logs: Logs) -> None:
    """Be one of so many workers, until the supervisor says stop or is gone."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # which may be sent to all; the supervisor hears them
        signal.signal(signum, signal.SIG_IGN)
    take_blame(OOM_SCORE)
    front = Front(Threads(most_threads(workers)), logs.requests, "http" if door.certificate is None else "https")
    admin = Front(Threads(ADMIN_THREADS), logs.requests) if door.admin is not None else None
    stopped, admin_stopped, ended = stop_signal(), stop_signal(), threading.Event()
    stopped.add_cb(ended.set)

    def stop() -> None:
        admin_stopped.set()
        stopped.set()

    follower = Follower(channel, front, stop, admin)
    logs.begin(partial(follower.meter.count, "log_lines_dropped"))
    logging.getLogger("_granian").setLevel(logging.ERROR)
    try:
        head = follower.begin()
    except EOFError:  # the service has stopped before it began
        return
    except SpecError as error:  # its models do not answer here as they did when they were checked
        logger.error("this worker cannot serve:\n%s", render_diagnostics(error.diagnostics))  # noqa: TRY400 - no traceback says more
        sys.exit(1)
    mounted = most_connections()
    if admin is not None and door.admin is not None:
        mounted -= ADMIN_CONNECTIONS
        Watch(admin, door.admin, ADMIN_CONNECTIONS, follower.meter).start()
        start_granian(number, door.admin, admin, admin_stopped, Size(ADMIN_CONNECTIONS, head + AHEAD_BYTES))
    Watch(front, door.service, mounted, follower.meter).start()
    start_granian(number, door.service, front, stopped, Size(mounted, head + AHEAD_BYTES), door.certificate)
    ended.wait()
    follower.close_spans()
    logging.shutdown()  # multiprocessing does not

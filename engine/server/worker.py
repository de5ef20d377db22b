"""A worker: a process in which Granian answers requests with the newest generation that its supervisor has sent.

The two ends of its channel speak in pairs of a word and a content. The worker hears `generation` (a number and a
snapshot), `status`, `count`, `numbers`, `drain` and `stop`; it says `alive` again and again, `loads` before it takes a
generation and `serves` or `failed` after it, `scrape` and `counted`. Where the channel ends, so does the worker.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from multiprocessing.connection import Connection
from time import perf_counter
from typing import Any

from granian import _futures, _granian
from granian.http import HTTP1Settings

from engine.endpoints import Meter, Numbers, Process, Status
from engine.models import Predictor, restore_models
from engine.server.heartbeat import beat
from engine.server.listener import BACKLOG
from engine.server.logs import Logs, RequestLog
from engine.server.snapshot import Snapshot
from engine.web import Lane, Service, build_app, request_id

logger = logging.getLogger("engine")

# What Granian's own worker processes are made of; its type stubs lag behind.
_RUST: Any = _granian
_FUTURES: Any = _futures

# A request whose body dribbles in holds a thread. As many threads as connections keep it from starving
# the others; they are started on demand.
CONNECTIONS = 512
IDLE_THREAD_SECONDS = 30
# How long a stop waits for a body that does not come; longer only for what is being computed.
BODY_SECONDS = 3.0
# How long an answer may take to be written, once it is computed.
WRITE_SECONDS = 1.0
FULL_LOG_SECONDS = 60.0
# How long a scrape waits for the numbers of all workers.
GATHER_SECONDS = 3.0

ENVIRON: dict[str, Any] = {
    "SCRIPT_NAME": "",
    "SERVER_SOFTWARE": "Granian",
    "wsgi.errors": sys.stderr,
    "wsgi.input_terminated": True,
    "wsgi.multiprocess": False,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
    "wsgi.version": (1, 0),
}
_CLOSE = ("Connection", "close")

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Front:
    """What Granian calls with each request; between two requests, the app behind it may be another one.

    It stands in the place of Granian's own WSGI callback, which copies the process's whole environment into every
    request's.
    """

    def __init__(self, log: RequestLog | None = None) -> None:
        self.app: App
        self._log = log
        self.proxies = 0
        self.draining = False
        self._computing: list[None] = []
        self._reading: list[None] = []
        self._said_full = -FULL_LOG_SECONDS

    def __call__(self, protocol: Any, scope: dict[str, Any]) -> None:
        """Answer one request."""
        self._computing.append(None)
        if len(self._computing) + len(self._reading) >= CONNECTIONS:
            self._say_full()
        try:
            if "CONTENT_LENGTH" in scope or "HTTP_TRANSFER_ENCODING" in scope:
                scope["wsgi.input"] = _Body(scope["wsgi.input"], self._computing, self._reading)
            start, began = _Start(), perf_counter()
            if self._log is not None:
                request_id(scope)
            body = self.app(scope, start)
            whole = b"".join(body)
            if type(body) is not list:
                close = getattr(body, "close", None)
                if close is not None:
                    close()
            headers = [*start.headers, _CLOSE] if self.draining else start.headers
            protocol.response_bytes(start.status, headers, whole)
            if self._log is not None:
                self._log.write(scope, start.status, len(whole), began, self.proxies)
        finally:
            self._computing.pop()

    def in_flight(self) -> int:
        """Count the requests in hand."""
        return len(self._computing) + len(self._reading)

    def is_computing(self) -> bool:
        """Tell whether a request is being answered whose body is there."""
        return bool(self._computing)

    def _say_full(self) -> None:
        now = time.monotonic()
        if now - self._said_full >= FULL_LOG_SECONDS:
            self._said_full = now
            logger.warning(
                "this worker is full: it answers %d requests at once, and others wait to be accepted", CONNECTIONS
            )


class _Body:
    """The body of one request (PEP 3333's input stream); whoever reads it is reading meanwhile, and not computing."""

    __slots__ = ("_body", "_computing", "_reading")

    def __init__(self, body: Any, computing: list[None], reading: list[None]) -> None:
        self._body = body
        self._computing = computing
        self._reading = reading

    def read(self, size: int = -1) -> bytes:
        self._reading.append(None)
        self._computing.pop()
        try:
            data: bytes = self._body.read(size)
        finally:
            self._computing.append(None)
            self._reading.pop()
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)


class _Start:
    """The `start_response` of one request (PEP 3333)."""

    __slots__ = ("headers", "status")

    def __call__(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:  # noqa: ARG002
        self.status = int(status[:3])
        self.headers = headers


class Follower:
    """Does what the supervisor says, in a thread of its own."""

    def __init__(self, channel: Connection, front: Front, stop: Callable[[], None]) -> None:
        self._channel = channel
        self._front = front
        self._stop = stop
        self._number = 0
        self._predictors: Mapping[tuple[str, str], Predictor] = {}
        self._status: Mapping[str, Any] = {}
        self._headers = 0
        self._meter = Meter(front.in_flight)
        self._process = Process(self.status, self._gather, self._meter)
        self._speaking = threading.Lock()
        self._tickets = itertools.count()
        self._asked: dict[int, queue.SimpleQueue[Numbers]] = {}
        self._heard: Mapping[str, Callable[[Any], None]] = {
            "count": self._count,
            "drain": self._drain,
            "generation": self._follow,
            "numbers": self._learn,
            "status": self._know,
            "stop": lambda _: self._end(),
        }

    def begin(self) -> int:
        """Take the first generation, then listen for what comes; raise what keeps it from being served.

        Gives the limit of headers in bytes, which holds for this process.
        """
        threading.Thread(target=beat, args=(self._channel, self._say), name="heartbeat", daemon=True).start()
        while not self._number:
            self._hear()
        threading.Thread(target=self._listen, name="follower", daemon=True).start()
        return self._headers

    def _hear(self) -> None:
        word, content = self._channel.recv()
        self._heard[word](content)

    def _listen(self) -> None:
        try:
            while True:
                self._hear()
        except (EOFError, OSError):
            pass
        except Exception:
            logger.exception("this worker cannot hear its supervisor any more, and ends")
        finally:
            self._end()

    def _follow(self, content: tuple[int, bytes]) -> None:
        """Build the app of a generation beside the one that serves, and put it in its place."""
        number, snapshot = content
        if number <= self._number:
            return
        self._say("loads")
        try:
            app, predictors = self._build(snapshot)
        except Exception as error:
            if not self._number:
                raise
            logger.exception("generation %d cannot be served by this worker", number)
            self._say("failed", (number, f"{type(error).__name__}: {error}"))
            return
        self._front.app, self._predictors, self._number = Lane(app, ENVIRON), predictors, number
        self._front.proxies = app.spec.service.proxies
        self._meter.keep(rule.rule for rule in app.url_map.iter_rules())
        del app, predictors
        gc.collect()  # an app is full of cycles, and the old one may hold large models
        self._say("serves", number)

    def _build(self, payload: bytes) -> tuple[Service, Mapping[tuple[str, str], Predictor]]:
        snapshot = Snapshot.load(payload)
        self._headers = snapshot.spec.service.limits.headers
        predictors = restore_models(snapshot.spec, snapshot.prepared, self._predictors)
        app = build_app(snapshot.spec, predictors, self._process)
        keyed = {(name, snapshot.prepared[name].key): predictor for name, predictor in predictors.items()}
        return app, keyed

    def _say(self, word: str, content: Any = None) -> None:
        with self._speaking:
            self._channel.send((word, content))

    def status(self) -> Status:
        """Say what the supervisor has said last, and whether this worker takes new requests."""
        return Status(ready=not self._front.draining, document=self._status)

    def _gather(self) -> Numbers:
        """Ask for what all workers have counted; where nobody answers in time, or any more, give what this one has."""
        if self._front.draining:
            return self._meter.numbers()
        answer: queue.SimpleQueue[Numbers] = queue.SimpleQueue()
        ticket = next(self._tickets)
        self._asked[ticket] = answer
        try:
            self._say("scrape", ticket)
            return answer.get(timeout=GATHER_SECONDS)
        except (OSError, queue.Empty):
            logger.warning("the workers' numbers could not be gathered; what is shown are one worker's alone")
            return self._meter.numbers()
        finally:
            del self._asked[ticket]

    def _count(self, _: Any) -> None:
        self._say("counted", self._meter.numbers())

    def _learn(self, content: tuple[int, Numbers]) -> None:
        ticket, numbers = content
        if (answer := self._asked.get(ticket)) is not None:
            answer.put(numbers)

    def _know(self, document: Mapping[str, Any]) -> None:
        self._status = document

    def _drain(self, _: Any) -> None:
        """Close each connection with its next answer."""
        self._front.draining = True

    def _end(self) -> None:
        """Answer what has been read, but wait only so long for a body that does not come."""
        self._front.draining = True
        self._stop()
        threading.Thread(target=self._leave, name="leave", daemon=True).start()

    def _leave(self) -> None:
        begin = busy = now = time.monotonic()
        while now - begin < BODY_SECONDS or now - busy < WRITE_SECONDS:
            time.sleep(0.05)
            now = time.monotonic()
            busy = now if self._front.is_computing() else busy
        os._exit(0)


def work(number: int, listener: socket.socket, channel: Connection, logs: Logs) -> None:
    """Be a worker, until the supervisor says stop or is gone."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # which may be sent to all; the supervisor hears them
        signal.signal(signum, signal.SIG_IGN)
    logs.begin()
    logging.getLogger("_granian").setLevel(logging.ERROR)
    front, stopped, ended = Front(RequestLog() if logs.requests else None), _RUST.WorkerSignal(), threading.Event()
    stopped.add_cb(ended.set)
    try:
        headers = Follower(channel, front, stopped.set).begin()
    except EOFError:  # the service has stopped before it began
        return
    holder = _RUST.SocketHolder(listener.fileno(), False, BACKLOG)
    server = _RUST.WSGIWorker(
        number,
        (None, holder),
        None,
        py_threads=CONNECTIONS,
        py_threads_idle_timeout=IDLE_THREAD_SECONDS,
        backpressure=CONNECTIONS,
        http_mode="1",
        http1_opts=HTTP1Settings(max_buffer_size=headers),
    )
    loop = asyncio.new_event_loop()
    scheduler = _FUTURES._new_cbscheduler(loop, front, impl_asyncio=True)  # noqa: SLF001 - see _RUST
    server.serve_mtr(scheduler, loop, stopped)
    ended.wait()

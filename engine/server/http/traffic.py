"""What all exchanges of a worker share: the handler, and what is in hand."""

from __future__ import annotations

from collections.abc import Callable, Collection

from engine.handling import Environ, Handler, WireAnswer, answers
from engine.server.http.bodies import BodyBounds, Clock, Held, Reading, ShortReading
from engine.server.http.capacity import Threads
from engine.server.http.large_bodies import LARGE, MOST_BYTES, Stored
from engine.server.http.sockets import Connection
from engine.server.http.waits import Waits
from engine.spec import Limits


class Traffic:
    """The handler of a worker and the requests that it answers.

    `computing` has the clients whose requests are being answered, `reading` those whose bodies arrive, and `writing`
    those that were sent a large answer, with the bytes that it has in memory and the time. `at_once` has the paths
    whose GET has one answer, whoever asks, unless that is large.
    """

    def __init__(self, threads: Threads | None = None, logs: bool = False, scheme: str = "http") -> None:
        self.handler: Handler
        # What PEP 3333 wants in an environ beside the request; only what takes time looks at it.
        self.environ: Environ = {"SCRIPT_NAME": "", "wsgi.input_terminated": True, "wsgi.url_scheme": scheme}
        self.at_once: dict[str, tuple[WireAnswer, Callable[[float], None]]] = {}
        self.hosts: Collection[str] = ()  # Host headers that were found to be plain
        self.limits: Limits
        self.largest = 0  # the size of the largest body that any route takes
        self.bounds: BodyBounds  # of every body
        self.short = 0  # the size of a body that may be asked for as a whole
        self.proxies = 0
        self.draining = False
        self.computing: set[str] = set()
        self.reading: dict[str, Reading | ShortReading] = {}
        self.writing: dict[str, tuple[int, float]] = {}
        self.held = Held()
        self.waits = Waits()
        self.clock = Clock()
        self.threads = threads or Threads()
        self.logs = logs  # a line for each request
        self.stored = Stored()
        self.make_room: Callable[[], None] = lambda: None
        self.connection: Callable[[str], Connection | None] = lambda _: None
        self._stored_before = Stored()

    def serve(self, handler: Handler) -> None:
        """Answer by another handler from now on."""
        service = handler.spec.service
        bounds = [service.limits, *(one.route.limits for one in handler.mounted)]
        self.limits, self.proxies = service.limits, service.proxies
        self.largest = max(limits.body for limits in bounds)
        self.bounds = BodyBounds(self.largest, self.limits.body_time, self.limits.body_rate)
        self.short = self.bounds.short()
        self.held.most = max(self.held.most, 2 * self.largest)
        # Answers that Granian is about to open still need the files of the last handler, but not of the one before.
        self._stored_before.close()
        self._stored_before, self.stored = self.stored, Stored(handler.constant_bodies())
        self.at_once = {
            path: (answer, count)
            for path, answer, count in handler.constant_answers()
            if isinstance(answer[2], bytes) and len(answer[2]) <= LARGE
        }
        self.hosts = handler.router.hosts
        self.handler = handler

    @property
    def own_headers(self) -> tuple[tuple[str, str], ...]:
        """The headers of an answer that the server makes itself."""
        return (*answers.ALWAYS, *self.handler.added.of_service)

    def in_flight(self) -> int:
        """Count the requests that are not answered yet."""
        return len(self.computing) + len(self.reading)

    def is_computing(self) -> bool:
        """Tell whether a request is being answered whose body has been read."""
        return bool(self.computing)

    def has_room(self, size: int) -> bool:
        """Tell whether one more large answer may have so many bytes in memory."""
        if self._written() + size <= MOST_BYTES:
            return True
        self.make_room()
        written = self._written()
        return not written or written + size <= MOST_BYTES

    def _written(self) -> int:
        return sum(size for size, _ in list(self.writing.values()))

"""One request and its answer, on their way between Granian and the app."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterable
from http import HTTPStatus
from time import perf_counter
from typing import Any

from engine.endpoints import Problem
from engine.server.http.answers import LARGE, PIECE
from engine.server.http.bodies import Bounds, End, Reading, ShortReading
from engine.server.http.head import CLIENT, Environ, read_head
from engine.server.http.traffic import Traffic
from engine.web import ERROR, names_of, request_id

logger = logging.getLogger("engine")

# What an app expects in an environ (PEP 3333) beside the request.
ENVIRON: Environ = {
    "SCRIPT_NAME": "",
    "SERVER_SOFTWARE": "Granian",
    "wsgi.errors": sys.stderr,
    "wsgi.input_terminated": True,
    "wsgi.multiprocess": False,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
    "wsgi.url_scheme": "http",
    "wsgi.version": (1, 0),
}
# How much of a body that nobody takes is read, and for how long, so that a client who still sends can read its answer.
_DROPPED = Bounds(most=16 * 1024 * 1024, seconds=5.0, rate=0.0)

_CLOSE = ("Connection", "close")
_RETRY = (("Retry-After", "1"),)
_NO_BODY = (None, "", "0")
_WHOLE = End.WHOLE  # a member of an enumeration takes longer to look up


class BodyWanted(BaseException):
    """The app reads the body of a request whose client waits to be asked for it."""


class _Unsent:
    """The body of a client that sends none until it is asked for it (RFC 9110, section 10.1.1)."""

    def read(self, _: int = -1) -> bytes:
        raise BodyWanted


class _Start:
    """The `start_response` of one request (PEP 3333)."""

    __slots__ = ("headers", "status")

    def __call__(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:  # noqa: ARG002
        self.status = int(status[:3])
        self.headers = headers


class Exchange:
    """A request among a worker's others."""

    __slots__ = ("_began", "_environ", "_has_rest", "_protocol", "_reading", "_traffic")

    def __init__(self, traffic: Traffic, protocol: Any, scope: Any) -> None:
        self._began = perf_counter()
        self._traffic = traffic
        self._protocol = protocol
        self._environ, problem = read_head(scope, traffic.limits.headers)
        self._reading: Reading | None = None
        self._has_rest = False  # of the body, which nobody has read
        if problem is not None:
            self._environ[ERROR] = problem

    def begin(self) -> None:
        """Read the body, if there is one, and have the request answered."""
        environ = self._environ
        if self._traffic.log is not None:
            request_id(environ)
        if "HTTP_TRANSFER_ENCODING" not in environ and environ.get("CONTENT_LENGTH") in _NO_BODY:
            self._answer()
        elif "100-continue" in environ.get("HTTP_EXPECT", "").lower():
            environ["wsgi.input"] = _Unsent()
            self._answer_apart()
        elif ERROR in environ or int(environ.get("CONTENT_LENGTH", 0)) > self._traffic.largest:
            self._leave_body()
        else:
            self._read()

    def _read(self) -> None:
        traffic, environ = self._traffic, self._environ
        now, bounds = traffic.clock.now(), traffic.bounds
        # Entered before it begins, since it may end at once.
        if "HTTP_TRANSFER_ENCODING" not in environ and int(environ["CONTENT_LENGTH"]) <= traffic.short:
            short = traffic.reading[environ[CLIENT]] = ShortReading(self._take, now, bounds.seconds)
            short.start(self._protocol)
        else:
            reading = self._reading = Reading(self._protocol, self._take, traffic.held, now, bounds)
            traffic.reading[environ[CLIENT]] = reading
            reading.start()

    def _take(self, body: bytes, end: End) -> None:
        """Go on with what has been read of the body."""
        environ = self._environ
        self._traffic.reading.pop(environ[CLIENT], None)
        environ["wsgi.input"] = io.BytesIO(body)
        if end is not _WHOLE or "HTTP_TRANSFER_ENCODING" in environ:
            if end is End.CROWDED:
                self._send_refusal("the service is receiving too many other bodies")
                return
            is_chunked = environ.pop("HTTP_TRANSFER_ENCODING", None) is not None
            environ["CONTENT_LENGTH"] = str(len(body))
            self._has_rest = end is End.LARGE
            if (problem := self._problem(end, is_chunked=is_chunked)) is not None:
                environ[ERROR] = problem
        self._answer()

    def _problem(self, end: End, *, is_chunked: bool) -> Problem | None:
        """Make the problem with a body that was not read to its end; the app itself finds one that is too large."""
        match end:
            case End.BROKEN:
                chunked = "the chunked body is malformed, cut short, or has trailers, which are not supported"
                detail = chunked if is_chunked else "the body ended before its declared length"
                return Problem(HTTPStatus.BAD_REQUEST, detail, headers=(_CLOSE,))
            case End.LATE:
                detail = f"the body did not arrive within {self._traffic.limits.body_time:g} s (limits.body_time)"
                return Problem(HTTPStatus.REQUEST_TIMEOUT, detail, headers=(_CLOSE,))
            case End.SLOW:
                rate = f"{self._traffic.limits.body_rate:,} bytes a second"
                detail = f"the body arrived too slowly; it must have at least {rate} (limits.body_rate)"
                return Problem(HTTPStatus.REQUEST_TIMEOUT, detail, headers=(_CLOSE,))
        return None

    def _leave_body(self) -> None:
        """Have a request answered whose body is not read first."""
        self._has_rest = True
        self._environ["wsgi.input"] = io.BytesIO()
        self._answer_apart()

    def _answer(self) -> None:
        """Answer here and now, if the app does that; else leave it to another thread."""
        if ERROR in self._environ:
            self._answer_apart()
            return
        try:
            answer = self._traffic.app.quick(self._environ)
        except BaseException as error:  # noqa: BLE001 - a panic of Rust is no Exception, and nobody else would answer
            self._fail(error)
            return
        if answer is None:
            self._answer_apart()
        else:
            self._write(*answer)

    def _answer_apart(self) -> None:
        self._traffic.computing.add(self._environ[CLIENT])
        self._traffic.threads.run(self._answer_slowly)

    def _answer_slowly(self) -> None:
        """Answer by the app, in a thread that may wait; whatever goes wrong, there is an answer."""
        try:
            self._ask_app()
        except BodyWanted:
            self._traffic.computing.discard(self._environ[CLIENT])
            self._read()
        except BaseException as error:  # noqa: BLE001 - as above
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        logger.error("a request failed outside its endpoint", exc_info=error)
        if self._protocol is not None:
            self._write(HTTPStatus.INTERNAL_SERVER_ERROR, [_CLOSE], b"")

    def _ask_app(self) -> None:
        start = _Start()
        whole = _joined(self._traffic.app(self._environ, start))
        if self._has_rest:
            self._drop_rest(start, whole)
        else:
            self._write(start.status, start.headers, whole)

    def _drop_rest(self, start: _Start, whole: bytes) -> None:
        """Read what the client still sends before it is answered; a client who sends too much is cut off."""

        def go_on(_: bytes, end: End) -> None:
            self._traffic.reading.pop(self._environ[CLIENT], None)
            closing = [] if end is End.WHOLE or _CLOSE in start.headers else [_CLOSE]
            self._write(start.status, [*start.headers, *closing], whole)

        held, now = self._traffic.held, self._traffic.clock.now()
        rest = Reading(self._protocol, go_on, held, now, _DROPPED, kept=False)
        self._traffic.reading[self._environ[CLIENT]] = rest
        rest.start(goes_on=self._reading is not None)

    def _write(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        traffic, client = self._traffic, self._environ[CLIENT]
        if traffic.draining and _CLOSE not in headers:
            headers = [*headers, _CLOSE]
        traffic.computing.discard(client)  # before the client can have the answer, and ask again
        if len(body) <= LARGE:
            self._protocol.response_bytes(status, headers, body)
        elif not self._write_large(status, headers, body):
            self._send_refusal("the service is sending too many other large answers")
            return
        # Granian holds the connection open for what is kept of it where the body was not read to its end.
        if self._reading is not None:
            self._reading.release()
        self._protocol = self._reading = None
        if traffic.log is not None:
            traffic.log.write(self._environ, status, len(body), self._began, traffic.proxies)

    def _write_large(self, status: int, headers: list[tuple[str, str]], body: bytes) -> bool:
        """Write an answer that is in memory until its client has read it; tell whether there is room for it."""
        traffic, path = self._traffic, self._traffic.stored.path(body)
        size = len(body) if path is None else PIECE
        if not traffic.has_room(size):
            return False
        traffic.writing[self._environ[CLIENT]] = (size, traffic.clock.now())
        if path is None:
            self._protocol.response_bytes(status, headers, body)
        else:
            self._protocol.response_file(status, headers, path)
        return True

    def _send_refusal(self, detail: str) -> None:
        """Refuse a request where there is too much of everything, and so without the app."""
        names = names_of(self._environ)
        problem = Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers=(*_RETRY, _CLOSE, *names)).response()
        self._write(problem.status, list(problem.headers), problem.body)


def _joined(body: Iterable[bytes]) -> bytes:
    """Return the whole body of an app's answer, and close it."""
    try:
        return b"".join(body)
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            close()

"""One request and its answer, on their way between Granian and the app."""

from __future__ import annotations

import io
import logging
import sys
import time
from collections.abc import Iterable
from http import HTTPStatus
from time import perf_counter
from typing import Any

from engine.endpoints import Problem
from engine.server.http.answers import LARGE, PIECE
from engine.server.http.bodies import End, Reading
from engine.server.http.head import CLIENT, Environ, read_head
from engine.server.http.traffic import Traffic
from engine.web import ERROR, request_id

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
DROPPED_BYTES = 16 * 1024 * 1024
DROPPED_SECONDS = 5.0

_CLOSE = ("Connection", "close")
_RETRY = (("Retry-After", "1"),)
_NO_BODY = (None, "", "0")


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
        elif ERROR in environ:
            self._leave_body()
        elif "100-continue" in environ.get("HTTP_EXPECT", "").lower():
            environ["wsgi.input"] = _Unsent()
            self._answer_apart()
        elif int(environ.get("CONTENT_LENGTH", 0)) > self._traffic.largest:
            self._leave_body()
        else:
            self._read()

    def _read(self) -> None:
        limits, environ = self._traffic.limits, self._environ
        declared = environ.get("CONTENT_LENGTH") if "HTTP_TRANSFER_ENCODING" not in environ else None
        reading = self._reading = Reading(
            self._protocol, self._take, self._traffic.held, self._traffic.largest, limits.body_time, limits.body_rate
        )
        self._traffic.reading[environ[CLIENT]] = reading
        reading.start(None if declared is None else int(declared))

    def _take(self, body: bytes, end: End) -> None:
        """Go on with what has been read of the body."""
        environ = self._environ
        self._traffic.reading.pop(environ[CLIENT], None)
        if end is End.CROWDED:
            self._refuse("the service is receiving too many other bodies")
            return
        is_chunked = environ.pop("HTTP_TRANSFER_ENCODING", None) is not None
        environ["CONTENT_LENGTH"] = str(len(body))
        environ["wsgi.input"] = io.BytesIO(body)
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
            case End.SLOW:
                limits = self._traffic.limits
                detail = (
                    f"the body did not arrive in time; it may take {limits.body_time:g} seconds, "
                    f"at {limits.body_rate:,} bytes a second or more"
                )
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
        start = _Start()
        body = self._traffic.app.quick(self._environ, start)
        if body is None:
            self._answer_apart()
        else:
            self._write(start.status, start.headers, body[0] if len(body) == 1 else b"".join(body))

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
        except Exception:
            logger.exception("a request failed outside of its endpoint")
            self._write(HTTPStatus.INTERNAL_SERVER_ERROR, [_CLOSE], b"")

    def _ask_app(self) -> None:
        start = _Start()
        whole = _joined(self._traffic.app(self._environ, start))
        if self._has_rest:
            self._drop_rest(start, whole)
        elif isinstance(self._environ.get("wsgi.input"), _Unsent) and _CLOSE not in start.headers:
            # Nothing tells whether the client's next bytes are this body or another request.
            self._write(start.status, [*start.headers, _CLOSE], whole)
        else:
            self._write(start.status, start.headers, whole)

    def _drop_rest(self, start: _Start, whole: bytes) -> None:
        """Read what the client still sends before it is answered; a client who sends too much is cut off."""

        def go_on(_: bytes, end: End) -> None:
            self._traffic.reading.pop(self._environ[CLIENT], None)
            closing = [] if end is End.WHOLE or _CLOSE in start.headers else [_CLOSE]
            self._write(start.status, [*start.headers, *closing], whole)

        held = self._traffic.held
        rest = Reading(self._protocol, go_on, held, DROPPED_BYTES, DROPPED_SECONDS, 0, kept=False)
        self._traffic.reading[self._environ[CLIENT]] = rest
        rest.start(None, goes_on=self._reading is not None)

    def _write(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        traffic, client = self._traffic, self._environ[CLIENT]
        if traffic.draining and _CLOSE not in headers:
            headers = [*headers, _CLOSE]
        if len(body) <= LARGE:
            self._protocol.response_bytes(status, headers, body)
        elif not self._write_large(status, headers, body):
            status, body = HTTPStatus.SERVICE_UNAVAILABLE, b""
        self._release()
        traffic.computing.discard(client)
        if traffic.log is not None:
            traffic.log.write(self._environ, status, len(body), self._began, traffic.proxies)

    def _write_large(self, status: int, headers: list[tuple[str, str]], body: bytes) -> bool:
        """Write an answer that is in memory until its client has read it; refuse, and tell so, where too many are."""
        traffic, path = self._traffic, self._traffic.stored.path(body)
        size = len(body) if path is None else PIECE
        if not traffic.has_room(size):
            self._refuse("the service is sending too many other large answers")
            return False
        traffic.writing[self._environ[CLIENT]] = (size, time.monotonic())
        if path is None:
            self._protocol.response_bytes(status, headers, body)
        else:
            self._protocol.response_file(status, headers, path)
        return True

    def _refuse(self, detail: str) -> None:
        """Refuse a request where there is too much of everything, and so without the app."""
        problem = Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers=(*_RETRY, _CLOSE)).response()
        self._protocol.response_bytes(problem.status, list(problem.headers), problem.body)
        self._release()

    def _release(self) -> None:
        """Let go of the body, also for Granian: its connection is of no use while anything may still read the body.

        An exception that was raised on the way may keep this exchange until Python's collector comes.
        """
        self._protocol = None
        if self._reading is not None:
            self._reading.release()


def _joined(body: Iterable[bytes]) -> bytes:
    """Return the whole body of an app's answer, and close it."""
    try:
        return b"".join(body)
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            close()

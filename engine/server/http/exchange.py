"""Requests and their answers, on their way between Granian and the handler."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from http import HTTPStatus
from time import perf_counter
from typing import Any

from engine.endpoints import Failing, Problem, Sending
from engine.handling import (
    CLIENT_GONE,
    CUT_OFF,
    INSTEAD,
    Handler,
    WireAnswer,
    close_body,
    id_headers,
    request_id,
    write_answer,
)
from engine.server.http.bodies import CROWDED, BodyBounds, End, Reading, ShortReading, body_problem
from engine.server.http.head import is_plain, read_head
from engine.server.http.large_bodies import LARGE, PIECE, send_pieces
from engine.server.http.traffic import Traffic
from engine.server.http.waits import Wait
from engine.server.logs import log_request

logger = logging.getLogger("engine")

# How much of a body that nobody takes is read, and for how long, so that a client who still sends can read its answer.
_DROPPED = BodyBounds(most=16 * 1024 * 1024, seconds=5.0, rate=0.0)

_CLOSE = ("Connection", "close")
_RETRY = (("Retry-After", "1"),)
_NO_BODY = (None, "", "0")
_WHOLE = End.WHOLE  # a member of an enumeration takes longer to look up


class BodyWanted(BaseException):
    """The handler reads the body of a request whose client waits to be asked for it."""


class _Unsent:
    """The body of a client that sends none until it is asked for it (RFC 9110, section 10.1.1)."""

    def read(self, _: int = -1) -> bytes:
        raise BodyWanted


class Exchange:
    """A request among a worker's others."""

    __slots__ = ("_client", "_has_rest", "_incoming", "_protocol", "_reading", "_traffic")

    def __init__(self, traffic: Traffic, protocol: Any, scope: Any) -> None:
        self._traffic = traffic
        self._protocol = protocol
        self._client: str = scope.client
        self._incoming = read_head(scope, traffic.limits.headers, perf_counter())
        self._reading: Reading | None = None
        self._has_rest = False  # of the body, which nobody has read

    def begin(self) -> None:
        """Read the body, if there is one, and have the request answered."""
        incoming = self._incoming
        environ = incoming.environ
        if self._traffic.logs:
            request_id(incoming)
        if "HTTP_TRANSFER_ENCODING" not in environ and environ.get("CONTENT_LENGTH") in _NO_BODY:
            incoming.body = b""
            self._answer()
        elif "100-continue" in environ.get("HTTP_EXPECT", "").lower():
            environ["wsgi.input"] = _Unsent()
            self._answer_apart()
        elif incoming.error is not None or int(environ.get("CONTENT_LENGTH", 0)) > self._traffic.largest:
            self._has_rest = True
            incoming.body = b""
            self._answer_apart()
        else:
            self._read()

    def _read(self) -> None:
        traffic, environ = self._traffic, self._incoming.environ
        now, bounds = traffic.clock.now(), traffic.bounds
        # Entered before it begins, since it may end at once.
        if "HTTP_TRANSFER_ENCODING" not in environ and int(environ["CONTENT_LENGTH"]) <= traffic.short:
            short = traffic.reading[self._client] = ShortReading(self._take, now, bounds.seconds)
            short.start(self._protocol)
        else:
            reading = self._reading = Reading(self._protocol, self._take, traffic.held, now, bounds)
            traffic.reading[self._client] = reading
            reading.start()

    def _take(self, body: bytes, end: End) -> None:
        """Go on with what has been read of the body."""
        incoming = self._incoming
        self._traffic.reading.pop(self._client, None)
        incoming.body = body
        if end is not _WHOLE or "HTTP_TRANSFER_ENCODING" in incoming.environ:
            if end is End.CROWDED:
                self._send_refusal(CROWDED)
                return
            is_chunked = incoming.environ.pop("HTTP_TRANSFER_ENCODING", None) is not None
            incoming.environ["CONTENT_LENGTH"] = str(len(body))
            self._has_rest = end is End.LARGE
            if (problem := body_problem(end, self._traffic.limits, is_chunked=is_chunked)) is not None:
                incoming.error = problem
        self._answer()

    def _answer(self) -> None:
        """Answer here and now, if that takes microseconds; else leave it to another thread."""
        if self._incoming.error is not None:
            self._answer_apart()
            return
        try:
            answer = self._traffic.handler.quick(self._incoming)
        except BaseException as error:  # noqa: BLE001 - a panic of Rust is no Exception, and nobody else would answer
            self._fail(error)
            return
        if answer is None:
            self._answer_apart()
        else:
            self._write(*answer)

    def _answer_apart(self) -> None:
        self._traffic.computing.add(self._client)
        self._traffic.threads.run(self._answer_slowly)

    def _answer_slowly(self) -> None:
        """Answer in a thread that may wait; whatever goes wrong, there is an answer."""
        self._incoming.environ.update(self._traffic.environ)
        handler = self._traffic.handler
        try:
            answer = handler.respond(self._incoming)
            if self._incoming.sending is not None:
                self._wait(handler, answer, self._incoming.sending)
            elif self._has_rest:
                self._drop_rest(answer)
            else:
                self._write(*answer)
        except BodyWanted:
            self._traffic.computing.discard(self._client)
            self._read()
        except BaseException as error:  # noqa: BLE001 - as above
            self._fail(error)

    def _wait(self, handler: Handler, answer: WireAnswer, sending: Sending) -> None:
        """Answer later, or end the connection later without an answer, as is drawn for this request."""
        handler.free_body(self._incoming)
        if self._reading is not None:
            self._reading.release()

        def go_on(*, is_gone: bool) -> None:
            gone.cancel()  # Granian would keep it, and fail at its own end where it is still open
            sending.release()
            try:
                if is_gone or sending.fails:
                    self._leave_unanswered(handler, answer, "" if is_gone else sending.fails)
                else:
                    if isinstance(answer[2], bytes):
                        handler.leave(self._incoming, answer[0])
                    self._write(*answer)
            except BaseException as error:  # noqa: BLE001 - as above
                self._fail(error)

        wait, gone = Wait(self._client, sending.seconds, go_on), self._protocol.client_disconnect()
        gone.add_done_callback(wait.leave)
        self._traffic.waits.add(wait)

    def _leave_unanswered(self, handler: Handler, answer: WireAnswer, fails: Failing) -> None:
        """End the connection, or only the request where the client has gone."""
        close_body(answer[2])
        connection = self._traffic.connection(self._client) if fails else None
        if connection is not None and fails == "reset":
            connection.reset()
        elif connection is not None:
            connection.close()
        status = CUT_OFF if connection is not None else INSTEAD.get(fails, CLIENT_GONE)
        handler.leave(self._incoming, status)
        if status in INSTEAD.values():  # the system does not tell of connections
            self._write(status, [*self._traffic.own_headers, _CLOSE], b"")
        else:
            self._traffic.computing.discard(self._client)
            self._protocol.response_empty(status, [])  # nobody gets it, but without any, Granian logs an error
            self._end(status, 0)

    def _fail(self, error: BaseException) -> None:
        logger.error("a request failed outside its endpoint", exc_info=error)
        if self._protocol is not None:
            self._write(HTTPStatus.INTERNAL_SERVER_ERROR, [*self._traffic.own_headers, _CLOSE], b"")

    def _drop_rest(self, answer: WireAnswer) -> None:
        """Read what the client still sends before it is answered; a client who sends too much is cut off."""
        status, headers, body = answer

        def go_on(_: bytes, end: End) -> None:
            self._traffic.reading.pop(self._client, None)
            closing = [] if end is End.WHOLE or _CLOSE in headers else [_CLOSE]
            self._write(status, [*headers, *closing], body)

        held, now = self._traffic.held, self._traffic.clock.now()
        rest = Reading(self._protocol, go_on, held, now, _DROPPED, kept=False)
        self._traffic.reading[self._client] = rest
        rest.start(goes_on=self._reading is not None)

    def _write(self, status: int, headers: list[tuple[str, str]], body: bytes | Iterable[bytes]) -> None:
        traffic = self._traffic
        if traffic.draining and _CLOSE not in headers:
            headers = [*headers, _CLOSE]
        if not isinstance(body, bytes):
            self._stream(status, headers, body)
            return
        traffic.computing.discard(self._client)  # before the client can have the answer, and ask again
        if len(body) <= LARGE:
            self._protocol.response_bytes(status, headers, body)
        elif not self._write_large(status, headers, body):
            self._send_refusal("the service is sending too many other large answers")
            return
        self._end(status, len(body))

    def _end(self, status: int, length: int) -> None:
        """Let go of the connection and of the body, and write the line of the log."""
        # Granian holds the connection open for what is kept of it where the body was not read to its end.
        if self._reading is not None:
            self._reading.release()
        self._protocol = self._reading = None
        traffic = self._traffic
        if traffic.logs:
            log_request(self._incoming, status, length, traffic.proxies)

    def _stream(self, status: int, headers: list[tuple[str, str]], pieces: Iterable[bytes]) -> None:
        """Send an answer piece by piece; until its end the request counts as being answered."""
        traffic, client = self._traffic, self._client
        transport = self._protocol.response_stream(status, headers)
        traffic.computing.add(client)

        def send() -> None:
            length = send_pieces(transport, pieces, lambda: traffic.connection(client))
            traffic.computing.discard(client)
            self._end(status, length)

        traffic.threads.run(send)

    def _write_large(self, status: int, headers: list[tuple[str, str]], body: bytes) -> bool:
        """Write an answer that is in memory until its client has read it; tell whether there is room for it."""
        traffic, path = self._traffic, self._traffic.stored.path(body)
        size = len(body) if path is None else PIECE
        if not traffic.has_room(size):
            return False
        traffic.writing[self._client] = (size, traffic.clock.now())
        if path is None:
            self._protocol.response_bytes(status, headers, body)
        else:
            self._protocol.response_file(status, headers, path)
        return True

    def _send_refusal(self, detail: str) -> None:
        """Refuse a request where there is too much of everything, and so without the handler."""
        ids = id_headers(self._incoming)
        added = self._traffic.handler.added.of_service
        problem = Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers=(*_RETRY, _CLOSE, *ids, *added))
        response = self._traffic.handler.refuse(problem, self._incoming)
        if not isinstance(response.body, bytes) or len(response.body) > LARGE:  # for which there is no room either
            response = problem.response()
        self._write(*write_answer(response, self._incoming.environ["REQUEST_METHOD"]))


class Front(Traffic):
    """Takes requests from Granian, and has the handler answer them.

    Granian calls in one thread, which never waits: it answers what the handler answers at once, and leaves the rest to
    others. Between two requests, the handler may be replaced by another one.
    """

    def __call__(self, watcher: Any) -> None:
        """Take one request; called by Granian, which drops whatever is raised."""
        protocol, scope = watcher.proto, watcher.scope
        try:
            found = self.at_once.get(scope.path)
            if found is None or not self._answer_at_once(found, protocol, scope):
                Exchange(self, protocol, scope).begin()
        except Exception:
            logger.exception("a request failed before it reached its handler")
            protocol.response_empty(HTTPStatus.INTERNAL_SERVER_ERROR, [*self.own_headers])

    def _answer_at_once(self, found: tuple[WireAnswer, Callable[[float], None]], protocol: Any, scope: Any) -> bool:
        """Answer a request of which nothing but its path matters, and tell whether it is one."""
        began = perf_counter()
        if self.draining or self.logs or not is_plain(scope, self.limits.headers, self.hosts):
            return False
        answer, count = found
        protocol.response_bytes(*answer)
        count(perf_counter() - began)
        return True

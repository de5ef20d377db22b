"""ASGI → handler: the door for the requests that Ray Serve has received.

Ray's own server calls it in the one thread of its event loop (https://asgi.readthedocs.io/en/latest/specs/www.html),
as Granian calls `engine.server.http`: what takes microseconds is answered there, and the rest in other threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from time import perf_counter
from typing import Any

from engine.endpoints import Problem, Sending
from engine.handling import CLIENT_GONE, INSTEAD, Handler, Incoming, WireAnswer, close_body, write_answer
from engine.ray.asgi_head import read_scope
from engine.server.http.bodies import CROWDED, SMALL, End, Held, body_problem

logger = logging.getLogger("engine")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_NO_BODY = (None, "", "0")
_END = object()
_RETRY = (("Retry-After", "1"),)
# Ray adds it to every answer, with the id that its own log has.
_OF_RAY = b"x-request-id"


class ClientGoneError(Exception):
    """The client has gone before it had an answer."""


class Door:
    """Answers with the handler that it has been given last.

    Unless it `knows_clients`, the client addresses it is given are those of Ray's own proxy.
    """

    def __init__(self, threads: int, *, knows_clients: bool = True) -> None:
        self.knows_clients = knows_clients
        self.handler: Handler | None = None
        self.largest = 0  # the size of the largest body that any route takes
        self._threads = ThreadPoolExecutor(threads, "answer")
        self._held = Held()
        self._open = 0

    def serve(self, handler: Handler) -> None:
        """Answer by another handler from now on."""
        self.largest = max(limits.body for limits in (handler.spec.service.limits, *_limits(handler)))
        self.handler = handler

    def in_flight(self) -> int:
        """Count the requests that are not answered yet."""
        return self._open

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or follow the server's beginning and end."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        elif self.handler is not None:
            self._open += 1
            try:
                await self._take(self.handler, scope, receive, send)
            except ClientGoneError:
                pass
            finally:
                self._open -= 1

    async def _take(self, handler: Handler, scope: Message, receive: Receive, send: Send) -> None:
        incoming = read_scope(scope, handler.spec.service.limits.headers, perf_counter())
        if not self.knows_clients:
            incoming.environ["REMOTE_ADDR"] = ""
        held: list[int] = []
        try:
            await self._read(handler, incoming, receive, held)
            answer = handler.quick(incoming) if incoming.error is None else None
            if answer is None:
                incoming.environ.update({"SCRIPT_NAME": "", "wsgi.url_scheme": scope.get("scheme", "http")})
                answer = await self._apart(partial(_drop, handler, incoming), handler.respond, incoming)
            if incoming.sending is not None:
                self._free(held)
                answer = await self._wait(handler, incoming, answer, incoming.sending)
        except Exception as error:
            if isinstance(error, ClientGoneError):
                raise
            logger.exception("a request failed outside its endpoint")
            headers = [("Content-Length", "0"), *handler.added.of_service]
            answer = (HTTPStatus.INTERNAL_SERVER_ERROR, headers, b"")
        finally:
            self._free(held)
        await self._write(answer, send)

    async def _read(self, handler: Handler, incoming: Incoming, receive: Receive, held: list[int]) -> None:
        """Read the body, up to what any route takes, and note the problem with it."""
        environ, limits = incoming.environ, handler.spec.service.limits
        incoming.body = b""
        is_chunked = "HTTP_TRANSFER_ENCODING" in environ
        if not is_chunked and environ.get("CONTENT_LENGTH") in _NO_BODY:
            return
        if incoming.error is not None or (not is_chunked and int(environ["CONTENT_LENGTH"]) > self.largest):
            return
        try:
            body, end = await self._gather(receive, limits.body_time, held)
        except (ClientGoneError, asyncio.CancelledError):
            handler.router.find(incoming)
            handler.leave(incoming, CLIENT_GONE)
            raise
        incoming.body = body
        if is_chunked:
            del environ["HTTP_TRANSFER_ENCODING"]
            environ["CONTENT_LENGTH"] = str(len(body))
        if end is End.CROWDED:
            incoming.error = Problem(HTTPStatus.SERVICE_UNAVAILABLE, CROWDED, headers=_RETRY)
        elif (problem := body_problem(end, limits, is_chunked=is_chunked)) is not None:
            incoming.error = problem

    async def _gather(self, receive: Receive, seconds: float, held: list[int]) -> tuple[bytes, End]:
        """Return a body, as far as it came, and how it ended; `held` are the bytes that it has in memory."""
        body = bytearray()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while len(body) <= self.largest:
                    piece, has_more = await _next_piece(receive)
                    body += piece
                    if len(body) > SMALL:
                        held.append(len(piece))
                        if not self._held.add(len(piece)):
                            return b"", End.CROWDED
                    if not has_more:
                        break
                return bytes(body), End.WHOLE
        return bytes(body), End.LATE

    def _free(self, held: list[int]) -> None:
        if held:
            self._held.add(-sum(held))
            held.clear()

    async def _wait(self, handler: Handler, incoming: Incoming, answer: WireAnswer, sending: Sending) -> WireAnswer:
        """Answer later, as is drawn for this request; a connection of Ray's cannot be closed without an answer."""
        handler.free_body(incoming)
        try:
            await asyncio.sleep(sending.seconds)
        except asyncio.CancelledError:
            _let_go(handler, incoming, answer[2], CLIENT_GONE)
            raise
        finally:
            sending.release()
        if sending.fails:
            close_body(answer[2])
            detail = f"the spec injects fail: {sending.fails}, and Ray does not let a replica close a connection"
            response = handler.explain(Problem(INSTEAD[sending.fails], detail), incoming)
            added = (*handler.added.lacking(response.headers, incoming.route), *handler.marks(incoming))
            instead = write_answer(response, incoming.environ["REQUEST_METHOD"], added)
            if isinstance(answer[2], bytes):
                handler.leave(incoming, instead[0])
            return instead
        if isinstance(answer[2], bytes):
            handler.leave(incoming, answer[0])
        return answer

    async def _write(self, answer: WireAnswer, send: Send) -> None:
        status, headers, body = answer
        names = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        sent = [one for one in names if one[0] != _OF_RAY]
        try:
            await send({"type": "http.response.start", "status": int(status), "headers": sent})
            if isinstance(body, bytes):
                await send({"type": "http.response.body", "body": body})
            else:
                await self._write_pieces(body, send)
        finally:
            close_body(body)

    async def _write_pieces(self, body: Iterable[bytes], send: Send) -> None:
        """Send a body piece by piece, no faster than it is taken."""
        pieces = iter(body)
        while (piece := await self._apart(_ignore, next, pieces, _END)) is not _END:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _apart(self, drop: Callable[[Future[Any]], object], job: Callable[..., Any], *arguments: Any) -> Any:
        """Do a job in another thread, which knows the request for Ray's log.

        Where the client leaves, a job that has begun keeps the place of its request until it ends, so that there are
        never more of them than Ray gives a replica at once. What it has made is then given to `drop`.
        """
        begun = self._threads.submit(contextvars.copy_context().run, job, *arguments)
        done = asyncio.wrap_future(begun)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            begun.cancel()
            try:
                await asyncio.wait([done])
            finally:
                begun.add_done_callback(drop)
            raise


async def _next_piece(receive: Receive) -> tuple[bytes, bool]:
    """Return the next piece of a body, and whether there are more; raise `ClientGoneError`."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    return message.get("body", b""), message.get("more_body", False)


def _drop(handler: Handler, incoming: Incoming, job: Future[Any]) -> None:
    """Free and count a request whose client has left before its answer was there."""
    if job.cancelled():
        handler.leave(incoming, CLIENT_GONE)
    elif job.exception() is None:
        sending, body = incoming.sending, job.result()[2]
        if sending is not None:
            sending.release()
            _let_go(handler, incoming, body, CLIENT_GONE)
        else:
            close_body(body)


def _let_go(handler: Handler, incoming: Incoming, body: bytes | Iterable[bytes], status: int) -> None:
    """Count a request whose answer is not sent; one that comes in pieces is counted as it is closed."""
    close_body(body)
    if isinstance(body, bytes):
        handler.leave(incoming, status)


def _ignore(_: Future[Any]) -> None:
    """Leave what a job has made to whoever has begun it."""


def _limits(handler: Handler) -> Iterable[Any]:
    return (one.route.limits for one in handler.mounted)


async def _live(receive: Receive, send: Send) -> None:
    """Answer the server's events; there is nothing to do (https://asgi.readthedocs.io/en/latest/specs/lifespan.html)."""
    while True:
        event = (await receive())["type"]
        await send({"type": f"{event}.complete"})
        if event == "lifespan.shutdown":
            return

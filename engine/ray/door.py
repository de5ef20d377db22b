"""ASGI → handler: the door for the requests that Ray Serve has received.

Ray's own server calls it in the one thread of its event loop (https://asgi.readthedocs.io/en/latest/specs/www.html),
as Granian calls `engine.server.http`: what takes microseconds is answered there, and the rest in other threads.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from time import perf_counter
from typing import Any

from engine.endpoints import Problem, Sending
from engine.handling import CLIENT_GONE, INSTEAD, Handler, Incoming, WireAnswer, close_body, write_answer
from engine.ray.asgi_head import read_scope
from engine.server.http.bodies import End, body_problem

logger = logging.getLogger("engine")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_NO_BODY = (None, "", "0")
_END = object()
# Ray's server adds the request's id to each answer; it would be there twice.
_RAYS_OWN = b"x-request-id"


class ClientGoneError(Exception):
    """The client has gone before it had an answer."""


class Door:
    """Answers with the handler that it has been given last.

    Unless it `knows_clients`, the addresses that it is told are those of Ray's own proxy.
    """

    def __init__(self, threads: int, *, knows_clients: bool = True) -> None:
        self.knows_clients = knows_clients
        self.handler: Handler | None = None
        self.largest = 0  # the size of the largest body that any route takes
        self._threads = ThreadPoolExecutor(threads, "answer")
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
        try:
            await self._read(handler, incoming, receive)
            answer = handler.quick(incoming) if incoming.error is None else None
            if answer is None:
                incoming.environ.update({"SCRIPT_NAME": "", "wsgi.url_scheme": scope.get("scheme", "http")})
                answer = await self._apart(handler.respond, incoming)
            if incoming.sending is not None:
                answer = await self._wait(handler, incoming, answer, incoming.sending)
        except Exception as error:
            if isinstance(error, ClientGoneError):
                raise
            logger.exception("a request failed outside its endpoint")
            headers = [("Content-Length", "0"), *handler.added.of_service]
            answer = (HTTPStatus.INTERNAL_SERVER_ERROR, headers, b"")
        await self._write(answer, send)

    async def _read(self, handler: Handler, incoming: Incoming, receive: Receive) -> None:
        """Read the body, up to what any route takes, and note the problem with it."""
        environ, limits = incoming.environ, handler.spec.service.limits
        incoming.body = b""
        is_chunked = "HTTP_TRANSFER_ENCODING" in environ
        if not is_chunked and environ.get("CONTENT_LENGTH") in _NO_BODY:
            return
        if incoming.error is not None or int(environ.get("CONTENT_LENGTH", 0)) > self.largest:
            return
        end, pieces, size = End.WHOLE, [], 0
        try:
            async with asyncio.timeout(limits.body_time):
                while size <= self.largest:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ClientGoneError
                    pieces.append(message.get("body", b""))
                    size += len(pieces[-1])
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            end = End.LATE
        incoming.body = b"".join(pieces)
        if is_chunked:
            del environ["HTTP_TRANSFER_ENCODING"]
            environ["CONTENT_LENGTH"] = str(size)
        if (problem := body_problem(end, limits, is_chunked=is_chunked)) is not None:
            incoming.error = problem

    async def _wait(self, handler: Handler, incoming: Incoming, answer: WireAnswer, sending: Sending) -> WireAnswer:
        """Answer later, as is drawn for this request; a connection of Ray's cannot be closed without an answer."""
        status = CLIENT_GONE
        handler.free_body(incoming)
        try:
            await asyncio.sleep(sending.seconds)
            if sending.fails:
                close_body(answer[2])
                detail = f"the spec injects fail: {sending.fails}, and Ray does not let a replica close a connection"
                response = handler.explain(Problem(INSTEAD[sending.fails], detail), incoming)
                added = (*handler.added.lacking(response.headers, incoming.route), *handler.marks(incoming))
                answer = write_answer(response, incoming.environ["REQUEST_METHOD"], added)
            status = answer[0]
        finally:
            sending.release()
            if sending.fails or isinstance(answer[2], bytes) or status == CLIENT_GONE:
                handler.leave(incoming, status)
        return answer

    async def _write(self, answer: WireAnswer, send: Send) -> None:
        status, headers, body = answer
        sent = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        sent = [(name, value) for name, value in sent if name != _RAYS_OWN]
        await send({"type": "http.response.start", "status": int(status), "headers": sent})
        if isinstance(body, bytes):
            await send({"type": "http.response.body", "body": body})
            return
        try:
            await self._write_pieces(body, send)
        finally:
            close_body(body)

    async def _write_pieces(self, body: Iterable[bytes], send: Send) -> None:
        """Send a body piece by piece, no faster than it is taken."""
        pieces = iter(body)
        while (piece := await self._apart(next, pieces, _END)) is not _END:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _apart(self, job: Callable[..., Any], *arguments: Any) -> Any:
        """Do a job in another thread, which knows the request for Ray's log."""
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._threads, context.run, job, *arguments)


def _limits(handler: Handler) -> Iterable[Any]:
    return (one.route.limits for one in handler.mounted)


async def _live(receive: Receive, send: Send) -> None:
    """Answer the server's events; there is nothing to do (https://asgi.readthedocs.io/en/latest/specs/lifespan.html)."""
    while True:
        event = (await receive())["type"]
        await send({"type": f"{event}.complete"})
        if event == "lifespan.shutdown":
            return

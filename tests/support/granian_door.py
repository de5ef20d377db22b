"""Granian's side of a request, for tests that need no server: a scope and a protocol as RSGI has them."""

from __future__ import annotations

import threading
from asyncio import CancelledError
from collections.abc import Callable
from typing import Any

from engine.server.http import Front

Headers = list[tuple[str, str]]
Answer = tuple[int, Headers, bytes]


class SentHeaders:
    """The headers of a scope: Granian lists each that was sent, and gives one by its name."""

    def __init__(self, sent: Headers) -> None:
        self._sent = [(name.lower(), value) for name, value in sent]

    def items(self) -> Headers:
        return self._sent

    def keys(self) -> list[str]:
        return [*dict(self._sent)]

    def get_all(self, name: str) -> list[str]:
        return [value for sent, value in self._sent if sent == name]

    def __len__(self) -> int:
        return len(dict(self._sent))


class Scope:
    """The head of a request."""

    def __init__(
        self,
        method: str = "GET",
        path: str = "/",
        query: str = "",
        headers: Headers | None = None,
        http_version: str = "1.1",
    ) -> None:
        self.method = method
        self.path = path
        self.query_string = query
        self.http_version = http_version
        self.client = "127.0.0.1:40000"
        self.headers = SentHeaders([("Host", "x")] if headers is None else headers)


class Future:
    """A future of Granian's: it calls back at once where it is done, or when `finish` says what came."""

    def __init__(self) -> None:
        self._callback: Callable[..., None] | None = None
        self._value: Any = None
        self.is_done = False
        self.is_cancelled = False

    def add_done_callback(self, callback: Callable[..., None]) -> None:
        self._callback = callback
        if self.is_done:
            callback(self, context=None)

    def finish(self, value: Any) -> None:
        self._value, self.is_done = value, True
        if self._callback is not None:
            self._callback(self, context=None)

    def cancel(self) -> None:
        self.is_cancelled = True
        if self._callback is not None:
            self._callback(self, context=None)

    def result(self) -> Any:
        if self.is_cancelled:
            raise CancelledError
        if isinstance(self._value, Exception):
            raise self._value
        return self._value


class Protocol:
    """What Granian gives a body by, and takes an answer by; `pieces` is None for a body that never comes.

    A piece that is None is where the body breaks: Granian gives an empty one, and another before it says that the
    stream is exhausted. Like Granian, it keeps the `futures` that are not done.
    """

    def __init__(self, pieces: list[bytes | None] | None = None) -> None:
        self.answers: list[Answer] = []
        self.answered = threading.Event()
        self.futures: list[Future] = []
        self._pieces = None if pieces is None else [*pieces]
        self._is_open = True

    def __call__(self) -> Future:
        if self._pieces is None:
            return self._future(None)
        return self._future(RuntimeError("closed") if None in self._pieces else b"".join(self._pieces))

    def __aiter__(self) -> Protocol:
        return self

    def __anext__(self) -> Future:
        if self._pieces is None:
            return self._future(None)
        if not self._is_open:
            raise StopAsyncIteration
        piece = self._pieces.pop(0) if self._pieces else b""
        if piece is None:
            return self._future(b"")
        self._is_open = bool(piece)
        return self._future(piece)

    def response_bytes(self, status: int, headers: Headers, body: bytes) -> None:
        self.answers.append((status, headers, body))
        self.answered.set()

    def response_empty(self, status: int, headers: Headers) -> None:
        self.response_bytes(status, headers, b"")

    def response_file(self, status: int, headers: Headers, path: str) -> None:
        with open(path, "rb") as file:  # noqa: PTH123 - as Granian does
            self.response_bytes(status, headers, file.read())

    def _future(self, value: Any) -> Future:
        future = Future()
        if value is None:
            self.futures.append(future)
        else:
            future.finish(value)
        return future


class Watcher:
    """What Granian calls with."""

    def __init__(self, scope: Scope, protocol: Protocol) -> None:
        self.scope = scope
        self.proto = protocol


def ask(front: Front, scope: Scope | None = None, pieces: list[bytes | None] | None = None) -> Answer:
    """Have a front answer a request, by whatever thread."""
    protocol = Protocol([] if pieces is None else pieces)
    front(Watcher(scope or Scope(), protocol))
    assert protocol.answered.wait(30)
    (answer,) = protocol.answers
    return answer

"""Responses as they are sent: with the length of the body, and without what a status or HEAD rules out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus

from werkzeug.http import remove_entity_headers

from engine.endpoints import Headers, Response

WireAnswer = tuple[int, list[tuple[str, str]], bytes | Iterable[bytes]]
"""The status, headers and body of an answer; a body that is not bytes is sent piece by piece."""

ALWAYS: Headers = ()
"""The headers of every answer, whether the handler, the server or the Flask app makes it."""

_BODILESS = frozenset((*range(100, 200), 204, 304))


def write_answer(response: Response, method: str, marks: Headers = ()) -> WireAnswer:
    """Write the answer to a request of a method, with further headers (RFC 9110, sections 6.4.1 and 8.6)."""
    status, body, marks = response.status, response.body, (*ALWAYS, *marks)
    if isinstance(body, bytes) and status not in _BODILESS and method != "HEAD":
        return status, [("Content-Length", str(len(body))), *response.headers, *marks], body
    headers = [*response.headers, *marks]
    if status == HTTPStatus.NOT_MODIFIED:
        remove_entity_headers(headers)
    if status in _BODILESS:
        return status, headers, _without(body)
    if isinstance(body, bytes):
        headers.insert(0, ("Content-Length", str(len(body))))
    return status, headers, body if method != "HEAD" else _without(body)


def _without(body: bytes | Iterable[bytes]) -> bytes:
    close_body(body)
    return b""


def close_body(body: object) -> None:
    """Close a body that is made piece by piece, so that it can free what it holds."""
    end = getattr(body, "close", None)
    if end is not None:
        end()


class Counted:
    """The pieces of a body; `done` is called once they have been sent, or the client is gone."""

    def __init__(self, pieces: Iterable[bytes], done: Callable[[], None]) -> None:
        self._pieces = pieces
        self._done = [done]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)

    def close(self) -> None:
        """End it, at the end or before."""
        try:
            close_body(self._pieces)
        finally:
            while self._done:
                self._done.pop()()

"""Enforce each request's limits before its endpoint is asked, and read its body, in any transfer coding.

Every body is read, even if it is not used: a server closes a connection with unread bytes, and a client that is still
sending would see a broken pipe instead of its 404.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import IO

from werkzeug.exceptions import ClientDisconnected
from werkzeug.wsgi import get_content_length, get_input_stream

from engine.endpoints import Mounted, Problem
from engine.handling.content_coding import Decoder
from engine.handling.incoming import Environ, Incoming
from engine.spec import Limits

CHUNK = 64 * 1024
DRAIN_BYTES = 16 * 1024 * 1024
DRAIN_SECONDS = 5.0


class BodyReader:
    """Reads the bodies of a service's requests; `default` are the limits of those that no route matches."""

    def __init__(self, default: Limits, mounted: Sequence[Mounted]) -> None:
        self._default = default
        reading = [one.route.limits.body for one in mounted if one.route.reads_body]
        self._decoder = Decoder(max(reading, default=0))

    def read(self, incoming: Incoming) -> None:
        """Check the length of the URL, and read and decode the body; raise `Problem` for what is not allowed.

        The body is decoded only for a route that uses it. Its memory counts as used until `release`.
        """
        environ, route = incoming.environ, incoming.route
        limits = self._default if route is None else route.limits
        if len(incoming.path_info) + len(environ.get("QUERY_STRING", "")) > limits.url:
            raise Problem(HTTPStatus.REQUEST_URI_TOO_LONG, f"the URL is longer than {limits.url:,} bytes")
        body = incoming.body
        if body is None:
            body = _read_stream(incoming, limits.body)
        elif len(body) > limits.body or (not body and _declared_length(environ) > limits.body):
            raise _too_large(limits.body, incoming)
        if body and "HTTP_CONTENT_ENCODING" in environ and route is not None and route.reads_body:
            coding = environ["HTTP_CONTENT_ENCODING"].strip().lower()
            if coding not in ("", "identity"):
                incoming.coded_size = len(body)
                body = self._decoder.decode(body, coding, limits.body)
        incoming.content = body

    def release(self, incoming: Incoming) -> None:
        """Count the memory of a decoded body as no longer used."""
        if incoming.coded_size is not None:
            self._decoder.release(len(incoming.content))
            incoming.coded_size = None


def refused(problem: Problem, incoming: Incoming) -> Problem:
    """Return a problem that is the answer before the body was read, once a client that is still sending can read it.

    The rest of the body is read and dropped, within bounds; beyond them the connection is closed. A client that asks
    before it sends (RFC 9110, section 10.1.1) gets the answer at once.
    """
    environ = incoming.environ
    if incoming.body is not None or not _has_body(environ):
        return problem
    try:
        drained = "100-continue" not in environ.get("HTTP_EXPECT", "").lower() and _drain(get_input_stream(environ))
    except (ClientDisconnected, OSError):
        drained = False
    if not drained:
        problem.headers = (*problem.headers, ("Connection", "close"))
    return problem


def _read_stream(incoming: Incoming, limit: int) -> bytes:
    """Read the body, of `limit` bytes at most; raise `Problem` 413 for a larger one, declared or chunked.

    The rest of a body that is too large is read and dropped, within bounds, so that a client that is still sending can
    read the answer; beyond the bounds the connection is closed.
    """
    environ = incoming.environ
    if not _has_body(environ):
        return b""
    declared = _declared_length(environ)
    if declared > limit:
        raise _too_large(limit, incoming)
    stream = get_input_stream(environ)
    try:
        body = stream.read(limit + 1)
        while body and len(body) <= limit and (more := stream.read(limit + 1 - len(body))):
            body += more
    except (ClientDisconnected, OSError):
        raise Problem(HTTPStatus.BAD_REQUEST, "the body ended before its declared length") from None
    if len(body) > limit:
        raise _too_large(limit, incoming)
    if len(body) < declared:
        raise Problem(HTTPStatus.BAD_REQUEST, "the body ended before its declared length")
    return body


def _has_body(environ: Environ) -> bool:
    return "HTTP_TRANSFER_ENCODING" in environ or _declared_length(environ) > 0


def _declared_length(environ: Environ) -> int:
    return (get_content_length(environ) or 0) if "CONTENT_LENGTH" in environ else 0


def _too_large(limit: int, incoming: Incoming) -> Problem:
    return refused(Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {limit:,} bytes"), incoming)


def _drain(stream: IO[bytes]) -> bool:
    """Read and drop the bytes that a client still sends; return whether those were all."""
    left, deadline = DRAIN_BYTES, time.monotonic() + DRAIN_SECONDS
    while left > 0 and time.monotonic() < deadline:
        chunk = stream.read(min(CHUNK, left))
        if not chunk:
            return True
        left -= len(chunk)
    return False

"""Enforce each request's limits before its endpoint is asked, and read its body, in any transfer coding.

Every body is read, even if it is not used: a server closes a connection with unread bytes, and a client that is still
sending would see a broken pipe instead of its 404. Of content codings (RFC 9110, section 8.4), gzip and deflate are
decoded, within bounds.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Sequence
from http import HTTPStatus
from typing import IO

from werkzeug.exceptions import ClientDisconnected
from werkzeug.wsgi import get_content_length, get_input_stream

from engine.endpoints import Mounted, Problem
from engine.endpoints.problems import overload_problem
from engine.errors import Overloaded
from engine.handling.incoming import Environ, Incoming
from engine.spec import Limits

CHUNK = 64 * 1024
DRAIN_BYTES = 16 * 1024 * 1024
DRAIN_SECONDS = 5.0
# Of content codings:
TAKEN = ("Accept-Encoding", "gzip, deflate")
# The most memory that all decoded bodies of this process may use together.
HELD_BYTES = 64 * 1024 * 1024
_CODED_CHUNK = 4 * 1024  # small, because zlib copies the rest of its input at the end of a member of a gzip file
_RATIO = 1100  # one byte of deflate becomes no more than 1,032
_GZIP, _ZLIB, _BARE = 31, 15, -15  # zlib's names for the formats
_FULL = Overloaded("the service is decoding too many other bodies")


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


def refuse_unread(problem: Problem, incoming: Incoming) -> Problem:
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
    return refuse_unread(
        Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {limit:,} bytes"), incoming
    )


def _drain(stream: IO[bytes]) -> bool:
    """Read and drop the bytes that a client still sends; return whether those were all."""
    left, deadline = DRAIN_BYTES, time.monotonic() + DRAIN_SECONDS
    while left > 0 and time.monotonic() < deadline:
        chunk = stream.read(min(CHUNK, left))
        if not chunk:
            return True
        left -= len(chunk)
    return False


class Decoder:
    """Decodes the bodies of one app and counts the bytes still in use."""

    def __init__(self, largest: int) -> None:
        self._most = max(HELD_BYTES, 2 * largest)
        self._held = 0
        self._lock = threading.Lock()

    def decode(self, body: bytes, coding: str, limit: int) -> bytes:
        """Decode a body to at most `limit` bytes; the caller passes its size to `release` after use.

        Raises `Problem`: 413 for a larger body, 400 for a broken one, 415 for another coding, and 503 if other bodies
        use all the memory.
        """
        most = min(limit, _RATIO * len(body))
        self._hold(most)
        try:
            decoded = _decoded(body, coding, limit)
        except Problem:
            self.release(most)
            raise
        self.release(most - len(decoded))
        return decoded

    def release(self, count: int) -> None:
        with self._lock:
            self._held -= count

    def _hold(self, count: int) -> None:
        with self._lock:
            if self._held + count > self._most:
                raise overload_problem(_FULL)
            self._held += count


def _decoded(body: bytes, coding: str, limit: int) -> bytes:
    if coding not in ("gzip", "x-gzip", "deflate"):
        detail = f'the content coding "{coding[:60]}" is not supported; send gzip, deflate, or no Content-Encoding'
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, headers=(TAKEN,))
    try:
        return _inflated(body, _format(body) if coding == "deflate" else _GZIP, limit)
    except (zlib.error, EOFError):
        what = f"the body is not valid {coding}, as its Content-Encoding says"
        detail = f"{what}; send it compressed whole, or without that header"
        raise Problem(HTTPStatus.BAD_REQUEST, detail) from None


def _format(body: bytes) -> int:
    """Detect zlib's frame (RFC 1950), which HTTP requires and some clients leave out."""
    has_frame = len(body) > 1 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0  # noqa: PLR2004
    return _ZLIB if has_frame else _BARE


def _inflated(body: bytes, wbits: int, limit: int) -> bytes:
    """Inflate every member of a body; raise `EOFError` if one is incomplete."""
    view, at, size, pieces = memoryview(body), 0, 0, []
    inflater = zlib.decompressobj(wbits)
    while at < len(body):
        if inflater.eof:
            if wbits != _GZIP:
                raise zlib.error("data after the end")
            inflater = zlib.decompressobj(wbits)
        chunk = view[at : at + _CODED_CHUNK]
        piece = inflater.decompress(chunk, limit + 1 - size)
        at += len(chunk) - len(inflater.unused_data)
        size += len(piece)
        if size > limit:
            detail = f"the body is larger than {limit:,} bytes once it is decoded"
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
        pieces.append(piece)
    if not inflater.eof:
        raise EOFError
    return b"".join(pieces)

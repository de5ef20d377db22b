"""Enforce each request's limits before it is dispatched, and read its body, in any transfer coding.

Every body is read, even if it is not used: a server closes a connection with unread bytes, and a client that is still
sending would see a broken pipe instead of its 404.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import IO

import flask
from werkzeug.exceptions import ClientDisconnected

from engine.endpoints import Problem
from engine.spec import Limits
from engine.web.coding import Decoder

ERROR = "engine.error"  # environ key of an error that is the answer already
CHUNK = 64 * 1024
DRAIN_BYTES = 16 * 1024 * 1024
DRAIN_SECONDS = 5.0


def hold_to_limits(
    app: flask.Flask, limits: Mapping[str, Limits], default: Limits, readers: Collection[str] = ()
) -> None:
    """Make the app check each URL, and read each body into `flask.g.body`, before it is dispatched.

    `limits` are by the name of a Flask endpoint, `default` applies if no route matches. The body is decoded for
    `readers`, the endpoints that use it. An endpoint that other code added to the app reads its body itself.
    """
    decoder = Decoder(max(limits[name].body for name in readers)) if readers else None

    def hold() -> None:
        request, endpoint = flask.request, flask.request.endpoint
        if ERROR in request.environ:
            raise request.environ.pop(ERROR)  # or it and the request would keep each other alive
        if endpoint is None or endpoint in limits:
            limit = limits.get(endpoint or "", default)
            if len(request.environ["PATH_INFO"]) + len(request.environ.get("QUERY_STRING", "")) > limit.url:
                raise Problem(HTTPStatus.REQUEST_URI_TOO_LONG, f"the URL is longer than {limit.url:,} bytes")
            body = flask.g.body = read_body(request, limit.body)
            coding = request.headers.get("Content-Encoding", "").strip().lower()
            flask.g.sent = None
            if decoder is not None and body and endpoint in readers and coding not in ("", "identity"):
                flask.g.sent = len(body)
                flask.g.body = _decoded(decoder, body, coding, limit.body)

    app.before_request(hold)


def _decoded(decoder: Decoder, body: bytes, coding: str, limit: int) -> bytes:
    """Decode a body; its memory counts as used until the request is answered."""
    decoded = decoder.decode(body, coding, limit)

    def release(response: flask.Response) -> flask.Response:
        decoder.release(len(decoded))
        return response

    flask.after_this_request(release)
    return decoded


def read_body(request: flask.Request, limit: int) -> bytes:
    """Read the body, of `limit` bytes at most; raise `Problem` 413 for a larger one, declared or chunked.

    The rest of a body that is too large is read and dropped, within bounds, so that a client that is still sending can
    read the answer; beyond the bounds the connection is closed.
    """
    if not request.content_length and "Transfer-Encoding" not in request.headers:
        return b""
    stream = request.stream
    try:
        if (request.content_length or 0) > limit:
            raise _too_large(limit)
        body = stream.read(limit + 1)
        while body and len(body) <= limit and (more := stream.read(limit + 1 - len(body))):
            body += more
    except (ClientDisconnected, OSError):
        raise Problem(HTTPStatus.BAD_REQUEST, "the body ended before its declared length") from None
    if len(body) > limit:
        raise _too_large(limit)
    if len(body) < (request.content_length or 0):
        raise Problem(HTTPStatus.BAD_REQUEST, "the body ended before its declared length")
    return body


def refused(problem: Problem) -> Problem:
    """Return a problem that is the answer before the body was read, once a client that is still sending can read it.

    The rest of the body is read and dropped, within bounds; beyond them the connection is closed. A client that asks
    before it sends (RFC 9110, section 10.1.1) gets the answer at once.
    """
    request = flask.request
    if not request.content_length and "Transfer-Encoding" not in request.headers:
        return problem
    try:
        drained = "100-continue" not in request.headers.get("Expect", "").lower() and _drain(request.stream)
    except (ClientDisconnected, OSError):
        drained = False
    if not drained:
        problem.headers = (*problem.headers, ("Connection", "close"))
    return problem


def _too_large(limit: int) -> Problem:
    return refused(Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {limit:,} bytes"))


def _drain(stream: IO[bytes]) -> bool:
    """Read and drop the bytes that a client still sends; return whether those were all."""
    left, deadline = DRAIN_BYTES, time.monotonic() + DRAIN_SECONDS
    while left > 0 and time.monotonic() < deadline:
        chunk = stream.read(min(CHUNK, left))
        if not chunk:
            return True
        left -= len(chunk)
    return False

"""A request on its way through the service, whichever server received it, and its ids, made only if they are used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from time import perf_counter
from typing import Any
from uuid import uuid4

from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter

from engine.endpoints import NO_ROUTE, Admission, Mounted
from engine.endpoints.messages import Headers, Sending
from engine.spec import Route

Environ = dict[str, Any]
_SOUND = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACE_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class Incoming:
    """One request: what the client sent, and what has been found out about it so far.

    `environ` is the request as PEP 3333 defines it, and `began` the time of `time.perf_counter()` at which it arrived.
    """

    # Class attributes, because most requests leave most of them as they are.
    body: bytes | None = None
    """The body as it was sent, if the server has read it; else it is read from `environ`."""
    error: Exception | None = None
    """The reason for an error answer, if it is known before the endpoint is asked."""
    rule: str = NO_ROUTE
    """The URL rule that matches, of a route or of other code that uses the Flask app."""
    mounted: Mounted | None = None
    """The route that matches; None if there is none, or if the rule belongs to other code."""
    unmatched: HTTPException | None = None
    """Why no rule matches."""
    arguments: Mapping[str, Any] = {}
    adapter: MapAdapter | None = None
    """Answers further questions about the path, if the router was asked."""
    mount: str = ""
    """The base path, or another prefix, that the request's path began with."""
    path_info: str = ""
    """The path without `mount`, as PEP 3333 encodes it."""
    admission: Admission | None = None
    made_id: str | None = None
    """The request id that was made for it."""
    content: bytes = b""
    """The decoded body."""
    coded_size: int | None = None
    """The size of the body as it was sent, if it had to be decoded."""
    sending: Sending | None = None
    """How the answer is sent, if not at once: whoever called the handler acts by it, and then calls `leave`."""
    span: Any = None
    """The span of its trace, if the service is traced and its endpoint has been asked."""
    failure: str = ""
    """What has failed, if the service is traced and the failure is its own."""
    trace: str = ""
    """The trace that the service itself has begun for it."""

    def __init__(self, environ: Environ, began: float | None = None) -> None:
        self.environ = environ
        self.began = perf_counter() if began is None else began

    @property
    def route(self) -> Route | None:
        return None if self.mounted is None else self.mounted.route

    @property
    def path(self) -> str:
        """The path without `mount`, as text."""
        return "/" + _text(self.path_info).lstrip("/")

    @property
    def full_path(self) -> str:
        """The whole path, as text."""
        return _text(self.mount).rstrip("/") + self.path


def _text(path: str) -> str:
    return path.encode("latin-1").decode(errors="replace")


def request_id(incoming: Incoming) -> str:
    """Return the request's id: the client's own, else its trace's, else a new one, which is kept."""
    if incoming.made_id is None:
        sent = dict(_given_ids(incoming.environ))
        incoming.made_id = sent.get("X-Request-ID") or trace_id(incoming) or uuid4().hex
    return incoming.made_id


def trace_id(incoming: Incoming) -> str:
    """Return the trace of a request, empty if it has none."""
    found = _TRACE_PARENT.fullmatch(incoming.environ.get("HTTP_TRACEPARENT", ""))
    return found["trace"] if found and not incoming.trace else incoming.trace


def id_headers(incoming: Incoming) -> Headers:
    """Return an answer's headers with the ids of its request: those that the client sent, and the one made for it."""
    environ, made = incoming.environ, incoming.made_id
    if made is None and "HTTP_X_REQUEST_ID" not in environ and "HTTP_TRACEPARENT" not in environ:
        return ()
    ids = _given_ids(environ)
    if made is not None and not any(name == "X-Request-ID" for name, _ in ids):
        ids.append(("X-Request-ID", made))
    return tuple(ids)


def _given_ids(environ: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the ids that a client has sent, to be repeated in the answer; unsuitable ones are ignored."""
    names = (
        ("X-Request-ID", environ.get("HTTP_X_REQUEST_ID"), _SOUND),
        ("traceparent", environ.get("HTTP_TRACEPARENT"), _TRACE_PARENT),
    )
    return [(name, text) for name, text, form in names if text is not None and form.fullmatch(text)]

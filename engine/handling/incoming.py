"""A request on its way through the service, whichever server received it."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter

from engine.endpoints import NO_ROUTE, Admission, Mounted
from engine.spec import Route

Environ = dict[str, Any]


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

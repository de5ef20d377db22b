"""The headers by which pages from other origins may read answers."""

from __future__ import annotations

from engine.endpoints.guards.client import Environ
from engine.endpoints.messages import Headers
from engine.spec import Cors

_SENT_HEADERS = ("Authorization", "Content-Type", "X-API-Key", "X-Request-ID", "traceparent")


def origin_headers(cors: Cors, environ: Environ) -> tuple[Headers, bool]:
    """Return an answer's headers for other origins, and whether this page may read the answer.

    The CORS protocol is a part of the Fetch standard, https://fetch.spec.whatwg.org/#http-cors-protocol.
    """
    origin = environ.get("HTTP_ORIGIN", "")
    every = "*" in cors.origins
    vary: Headers = () if every else (("Vary", "Origin"),)
    if not every and origin not in cors.origins:
        return vary, False
    # Every client gets this header if all origins are allowed, since a cache may pass the answer to a page later.
    headers = [*vary, ("Access-Control-Allow-Origin", "*" if every else origin)]
    if cors.credentials:
        headers.append(("Access-Control-Allow-Credentials", "true"))
    if cors.expose:
        headers.append(("Access-Control-Expose-Headers", ", ".join(cors.expose)))
    return tuple(headers), bool(origin)


def is_preflight(environ: Environ) -> bool:
    """Return whether a request is a browser's preflight."""
    return environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ


def preflight_headers(cors: Cors) -> Headers:
    """Return the headers by which a preflight is answered, beside the shared ones."""
    names = ", ".join(dict.fromkeys((*_SENT_HEADERS, *cors.headers)))
    return ("Access-Control-Allow-Headers", names), ("Access-Control-Max-Age", str(cors.max_age))

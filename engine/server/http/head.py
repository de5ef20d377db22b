"""The head of a request: Granian's RSGI scope → an incoming request, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus
from typing import Any

from engine.endpoints import Problem
from engine.handling import Environ, Incoming

_MAX_NAMES, _MAX_NAME = 1000, 64
UNREAD = "engine.unread"
_VERSIONS = {"1.1": "HTTP/1.1"}
_CLOSE = (("Connection", "close"),)
# Headers that can change what a GET is answered; all others leave it as it is.
_TELLING = frozenset(("content-length", "if-none-match", "traceparent", "transfer-encoding", "x-request-id"))


class _Keys(dict[str, str]):
    """Header names → keys of an environ; names with an underscore have one that nobody reads.

    In an environ they would look like those with a hyphen, and could pass for what a proxy in front has written.
    """

    def __missing__(self, name: str) -> str:
        if "_" in name:
            return UNREAD
        key = name.upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        if len(self) < _MAX_NAMES and len(name) <= _MAX_NAME:
            self[name] = key
        return key


KEYS = _Keys()


def read_head(scope: Any, limit: int, began: float) -> Incoming:
    """Read the head of a request, and find the problem with it; its headers may have `limit` bytes."""
    headers = scope.headers
    sent = headers.items()
    environ: Environ = {}
    size = 4 * len(sent)
    for name, value in sent:
        environ[KEYS[name]] = value
        size += len(name) + len(value)
    if not len(sent) == len(environ) == len(headers):
        environ = _joined(headers)
    environ.pop(UNREAD, None)
    client, path, query, version = scope.client, scope.path, scope.query_string, scope.http_version
    environ["REQUEST_METHOD"] = scope.method
    environ["PATH_INFO"] = path if path.isascii() else path.encode().decode("latin-1")
    environ["QUERY_STRING"] = query if query.isascii() else query.encode().decode("latin-1")
    environ["SERVER_PROTOCOL"] = _VERSIONS.get(version, "HTTP/1.0")
    environ["REMOTE_ADDR"] = client.rpartition(":")[0].strip("[]")
    incoming = Incoming(environ, began)
    if (problem := head_problem(environ, size, limit)) is not None:
        incoming.error = problem
    return incoming


def is_plain(scope: Any, limit: int, hosts: Collection[str]) -> bool:
    """Tell whether a request is a GET for one of the hosts, with nothing that can change the answer of its path."""
    headers = scope.headers
    sent = headers.items()
    if scope.method != "GET" or scope.query_string or scope.http_version != "1.1" or len(sent) != len(headers):
        return False
    host, size = None, 4 * len(sent)
    for name, value in sent:
        if name in _TELLING:
            return False
        if name == "host":
            host = value
        size += len(name) + len(value)
    return size <= limit and host in hosts


def _joined(headers: Any) -> Environ:
    """Join headers that were sent several times, as Granian does for WSGI."""
    return {
        KEYS[name]: (";" if name == "cookie" else ",").join(headers.get_all(name))
        for name in headers.keys()  # noqa: SIM118 - not a mapping
    }


def head_problem(environ: Environ, size: int, limit: int) -> Problem | None:
    """Return what is wrong with a head, as RFC 9112 has it (sections 3.2, 6.1 and 6.3)."""
    host, coding = environ.get("HTTP_HOST"), environ.get("HTTP_TRANSFER_ENCODING")
    if host is None and environ["SERVER_PROTOCOL"] == "HTTP/1.1":
        return Problem(HTTPStatus.BAD_REQUEST, "the Host header is missing; HTTP/1.1 requires it")
    if host is not None and "," in host:
        return Problem(HTTPStatus.BAD_REQUEST, "there is more than one Host header; send one", headers=_CLOSE)
    if coding is not None and coding.strip().lower() != "chunked":
        detail = f'the transfer coding "{coding[:60]}" is not supported; send the body as it is, or chunked'
        return Problem(HTTPStatus.NOT_IMPLEMENTED, detail, headers=_CLOSE)
    if size > limit:
        detail = f"the headers have {size:,} bytes; at most {limit:,} are allowed"
        return Problem(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail, headers=_CLOSE)
    return None

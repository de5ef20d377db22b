"""The head of a request: ASGI's scope → an incoming request, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

from engine.endpoints import Problem
from engine.handling import Environ, Incoming
from engine.server.http.head import KEYS, UNREAD, head_problem

_LENGTH = re.compile(r"[0-9]{1,18}")
_CLOSE = (("Connection", "close"),)


def read_scope(scope: Mapping[str, Any], limit: int, began: float) -> Incoming:
    """Read the head of a request, and find the problem with it; its headers may have `limit` bytes."""
    environ: Environ = {}
    size = 0
    for name, value in scope["headers"]:
        key, text = KEYS[name.decode("latin-1")], value.decode("latin-1")
        size += len(name) + len(value) + 4
        if key in environ:
            text = f"{environ[key]}{';' if key == 'HTTP_COOKIE' else ','}{text}"
        environ[key] = text
    environ.pop(UNREAD, None)
    environ["REQUEST_METHOD"] = scope["method"]
    environ["PATH_INFO"] = _path(scope)
    environ["QUERY_STRING"] = scope["query_string"].decode("latin-1")
    environ["SERVER_PROTOCOL"] = f"HTTP/{scope['http_version']}"
    environ["REMOTE_ADDR"] = (scope.get("client") or ("",))[0]
    incoming = Incoming(environ, began)
    if (problem := head_problem(environ, size, limit) or _length_problem(environ)) is not None:
        incoming.error = problem
    return incoming


def _length_problem(environ: Environ) -> Problem | None:
    """Return what is wrong with a length that a server in front has let pass; nobody can tell where its body ends."""
    length = environ.get("CONTENT_LENGTH", "")
    if not length or _LENGTH.fullmatch(length):
        return None
    several = {one.strip() for one in length.split(",")}
    if len(several) == 1 and _LENGTH.fullmatch(length := several.pop()):
        environ["CONTENT_LENGTH"] = length
        return None
    environ["CONTENT_LENGTH"] = "0"
    return Problem(HTTPStatus.BAD_REQUEST, "the Content-Length is not a number of bytes", headers=_CLOSE)


def _path(scope: Mapping[str, Any]) -> str:
    """Return the path as PEP 3333 encodes it, with the prefix under which Ray Serve knows the application."""
    raw, root = scope.get("raw_path"), scope.get("root_path") or ""
    path = unquote_to_bytes(raw).decode("latin-1") if raw else scope["path"].encode().decode("latin-1")
    return path if path.startswith(root) else root.rstrip("/") + path

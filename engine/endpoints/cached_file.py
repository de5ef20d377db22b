"""Endpoints whose content the engine makes from the spec at the first request."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from http import HTTPStatus

from engine.endpoints.fixed import FileEndpoint, tagged
from engine.endpoints.messages import Endpoint, Headers, Request, Response


class GeneratedEndpoint(Endpoint):
    """Returns the output of `write`, or 304 to a client that has it."""

    def __init__(self, content_type: str, write: Callable[[], bytes], headers: Headers = ()) -> None:
        self._headers = (("Content-Type", content_type), ("Cache-Control", "no-cache"), *headers)
        self._write = write

    @cached_property
    def _file(self) -> FileEndpoint:
        return tagged(HTTPStatus.OK, self._headers, self._write())

    def __call__(self, request: Request) -> Response:
        return self._file(request)

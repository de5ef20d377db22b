"""Endpoints with the spec's own responses, made at build time as far as possible, and with files that we make."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from werkzeug.urls import iri_to_uri

from engine.endpoints.bodies import BODY_KINDS
from engine.endpoints.bodies.body_kind import Written, fill_text
from engine.endpoints.json_body import read_json
from engine.endpoints.messages import Endpoint, Headers, Request, Response
from engine.endpoints.problems import FULL, overload_problem, require_none
from engine.schema import InstanceSchema, Validator
from engine.spec import FixedResponse as Declared
from engine.spec import Route

_OF_URIS = frozenset(("content-location", "link", "location", "refresh"))
_VISIBLE = "".join(map(chr, range(0x20, 0x7F)))
_ETAG = re.compile(r'(?:W/)?("[^"]*")')


@dataclass(frozen=True)
class FixedEndpoint(Endpoint):
    """Returns the same response every time."""

    response: Response

    @property
    def constant(self) -> Response:
        return self.response

    def __call__(self, request: Request) -> Response:  # noqa: ARG002 - the shape of every endpoint
        return self.response


@dataclass(frozen=True)
class FilledEndpoint(Endpoint):
    """Fills the path parameters into its body."""

    status: int
    headers: Headers
    fill: Callable[[Mapping[str, Any]], bytes]

    def __call__(self, request: Request) -> Response:
        return Response(self.status, self.headers, self.fill(request.path))


@dataclass(frozen=True)
class FileEndpoint(FixedEndpoint):
    """Returns a file's bytes, or 304 to a client that has them (RFC 9110, section 13.1.2)."""

    not_modified: Response
    etag: str

    def __call__(self, request: Request) -> Response:
        known = request.if_none_match if request.method in ("GET", "HEAD") else ""
        if known and (known.strip() == "*" or self.etag in _ETAG.findall(known)):
            return self.not_modified
        return self.response


@dataclass(frozen=True)
class HeadedEndpoint(Endpoint):
    """Adds headers that contain path parameters."""

    endpoint: Endpoint
    headers: tuple[tuple[str, Written], ...]

    @property
    def constant(self) -> Response | None:
        return self.endpoint.constant

    def __call__(self, request: Request) -> Response:
        response = self.endpoint(request)
        filled = ((name, value if isinstance(value, str) else value(request.path)) for name, value in self.headers)
        return Response(response.status, (*response.headers, *filled), response.body)


@dataclass(frozen=True)
class CheckedEndpoint(Endpoint):
    """Passes a request to another endpoint if its body is valid for the route's input.

    `free` has an entry for each further request that may be checked at the same time.
    """

    endpoint: Endpoint
    schema: InstanceSchema
    validator: Validator
    strict: bool
    free: list[None]

    @property
    def constant(self) -> Response | None:
        return self.endpoint.constant

    @property
    def repeated(self) -> Sequence[bytes]:
        return self.endpoint.repeated

    def __call__(self, request: Request) -> Response:
        """Answer one request; raise `Problem` for a body that is not JSON or violates the schema."""
        try:
            self.free.pop()
        except IndexError:
            raise overload_problem(FULL) from None
        try:
            self._check(request)
        finally:
            self.free.append(None)
        return self.endpoint(request)

    def _check(self, request: Request) -> None:
        value, size = read_json(request, self.schema, strict=self.strict), len(request.body)
        if size > self.validator.safe_size or not self.validator.is_valid(value):
            budget = self.validator.budget(request.paid(size))
            require_none(self.validator.violations(value, budget=budget), budget)


def build_fixed(route: Route, declared: Declared) -> Endpoint:
    """Make the endpoint of a route with a `response`."""
    return check_input(route, build_response(route, declared))


def check_input(route: Route, endpoint: Endpoint) -> Endpoint:
    """Have an endpoint asked only with bodies that are valid for the route's input, if it has one."""
    if route.input is None:
        return endpoint
    free = [None] * route.limits.concurrent
    return CheckedEndpoint(endpoint, route.input.instance, route.input.validator(), route.strict_content_type, free)


def build_response(route: Route, declared: Declared) -> Endpoint:
    """Make the endpoint of one response, whatever the body of a request is."""
    headers = [(name, _header(name, value, route.parameters)) for name, value in declared.headers]
    to_fill = {name for name, value in headers if callable(value)}
    fixed = tuple((name, value) for name, value in headers if name not in to_fill and isinstance(value, str))
    filled = tuple((name, value) for name, value in headers if name in to_fill)
    endpoint = _endpoint(route, declared, fixed)
    return HeadedEndpoint(endpoint, filled) if filled else endpoint


def _endpoint(route: Route, declared: Declared, headers: Headers) -> Endpoint:
    body, media_type = BODY_KINDS[declared.kind].body(declared, route.parameters), content_type(declared)
    if media_type and not any(name.lower() == "content-type" for name, _ in headers):
        headers = (("Content-Type", media_type), *headers)
    if callable(body):
        return FilledEndpoint(declared.status, headers, body)
    if is_kept(declared):
        return tagged_endpoint(declared.status, headers, body)
    return FixedEndpoint(Response(declared.status, headers, body))


def content_type(declared: Declared) -> str:
    """Return the Content-Type of a declared response, empty if it has no body and declares none."""
    own = (value for name, value in declared.headers if name.lower() == "content-type")
    return next(own, None) or BODY_KINDS[declared.kind].content_type(declared)


def is_kept(declared: Declared) -> bool:
    """Return whether clients may keep an answer: conditions apply only if it would be 2xx (RFC 9110, 13.2.1)."""
    return BODY_KINDS[declared.kind].is_kept and HTTPStatus.OK <= declared.status < HTTPStatus.MULTIPLE_CHOICES


def tagged_endpoint(status: int, headers: Headers, body: bytes) -> FileEndpoint:
    """Make the endpoint of a body that clients may keep, with an ETag unless `headers` have one."""
    etag = next((value for name, value in headers if name.lower() == "etag"), None)
    if etag is None:
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers = (*headers, ("ETag", etag))
    kept = tuple((name, value) for name, value in headers if name.lower() != "content-type")
    return FileEndpoint(Response(status, headers, body), Response(HTTPStatus.NOT_MODIFIED, kept, b""), etag)


def _header(name: str, text: str, parameters: tuple[str, ...]) -> Written:
    """Make a header's value; characters that are not allowed in a header, or in its URI, are percent-encoded."""
    safe = "/" if name.lower() in _OF_URIS else _VISIBLE
    written = fill_text(text, parameters, lambda value: quote(str(value), safe=safe))
    if name.lower() not in ("location", "content-location"):
        return written
    return _as_uri(written) if isinstance(written, str) else lambda path: _as_uri(written(path))


def _as_uri(text: str) -> str:
    """Return the URI of an IRI, which is what people write (RFC 3987)."""
    try:
        return iri_to_uri(text)
    except ValueError:  # nobody can follow it
        return text


class GeneratedEndpoint(Endpoint):
    """Returns the output of `write`, or 304 to a client that has it."""

    def __init__(self, content_type: str, write: Callable[[], bytes], headers: Headers = ()) -> None:
        self._headers = (("Content-Type", content_type), ("Cache-Control", "no-cache"), *headers)
        self._write = write

    @cached_property
    def _file(self) -> FileEndpoint:
        return tagged_endpoint(HTTPStatus.OK, self._headers, self._write())

    def __call__(self, request: Request) -> Response:
        return self._file(request)

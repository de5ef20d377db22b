"""Endpoints with the spec's own responses, made at build time as far as possible, and with files that we make."""

from __future__ import annotations

import hashlib
import html
import mimetypes
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from werkzeug.urls import iri_to_uri

from engine.endpoints.json_body import read_json
from engine.endpoints.messages import Endpoint, Headers, Request, Response, encode_any_json
from engine.endpoints.problems import FULL, overloaded, require_none
from engine.schema import Validator
from engine.spec import FixedResponse as Declared
from engine.spec import Parameter, Route, parse_template

Fill = Callable[[Mapping[str, Any]], bytes]
Written = str | Callable[[Mapping[str, Any]], str]
"""A text, or a function that makes it from the path parameters."""

_OF_URIS = frozenset(("content-location", "link", "location", "refresh"))
_VISIBLE = "".join(map(chr, range(0x20, 0x7F)))
_ETAG = re.compile(r'(?:W/)?("[^"]*")')
_TYPES = mimetypes.MimeTypes()  # Python's own table, so that a service answers the same on every machine
_TYPES.add_type("text/javascript", ".js")
_TYPES.add_type("text/javascript", ".mjs")
_TYPES.add_type("image/avif", ".avif")
_TYPES.add_type("image/webp", ".webp")
_TYPES.add_type("application/wasm", ".wasm")
_TYPES.add_type("font/woff", ".woff")
_TYPES.add_type("text/markdown", ".md")
_TYPES.add_type("application/yaml", ".yaml")
_TYPES.add_type("font/woff2", ".woff2")
_CONTENT_TYPES = {
    "empty": "",
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "text": "text/plain; charset=utf-8",
}


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
    fill: Fill

    def __call__(self, request: Request) -> Response:
        return Response(self.status, self.headers, self.fill(request.path))


@dataclass(frozen=True)
class FileEndpoint(Endpoint):
    """Returns a file's bytes, or 304 to a client that has them (RFC 9110, section 13.1.2)."""

    response: Response
    not_modified: Response
    etag: str

    @property
    def constant(self) -> Response:
        return self.response

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
    document: Any
    validator: Validator
    strict: bool
    free: list[None]

    @property
    def constant(self) -> Response | None:
        return self.endpoint.constant

    def __call__(self, request: Request) -> Response:
        """Answer one request; raise `Problem` for a body that is not JSON or violates the schema."""
        try:
            self.free.pop()
        except IndexError:
            raise overloaded(FULL) from None
        try:
            self._check(request)
        finally:
            self.free.append(None)
        return self.endpoint(request)

    def _check(self, request: Request) -> None:
        value, size = read_json(request, self.document, strict=self.strict), len(request.body)
        if size > self.validator.safe_size or not self.validator.is_valid(value):
            budget = self.validator.budget(request.paid(size))
            require_none(self.validator.violations(value, budget=budget), budget)


def build_fixed(route: Route, declared: Declared) -> Endpoint:
    """Make the endpoint of a route with a `response`."""
    headers = [(name, _header(name, value, route.parameters)) for name, value in declared.headers]
    to_fill = {name for name, value in headers if callable(value)}
    fixed = tuple((name, value) for name, value in headers if name not in to_fill and isinstance(value, str))
    filled = tuple((name, value) for name, value in headers if name in to_fill)
    endpoint = _bare(replace(declared, headers=fixed), route.parameters)
    if filled:
        endpoint = HeadedEndpoint(endpoint, filled)
    if route.input is None:
        return endpoint
    free = [None] * route.limits.concurrent
    return CheckedEndpoint(endpoint, route.input.document, route.input.validator(), route.strict_content_type, free)


def content_type(declared: Declared) -> str:
    """Return the Content-Type of a declared response, empty if it has no body and declares none."""
    own = next((value for name, value in declared.headers if name.lower() == "content-type"), None)
    if own is not None or declared.kind != "file":
        return own or _CONTENT_TYPES[declared.kind]
    guessed, encoding = _TYPES.guess_type(declared.content)
    if guessed is None or encoding:
        return "application/octet-stream"
    return f"{guessed}; charset=utf-8" if guessed.startswith("text/") else guessed


def _bare(declared: Declared, parameters: tuple[str, ...]) -> Endpoint:
    """Make the endpoint of a response whose headers have no path parameters."""
    headers = declared.headers
    if declared.kind != "empty" and not any(name.lower() == "content-type" for name, _ in headers):
        headers = (("Content-Type", content_type(declared)), *headers)
    if is_kept(declared):
        return tagged(declared.status, headers, declared.data)
    body = _body(declared, parameters)
    if isinstance(body, bytes):
        return FixedEndpoint(Response(declared.status, headers, body))
    return FilledEndpoint(declared.status, headers, body)


def _body(declared: Declared, parameters: tuple[str, ...]) -> bytes | Fill:
    """Return the body's bytes, or a function that makes them from the path parameters."""
    match declared.kind:
        case "text":
            return _joined(declared.content, parameters, str)
        case "html":
            return _joined(declared.content, parameters, lambda value: html.escape(str(value)))
        case "json":
            shape = _shape(declared.content, parameters)
            return (lambda path: encode_any_json(shape(path))) if callable(shape) else encode_any_json(shape)
    return declared.data  # of a file; empty without one


def is_kept(declared: Declared) -> bool:
    """Return whether clients may keep an answer: conditions apply only if it would be 2xx (RFC 9110, 13.2.1)."""
    return declared.kind == "file" and HTTPStatus.OK <= declared.status < HTTPStatus.MULTIPLE_CHOICES


def tagged(status: int, headers: Headers, body: bytes) -> FileEndpoint:
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
    written = _written(text, parameters, lambda value: quote(str(value), safe=safe))
    if name.lower() not in ("location", "content-location"):
        return written
    return _as_uri(written) if isinstance(written, str) else lambda path: _as_uri(written(path))


def _as_uri(text: str) -> str:
    """Return the URI of an IRI, which is what people write (RFC 3987)."""
    try:
        return iri_to_uri(text)
    except ValueError:  # nobody can follow it
        return text


def _joined(text: str, parameters: tuple[str, ...], write: Callable[[Any], str]) -> bytes | Fill:
    """Return a text's bytes, or a function that makes them from the path parameters."""
    written = _written(text, parameters, write)
    return written.encode() if isinstance(written, str) else lambda path: written(path).encode()


def _written(text: str, parameters: tuple[str, ...], write: Callable[[Any], str]) -> Written:
    template = parse_template(text, parameters)
    if not any(isinstance(part, Parameter) for part in template):
        return "".join(map(str, template))
    return lambda path: "".join(write(path[part.name]) if isinstance(part, Parameter) else part for part in template)


def _shape(value: Any, parameters: tuple[str, ...]) -> Any:
    """Return a JSON value as it is, or a function of the path parameters that makes it."""
    if isinstance(value, str):
        template = parse_template(value, parameters)
        match template:
            case (str(literal),):
                return literal
            case (Parameter(name),):
                return lambda path: path[name]
        return lambda path: "".join(str(path[part.name]) if isinstance(part, Parameter) else part for part in template)
    if isinstance(value, list):
        items = [_shape(item, parameters) for item in value]
        return (lambda path: [_resolve(item, path) for item in items]) if any(map(callable, items)) else items
    if isinstance(value, dict):
        fields = {key: _shape(item, parameters) for key, item in value.items()}
        if any(map(callable, fields.values())):
            return lambda path: {key: _resolve(item, path) for key, item in fields.items()}
        return fields
    return value


def _resolve(shape: Any, path: Mapping[str, Any]) -> Any:
    return shape(path) if callable(shape) else shape


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

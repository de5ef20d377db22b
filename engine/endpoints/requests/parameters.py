"""The parameters of a route in its requests: query, headers, cookies and path, each read by its declared schema."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from werkzeug.http import parse_cookie

from engine.endpoints.messages import Request
from engine.endpoints.problems import Problem
from engine.endpoints.requests.text_values import TextReader, Texts, parse_query
from engine.endpoints.requests.values import Values
from engine.schema import Budget, Violation
from engine.spec import Route, Schema


class ParameterReader:
    """Reads the parameters of one kind; `part` is what OpenAPI calls the kind, and `root` begins references to them."""

    def __init__(
        self, root: str, part: str, schema: Schema, texts: Callable[[Request], Texts], spelled: Mapping[str, str]
    ) -> None:
        self.root = root
        self._part = part
        self._texts = texts
        self._spelled = spelled
        self._reader = TextReader(schema.instance, is_exact=True)
        self._validator = schema.validator()
        properties = schema.instance.properties.items()
        self._defaults = [(name, one.default) for name, one in properties if one.has_default]

    def read(self, request: Request) -> tuple[dict[str, Any], bool, int]:
        """Return the parameters with defaults, whether they are valid, and how many bytes they have."""
        texts = self._texts(request)
        instance = self._reader.read(texts)
        size = sum([len(name) + len(text) + 1 for name, found in texts.items() for text in found])
        is_valid = size <= self._validator.safe_size and self._validator.is_valid(instance)
        for name, default in self._defaults:
            instance.setdefault(name, default)
        return instance, is_valid, size

    def violations(self, request: Request, budget: Budget) -> Iterator[Violation]:
        """Yield the violations of parameters, each with its part of the request."""
        texts = self._texts(request)
        found = self._validator.violations(self._reader.read(texts), budget=budget)
        for one in self._reader.told(found, texts):
            path = tuple(self._spelled.get(step, step) if isinstance(step, str) else step for step in one.path)
            verdict = one.verdict.replace(f'"{one.name}"', f'"{self._spelled.get(one.name, one.name)}"')
            yield replace(one, path=path, verdict=verdict, part=self._part)


class PathReader:
    """Checks the path parameters of a route by the schema that it adds to their converters."""

    root = "path"

    def __init__(self, schema: Schema) -> None:
        self._validator = schema.validator()

    def read(self, request: Request) -> tuple[Mapping[str, Any], bool, int]:
        """Return the parameters as JSON has them, and whether they are valid."""
        path = _plain(request.path)
        size = sum([len(value) for value in path.values() if isinstance(value, str)])
        return path, size <= self._validator.safe_size and self._validator.is_valid(path), size

    def violations(self, request: Request, budget: Budget) -> Iterator[Violation]:
        for one in self._validator.violations(_plain(request.path), budget=budget):
            yield replace(one, part="path")


Reads = ParameterReader | PathReader


def parameter_readers(route: Route) -> list[Reads]:
    """Make the readers of a route's parameters, in the order in which their violations are listed."""
    readers: list[Reads] = []
    if route.path_parameters is not None:
        readers.append(PathReader(route.path_parameters))
    if route.query is not None:
        readers.append(ParameterReader("query", "query", route.query, lambda request: parse_query(request.query), {}))
    if route.headers is not None:
        spelled = {name.lower(): name for name, _, _ in route.headers.node["properties"].pairs()}
        readers.append(ParameterReader("headers", "header", route.headers, _header_texts(route.headers), spelled))
    if route.cookies is not None:
        readers.append(ParameterReader("cookies", "cookie", route.cookies, _cookie_texts, {}))
    return readers


def fill_parameters(values: Values, readers: list[Reads]) -> tuple[list[Reads], int]:
    """Fill the parameters of a request into its values; return the readers of invalid ones, and all their bytes."""
    wrong: list[Reads] = []
    total = 0
    for reader in readers:
        instance, is_valid, size = reader.read(values.request)
        setattr(values, reader.root, instance)
        total += size
        if not is_valid:
            wrong.append(reader)
    return wrong, total


def _plain(path: Mapping[str, Any]) -> dict[str, Any]:
    """Return path parameters as JSON has them: a UUID is a string."""
    return {name: value if isinstance(value, str | int | float) else str(value) for name, value in path.items()}


def _header_texts(schema: Schema) -> Callable[[Request], Texts]:
    """Return what finds the declared headers of a request; of an array, each item between commas is a text."""
    named = [
        (name, "HTTP_" + name.upper().replace("-", "_"), feature.types == {"array"})
        for name, feature in schema.instance.properties.items()
    ]

    def texts(request: Request) -> Texts:
        found: dict[str, list[str]] = {}
        for name, key, is_list in named:
            value = request.environ.get(key)
            if value is not None:
                text = _decoded(value)
                found[name] = [item.strip() for item in text.split(",")] if is_list else [text]
        return found

    return texts


def _cookie_texts(request: Request) -> Texts:
    try:
        cookies = parse_cookie(request.environ.get("HTTP_COOKIE", ""))
    except UnicodeError:
        raise Problem(HTTPStatus.BAD_REQUEST, "the cookies are not UTF-8") from None
    return {name: cookies.getlist(name) for name in cookies}


def _decoded(value: str) -> str:
    """Read a header as UTF-8, which clients send, if it is that, else as Latin-1 (RFC 9110, section 5.5)."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value

"""A body in one of the formats that a route accepts → a JSON value, checked by the route's input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from engine.endpoints.messages import Request
from engine.endpoints.problems import Problem
from engine.endpoints.requests.json_body import describe_type, is_json, media_type_of, read_json
from engine.endpoints.requests.text_values import TextReader, Texts, parse_form
from engine.schema import Budget, Validator, Violation, show
from engine.spec import Route, Schema, body_document
from engine.text import join_words

FORM, MULTIPART, TEXT = "application/x-www-form-urlencoded", "multipart/form-data", "text/plain"
TYPES = {"json": "application/json", "form": FORM, "multipart": MULTIPART, "text": TEXT, "binary": "*/*"}

_JSON_AS_FORM = Violation(  # as curl sends it, whose default type is that of forms
    (), f"the body looks like JSON, but its Content-Type is that of a form; send {TYPES['json']}", "type", ("type",)
)


class BodyReader:
    """Reads the bodies of one route; `validator` judges their values."""

    def __init__(self, route: Route, schema: Schema, *, is_exact: bool) -> None:
        self._accepts = route.accepts
        self._schema = schema.instance
        document = body_document(schema.document, route.accepts)
        is_own = document is schema.document
        self.validator = schema.validator() if is_own else Validator(document, formats=schema.formats)
        self._is_strict = route.strict_content_type
        self._is_exact = is_exact
        self._texts = TextReader(schema.instance, is_exact=True) if {"form", "multipart"} & {*route.accepts} else None
        self._read: Mapping[str, Callable[[Request], Any]] = {
            "json": self._read_json,
            "form": self._read_form,
            "multipart": self._read_multipart,
            "text": _read_plain_text,
            "binary": _describe_binary,
        }
        # Read the body; raise `Problem` 400 for one that is broken, and 415 for a type that is not accepted.
        self.read: Callable[[Request], Any] = self._read_json if route.accepts == ("json",) else self._read_any
        self._takes = _listed(route.accepts) if len(route.accepts) > 1 else "JSON"

    def _read_any(self, request: Request) -> Any:
        return self._read[self._format_of(request)](request)

    def is_valid(self, value: Any, request: Request) -> bool:
        """Judge a value quickly; False may only mean that its violations must be looked for."""
        return len(request.body) <= self.validator.safe_size and self.validator.is_valid(value)

    def violations(self, value: Any, request: Request, budget: Budget) -> Iterator[Violation]:
        """Yield the violations of a value; those of a form in terms of its texts."""
        found = self.validator.violations(value, budget=budget)
        if self._texts is None or (kind := self._format_of(request)) not in ("form", "multipart"):
            return found
        if kind == "form":
            if "json" in self._accepts and _looks_like_json(request.body):
                return iter([_JSON_AS_FORM])
            return self._texts.told(found, parse_form(request.body))
        texts, files = _parse_multipart(request)
        several = {name: [str(one["name"]) for one in sent] for name, sent in files.items() if len(sent) > 1}
        return (_needs_file(one, texts) for one in self._texts.told(found, texts | several))

    def _format_of(self, request: Request) -> str:
        accepts = self._accepts
        if accepts == ("json",):
            return "json"
        media_type = media_type_of(request.content_type)
        named = {FORM: "form", MULTIPART: "multipart", TEXT: "text"}.get(media_type)
        if named in accepts:
            return named
        if "json" in accepts and (is_json(media_type) or "binary" not in accepts):
            return "json"
        if "binary" in accepts:
            return "binary"
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"{describe_type(request)}; send {_listed(accepts)}")

    def _read_json(self, request: Request) -> Any:
        return read_json(request, self._schema, strict=self._is_strict, takes=self._takes, is_exact=self._is_exact)

    def _read_form(self, request: Request) -> Any:
        return self._texts.read(parse_form(request.body)) if self._texts is not None else None

    def _read_multipart(self, request: Request) -> Any:
        texts, files = _parse_multipart(request)
        value: dict[str, Any] = {} if self._texts is None else self._texts.read(texts)
        for name, found in files.items():
            is_list = self._schema.feature(name).types == {"array"}
            value[name] = found if is_list or len(found) > 1 else found[0]
        return value


def _needs_file(found: Violation, texts: Texts) -> Violation:
    """Say that a text of a form should be a file, which JSON describes by an object."""
    if found.types != ("object",) or not found.path or found.path[0] not in texts:
        return found
    return replace(found, verdict=f"{show(texts[str(found.path[0])][0])} must be a file", hint=str)


def _looks_like_json(body: bytes) -> bool:
    return (stripped := body.strip())[:1] + stripped[-1:] in (b"{}", b"[]")


def _listed(accepts: tuple[str, ...]) -> str:
    return join_words([TYPES[one] for one in accepts], "or")


def _read_plain_text(request: Request) -> str:
    try:
        return request.body.decode()
    except UnicodeDecodeError:
        raise Problem(HTTPStatus.BAD_REQUEST, "the body is not UTF-8") from None


def _describe_binary(request: Request) -> dict[str, Any]:
    return {"type": media_type_of(request.content_type) or "application/octet-stream", "size": len(request.body)}


def _parse_multipart(request: Request) -> tuple[dict[str, list[str]], dict[str, list[dict[str, Any]]]]:
    from engine.endpoints.requests.multipart import parse_multipart  # noqa: PLC0415 - few routes accept it

    return parse_multipart(request)

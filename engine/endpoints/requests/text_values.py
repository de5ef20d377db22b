"""Values that come as texts, such as a query string → an instance, and path parameters as features of one.

Each is read by its schema, and violations are described in terms of the texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

import orjson

from engine.endpoints.problems import Problem
from engine.schema import (
    JSON_NUMBER,
    JSON_TYPES,
    InstanceSchema,
    Path,
    Violation,
    advise_unquoted,
    clip,
    describe_mistyped,
    show,
    write_pointer,
)

MAX_PARAMETERS = 2000
_WORDS = {"true": True, "false": False}
_LONG_INTEGER = re.compile(r"-?[1-9][0-9]{18,307}")
_NONE_WORDS = frozenset(("null", "none", "nan"))
_SEVERAL, _SCALARS = frozenset(("array",)), frozenset(("boolean", "number", "string"))


Texts = Mapping[str, list[str]]
"""The texts of each parameter, in the order in which they were sent."""


class TextReader:
    """Reads texts by name, such as those of a query string or of a form, as an instance of one schema of an object.

    A text that does not match the schema's type stays a text, and a repeated one becomes a list of texts, so that the
    schema reports it. Where the schema wants an array, each text is an item. An empty text is null if the schema
    allows null and no empty text, and otherwise absent, as in a form that was not filled in. If it `is_exact`, integers
    beyond 64 bits stay integers, which models do not take.
    """

    def __init__(self, schema: InstanceSchema, *, is_exact: bool = False) -> None:
        self._read = read_exactly if is_exact else read_text
        self._types = {name: feature.types for name, feature in schema.properties.items()}
        # Here an empty value means null, because the schema does not allow an empty text.
        self._never_empty = {
            name
            for name, types in self._types.items()
            if {"null", "string"} <= types and not schema.properties[name].takes("")
        }
        self._items = {
            name: feature.part(feature.said.get("items", True)).types
            for name, feature in schema.properties.items()
            if feature.types & _SEVERAL and not feature.types & _SCALARS
        }

    def read(self, texts: Texts) -> dict[str, Any]:
        """Read the texts."""
        instance: dict[str, Any] = {}
        for name, found in texts.items():
            types = self._types_of(name)
            if name in self._items:
                if found != [""] or "string" in self._items[name]:
                    instance[name] = [self._read(text, self._items[name]) for text in found]
            elif len(found) > 1:
                instance[name] = found
            elif found[0] or ("string" in types and name not in self._never_empty):
                instance[name] = self._read(found[0], types)
            elif "null" in types:
                instance[name] = None
        return instance

    def told(self, violations: Iterable[Violation], texts: Texts) -> Iterator[Violation]:
        """Describe the violations of an instance in terms of its texts."""
        several = (name for name, found in texts.items() if len(found) > 1 and "array" not in self._types_of(name))
        repeated = dict.fromkeys(several)
        for name in repeated:
            verdict = f'"{clip(name)}" is given {len(texts[name])} times; send it once'
            yield Violation((name,), verdict, "type", ())
        for found in violations:
            if not found.path and found.keyword == "required" and found.name in texts:
                yield replace(found, hint=lambda: "; its value is empty")
            elif not found.path or found.path[0] not in texts:
                yield found
            elif found.path[0] not in repeated:
                yield self._retold(found, str(found.path[0]), texts[str(found.path[0])])

    def _retold(self, found: Violation, name: str, texts: list[str]) -> Violation:
        """Say what to write instead of a text: there are no quotes here, and null is an empty text."""
        is_item = name in self._items and len(found.path) > 1
        types, text = (self._items[name], texts[int(found.path[1])]) if is_item else (self._types_of(name), texts[0])
        if (len(texts) > 1 and not is_item) or "string" in types:
            return found
        wanted = [name for name in found.types if name != "null"]
        verdict, advice, value = found.verdict, "", read_text(text, types)
        if wanted:
            verdict = describe_mistyped(value, found.types)
            verdict = verdict.removesuffix("null") + "empty" if "null" in found.types else verdict
        if "null" in types and text.lower() in _NONE_WORDS:
            advice = "; leave the value empty for none" if not wanted else ""
        elif wanted and isinstance(value, str):
            advice = "; write true or false" if wanted == ["boolean"] else advise_unquoted(text, wanted)
        return replace(found, verdict=verdict, hint=lambda: advice)

    def _types_of(self, name: str) -> frozenset[str]:
        return self._types.get(name, JSON_TYPES)


def parse_query(query: str) -> Texts:
    """Read a query string; raise `Problem` 400 if it is not percent-encoded UTF-8 or has too many parameters."""
    return _parse_pairs(query.encode("latin-1"), "the query string")


def parse_form(body: bytes) -> Texts:
    """Read a body of application/x-www-form-urlencoded, as a query string."""
    return _parse_pairs(body.strip(), "the form")


def _parse_pairs(text: bytes, what: str) -> Texts:
    if text.count(b"&") >= MAX_PARAMETERS:
        raise Problem(HTTPStatus.BAD_REQUEST, f"{what} has more than {MAX_PARAMETERS:,} parameters")
    try:
        return parse_qs(text.decode(), keep_blank_values=True, errors="strict")
    except ValueError:
        raise Problem(HTTPStatus.BAD_REQUEST, f"{what} is not percent-encoded UTF-8") from None


def read_text(text: str, types: frozenset[str]) -> Any:
    """Read a text as a value of one of these JSON types; a text that matches none of them stays a text."""
    if "number" in types and JSON_NUMBER.fullmatch(text):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:  # beyond float64
            return text
    return _WORDS.get(text, text) if "boolean" in types else text


def read_exactly(text: str, types: frozenset[str]) -> Any:
    """Read a text as `read_text` does, with integers of any size."""
    return int(text) if "number" in types and _LONG_INTEGER.fullmatch(text) else read_text(text, types)


class PathFeatures:
    """Adds the path parameters of a route to instances, as the features of the same names."""

    def __init__(self, schema: InstanceSchema, names: tuple[str, ...]) -> None:
        self._types = {name: schema.feature(name).types for name in names}

    def read(self, path: Mapping[str, Any]) -> dict[str, Any]:
        """Read the path parameters of a request; a text that does not fit its feature's type stays a text."""
        return {name: read_text(str(path[name]), types) for name, types in self._types.items()}

    def put(self, features: Mapping[str, Any], instance: Any, at: Path) -> Any:
        """Return an instance with these features; raise `Problem` if it has another value for one of them.

        `at` is the instance's place in the body. An instance that is not an object is returned unchanged, because the
        schema refuses it.
        """
        if not isinstance(instance, dict):
            return instance
        for name, value in features.items():
            if instance.get(name, value) != value:
                detail = f'"{name}" is {show(value)} in the path; leave it out here'
                errors = [{"pointer": write_pointer((*at, name)), "detail": detail}]
                raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "1 violation", errors=errors)
        return {**instance, **features}

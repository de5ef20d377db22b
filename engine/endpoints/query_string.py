"""Features in a URL: a query string → an instance, and path parameters as features of one.

Each is read according to its feature's schema, and violations are reported in terms of the query string.
"""

from __future__ import annotations

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
_NONE_WORDS = frozenset(("null", "none", "nan"))


class QueryReader:
    """Reads the instances of one schema of an object.

    A parameter that does not match the schema's type stays a text, and a repeated one becomes a list of texts, so that
    the schema reports it. An empty parameter that cannot be an empty text is null if the schema allows null, and
    otherwise absent, as in a form that was not filled in.
    """

    def __init__(self, schema: InstanceSchema) -> None:
        self._types = {name: feature.types for name, feature in schema.properties.items()}
        # Here an empty value means null, because the schema does not allow an empty text.
        self._never_empty = {
            name
            for name, types in self._types.items()
            if {"null", "string"} <= types and not schema.properties[name].takes("")
        }

    def read(self, query: str) -> dict[str, Any]:
        """Read a query string; raise `Problem` 400 if it is not percent-encoded UTF-8 or has too many parameters."""
        instance: dict[str, Any] = {}
        for name, texts in _texts(query).items():
            types = self._types_of(name)
            if len(texts) > 1:
                instance[name] = texts
            elif texts[0] or ("string" in types and name not in self._never_empty):
                instance[name] = read_text(texts[0], types)
            elif "null" in types:
                instance[name] = None
        return instance

    def told(self, violations: Iterable[Violation], query: str) -> Iterator[Violation]:
        """Describe the violations of an instance in terms of its query string."""
        texts = _texts(query)
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
        types = self._types_of(name)
        if len(texts) > 1 or "string" in types:
            return found
        text, wanted = texts[0], [name for name in found.types if name != "null"]
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


def _texts(query: str) -> dict[str, list[str]]:
    if query.count("&") >= MAX_PARAMETERS:
        raise Problem(HTTPStatus.BAD_REQUEST, f"the query string has more than {MAX_PARAMETERS:,} parameters")
    try:
        return parse_qs(query.encode("latin-1").decode(), keep_blank_values=True, errors="strict")
    except ValueError:
        raise Problem(HTTPStatus.BAD_REQUEST, "the query string is not percent-encoded UTF-8") from None


def read_text(text: str, types: frozenset[str]) -> Any:
    """Read a text as a value of one of these JSON types; a text that matches none of them stays a text."""
    if "number" in types and JSON_NUMBER.fullmatch(text):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:  # beyond float64
            return text
    return _WORDS.get(text, text) if "boolean" in types else text


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

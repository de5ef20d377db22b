"""A query string → an instance, each parameter read as its feature's schema has it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

import orjson

from engine.endpoints.problems import Problem
from engine.jsonschemas import JSON_TYPES, types_of

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORDS = {"true": True, "false": False}


class QueryReader:
    """Reads the instances of one schema, an object's.

    A parameter that the schema's type does not fit stays a text, and one that stands there twice a list of them, so
    that the schema says what is wrong with it. An empty one that cannot be a text is absent, as in a form that was
    not filled in.
    """

    def __init__(self, schema: Any) -> None:
        properties = schema.get("properties", {}) if isinstance(schema, Mapping) else {}
        self._types = {name: types_of(declared, schema) for name, declared in properties.items()}

    def read(self, query: str) -> dict[str, Any]:
        """Read a query string, percent-encoded UTF-8; raise `Problem` 400 for another encoding."""
        try:
            found = parse_qs(query.encode("latin-1").decode(), keep_blank_values=True, errors="strict")
        except ValueError:
            raise Problem(HTTPStatus.BAD_REQUEST, "the query string is not percent-encoded UTF-8") from None
        instance: dict[str, Any] = {}
        for name, texts in found.items():
            types = self._types.get(name, JSON_TYPES)
            if len(texts) > 1:
                instance[name] = texts
            elif texts[0] or "string" in types:
                instance[name] = _value(texts[0], types)
        return instance


def _value(text: str, types: frozenset[str]) -> Any:
    if "number" in types and _NUMBER.fullmatch(text):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:  # beyond float64
            return text
    return _WORDS.get(text, text) if "boolean" in types else text

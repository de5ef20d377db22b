"""Values that a schema may well allow, made up where a spec has no example: one to show, or a few to ask a model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.schema.subschema import MAX_REFERENCES, Subschema

MAX_LENGTH = 100
TIMES: Mapping[str, tuple[str, ...]] = {  # texts of the formats for dates and times; the first of each is an example
    "date": ("2024-01-31", "2024-02-29", "2023-12-31", "2000-03-01", "1999-07-15", "2031-11-05"),
    "date-time": (
        "2024-01-31T12:00:00Z",
        "2024-01-01T00:00:00Z",
        "1999-12-31T23:59:59Z",
        "2024-02-29T12:30:15.123456Z",
        "2030-07-01T06:00:00Z",
        "1999-12-31T00:00:00+02:00",
    ),
    "time": ("12:00:00Z", "00:00:00Z", "23:59:59.5Z"),
}
_TEXTS: Mapping[str, str] = {  # an example of each other format, where "text" may violate it
    "duration": "P3DT12H",
    "email": "name@example.com",
    "idn-email": "name@example.com",
    "hostname": "example.com",
    "idn-hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "iri": "https://example.com/",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "json-pointer": "/a/0",
    "relative-json-pointer": "1/a",
}


class Guess(int):
    """A number that nothing in a schema suggests, as 0 would be for a year; a form leaves it to the reader."""


def sample(schema: Subschema, depth: int = 0) -> Any:
    """Make up a value out of what a schema offers: a default, an example, a choice, its bounds; it may not be valid."""
    said = schema.said
    if offered := _offered(said):
        return offered[0]
    if schema.is_nullable:
        return None
    if "object" in schema.types and depth < MAX_REFERENCES:
        properties = said.get("properties", {})
        names = said.get("required", ())
        return {name: sample(schema.part(properties.get(name, True)), depth + 1) for name in names}
    if "array" in schema.types and depth < MAX_REFERENCES:
        item = schema.part(said.get("items", True))
        return [sample(item, depth + 1)] * min(said.get("minItems", 0), MAX_LENGTH)
    return next(_plain(schema, Guess()), False)


def values_to_ask(schema: Subschema, known: Sequence[Any] = ()) -> list[Any]:
    """List what a schema offers for a column, else the `known` values, else plain ones; null only if nothing else."""
    said = schema.said
    offered = _offered(said) + [said[keyword] for keyword in ("minimum", "maximum") if keyword in said]
    offered = [value for value in offered if value is not None]
    return offered or [*known] or [*_plain(schema, 1 if schema.is_whole else 0.5)] or [None]


def _offered(said: Mapping[str, Any]) -> list[Any]:
    offered = [said[keyword] for keyword in ("default", "const") if keyword in said]
    return offered + [value for keyword in ("examples", "enum") for value in said.get(keyword, ())]


def _plain(schema: Subschema, number: float) -> Iterator[Any]:
    """Make a number, a text and a boolean, if allowed; a number is the given one, or the next one within bounds."""
    said, types = schema.said, schema.types
    if "number" in types:
        yield _within_bounds(number, said)
    if "string" in types:
        yield _text(said)
    if "boolean" in types:
        yield False


def _text(said: Mapping[str, Any]) -> str:
    form = said.get("format", "")
    if form in TIMES:
        return TIMES[form][0]
    plain = "text"[: said.get("maxLength", 4)].ljust(min(said.get("minLength", 0), MAX_LENGTH), "x")
    return _TEXTS.get(form, plain)


def _within_bounds(number: float, said: Mapping[str, Any]) -> float:
    low: float = max(said.get("minimum", -math.inf), said.get("exclusiveMinimum", -math.inf))
    high: float = min(said.get("maximum", math.inf), said.get("exclusiveMaximum", math.inf))
    if low < number < high:
        return number if high - low == math.inf else +number  # which is no guess between two bounds
    value = low if low >= number else high
    if value not in (said.get("exclusiveMinimum"), said.get("exclusiveMaximum")):
        return value
    inside = value + (1 if value == low else -1)
    return inside if low < inside < high else (low + high) / 2

"""A value that a JSON Schema may well allow, to show in a form or a message where the spec has no example."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from engine.schema.documents import MAX_REFERENCES, lookup, types_of
from engine.schema.times import TIMES

MAX_LENGTH = 100


class Guess(int):
    """A number that nothing in a schema suggests, as 0 would be for a year; a form leaves it to the reader."""


def resolve(schema: Any, document: Any, depth: int = 0) -> Mapping[str, Any]:
    """Return a schema with what its reference leads to, and with the one alternative that is not null, taken in."""
    if not isinstance(schema, Mapping) or depth > MAX_REFERENCES:
        return {}
    parts = []
    if str(schema.get("$ref", "")).startswith("#"):
        parts.append(lookup(document, schema["$ref"]))
    for keyword in ("anyOf", "oneOf"):
        alternatives = [one for one in schema.get(keyword, ()) if types_of(one, document) != {"null"}]
        parts += alternatives if len(alternatives) == 1 else []
    taken: dict[str, Any] = {}
    for part in (*parts, *schema.get("allOf", ())):
        taken.update(resolve(part, document, depth + 1))
    return {**taken, **schema}


def sample(schema: Any, document: Any, depth: int = 0) -> Any:
    """Make up a value out of what a schema offers: a default, an example, a choice, its bounds; it may not be valid."""
    plain = resolve(schema, document)
    offered = [plain[keyword] for keyword in ("default", "const") if keyword in plain]
    offered += [plain[keyword][0] for keyword in ("examples", "enum") if plain.get(keyword)]
    if offered:
        return offered[0]
    types = types_of(schema, document)
    if "null" in types:
        return None
    if "object" in types and depth < MAX_REFERENCES:
        properties = plain.get("properties", {})
        names = plain.get("required", ())
        return {name: sample(properties.get(name, True), document, depth + 1) for name in names}
    if "array" in types and depth < MAX_REFERENCES:
        return [sample(plain.get("items", True), document, depth + 1)] * min(plain.get("minItems", 0), MAX_LENGTH)
    if "number" in types:
        return _number(plain)
    if "string" in types:
        if plain.get("format") in TIMES:
            return TIMES[plain["format"]][0]
        return "text"[: plain.get("maxLength", 4)].ljust(min(plain.get("minLength", 0), MAX_LENGTH), "x")
    return False


def _number(schema: Mapping[str, Any]) -> float:
    """Return a number within bounds, 0 where it is within them."""
    low: float = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf))
    high: float = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf))
    if low < 0 < high:
        return Guess() if high - low == math.inf else 0
    value = low if low >= 0 else high
    if value not in (schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")):
        return value
    inside = value + (1 if value == low else -1)
    return inside if low < inside < high else (low + high) / 2

"""JSON Schemas as documents: where they hold schemas, where a reference leads, which types they let through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import unquote

# Where a keyword holds schemas: one, a list of them, or a mapping of names to them.
HOLDS_ONE = frozenset(
    "additionalProperties contains contentSchema else if items not propertyNames then unevaluatedItems "
    "unevaluatedProperties".split()
)
HOLDS_LIST = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
HOLDS_MAP = frozenset(("$defs", "definitions", "dependentSchemas", "patternProperties", "properties"))

JSON_TYPES = frozenset(("array", "boolean", "null", "number", "object", "string"))
MAX_REFERENCES = 20


def types_of(schema: Any, document: Any, depth: int = 0) -> frozenset[str]:
    """Work out which JSON types a schema can let through, an integer being a number; never too few."""
    if not isinstance(schema, Mapping) or depth > MAX_REFERENCES:
        return JSON_TYPES
    types = JSON_TYPES
    if "type" in schema:
        named = schema["type"]
        types &= {"number" if name == "integer" else name for name in ([named] if isinstance(named, str) else named)}
    if "enum" in schema:
        types &= set(map(_type_of, schema["enum"]))
    if "const" in schema:
        types &= {_type_of(schema["const"])}
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        types &= types_of(lookup(document, reference), document, depth + 1)
    for part in schema.get("allOf", ()):
        types &= types_of(part, document, depth + 1)
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            types &= frozenset().union(*(types_of(part, document, depth + 1) for part in schema[keyword]))
    return types


def lookup(document: Any, reference: str) -> Any:
    """Give what a reference such as `#/$defs/size` leads to; `True`, which allows everything, where that is nothing."""
    for token in unquote(reference[2:]).split("/"):
        token = token.replace("~1", "/").replace("~0", "~")  # noqa: PLW2901
        if not isinstance(document, Mapping) or token not in document:
            return True
        document = document[token]
    return document


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    for name, kind in (("boolean", bool), ("number", int | float), ("string", str), ("array", list)):
        if isinstance(value, cast("type", kind)):
            return name
    return "object"

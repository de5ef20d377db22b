"""JSON Schemas as documents: their subschemas, the targets of references, and the types that they allow."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, cast
from urllib.parse import quote, unquote, urldefrag, urljoin

# How a keyword holds schemas: one, a list of them, or a mapping of names to them.
HOLDS_ONE = frozenset(
    "additionalProperties contains contentSchema else if items not propertyNames then unevaluatedItems "
    "unevaluatedProperties".split()
)
HOLDS_LIST = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
HOLDS_MAP = frozenset(("$defs", "definitions", "dependentSchemas", "patternProperties", "properties"))

Place = tuple[str, ...]
"""Where a schema stands in its document: the tokens of a JSON pointer."""

JSON_TYPES = frozenset(("array", "boolean", "null", "number", "object", "string"))
MAX_REFERENCES = 20
_SAFE = "!$&'()*+,;=:@~"  # characters that a fragment may contain unescaped (RFC 3986, section 3.5)


class References:
    """The schemas of a document that references can name.

    `dynamic` has the places of each `$dynamicAnchor`.
    """

    def __init__(self, document: Any) -> None:
        self._document = document
        self._places: dict[str, Place | None] = {"": ()}  # None if several schemas have the same name
        self.dynamic: dict[str, list[Place]] = {}
        self._note(document, (), "")

    def target(self, base: str, reference: str) -> Place | None:
        """Find the target of a reference from a schema with this `base`.

        None if it is outside of the document, does not exist, or is ambiguous.
        """
        address, name = urldefrag(reference)
        home, name = urljoin(base, address) if address else base, unquote(name)
        if name and not name.startswith("/"):
            return self._places.get(f"{home}#{name}")
        start = self._places.get(home)
        if start is None:
            return None
        place = (*start, *(token.replace("~1", "/").replace("~0", "~") for token in name.split("/")[1:]))
        return place if _holds(self._document, place) else None

    def _note(self, schema: Any, place: Place, base: str) -> None:
        if not isinstance(schema, Mapping):
            return
        base = base_of(schema, base)
        if "$id" in schema:
            self._name(base, place)
        for name in {schema[keyword] for keyword in ("$anchor", "$dynamicAnchor") if keyword in schema}:
            self._name(f"{base}#{name}", place)
        if "$dynamicAnchor" in schema:
            self.dynamic.setdefault(schema["$dynamicAnchor"], []).append(place)
        for step, part in parts_of(schema):
            self._note(part, (*place, *step), base)

    def _name(self, name: str, place: Place) -> None:
        self._places[name] = place if self._places.get(name, place) == place else None


def _holds(document: Any, place: Place) -> bool:
    """Return whether a document has anything at a place."""
    for token in place:
        if isinstance(document, Mapping) and token in document:
            document = document[token]
        elif isinstance(document, list) and token.isdecimal() and int(token) < len(document):
            document = document[int(token)]
        else:
            return False
    return True


def base_of(schema: Any, base: str = "") -> str:
    """Return the base URI of a schema's references, itself in a schema with this `base`."""
    return urldefrag(urljoin(base, schema["$id"])).url if isinstance(schema, Mapping) and "$id" in schema else base


def fragment(place: Place) -> str:
    """Write a place as the end of a reference (RFC 6901, section 6)."""
    return "".join("/" + quote(token.replace("~", "~0").replace("/", "~1"), safe=_SAFE) for token in place)


def parts_of(schema: Mapping[str, Any]) -> Iterator[tuple[Place, Any]]:
    """Return the schemas in a schema, each with the path to it."""
    for keyword, value in schema.items():
        if keyword in HOLDS_ONE:
            yield (keyword,), value
        elif keyword in HOLDS_LIST:
            yield from (((keyword, str(number)), item) for number, item in enumerate(value))
        elif keyword in HOLDS_MAP:
            yield from (((keyword, name), item) for name, item in value.items())


def types_of(schema: Any, document: Any, depth: int = 0) -> frozenset[str]:
    """Return the JSON types that a schema may allow, an integer being a number; never too few."""
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


def is_whole(schema: Any, document: Any, depth: int = 0) -> bool:
    """Return whether a schema certainly allows no numbers but integers."""
    if not isinstance(schema, Mapping) or depth > MAX_REFERENCES:
        return False
    if schema.get("type") is not None:
        named = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        if "number" not in named:
            return True
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return not any(isinstance(value, float) and not isinstance(value, bool) for value in values)
    reference = schema.get("$ref")
    if (
        isinstance(reference, str)
        and reference.startswith("#/")
        and is_whole(lookup(document, reference), document, depth + 1)
    ):
        return True
    if any(is_whole(part, document, depth + 1) for part in schema.get("allOf", ())):
        return True
    return any(
        keyword in schema and all(is_whole(part, document, depth + 1) for part in schema[keyword])
        for keyword in ("anyOf", "oneOf")
    )


def lookup(document: Any, reference: str) -> Any:
    """Return the target of a reference such as `#/$defs/size`; `True`, which allows everything, if there is none."""
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


def without_properties(schema: Mapping[str, Any], names: Collection[str]) -> Mapping[str, Any]:
    """Return an object's schema without some of its properties."""
    if not names:
        return schema
    properties = {name: part for name, part in schema.get("properties", {}).items() if name not in names}
    required = [name for name in schema.get("required", ()) if name not in names]
    rest = {keyword: value for keyword, value in schema.items() if keyword != "required"}
    return {**rest, **({"required": required} if required else {}), "properties": properties}

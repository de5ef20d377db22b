"""JSON Schemas as documents: the places of their subschemas, and the targets of references."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
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


def write_fragment(place: Place) -> str:
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

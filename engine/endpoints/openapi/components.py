"""The schemas of an OpenAPI document, each once and by name, with their references rewritten."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from engine.endpoints.openapi.references import move_references
from engine.schema import InstanceSchema
from engine.schema.documents import Place, References, base_of, write_fragment

_HOME = "#/components/schemas/"
_BOUNDS = {"minimum": -1, "maximum": 1}


class Components:
    """The schemas in a document so far."""

    def __init__(self) -> None:
        self.schemas: dict[str, Any] = {}
        self._taken: set[str] = set()
        self._documents: dict[tuple[str, str], dict[str, str]] = {}

    def put(self, name: str, schema: dict[str, Any]) -> dict[str, str]:
        """Add a schema that refers to this document's own, under a similar name; return the reference."""
        chosen, number = name, 2
        while chosen.lower() in self._taken:
            chosen, number = f"{name}{number}", number + 1
        self._taken.add(chosen.lower())
        self.schemas[chosen] = schema
        return {"$ref": _HOME + chosen}

    def take_in(self, name: str, document: Any) -> dict[str, str]:
        """Add a schema that is a document of its own, once under a name; return the reference to it.

        The schemas under its `$defs` become schemas of their own, since most readers of OpenAPI follow no other
        references, and no `$id` or anchor. A `$dynamicRef` stays as it is.
        """
        known = (name, json.dumps(document))
        if known in self._documents:
            return self._documents[known]
        reference = self._documents[known] = self.put(name, document)
        if not isinstance(document, Mapping):
            return reference
        name = reference["$ref"].removeprefix(_HOME)
        definitions = document.get("$defs", {})
        homes = {key: self.put(name + pascal_case(key), {})["$ref"] for key in definitions}
        references = References(document)

        def lead(place: Place) -> str:
            if place[:1] == ("$defs",) and place[1:]:
                return homes[place[1]] + write_fragment(place[2:])
            return reference["$ref"] + write_fragment(place)

        for key, home in homes.items():
            self.schemas[home.removeprefix(_HOME)] = move_references(
                definitions[key], base_of(document), references, lead
            )
        rest = {key: value for key, value in document.items() if key != "$defs"}
        self.schemas[name] = move_references(rest, "", references, lead)
        return reference

    def take_in_properties(self, name: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the properties of an object; the schema is only added if they refer to parts of it."""
        written: Mapping[str, Any] = document.get("properties", {})
        if '"$ref"' not in json.dumps(written):
            return written
        return self.properties(self.take_in(name, document))

    def properties(self, reference: Mapping[str, str]) -> Mapping[str, Any]:
        """Return the properties of a schema that has been added."""
        schema = self.schemas[reference["$ref"].removeprefix(_HOME)]
        found: Mapping[str, Any] = schema.get("properties", {}) if isinstance(schema, Mapping) else {}
        return found


def pascal_case(text: str) -> str:
    """Write a name in the form of a type: `iris-v2` as `IrisV2`."""
    words = re.findall(r"[A-Za-z0-9]+", text)
    return "".join(word[0].upper() + word[1:] for word in words) or "Unnamed"


def with_model_bounds(instance: InstanceSchema, largest: float | None) -> Any:
    """Return an instance's schema as written, for clients to read, with its model's bounds for numbers added."""
    document = instance.schema
    if largest is None or not isinstance(document, Mapping):
        return document

    def within(part: Any) -> Any:
        if not isinstance(part, Mapping) or "number" not in instance.part(part).types:
            return part
        return {**part, **{bound: sign * largest for bound, sign in _BOUNDS.items() if not _has_bound(part, bound)}}

    led = dict(document)
    if "items" in led:
        led["items"] = within(led["items"])
    if "prefixItems" in led:
        led["prefixItems"] = list(map(within, led["prefixItems"]))
    if "properties" in led:
        led["properties"] = {name: within(part) for name, part in led["properties"].items()}
    return within(led)


def _has_bound(schema: Mapping[str, Any], bound: str) -> bool:
    return "enum" in schema or "const" in schema or bound in schema or f"exclusive{bound.capitalize()}" in schema

"""The schemas of an OpenAPI document, each once and by name, with their references rewritten."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engine.endpoints.openapi.moving import HOME, ROOT, MovedDocument, SharedSchemas
from engine.schema import InstanceSchema

_BOUNDS = {"minimum": -1, "maximum": 1}


class Components:
    """The schemas in a document so far."""

    def __init__(self) -> None:
        self.schemas: dict[str, Any] = {}
        self._taken: dict[str, int] = {}  # name → the next number for another one
        self._shared = SharedSchemas()

    def put(self, name: str, schema: dict[str, Any]) -> dict[str, str]:
        """Add a schema that refers to this document's own, under a similar name; return the reference."""
        if name in self.schemas and json.dumps(self.schemas[name]) == json.dumps(schema):  # where 1 is not true
            return {"$ref": HOME + name}
        chosen = self.reserve(name)
        self.schemas[chosen] = schema
        return {"$ref": HOME + chosen}

    def reserve(self, name: str) -> str:
        """Take a name, or a similar one, for a schema that is added later."""
        chosen = name
        while chosen.lower() in self._taken:
            number = self._taken[name.lower()]
            self._taken[name.lower()] += 1
            chosen = f"{name}{number}"
        self._taken[chosen.lower()] = 2
        return chosen

    def take_in(self, name: str, document: Any) -> dict[str, str]:
        """Add a schema that is a document of its own; return the reference to it.

        The schemas under its `$defs` become schemas of their own, since most readers of OpenAPI follow no other
        references, and no `$id` or anchor. A `$dynamicRef` stays as it is. What has been added under such a name is not
        added again.
        """
        if not isinstance(document, Mapping):
            return self.put(name, document)
        return {"$ref": HOME + MovedDocument(name, document, self, self._shared).home(ROOT)}

    def take_in_properties(self, name: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the properties of an object; the schemas to which they refer are added."""
        written: Mapping[str, Any] = document.get("properties", {})
        if '"$ref"' not in json.dumps(written):
            return written
        return MovedDocument(name, document, self, self._shared).properties()

    def properties(self, reference: Mapping[str, str]) -> Mapping[str, Any]:
        """Return the properties of a schema that has been added."""
        schema = self.schemas[reference["$ref"].removeprefix(HOME)]
        found: Mapping[str, Any] = schema.get("properties", {}) if isinstance(schema, Mapping) else {}
        return found


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

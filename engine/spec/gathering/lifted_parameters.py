"""Parameters that are declared under `allOf`, or where a `$ref` leads → properties of the schema itself.

Parameters are read one by one, by the names and types under `properties`; so are their references, forms and
descriptions. All stages after this find them there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from urllib.parse import unquote

from engine.spec.gathering.schema_places import ANNOTATIONS, follow, mapping_with, unescape_step
from engine.spec.reading.node import Node

_LIFTED = frozenset(("properties", "required"))
# A part with these depends on the properties beside them, or is referred to by a name: it stays as it is.
_BINDING = frozenset(("additionalProperties", "unevaluatedProperties", "$defs", "$id", "$anchor", "$dynamicAnchor"))
Fields = Mapping[str, tuple[Node, Node]]


def lift_parameters(schema: Node) -> Node:
    """Return the schema of an object with everything that it declares among its own properties; itself if it is."""
    if schema.fields is None or not {"allOf", "$ref"} & schema.fields.keys() or _leads_into_parts(schema):
        return schema
    own, *parts = _parts(schema, schema, frozenset())
    if all(part.fields is None or "properties" not in part for part in parts):
        return schema
    rest = [found for part in parts if (found := _rest_of(part)) is not None]
    fields = {**(own.fields or {}), **_properties(schema, [own, *parts]), **_required(schema, [own, *parts])}
    if rest:
        fields["allOf"] = schema.key("allOf"), _sequence(schema, rest)
    return mapping_with(schema, fields)


def _leads_into_parts(schema: Node) -> bool:
    return '"$ref": "#/allOf' in json.dumps(schema.plain)


def _parts(schema: Node, root: Node, followed: frozenset[str]) -> Iterator[Node]:
    """Yield the schemas that apply together, each without its `allOf` and `$ref`; the first is the schema's own."""
    if schema.fields is None or (schema is not root and _BINDING & schema.fields.keys()):
        yield schema
        return
    reference = schema["$ref"].text
    target = None if reference is None or reference in followed else _target(root, reference)
    led = {"allOf"} if target is None else {"allOf", "$ref"}
    yield mapping_with(schema, {key: pair for key, pair in schema.fields.items() if key not in led})
    for item in schema["allOf"].items:
        yield from _parts(item, root, followed)
    if target is not None:
        yield from _parts(target, root, followed | {reference or ""})


def _target(root: Node, reference: str) -> Node | None:
    if not reference.startswith("#/"):
        return None
    found = follow(root, tuple(map(unescape_step, unquote(reference[2:]).split("/"))))
    return found if found.present and found.fields is not None else None


def _rest_of(part: Node) -> Node | None:
    """Return what a part says beside its properties; None if that is nothing."""
    if part.fields is None or _BINDING & part.fields.keys():
        return part
    fields = {key: pair for key, pair in part.fields.items() if key not in _LIFTED and not _is_usual(key, pair[1])}
    return mapping_with(part, fields) if fields.keys() - ANNOTATIONS else None


def _is_usual(key: str, value: Node) -> bool:
    return key == "type" and value.plain == "object"


def _properties(schema: Node, parts: list[Node]) -> Fields:
    found: dict[str, list[tuple[Node, Node]]] = {}
    for part in parts:
        for name, key, value in part["properties"].pairs():
            found.setdefault(name, []).append((key, value))
    fields = {name: (pairs[0][0], _joined([value for _, value in pairs])) for name, pairs in found.items()}
    first = next(part for part in parts if "properties" in part)
    return {"properties": (first.key("properties"), mapping_with(replace(schema, items=()), fields))}


def _required(schema: Node, parts: list[Node]) -> Fields:
    named = [part for part in parts if "required" in part]
    items: dict[str, Node] = {}
    for item in (item for part in named for item in part["required"].items):
        items.setdefault(repr(item.plain), item)
    return {"required": (named[0].key("required"), _sequence(schema, [*items.values()]))} if items else {}


def _joined(schemas: list[Node]) -> Node:
    """Return the schema of a value to which several apply, with the default of one of them."""
    first = schemas[0]
    if all(one.plain == first.plain for one in schemas):
        return first
    fields = {"allOf": (first, _sequence(first, schemas))}
    for one in schemas:
        if "default" in one and "default" not in fields:
            fields["default"] = one.key("default"), one["default"]
    return mapping_with(first, fields)


def _sequence(node: Node, items: list[Node]) -> Node:
    plain = [item.plain for item in items]
    return replace(node, plain=plain, fields=None, items=items, size=1 + sum(item.size for item in items))

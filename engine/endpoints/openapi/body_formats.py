"""A route's body in each of its formats, for OpenAPI: files of a form, and binary bodies, are bytes there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.endpoints.requests.body_reader import TYPES
from engine.schema import Subschema
from engine.spec import Route

_BYTES = {"type": "string", "format": "binary"}


def formats_of(route: Route, taken: Any, moved: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the body of a route in each of its formats; `taken` is its schema, and `moved` are its properties."""
    return {TYPES[kind]: {"schema": _schema_in(kind, route, taken, moved)} for kind in route.accepts}


def _schema_in(kind: str, route: Route, taken: Any, moved: Mapping[str, Any]) -> Any:
    if kind == "binary":
        return _BYTES
    if kind != "multipart" or route.input is None:
        return taken
    described = route.input.instance
    files = {name: _as_files(part) for name, part in described.properties.items() if _has_files(part)}
    if not files:
        return taken
    properties = {name: files.get(name, schema) for name, schema in moved.items()}
    return {"type": "object", "required": [*described.required], "properties": properties}


def _has_files(part: Subschema) -> bool:
    return part.types == {"object"} or (part.types == {"array"} and _items(part).types == {"object"})


def _as_files(part: Subschema) -> Any:
    return _BYTES if part.types == {"object"} else {"type": "array", "items": _BYTES}


def _items(part: Subschema) -> Subschema:
    return part.part(part.said.get("items", True))

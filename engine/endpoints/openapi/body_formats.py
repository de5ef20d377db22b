"""A route's body in each of its formats, for OpenAPI: files of a form, and binary bodies, are bytes there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.endpoints.requests.body_reader import TYPES
from engine.schema import Subschema
from engine.spec import Route

_BYTES = {"type": "string", "format": "binary"}  # since generated clients know no file without this format


def formats_of(route: Route, taken: Any, moved: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the body of a route in each of its formats; `taken` is its schema, and `moved` are its properties."""
    return {TYPES[kind]: _described_in(kind, route, taken, moved) for kind in route.accepts}


def _described_in(kind: str, route: Route, taken: Any, moved: Mapping[str, Any]) -> dict[str, Any]:
    if kind == "binary":
        return {"schema": _BYTES}
    if kind != "multipart" or route.input is None:
        return {"schema": taken}
    described = route.input.instance
    files = {name: part for name, part in described.properties.items() if _has_files(part)}
    if not files:
        return {"schema": taken}
    properties = {name: _as_files(files[name]) if name in files else schema for name, schema in moved.items()}
    schema = {"type": "object", "required": [*described.required], "properties": properties}
    types = {name: ", ".join(_media_types(_file(part))) for name, part in files.items()}
    encoding = {name: {"contentType": listed} for name, listed in types.items() if listed}
    return {"schema": schema, **({"encoding": encoding} if encoding else {})}


def _has_files(part: Subschema) -> bool:
    return part.types == {"object"} or (part.types == {"array"} and _items(part).types == {"object"})


def _as_files(part: Subschema) -> Any:
    file = _BYTES | ({"description": words} if (words := "; ".join(_rules(_file(part)))) else {})
    if part.types == {"object"}:
        return file
    return {"type": "array", "items": file} | {key: part.said[key] for key in _COUNTS if key in part.said}


_COUNTS = ("minItems", "maxItems")
_SIZES = {"minimum": "at least {:,} bytes", "maximum": "at most {:,} bytes"}


def _file(part: Subschema) -> Subschema:
    """Return the schema of one file, of a part that is one or several."""
    return part if part.types == {"object"} else _items(part)


def _items(part: Subschema) -> Subschema:
    return part.part(part.said.get("items", True))


def _said_of(file: Subschema, member: str) -> Mapping[str, Any]:
    """Return the keywords of a file's name, type or size."""
    return file.part(file.said.get("properties", {}).get(member, True)).said


def _media_types(file: Subschema) -> list[str]:
    said = _said_of(file, "type")
    listed = [said["const"]] if "const" in said else said.get("enum", [])
    return listed if all(isinstance(one, str) for one in listed) else []


def _rules(file: Subschema) -> Iterator[str]:
    """Say what else holds for a file, which OpenAPI has no words for."""
    if "description" in file.said:
        yield file.said["description"]
    size, name = _said_of(file, "size"), _said_of(file, "name")
    yield from (words.format(size[key]) for key, words in _SIZES.items() if key in size)
    if "pattern" in name:
        yield f"file name: pattern {name['pattern']}"

"""The parameters that routes declare in an OpenAPI document; those of the path are described with the path."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from engine.endpoints.openapi.component_names import route_name
from engine.endpoints.openapi.components import Components
from engine.endpoints.openapi.declared import schema_of_known
from engine.spec import Known, Route, parameter_schemas

_PARTS = (("query", "query"), ("headers", "header"), ("cookies", "cookie"))


def declared_parameters(route: Route, components: Components) -> list[dict[str, Any]]:
    """Describe the query, header and cookie parameters of a route, as the spec spells them."""
    described = []
    for key, part in _PARTS:
        schema = getattr(route, key)
        if schema is None:
            continue
        spelled = {name.lower() if key == "headers" else name: name for name, _, _ in schema.node["properties"].pairs()}
        written = components.take_in_properties(f"{route_name(route)}{part.title()}", schema.document)
        for name, feature in schema.instance.properties.items():
            one: dict[str, Any] = {
                "name": spelled.get(name, name),
                "in": part,
                "required": name in schema.instance.required,
                "schema": dict(written[name]) if _refers(written.get(name)) else schema_of_known(Known([feature])),
            }
            if feature.has_default:
                one["schema"] = {**one["schema"], "default": feature.default}
            if description := feature.written("description"):
                one["description"] = description
            described.append(one)
    return described


def path_schema(schema: Any) -> Any:
    """Return the schema of a path parameter; of a text without slashes, as all of them are, only what the spec adds.

    Generators of clients know no `allOf` of texts.
    """
    match schema:
        case {"allOf": [text, dict() as added]} if text == _text_in_path():
            return added if "$ref" in added else {"type": "string", **added}
    return schema


@cache
def _text_in_path() -> Any:
    """Return the schema that the usual converter gives."""
    return parameter_schemas("/<text>")["text"]


def _refers(schema: Any) -> bool:
    return '"$ref"' in json.dumps(schema)

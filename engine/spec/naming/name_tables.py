"""The tables of names of a route and of errors, made of the schemas that a spec declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.schema import Subschema
from engine.spec.naming.known import ANY
from engine.spec.naming.names import Lacking, Names, Parameters, Root, root_of
from engine.spec.urls.url_rules import parameter_schemas

UNKNOWN = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedParts:
    """What a route declares of its requests, as JSON Schemas: parameters by their keys in the spec, and the body.

    `body` is None if the route reads none; `body_lacks` says why, with the remedy. It is `UNKNOWN` if its schema is
    broken. `methods` are those of the route.
    """

    path: str
    methods: Sequence[str]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    body_lacks: str = ""


def names_of(declared: NamedParts, answer: Mapping[str, Root] | None = None) -> Names:
    """Make the table of a route, whose model's answer has further roots."""
    path_schema = path_object(declared.path, declared.parameters.get("path_parameters"))
    roots: dict[str, Root] = {"path": Parameters(Subschema(path_schema, path_schema), "path")}
    for key in ("query", "headers", "cookies"):
        schema = parameters_object(key, declared.parameters.get(key))
        roots[key] = Parameters(Subschema(schema, schema), key)
    if declared.body is None:
        roots["body"] = Lacking(ANY, declared.body_lacks)
    elif declared.body is UNKNOWN:
        roots["body"] = Root(ANY, is_open=True)
    else:
        roots["body"] = root_of(declared.body)
    methods = [*declared.methods, *(["HEAD"] if "GET" in declared.methods else [])]
    roots |= dict.fromkeys(("label", "model", "probability", "result"), Lacking(ANY, "this route has no model"))
    roots["problem"] = Lacking(ANY, "this name is available only in error_bodies")
    roots["method"] = root_of({"type": "string", "enum": methods})
    return Names({**roots, **_MADE, **(answer or {})})


def problem_names() -> Names:
    """Make the table for the bodies of errors: what an error says, and what the engine itself makes."""
    return Names({"problem": root_of(_PROBLEM), "method": root_of({"type": "string"}), **_MADE})


def parameters_object(key: str, document: Any) -> dict[str, Any]:
    """Return the schema of an object with all parameters of one kind; names of headers are in lower case."""
    schema = {**(document or {}), "type": "object"}
    if key == "headers":
        properties = {name.lower(): part for name, part in schema.get("properties", {}).items()}
        schema |= {"properties": properties, "required": [name.lower() for name in schema.get("required", ())]}
    return schema


def path_object(path: str, document: Any) -> dict[str, Any]:
    """Return the schema of an object with the path parameters, by their converters and by what the spec adds."""
    added = {} if document is None else document.get("properties", {})
    properties = {
        name: {"allOf": [schema, added[name]]} if name in added else schema
        for name, schema in parameter_schemas(path).items()
    }
    return {**(document or {}), "type": "object", "required": [*properties], "properties": properties}


_TEXT = {"type": "string"}
_PROBLEM = {  # as engine/endpoints/problems.py writes it
    "type": "object",
    "required": ["type", "title", "status", "detail", "errors", "request_id"],
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"in": _TEXT, "pointer": _TEXT, "detail": _TEXT},
                "additionalProperties": False,
            },
        },
        "request_id": _TEXT,
    },
    "additionalProperties": False,
}
_MADE: Mapping[str, Root] = {  # by the engine itself
    "url": root_of({"type": "string"}),
    "now": root_of({"type": "string", "format": "date-time"}),
    "uuid": root_of({"type": "string", "format": "uuid"}),
}

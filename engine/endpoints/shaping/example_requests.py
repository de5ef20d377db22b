"""A model's examples → requests of a route's public shape, as a client would send them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from engine.endpoints.messages import Request, encode_any_json
from engine.endpoints.shaping.instance_maker import references_in
from engine.schema import InstanceSchema
from engine.schema.samples import sample
from engine.spec import Name, Route, Schema, path_object

_PARTS = ("path", "query", "headers", "cookies")


def example_request(route: Route, instance: Any) -> Request | None:
    """Return the request that leads to an instance; None if it cannot be told from the spec, or none does.

    Of an `instance`, each feature must be a reference alone, or the constant that the example has.
    """
    parts = _samples(route)
    if "json" not in route.accepts or parts is None:
        return None
    if route.instance is None:
        own = {name: instance[name] for name in route.parameters if isinstance(instance, dict) and name in instance}
        parts["path"] |= own
        rest = {key: value for key, value in instance.items() if key not in own} if own else instance
        root = "body" if "GET" not in route.methods else "query"
        parts[root] = {**parts[root], **rest} if root == "query" else rest
    elif not _fill(parts, route, instance):
        return None
    return _request(route, parts)


def _fill(parts: dict[str, Any], route: Route, instance: Any) -> bool:
    """Put the features of an instance into the parts of a request that they come from."""
    if not isinstance(route.instance, dict) or not isinstance(instance, dict):
        return False
    references = references_in(route.instance)
    for key in {*route.instance, *instance}:
        reference = references.get(key)
        if reference is None:
            if key not in route.instance or key not in instance or route.instance[key] != instance[key]:
                return False
        elif reference.name.root not in parts or not reference.name.steps:
            return False
        elif key in instance:
            _put(parts, reference.name, instance[key])
    return True


def _samples(route: Route) -> dict[str, Any] | None:
    """Make up what a route requires besides the features; None if that is not valid."""
    path = path_object(route.path, None if route.path_parameters is None else route.path_parameters.node.plain)
    parts: dict[str, Any] = {"path": sample(InstanceSchema(path))}
    for key, schema in (("query", route.query), ("headers", route.headers), ("cookies", route.cookies)):
        parts[key] = {} if schema is None else _required(schema)
    parts["body"] = None if route.input is None else _required(route.input)
    schemas = {"query": route.query, "headers": route.headers, "cookies": route.cookies, "body": route.input}
    is_valid = all(schema is None or schema.validator().is_valid(parts[key]) for key, schema in schemas.items())
    return parts if is_valid else None


def _required(schema: Schema) -> Any:
    return json.loads(json.dumps(sample(schema.instance)))  # a copy, to be completed


def _put(parts: dict[str, Any], name: Name, value: Any) -> None:
    """Put a value where a name says, in objects and lists that are made as far as they are missing."""
    at: Any = parts
    for key in (name.root, *name.steps[:-1]):
        at = at[int(key)] if isinstance(at, list) else at.setdefault(key, {})
    if isinstance(at, list):
        at[int(name.steps[-1])] = value
    else:
        at[name.steps[-1]] = value


def _request(route: Route, parts: dict[str, Any]) -> Request:
    environ = {f"HTTP_{name.upper().replace('-', '_')}": _text(value) for name, value in parts["headers"].items()}
    if parts["cookies"]:
        environ["HTTP_COOKIE"] = "; ".join(f"{name}={_text(value)}" for name, value in parts["cookies"].items())
    texts = {
        name: [_text(one) for one in value] if isinstance(value, list) else _text(value)
        for name, value in parts["query"].items()
    }
    return Request(
        route.methods[0] if "GET" not in route.methods or parts["body"] is None else "GET",
        parts["path"],
        content_type="application/json",
        body=b"" if parts["body"] is None else encode_any_json(parts["body"]),
        query=urlencode(texts, doseq=True),
        environ=environ,
    )


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)

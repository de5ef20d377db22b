"""Bodies that are JSON values; a string that is only a path parameter gets the parameter's own type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.endpoints.bodies.body_kind import Body, BodyKind, fill_text
from engine.endpoints.messages import encode_any_json
from engine.spec import FixedResponse, Parameter, parse_template


def _body(declared: FixedResponse, parameters: tuple[str, ...]) -> Body:
    shape = _shape(declared.content, parameters)
    return (lambda path: encode_any_json(shape(path))) if callable(shape) else encode_any_json(shape)


def _shape(value: Any, parameters: tuple[str, ...]) -> Any:
    """Return a JSON value as it is, or a function of the path parameters that makes it."""
    if isinstance(value, str):
        match parse_template(value, parameters):
            case (Parameter(name),):
                return lambda path: path[name]
        return fill_text(value, parameters, str)
    if isinstance(value, list):
        items = [_shape(item, parameters) for item in value]
        return (lambda path: [_resolve(item, path) for item in items]) if any(map(callable, items)) else items
    if isinstance(value, dict):
        fields = {key: _shape(item, parameters) for key, item in value.items()}
        if any(map(callable, fields.values())):
            return lambda path: {key: _resolve(item, path) for key, item in fields.items()}
        return fields
    return value


def _resolve(shape: Any, path: Mapping[str, Any]) -> Any:
    return shape(path) if callable(shape) else shape


JSON = BodyKind(lambda _: "application/json", _body, is_json=True)

"""What a route declares, and its model takes → the fields of the form that asks it: parameters, then the body."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from engine.endpoints.answering.responding import content_type
from engine.endpoints.docs.fields import (
    ABSENT,
    FormField,
    Role,
    body_fields,
    limits_of,
    member_fields,
    show_field,
    write_json,
)
from engine.endpoints.openapi.summaries import without_features
from engine.schema import InstanceSchema, Subschema, write_pointer
from engine.schema.samples import sample
from engine.spec import Model, Route, Schema, parameter_schemas

_NIL_UUID = "00000000-0000-0000-0000-000000000000"
_TIME = "a date or time, such as 2024-01-31 or 2024-01-31T12:00:00Z"
_COOKIE = "this page sets the cookie for the request, then deletes it"
_NOT_SENT = "only in the curl command: browsers set this header themselves"
# https://fetch.spec.whatwg.org/#forbidden-request-header, and one that Chromium ignores
_BROWSERS_OWN = frozenset(
    "accept-charset accept-encoding access-control-request-headers access-control-request-method connection "
    "content-length cookie cookie2 date dnt expect host keep-alive origin referer set-cookie te trailer "
    "transfer-encoding upgrade user-agent via".split()
)


@dataclass(frozen=True, slots=True)
class Filled:
    """The values that fill a form in: those of parameters by their names, and the body."""

    path: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, Any] = field(default_factory=dict)
    cookies: Mapping[str, Any] = field(default_factory=dict)
    body: Any = ABSENT


def fields_of(route: Route, model: Model | None, filled: Filled) -> tuple[FormField, ...]:
    """Make the fields of a route's form, in the order in which the page reads them."""
    return (
        *_path_fields(route, filled.path),
        *_parameters("query", route.query, filled.query),
        *_accept_field(route),
        *_header_fields(route, filled.headers),
        *map(_as_cookie, _parameters("cookie", route.cookies, filled.cookies)),
        *_body_fields(route, model, filled.body),
    )


def _path_fields(route: Route, example: Mapping[str, Any]) -> list[FormField]:
    """Make the fields of the path parameters; a text without a schema is filled in with its name."""
    declared = InstanceSchema({} if route.path_parameters is None else route.path_parameters.node.plain)
    added = declared.said.get("properties", {})
    fields = []
    for name, schema in parameter_schemas(route.path).items():
        plain = {key: value for key, value in schema.items() if key != "pattern"}
        part = declared.part({"allOf": [plain, added[name]]} if name in added else plain)
        value = name if part.schema == {"type": "string"} else _NIL_UUID if "uuid" in plain.values() else sample(part)
        bare = FormField(role="path", name=name, pointer=write_pointer((name,)), value=example.get(name, value))
        fields.append(show_field(bare, part))
    return fields


def _parameters(role: Role, schema: Schema | None, example: Mapping[str, Any]) -> list[FormField]:
    """Make a field for each declared parameter, filled in as in an example, or where it is required."""
    if schema is None:
        return []
    whole = schema.instance
    known = sample(whole)
    value = {name: one for name, one in {**known, **example}.items() if name in whole.said.get("properties", {})}
    return [_with_default(_as_list(one, whole), whole) for one in member_fields(whole, value, role)]


def _with_default(field: FormField, whole: Subschema) -> FormField:
    """Show in an empty field what counts where it is left out."""
    default = whole.part(whole.said["properties"][field.name]).default
    if default is None or field.kind not in ("number", "text") or field.value is not ABSENT:
        return field
    return replace(field, attributes={**field.attributes, "placeholder": f"default: {default}"})


def _as_list(field: FormField, whole: Subschema) -> FormField:
    """Ask for an array as a list, whose items have a line each."""
    schema = whole.part(whole.said["properties"][field.name])
    if schema.types - {"null"} != {"array"}:
        return field
    items = schema.part(schema.said.get("items", True))
    said = items.said
    choices = f"of {', '.join(map(write_json, said['enum']))}" if "enum" in said else ""
    words = ", ".join(filter(None, (choices, limits_of(items, "number" if items.types == {"number"} else "text"))))
    each = f"one per line{f' ({words})' if words else ''}"
    value = ABSENT if not isinstance(field.value, list) else field.value
    return replace(
        field, kind="list", value=value, is_any=False, limits=", ".join(filter(None, (each, limits_of(schema, "list"))))
    )


def _header_fields(route: Route, example: Mapping[str, Any]) -> Iterator[FormField]:
    """Make the fields of headers, as the spec spells them.

    A list is written in one line. What browsers send by themselves, the page cannot send.
    """
    if route.headers is None:
        return
    spelled = {name.lower(): name for name, _, _ in route.headers.node["properties"].pairs()}
    for one in _parameters("header", route.headers, example):
        name = spelled[one.name]
        words = one.limits
        value = one.value
        if one.kind == "list":
            words = words.replace("one per line", "separated by commas", 1)
            value = value if value is ABSENT else ", ".join(one.text.split("\n"))
        is_own = one.name in _BROWSERS_OWN or one.name.startswith(("sec-", "proxy-"))
        words = ", ".join(filter(None, (words, _NOT_SENT * is_own)))
        kind = "text" if one.kind == "list" else one.kind
        yield replace(one, name=name, pointer=write_pointer((name,)), kind=kind, value=value, limits=words)


def _as_cookie(field: FormField) -> FormField:
    return _with_words(field, _COOKIE)


def _with_words(field: FormField, words: str) -> FormField:
    return replace(field, limits=", ".join(filter(None, (field.limits, words))))


def _accept_field(route: Route) -> list[FormField]:
    """Make the field that chooses one of several bodies of a response."""
    many = [one for one in route.responses if len(one.bodies) > 1]
    types = dict.fromkeys(content_type(one, body).partition(";")[0] for one in many for body in one.bodies)
    is_declared = route.headers is not None and "accept" in map(str.lower, route.headers.instance.properties)
    if not types or is_declared:
        return []
    about = "selects the format of the response"
    return [FormField(role="header", name="Accept", kind="choice", about=about, required=False, choices=tuple(types))]


def _body_fields(route: Route, model: Model | None, example: Any) -> tuple[FormField, ...]:
    """Make the fields of the body: the route's own input, or else the features that its model takes."""
    if route.input is not None:
        return _in_formats(route, route.input.instance, example)
    if model is None or route.instance is not None:
        return ()
    fields = body_fields(model.input.instance.without(route.parameters), without_features(example, route))
    times = {name for name, dtype in model.dtypes.items() if dtype.startswith("datetime")}
    # A schema of type string does not tell how a time is written.
    return tuple(_with_words(one, _TIME) if one.name in times else one for one in fields)


def _in_formats(route: Route, schema: InstanceSchema, example: Any) -> tuple[FormField, ...]:
    """Make the fields of a body that may have other formats than JSON: files are chosen, and lists have lines."""
    if "binary" in route.accepts:
        return (FormField(role="whole", name="body", pointer="#", kind="file"),)
    fields = body_fields(schema, example)
    if fields and fields[0].role == "member":
        if "multipart" in route.accepts:
            fields = tuple(_as_file(one, schema) for one in fields)
        if "json" not in route.accepts:
            fields = tuple(one if one.kind == "file" else _as_list(one, schema) for one in fields)
    return fields


def _as_file(field: FormField, whole: Subschema) -> FormField:
    """Ask for a file where the schema describes one, by an object, or for several."""
    schema = whole.part(whole.said["properties"][field.name])
    types = schema.types - {"null"}
    is_list = types == {"array"} and schema.part(schema.said.get("items", True)).types == {"object"}
    if types != {"object"} and not is_list:
        return field
    return replace(field, kind="file", limits="", is_any=False, attributes={"multiple": ""} if is_list else {})

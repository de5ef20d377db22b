"""What a route declares of its requests: checks of parameters and formats beyond JSON Schema, and their records."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from engine.diagnostics import Diagnostic
from engine.schema import TYPE_NAMES, Subschema, show
from engine.spec.checking.misplaced import check_misplaced, declared_names, misplaced_names
from engine.spec.checking.schemas import check_schema, has_form
from engine.spec.gathering.placed_routes import PlacedRoute
from engine.spec.model_records import Schema
from engine.spec.naming.name_tables import parameters_object, path_object
from engine.spec.reading.node import Node
from engine.spec.urls.url_rules import parameter_schemas
from engine.text import did_you_mean, join_words

KINDS = ("query", "headers", "cookies", "path_parameters")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OF_HTTP = {  # headers that HTTP itself reads, or this service, before any route does
    **dict.fromkeys(
        ("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"),
        "belongs to the connection, and cannot be declared",
    ),
    **dict.fromkeys(
        ("content-length", "content-encoding", "expect", "host"), "is read by the server, and cannot be declared"
    ),
    "content-type": "cannot be declared, because accepts says which types a body may have",
    "cookie": "cannot be declared, because cookies are declared one by one under cookies",
}
_FORMATS = {  # the JSON type of a body in each format, and what it is called
    "json": ("object", "a JSON body"),
    "form": ("object", "a form"),
    "multipart": ("object", "a form"),
    "text": ("string", "a text"),
    "binary": ("object", "a binary body"),
}


class ParameterChecks:
    """Reports every mistake in the parameters of routes, and those in a group's once for all of its routes.

    `broken` are the schemas with mistakes, of which only the names count.
    """

    def __init__(self, *, formats: bool) -> None:
        self.broken: set[Node] = set()
        self._formats = formats
        self._sound: dict[Node, bool] = {}
        self._strange: set[Node] = set()

    def check(self, placed: PlacedRoute) -> Iterator[Diagnostic]:
        """Report every mistake in the parameters of one route that has not been reported."""
        for kind in KINDS:
            schema = placed.node[kind]
            found: list[Diagnostic] = []
            if schema.fields is not None and schema not in self._sound:
                found += self._check_schema(kind, schema)
            if kind == "path_parameters" and self._sound.get(schema, False):
                found += self._check_in_path(schema, placed)
            if any(mistake.severity == "error" for mistake in found):
                self.broken.add(schema)
            yield from found

    def _check_schema(self, kind: str, schema: Node) -> Iterator[Diagnostic]:
        misplaced = misplaced_names(schema)
        mistakes = [
            *check_misplaced(kind, schema, misplaced),
            *check_schema(schema, apart=misplaced, formats=self._formats),
        ]
        has_errors = any(mistake.severity == "error" for mistake in mistakes)
        self._sound[schema] = has_form(schema.plain) and not has_errors
        undeclared = {one.place for one in _check_required(kind, schema)} if self._sound[schema] else ()
        yield from (mistake for mistake in mistakes if mistake.place not in undeclared)  # which are errors below
        if schema["type"].plain not in (None, "object"):
            yield schema["type"].error("the parameters are the properties of an object; remove the type")
        if self._sound[schema]:
            yield from _check_each(kind, schema, formats=self._formats)
            yield from _check_names(kind, schema)

    def _check_in_path(self, schema: Node, placed: PlacedRoute) -> Iterator[Diagnostic]:
        """Report properties that are no parameters of the path, or of types that its converters never return."""
        path = placed.node["path"].text or ""
        known = _path_schemas(path)
        own = placed.written["path_parameters"]["properties"]
        for name, key, property_ in schema["properties"].pairs():
            if key in self._strange:
                continue
            found = list(
                _check_path_parameter(name, key, property_, known, "this path" if name in own else f'"{path}"')
            )
            if found:
                self._strange.add(key)
            yield from found


def check_accepts(route: Node) -> Iterator[Diagnostic]:
    """Report formats of a body that have no effect, exclude each other, or that the input never allows."""
    accepts, schema = route["accepts"], route["input"]
    named = {item.text: item for item in accepts.items if item.text in _FORMATS}
    if "accepts" in route and not {"input", "model"} & {*(route.fields or ())}:
        message = "accepts has no effect here: the route has no input, and reads no body"
        yield route.key("accepts").error(message, "warning")
    if "binary" in named and len(named) > 1:
        message = "binary accepts a body of any type, so no other format can stand beside it; remove it, or the others"
        yield named["binary"].error(message)
    if not (named and schema.present and has_form(schema.plain)):
        return
    declared = Subschema(schema.plain, schema.plain)
    for name, at in misdeclared_files(route):
        message = f'"{name}" is declared as a text here; a file is an object with its name, type and size'
        yield at.error(f"{message}: write {{type: object}}")
    for name, item in named.items():
        kind, what = _FORMATS[name or ""]
        if kind not in declared.types and name == "binary":
            message = "a binary body is an object with its type and size, which the input does not allow"
            yield item.error(f"{message}; write input: {{type: object}}")
        elif kind not in declared.types and name != "json":
            yield item.error(f"{what} is {TYPE_NAMES[kind]}, which the input does not allow; change one of the two")
    yield from _check_described(schema, declared, named.keys())


def has_unknown_format(route: Node) -> bool:
    """Return whether a route accepts a format that there is not, so that nothing is known of its body."""
    return any(item.text not in _FORMATS for item in route["accepts"].items)


def misdeclared_files(route: Node) -> Iterator[tuple[str, Node]]:
    """Yield the properties of a form that are declared as OpenAPI declares files, with the node that says so."""
    if not any(item.text == "multipart" for item in route["accepts"].items):
        return
    for name, _, property_ in route["input"]["properties"].pairs():
        for schema in (property_, property_["items"]):
            if schema["format"].plain == "binary":
                yield name, schema["format"]
            elif "contentMediaType" in schema and "contentEncoding" not in schema:
                yield name, schema.key("contentMediaType")


def _check_described(schema: Node, declared: Subschema, named: Collection[str | None]) -> Iterator[Diagnostic]:
    """Report what no form can send, and what is not known of a file or a binary body."""
    if "binary" in named:
        yield from _check_known(schema, ("type", "size"), "a binary body")
    for name, _, property_ in schema["properties"].pairs():
        found = declared.part(property_.plain)
        if found.types == {"object"} and "multipart" in named:
            yield from _check_known(property_, ("name", "type", "size"), "a file")
        elif "form" in named and ("json" not in named or name in [item.text for item in schema["required"].items]):
            items = found.part(found.said.get("items", True)).types
            if found.types == {"object"} or (found.types == {"array"} and items <= {"array", "object"}):
                what = "an object" if found.types == {"object"} else "an array of arrays or objects"
                message = f'"{name}" cannot be {what} in a form, where each value is a text'
                yield property_.follow(("type",)).error(f"{message}; declare its parts one by one, or accept json")


def _check_known(schema: Node, known: Sequence[str], what: str) -> Iterator[Diagnostic]:
    named = [(name, key) for name, key, _ in schema["properties"].pairs()]
    named += [(item.text, item) for item in schema["required"].items if item.text is not None]
    for name, node in named:
        if name not in known:
            yield node.error(f'"{name}" is not known of {what} {did_you_mean(name, known, "it has")}')


def read_parameters(route: Node, *, formats: bool) -> dict[str, Schema]:
    """Make the records of a route's parameters, by the keys that declare them."""
    return {
        kind: Schema(node=route[kind], document=_document(kind, route), formats=formats)
        for kind in KINDS
        if kind in route
    }


def documents_of(route: Node, broken: Collection[Node]) -> Mapping[str, Any]:
    """Return the schemas of a route's parameters as they are written, or the names in a broken one."""
    declared = {kind: route[kind] for kind in KINDS if kind in route}
    return {
        kind: _only_names(one) if one.fields is None or one in broken else one.plain for kind, one in declared.items()
    }


def _only_names(schema: Node) -> dict[str, Any]:
    """Return a schema in which everything may be referred to that one with mistakes, reported elsewhere, declares."""
    names = declared_names(schema)
    return {"properties": dict.fromkeys(names, True), "required": names}


def _document(kind: str, route: Node) -> Any:
    if kind == "path_parameters":
        return path_object(route["path"].plain, route[kind].plain)
    return parameters_object(kind, route[kind].plain)


def _check_each(kind: str, schema: Node, *, formats: bool) -> Iterator[Diagnostic]:
    whole = Schema(node=schema, document=schema.plain, formats=formats)
    required = {item.text: item for item in schema["required"].items}
    for name, _, property_ in schema["properties"].pairs():
        yield from _check_type(kind, name, property_, Subschema(property_.plain, schema.plain))
        if "default" not in property_:
            continue
        if kind == "path_parameters":
            yield property_.key("default").error(f'"{name}" is always in the path, so it needs no default; remove it')
        for violation in whole.of_property(name).violations(property_["default"].plain):
            yield property_["default"].error(f"the default violates its own schema: {violation.detail}")
        if name in required:
            message = f'"{name}" is required, so its default has no effect; remove one of the two'
            yield property_.key("default").error(message, "warning")
    yield from _check_required(kind, schema)


def _check_required(kind: str, schema: Node) -> Iterator[Diagnostic]:
    required = {item.text: item for item in schema["required"].items}
    for required_name, item in required.items():
        if required_name is not None and required_name not in schema["properties"] and kind != "path_parameters":
            known = did_you_mean(required_name, (name for name, _, _ in schema["properties"].pairs()), "declared")
            yield item.error(f'"{required_name}" is required but not declared under properties {known}')


def _check_type(kind: str, name: str, property_: Node, found: Subschema) -> Iterator[Diagnostic]:
    at = property_.follow(("type",))
    is_told = "type" in property_ or found.types == {"object"}
    if "object" in found.types and is_told:
        yield at.error(f'"{name}" cannot be an object, since {_word(kind)} is one text; declare its parts one by one')
    elif "array" in found.types and is_told and kind == "path_parameters":
        yield at.error(f'"{name}" cannot be an array, because a path contains it once; declare a single value')
    elif found.types == {"array"} and found.part(found.said.get("items", True)).types <= {"array", "object"}:
        yield at.error(f'"{name}" cannot be an array of arrays or objects, since its items are texts')


def _check_names(kind: str, schema: Node) -> Iterator[Diagnostic]:
    spellings: dict[str, str] = {}
    for name, key, _ in schema["properties"].pairs():
        if kind in ("headers", "cookies") and not _TOKEN.fullmatch(name):
            yield key.error(f"{show(name)} cannot be the name of {_word(kind)}; use letters, digits, - and _")
        if kind == "headers":
            first = spellings.setdefault(name.lower(), name)
            if first != name:
                yield key.error(f"{name} is the same header as {first}: upper and lower case do not count; keep one")
            if (owner := _OF_HTTP.get(name.lower())) is not None:
                yield key.error(f"{name} {owner}; remove it")
    if kind in ("headers", "cookies") and schema["additionalProperties"].plain is False:
        message = f"clients send other {kind} too, so every request would be refused; remove additionalProperties"
        yield schema.key("additionalProperties").error(message)


def _check_path_parameter(
    name: str, key: Node, property_: Node, known: Mapping[str, dict[str, Any]], path: str
) -> Iterator[Diagnostic]:
    if name not in known:
        yield key.error(f'"{name}" is not a parameter of {path} {did_you_mean(name, known, "it has")}')
        return
    wanted, given = Subschema(property_.plain, property_.plain).types, Subschema(known[name], known[name]).types
    if not wanted & given and not wanted <= {"array", "object"}:  # which are reported by their types
        types = _either(given)
        advice = (
            f"write <int:{name}> or <float:{name}> in the path" if wanted == {"number"} else "change one of the two"
        )
        yield property_.error(f'the path makes "{name}" {types}, which this schema does not allow; {advice}')


def _path_schemas(path: str) -> Mapping[str, dict[str, Any]]:
    try:
        return parameter_schemas(path)
    except Exception:  # noqa: BLE001 - the path is reported elsewhere, and Werkzeug may raise anything over it
        return {}


def _either(types: Collection[str]) -> str:
    return join_words([TYPE_NAMES[one] for one in sorted(types)], "or")


def _word(kind: str) -> str:
    return {"query": "a query parameter", "headers": "a header", "cookies": "a cookie"}.get(kind, "a path parameter")

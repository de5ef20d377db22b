"""routes.yaml beyond its grammar: checks of its values together, and the records made of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from engine.diagnostics import Diagnostic
from engine.schema import InstanceSchema
from engine.spec.checking.answering.cases import check_answers, read_answers
from engine.spec.checking.answering.faults import check_fault, check_seed, read_fault
from engine.spec.checking.answering.response_headers import check_response_headers, read_response_headers
from engine.spec.checking.answering.responses import read_response
from engine.spec.checking.answering.shaping import answer_names, check_shape
from engine.spec.checking.built_in import built_in_shapes, check_base_path, check_built_in
from engine.spec.checking.grammar import grammar
from engine.spec.checking.guards import (
    allowed_names,
    check_guards,
    key_names,
    read_auth,
    read_cors,
    read_rate,
    read_rates,
)
from engine.spec.checking.limits import check_limits, read_limits
from engine.spec.checking.misplaced import check_misplaced, misplaced_in_body
from engine.spec.checking.model_routes import check_model, check_path_features
from engine.spec.checking.parameters import (
    ParameterChecks,
    check_accepts,
    documents_of,
    has_unknown_format,
    misdeclared_files,
    read_parameters,
)
from engine.spec.checking.prefixes import (
    UnsoundPrefix,
    check_prefixes,
    foreign_parameters,
    place_seen_from,
    require_whole_path,
)
from engine.spec.checking.protocols.wire_checks import check_protocols, wire_shapes
from engine.spec.checking.schemas import check_schema, has_form
from engine.spec.gathering.entries import is_misspelt
from engine.spec.gathering.placed_routes import PlacedRoute
from engine.spec.gathering.schema_places import name_of_target
from engine.spec.model_records import Schema
from engine.spec.named_files import Home
from engine.spec.naming.model_names import NO_MODEL
from engine.spec.naming.name_tables import UNKNOWN, NamedParts, names_of
from engine.spec.naming.names import TO_DECLARE, Names
from engine.spec.naming.route_names import body_document
from engine.spec.reading.node import Node
from engine.spec.records import Route
from engine.spec.service_records import Fault, Limits, Service
from engine.spec.urls.url_rules import path_parameters, rule_shape

_NO_BODY = "this route reads no body; declare it: input: {type: object, properties: {…}}"
_NO_PUBLIC_BODY = "a route with an instance declares its body; add input: {type: object, properties: {…}}"
_REMEDIES = (_NO_BODY, _NO_PUBLIC_BODY, NO_MODEL)
_CHOICES = ("title", "version", "description", "errors", "formats", "model_header", "proxies", "base_path", "seed")


def check_routes(
    root: Node, routes: Sequence[PlacedRoute], home: Home, models_file: str | None, models: Node | None
) -> Iterator[Diagnostic]:
    """Return every mistake of routes.yaml; `models` are those of the models' file, None where it is broken."""
    service = root["service"]
    yield from check_limits(service["limits"])
    if "connections" in service["limits"] and service["proxies"].plain:
        message = "connections has no effect with proxies: all clients of a proxy share its address"
        yield service["limits"].key("connections").error(message, "warning")
    yield from check_built_in(service)
    yield from check_base_path(root, routes)
    yield from check_guards(root, routes, home)
    yield from check_prefixes(routes)
    yield from check_response_headers(service, routes)
    yield from check_fault(service)
    yield from check_protocols(service, models_file, models)
    built_in = {**built_in_shapes(service), **wire_shapes(service, models)}
    taken: dict[tuple[str, str], Node] = {}
    groups = dict.fromkeys(group for placed in routes for group in placed.groups)
    yield from check_seed(root, (*groups, *(placed.written for placed in routes)))
    yield from (mistake for group in groups for mistake in check_fault(group))
    schemas: set[Node] = set()
    parameters = ParameterChecks(formats=checks_formats(root))
    for placed in routes:
        route = placed.node
        path = route["path"]
        if path.text is not None:
            try:
                require_whole_path(placed)
                shape = rule_shape(path.text)
                if shape in built_in:
                    yield path.error(f'path "{path.plain}" {built_in[shape]}')
                yield from _conflicts(route, shape, taken)
                yield from foreign_parameters(placed.written["path"], "path")
                yield from check_path_features(route, path.text, models)
            except UnsoundPrefix:
                pass
            except ValueError as error:
                yield path.error(f'path "{path.text}": {error}')
        yield from check_limits(route["limits"])
        yield from check_model(route, models_file, models)
        yield from _check_input(route)
        if route["input"].fields is not None and route["input"] not in schemas:  # several routes may have the same one
            schemas.add(route["input"])
            yield from _check_body_schema(route, parameters.broken, formats=checks_formats(root))
        yield from _idle_settings(placed, service)
        yield from check_fault(placed.written)
        yield from check_accepts(route)
        yield from parameters.check(placed)
        names = _names(route, models, parameters.broken)
        answers = check_answers(route, names, home, formats=checks_formats(root))
        yield from _once(sorted([*answers, *check_shape(route, models, names, home)]))


def checks_formats(root: Node | None) -> bool:
    """Whether the service checks `format`; it does by default."""
    return root is None or root["service"]["formats"].plain != "annotate"


def read_service(root: Node, home: Home) -> Service:
    """Make the service's record."""
    node = root["service"]
    chosen = {key: node[key].plain for key in _CHOICES if key in node}
    auth = read_auth(node["auth"], home)
    return Service(
        node=node,
        limits=read_limits(node["limits"], Limits(node=node)),
        auth=auth,
        allowed=key_names(auth) if auth is not None and auth.required else None,
        cors=read_cors(node["cors"], None),
        rate=read_rate(node["rate_limit"], None),
        rates=read_rates(node["rate_limit"]),
        fault=read_fault(node),
        response_headers=read_response_headers(node["response_headers"], ()),
        **chosen,
    )


def read_routes(routes: Sequence[PlacedRoute], home: Home, service: Service) -> tuple[Route, ...]:
    """Make the routes' records from a document without mistakes; raise `SpecError` for a file that has vanished."""
    return tuple(_route(placed, service, home) for placed in routes)


def _names(route: Node, models: Node | None, broken: Collection[Node]) -> Names:
    """Make the table of names of a route, as far as it is without mistakes; some schemas are broken."""
    path, is_sound = route["path"].text or "", True
    try:
        rule_shape(path)
        parameters = path_parameters(path)
    except ValueError:  # reported elsewhere
        path, parameters, is_sound = "", (), False
    body, lacks = _body(route, models, parameters)
    if route["input"] in broken or any(misdeclared_files(route)) or has_unknown_format(route):
        body = UNKNOWN
    documents = documents_of(route, broken)
    parts = NamedParts(path=path, methods=_methods(route), parameters=documents, body=body, body_lacks=lacks)
    names = names_of(parts, answer_names(route, models))
    known = grammar("routes")["$defs"]["route"]["properties"]
    unclear = [] if (route.fields or {}).keys() <= known.keys() else _misspelt_roots(route)
    unclear += [] if is_sound and route["path_parameters"] not in broken else ["path"]
    for root in unclear:
        names = names.opened(root)
    return names


def _misspelt_roots(route: Node) -> list[str]:
    """Return the roots of which a misspelt key probably says something."""
    found = [key for key in ("query", "headers", "cookies") if is_misspelt(route, key)]
    return found + (["body"] if is_misspelt(route, "input") or is_misspelt(route, "instance") else [])


def _body(route: Node, models: Node | None, in_path: Collection[str]) -> tuple[Any, str]:
    """Return the schema of a route's body, UNKNOWN if it has no form, or None and why there is none."""
    schema, model = route["input"], route["model"].text
    if schema.present:
        return body_document(schema.plain, _accepted(route)) if has_form(schema.plain) else UNKNOWN, ""
    if {*_methods(route)} == {"GET"}:
        return None, "a GET request has no body; take the value from the query, or answer POST"
    if "instance" in route:
        return None, _NO_PUBLIC_BODY
    if model is not None:
        document = models[model]["input"].plain if models is not None else None
        return InstanceSchema(document).without(in_path).schema if has_form(document) else UNKNOWN, ""
    return None, _NO_BODY


def _once(mistakes: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """Leave out what would repeat an advice: what is used in several places is to be declared once."""
    seen: set[str] = set()
    for mistake in mistakes:
        told = mistake.message
        remedy = told if TO_DECLARE in told else next(filter(told.endswith, _REMEDIES), "")
        if not remedy or remedy not in seen:
            yield mistake
        seen.add(remedy)


def _conflicts(route: Node, shape: str, taken: dict[tuple[str, str], Node]) -> Iterator[Diagnostic]:
    path = route["path"]
    for method in _methods(route):
        first = taken.setdefault((shape, method), path)
        if first is not path:
            yield path.error(
                f'path "{path.plain}": {method} is already answered by '
                f'"{first.plain}" {place_seen_from(path, first)}, which matches the same URLs'
            )


def _accepted(route: Node) -> tuple[str, ...]:
    return tuple(item.text for item in route["accepts"].items if item.text is not None) or ("json",)


def _methods(route: Node) -> tuple[str, ...]:
    named = route["methods"]
    if named.present:
        return tuple(dict.fromkeys(item.text for item in named.items if item.text is not None))
    return ("POST",) if "model" in route or "input" in route else ("GET",)


def _check_input(route: Node) -> Iterator[Diagnostic]:
    if "input" not in route:
        return
    for method in route["methods"].items:
        if method.text == "GET":
            yield method.error("a GET request has no body to check against the input; use POST, PUT, PATCH or DELETE")


def _check_body_schema(route: Node, broken: set[Node], *, formats: bool) -> Iterator[Diagnostic]:
    """Report every mistake in the schema of a body, and add it to the broken ones if there is any."""
    schema = route["input"]
    misplaced = misplaced_in_body(schema)
    elsewhere = {at.place for _, at in misdeclared_files(route)}
    elsewhere |= {schema["format"].place} if "binary" in _accepted(route) else set()
    mistakes = [*check_misplaced("input", schema, misplaced), *check_schema(schema, apart=misplaced, formats=formats)]
    if any(mistake.severity == "error" for mistake in mistakes):
        broken.add(schema)
    yield from (mistake for mistake in mistakes if mistake.place not in elsewhere)


def _idle_settings(placed: PlacedRoute, service: Node) -> Iterator[Diagnostic]:
    """Warn of settings of a route itself that have no effect on it."""
    route = placed.written
    if "strict_content_type" in route and not {"input", "model"} & set(route.fields or ()):
        message = "strict_content_type has no effect here: the route has no input and no model, and reads no body"
        yield route.key("strict_content_type").error(message, "warning")
    limits = route["limits"]
    is_faulty = _fault(placed, read_fault(service)) is not None
    for name, users in (("instances", {"model"}), ("concurrent", {"input", "model"})):
        if name in limits and not users & set(route.fields or ()) and not (name == "concurrent" and is_faulty):
            yield limits.key(name).error(f"{name} has no effect here: the route has no model", "warning")


def _fault(placed: PlacedRoute, fault: Fault | None) -> Fault | None:
    """Return the fault of a route: each group, and the route itself, replaces that of the service, if it has one."""
    for place in (*placed.groups, placed.written):
        fault = read_fault(place, fault)
    return fault


def _route(placed: PlacedRoute, service: Service, home: Home) -> Route:
    node, fault = placed.node, _fault(placed, service.fault)
    route = Route(
        node=node,
        path=node["path"].plain,
        parameters=path_parameters(node["path"].plain),
        methods=_methods(node),
        cases=read_answers(node, home, fault),
        model=node["model"].plain,
        instance=node["instance"].plain,
        is_single=node["many"].plain is False,
        on_failure=read_response(node["on_failure"]["response"], home) if "on_failure" in node else None,
        input=_input(placed, service) if "input" in node else None,
        accepts=_accepted(node),
        summary=node["summary"].plain or "",
        description=node["description"].plain or "",
        tags=tuple(node["tags"].plain or ()),
        limits=read_limits(node["limits"], service.limits),
        allowed=allowed_names(node["auth"], service.auth, service.allowed),
        cors=read_cors(node["cors"], service.cors),
        rate=read_rate(node["rate_limit"], service.rate),
        strict_content_type=bool(node["strict_content_type"].plain),
        response_headers=read_response_headers(node["response_headers"], service.response_headers),
        fault=fault,
    )
    parameters: dict[str, Any] = read_parameters(node, formats=service.checks_formats)
    return replace(route, **parameters)


def _input(placed: PlacedRoute, service: Service) -> Schema:
    node, name = placed.node["input"], name_of_target(placed.written["input"])
    return Schema(node=node, document=node.plain, name=name, formats=service.checks_formats)

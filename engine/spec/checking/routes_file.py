"""routes.yaml beyond its grammar: checks of its values together, and the records made of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
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
from engine.spec.checking.model_routes import check_model, check_path_features
from engine.spec.checking.parameters import ParameterChecks, check_accepts, documents_of, read_parameters
from engine.spec.checking.prefixes import (
    UnsoundPrefix,
    check_prefixes,
    foreign_parameters,
    place_seen_from,
    require_whole_path,
)
from engine.spec.checking.protocols.wire_checks import check_protocols, wire_shapes
from engine.spec.checking.schemas import check_schema, has_form
from engine.spec.gathering.placed_routes import PlacedRoute
from engine.spec.model_records import Schema
from engine.spec.named_files import Home
from engine.spec.naming.name_tables import NamedParts, names_of
from engine.spec.naming.names import Names
from engine.spec.naming.route_names import body_document
from engine.spec.reading.node import Node
from engine.spec.records import Route
from engine.spec.service_records import Fault, Limits, Service
from engine.spec.urls.url_rules import path_parameters, rule_shape

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
            yield from check_schema(route["input"], formats=checks_formats(root))
        yield from _idle_settings(placed, service)
        yield from check_fault(placed.written)
        yield from check_accepts(route)
        yield from parameters.check(placed)
        names = _names(route, models)
        yield from check_answers(route, names, home, formats=checks_formats(root))
        yield from check_shape(route, models, names, home)


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


def _names(route: Node, models: Node | None) -> Names:
    """Make the table of names of a route, as far as it is without mistakes."""
    path = route["path"].text or ""
    try:
        rule_shape(path)
        parameters = path_parameters(path)
    except ValueError:  # reported elsewhere
        path, parameters = "", ()
    body, lacks = _body(route, models, parameters)
    parts = NamedParts(path=path, methods=_methods(route), parameters=documents_of(route), body=body, body_lacks=lacks)
    return names_of(parts, answer_names(route, models))


def _body(route: Node, models: Node | None, in_path: Collection[str]) -> tuple[Any, str]:
    """Return the schema of a route's body, or None and why there is none."""
    schema, model = route["input"], route["model"].text
    if schema.present:
        return body_document(schema.plain if has_form(schema.plain) else True, _accepted(route)), ""
    if {*_methods(route)} == {"GET"}:
        return None, "a GET request has no body; take the value from the query, or answer POST"
    if "instance" in route:
        return None, "a route with an instance declares its body; add input: {type: object, properties: {…}}"
    if model is not None:
        document = models[model]["input"].plain if models is not None else True
        return InstanceSchema(document).without(in_path).schema if has_form(document) else True, ""
    return None, "this route reads no body; declare it: input: {type: object, properties: {…}}"


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
        input=_input(node["input"], service) if "input" in node else None,
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


def _input(node: Node, service: Service) -> Schema:
    return Schema(node=node, document=node.plain, formats=service.checks_formats)

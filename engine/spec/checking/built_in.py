"""The routes that the engine adds to every service, unless the spec moves them or turns them off.

And the base path, under which a proxy publishes the service, with the routes that would be taken for it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from werkzeug.routing import Map

from engine.diagnostics import Diagnostic
from engine.schema import clip
from engine.spec.checking.guards import allowed_names
from engine.spec.gathering.placed_routes import PlacedRoute
from engine.spec.reading.node import Node
from engine.spec.records import BuiltIn, Route, Spec
from engine.spec.service_records import Service
from engine.spec.urls.url_rules import LazyRule, path_parameters, rule_shape, why_no_prefix

BUILT_IN: Mapping[BuiltIn, tuple[str, str]] = {
    "docs": ("/docs", "serves the docs page"),
    "openapi": ("/openapi.json", "serves the OpenAPI document"),
    "metrics": ("/metrics", "serves the metrics"),
    "live": ("/livez", "answers the liveness check"),
    "ready": ("/readyz", "answers the readiness check"),
    "status": ("/-/status", "shows the status"),
}
# Routes whose clients have no keys, or that are shown only to their own machine.
_OPEN: tuple[BuiltIn, ...] = ("live", "ready", "status")
# For those who run the service; the admin address, where there is one, has these and tells of its health.
_ADMIN: tuple[BuiltIn, ...] = ("metrics", "status")
_HEALTH: tuple[BuiltIn, ...] = ("live", "ready")
# Where the status is seen from, unless the spec says otherwise.
_HERE = ("127.0.0.1", "::1")
# The files below the path of the docs page, wherever that is.
DOCS_FILES = (
    "answer.js",
    "docs.css",
    "docs.js",
    "document.json",
    "reference",
    "reference.css",
    "reference.js",
    "request.js",
    "rows.js",
    "swagger-ui-bundle.js",
    "swagger-ui.css",
)


def docs_file_path(path: str, file: str) -> str:
    """Return the path of one of `DOCS_FILES`."""
    return f"{path.rstrip('/')}/{file}"


def check_built_in(service: Node) -> Iterator[Diagnostic]:
    """Return every mistake in the paths of the engine's own routes."""
    yield from _check_sources(service["built_in"]["status"]["from"])
    taken: dict[str, BuiltIn] = {}
    for name, path, place in placed_routes(service):
        try:
            shape = rule_shape(path)
        except ValueError as error:
            yield place.error(f'path "{path}": {error}')
            continue
        if path_parameters(path):
            yield place.error(f'path "{path}": a built-in route cannot have path parameters')
            continue
        for part in _parts(name, shape):
            if (first := taken.setdefault(part, name)) != name:
                yield place.error(f'path "{part}" is already that of "{first}"; choose another one for "{name}"')


def _check_sources(sources: Node) -> Iterator[Diagnostic]:
    for source in sources.items:
        if source.text is None:
            continue
        try:
            ipaddress.ip_network(source.text)
        except ValueError:
            meant = _meant_network(source.text)
            yield source.error(
                f'"{clip(source.text)}" is not an IP address or network{meant}; write 192.0.2.1 or 192.0.2.0/24'
            )


def _meant_network(text: str) -> str:
    """Return the network of an address with a prefix length; empty if it is neither."""
    try:
        return f" (did you mean {ipaddress.ip_network(text, strict=False)}?)"
    except ValueError:
        return ""


def built_in_shapes(service: Node) -> Mapping[str, str]:
    """Describe the engine's own route at each shape, and how to move it."""
    return {
        part: f"is built in and {BUILT_IN[name][1]}; choose another path, or move the built-in route "
        f'under service: "built_in: {{{name}: /other}}" (false turns it off)'
        for name, path, _ in placed_routes(service)
        for part in _parts(name, path)
    }


def built_in_routes(service: Service) -> tuple[Route, ...]:
    """Make the records of the routes that the engine adds."""
    return tuple(_route(service, name, path) for name, path, _ in placed_routes(service.node))


def divide_for_admin(spec: Spec) -> tuple[Spec, Spec]:
    """Divide a spec into what its clients reach, and what is reached at its admin address; both tell of its health."""
    for_clients = tuple(route for route in spec.built_in if route.built_in not in _ADMIN)
    for_admin = tuple(route for route in spec.built_in if route.built_in in (*_ADMIN, *_HEALTH))
    return replace(spec, built_in=for_clients), replace(spec, routes=(), built_in=for_admin, models={})


def _route(service: Service, name: BuiltIn, path: str) -> Route:
    allowed = None if name in _OPEN else service.allowed
    return Route(
        node=service.node,
        path=path,
        methods=("GET",),
        built_in=name,
        limits=service.limits,
        allowed=allowed_names(service.node["built_in"][name]["auth"], service.auth, allowed),
        cors=None if name == "status" else service.cors,
        rate=None if name in _OPEN else service.rate,
        response_headers=service.response_headers,
        sources=tuple(service.node["built_in"]["status"]["from"].plain or _HERE) if name == "status" else (),
    )


def placed_routes(service: Node) -> Iterator[tuple[BuiltIn, str, Node]]:
    """Return each route that is not turned off: its name, its path, and where that was said."""
    for name, (path, _) in BUILT_IN.items():
        said = service["built_in"][name]
        chosen = said["path"] if said.fields is not None else said
        if chosen.text is not None:
            yield name, chosen.text, chosen
        elif chosen.plain is not False:
            yield name, path, chosen


def _parts(name: BuiltIn, path: str) -> tuple[str, ...]:
    """Return every path of a route."""
    return (path, *(docs_file_path(path, file) for file in DOCS_FILES)) if name == "docs" else (path,)


def check_base_path(root: Node, routes: Iterable[PlacedRoute]) -> Iterator[Diagnostic]:
    """Report a base path that is none, and the routes that its requests could not be told apart from."""
    node = root["service"]["base_path"]
    base = node.text
    if base is None:
        return
    if why := why_no_prefix(base) or ("must not have path parameters" if path_parameters(base) else ""):
        yield node.error(f'base_path "{base}": {why}')
        return
    for name, path, place in placed_routes(root["service"]):
        if _is_below(path, base) and place.text is not None:
            yield place.error(_said_twice(path, base))
        elif _is_below(path, base):
            yield node.error(
                f'base_path "{base}": the engine\'s own "{name}" is at {path}; choose another base_path, or move it '
                f'under service: "built_in: {{{name}: /other}}"'
            )
    for placed in routes:
        route = placed.node
        path = route["path"].text or ""
        if _is_below(path, base):
            yield route["path"].error(_said_twice(path, base))
        elif path_parameters(path) and _can_match(path, base):
            message = (
                f'path "{path}" also matches the base_path "{base}": requests that begin with {base} are answered '
                "without that prefix"
            )
            yield route["path"].error(message, "warning")


def _said_twice(path: str, base: str) -> str:
    rest = path[len(base) :] or "/"
    return f'path "{path}" begins with the base_path "{base}", which is put before every route; write {rest}'


def _is_below(path: str, base: str) -> bool:
    return path == base or path.startswith(f"{base}/")


def _can_match(path: str, base: str) -> bool:
    """Whether a rule with parameters matches the base path, or something below it."""
    segments, count = path.split("/"), base.count("/") + 1
    wide = next((index for index, segment in enumerate(segments) if "<path" in segment), len(segments))
    if len(segments) < count and wide == len(segments):
        return False
    try:
        rule = LazyRule("/".join(segments[: min(count, wide + 1)]))
        return Map([rule]).bind("").test(base)
    except Exception:  # noqa: BLE001 - what is no rule is reported as such
        return False

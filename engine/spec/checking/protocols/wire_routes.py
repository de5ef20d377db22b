"""The records of the routes of the protocols that a service speaks, beside its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from engine.spec.checking.built_in import built_in_shapes
from engine.spec.checking.guards import allowed_names
from engine.spec.checking.protocols.declared_protocols import declared_protocols
from engine.spec.checking.protocols.wire_paths import HEALTH, WirePath, paths_of
from engine.spec.protocol_records import LENGTH_HEADER, Protocol, ProtocolName, Wire
from engine.spec.records import Route
from engine.spec.service_records import Cors, Service
from engine.spec.urls.url_rules import path_parameters


def protocol_routes(service: Service, models: Iterable[str], paths: Iterable[str]) -> tuple[Route, ...]:
    """Make the routes of the protocols; `paths` are those of the spec's own routes."""
    if "protocols" not in service.node:
        return ()
    known, own = tuple(models), {*paths, *built_in_shapes(service.node)}
    found: dict[tuple[str, str], list[tuple[WirePath, Protocol]]] = {}
    for protocol in read_protocols(service, known):
        for path in paths_of(protocol):
            if path.path not in own:  # only the one at `/`
                found.setdefault((path.path, path.method), []).append((path, protocol))
    # Where another protocol has the path that Vertex AI asks for, its answer does for both.
    return tuple(
        _route(service, sorted(several, key=lambda one: one[1].name == "vertex")) for several in found.values()
    )


def read_protocols(service: Service, models: Iterable[str]) -> tuple[Protocol, ...]:
    """Make the records of the protocols of a service."""
    known = tuple(models)
    return tuple(
        Protocol(
            name=one.name,
            models=one.models(known),
            allowed=allowed_names(one.settings["auth"], service.auth, service.allowed),
        )
        for one in declared_protocols(service.node)
    )


def _route(service: Service, several: list[tuple[WirePath, Protocol]]) -> Route:
    path, first = several[0]
    is_health = any(one.action in HEALTH for one, _ in several)
    names = tuple(protocol.name for _, protocol in several)
    return Route(
        node=service.node,
        path=path.path,
        parameters=path_parameters(path.path),
        methods=(path.method,),
        model=path.model if path.action == "infer" else None,
        wire=Wire(protocols=names, action=path.action, serves=(path.model,) if path.model else first.models),
        limits=service.limits,
        allowed=None if is_health else first.allowed,
        cors=_cors_of(service, names),
        rate=None if is_health else service.rate,
        response_headers=service.response_headers,
    )


def _cors_of(service: Service, protocols: tuple[ProtocolName, ...]) -> Cors | None:
    """Return what pages of other origins may do: with v2, they send and read the length of the JSON too."""
    cors = service.cors
    if cors is None or "v2" not in protocols:
        return cors
    headers, expose = (tuple(dict.fromkeys((*names, LENGTH_HEADER))) for names in (cors.headers, cors.expose))
    return replace(cors, headers=headers, expose=expose)

"""The routes of the protocols that a service speaks, beside its own: their checks, and their records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from engine.diagnostics import Diagnostic
from engine.spec.checking.built_in import built_in_shapes
from engine.spec.checking.guards import allowed_names
from engine.spec.protocols.protocol_records import PROTOCOLS, SINGLE, Protocol, ProtocolName, Wire
from engine.spec.protocols.wire_paths import HEALTH, HEALTH_VARIABLE, PREDICT_VARIABLE, WirePath, paths_of
from engine.spec.reading.node import Node
from engine.spec.records import Route
from engine.spec.service_records import Service
from engine.spec.urls.url_rules import path_parameters, rule_shape
from engine.text import did_you_mean


@dataclass(frozen=True, slots=True)
class _Declared:
    """A protocol as the spec names it, at `place`, with its settings, which may be absent."""

    name: ProtocolName
    place: Node
    settings: Node

    def models(self, known: tuple[str, ...]) -> tuple[str, ...]:
        """Return the models that it serves, of those that are known: those that are named, else all."""
        chosen, several = self.settings["model"], self.settings["models"]
        names = (chosen.text,) if chosen.present else (one.text for one in several.items) if several.present else known
        return tuple(name for name in names if name is not None and name in known)


def check_protocols(service: Node, models_file: str | None, models: Node | None) -> Iterator[Diagnostic]:
    """Return every mistake in the protocols of a service; `models` are those of the models' file, None if broken."""
    if "protocols" not in service:
        return
    if models_file is None:
        yield service.key("protocols").error("protocols serve models, and there is no models.yaml beside this file")
    if models is None:
        return
    known = _names(models)
    built_in = built_in_shapes(service)
    shared: dict[str, tuple[str, ...]] = {}
    for one in _declared(service):
        mistakes = list(_check_models(one, known, models_file or ""))
        yield from mistakes
        if mistakes:
            continue
        protocol = Protocol(name=one.name, models=one.models(known))
        for path in paths_of(protocol):
            yield from _check_path(path, one, built_in)
            if path.action == "infer" and shared.setdefault(path.path, protocol.models) != protocol.models:
                other = shared[path.path][0]
                message = f"{path.path} is that of another protocol for the model {other}; both serve the same model"
                yield one.place.error(f"{message}, write model: {other}")
        if one.name == "vertex" and not any(paths_of(protocol)):
            message = (
                f"{HEALTH_VARIABLE} and {PREDICT_VARIABLE} are not set, so this protocol has no paths here; Vertex AI "
                f"sets them; to try it, set {HEALTH_VARIABLE}=/health and {PREDICT_VARIABLE}=/predict"
            )
            yield one.place.error(message, "warning")


def wire_shapes(service: Node, models: Node | None) -> Mapping[str, str]:
    """Describe the path of a protocol at each shape; the one at `/` gives way to a route of the spec."""
    known = _names(models)
    return {
        shape: f"is a path of the protocol {one.name} under service: protocols; choose another path"
        for one in _declared(service)
        for path in paths_of(Protocol(name=one.name, models=one.models(known)[: 1 if one.name in SINGLE else None]))
        if path.action != "alive" and (shape := _shape(path.path))
    }


def protocol_routes(service: Service, models: Iterable[str], paths: Iterable[str]) -> tuple[Route, ...]:
    """Make the routes of the protocols; `paths` are those of the spec's own routes."""
    known, own = tuple(models), frozenset(paths)
    found: dict[str, list[tuple[WirePath, Protocol]]] = {}
    for protocol in read_protocols(service, known):
        for path in paths_of(protocol):
            if path.path not in own:  # only the one at `/`
                found.setdefault(path.path, []).append((path, protocol))
    return tuple(_route(service, several) for several in found.values())


def read_protocols(service: Service, models: Iterable[str]) -> tuple[Protocol, ...]:
    """Make the records of the protocols of a service."""
    known = tuple(models)
    return tuple(
        Protocol(
            name=one.name,
            models=one.models(known),
            allowed=allowed_names(one.settings["auth"], service.auth, service.allowed),
        )
        for one in _declared(service.node)
    )


def _route(service: Service, several: list[tuple[WirePath, Protocol]]) -> Route:
    (path, first), is_health = several[0], several[0][0].action in HEALTH
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
        cors=service.cors,
        rate=None if is_health else service.rate,
        response_headers=service.response_headers,
    )


def _declared(service: Node) -> Iterator[_Declared]:
    node = service["protocols"]
    for item in node.items:
        if item.text in PROTOCOLS:
            yield _Declared(item.text, item, item["settings"])
    for name, key, settings in node.pairs():
        if name in PROTOCOLS:
            yield _Declared(name, key, settings)


def _names(models: Node | None) -> tuple[str, ...]:
    return () if models is None else tuple(name for name, _, _ in models.pairs())


def _check_models(one: _Declared, known: tuple[str, ...], models_file: str) -> Iterator[Diagnostic]:
    """Report models that do not exist, and a protocol of one model that does not say which."""
    for node in (one.settings["model"], *one.settings["models"].items):
        if node.text is not None and node.text not in known:
            yield node.error(f'unknown model "{node.text}" {did_you_mean(node.text, known, f"{models_file} has")}')
    if one.name in SINGLE and "model" not in one.settings and len(known) > 1:
        yield one.place.error(
            f"{one.name} serves one model, and there are several; name it, as in protocols: "
            f"{{{one.name}: {{model: {known[0]}}}}}"
        )


def _check_path(path: WirePath, one: _Declared, built_in: Mapping[str, str]) -> Iterator[Diagnostic]:
    try:
        shape = rule_shape(path.path)
    except ValueError as error:
        yield one.place.error(f'path "{path.path}" of {one.name}: {error}')
        return
    if shape in built_in:
        yield one.place.error(f'path "{path.path}" of {one.name} {built_in[shape]}')


def _shape(path: str) -> str:
    """Return the shape of a path, empty for one that is no rule."""
    try:
        return rule_shape(path)
    except ValueError:
        return ""

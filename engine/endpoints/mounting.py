"""Spec + Predictors → the endpoints, each with the route it answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from engine.endpoints.answering.counters import FORGOTTEN, own_counters
from engine.endpoints.docs import build_docs
from engine.endpoints.faults import Faults, FaultyEndpoint
from engine.endpoints.fixed import GeneratedEndpoint, Means, build_declared
from engine.endpoints.guards.guard import Guard, Guards
from engine.endpoints.messages import Endpoint, encode_any_json
from engine.endpoints.monitoring.exposition import MetricsEndpoint
from engine.endpoints.monitoring.health import LIVE, READY, ReadyEndpoint, ServiceState, StatusEndpoint
from engine.endpoints.openapi.document import describe_spec
from engine.endpoints.prediction import PredictEndpoint, model_headers
from engine.endpoints.shape_names import require_shaped_answers, shaped_names
from engine.endpoints.shaped import ShapedEndpoint
from engine.endpoints.traced_asking import open_asking
from engine.models import Facts, Predictor
from engine.spec import Route, Spec, Wire


@dataclass(frozen=True, slots=True)
class Mounted:
    """A route with the endpoint that answers it and the guard in front of it.

    If it `is_faulty`, answers of the endpoint may be delayed or fail.
    """

    route: Route
    endpoint: Endpoint
    guard: Guard
    is_faulty: bool = False


def build_endpoints(
    spec: Spec, predictors: Mapping[str, Predictor], process: ServiceState
) -> tuple[tuple[Mounted, ...], Guards]:
    """Make every route's endpoint and guard, for the process that answers.

    Raises `SpecError` for a route whose answer the model cannot give.
    """
    require_shaped_answers(spec, _facts(predictors))
    routes = (*spec.routes, *spec.built_in)
    made = [one for route in routes for one in _endpoints(route, spec, predictors, process)]
    guards = Guards(spec.service, [route for route, _ in made], process.meter)
    mounted = (
        Mounted(route, endpoint, guard, is_faulty=route.is_faulty)
        for (route, endpoint), guard in zip(made, guards.routes, strict=True)
    )
    return tuple(mounted), guards


def _endpoints(
    route: Route, spec: Spec, predictors: Mapping[str, Predictor], process: ServiceState
) -> Iterator[tuple[Route, Endpoint]]:
    """Make a route's endpoint; the docs have several, one for each of their files."""
    if route.built_in == "docs":
        for path, endpoint in build_docs(route, spec, _facts(predictors)):
            yield replace(route, path=path), endpoint
        return
    faults = Faults(route, spec.service.seed) if route.draws else None
    endpoint = _endpoint(route, spec, predictors, process, faults)
    if faults is not None and route.is_faulty:
        endpoint = FaultyEndpoint(endpoint, route.fault, faults)
    yield route, endpoint


def _endpoint(
    route: Route, spec: Spec, predictors: Mapping[str, Predictor], process: ServiceState, faults: Faults | None
) -> Endpoint:
    match route.built_in:
        case "openapi":
            return GeneratedEndpoint(
                "application/json", lambda: encode_any_json(describe_spec(spec, _facts(predictors)))
            )
        case "metrics":
            return MetricsEndpoint(process)
        case "live":
            return LIVE
        case "ready":
            return ReadyEndpoint(process.status, READY)
        case "status":
            return StatusEndpoint(process.status, route.sources)
    if route.wire is not None:
        return _wire_endpoint(route, route.wire, spec, predictors, process)
    counters = process.counters or own_counters(partial(process.meter.count, FORGOTTEN))
    means = Means(faults, counters, spec.service.checks_formats)
    if route.model is None:
        return build_declared(route, spec.models, means)
    asking = open_asking(spec.models[route.model], predictors[route.model], process)
    headers = model_headers(asking.facts, named=spec.service.model_header)
    if not route.is_shaped:
        return PredictEndpoint(route, asking, headers)
    return ShapedEndpoint(route, asking, shaped_names(route, spec, asking.facts), means, headers)


def _wire_endpoint(
    route: Route, wire: Wire, spec: Spec, predictors: Mapping[str, Predictor], process: ServiceState
) -> Endpoint:
    from engine.endpoints.protocols.build import build_wire  # noqa: PLC0415 - few services have protocols

    return build_wire(route, wire, spec, predictors, process)


def _facts(predictors: Mapping[str, Predictor]) -> dict[str, Facts]:
    return {name: predictor.facts for name, predictor in predictors.items()}

"""The endpoint of each route of the protocol."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from engine.endpoints.fixed import FixedEndpoint
from engine.endpoints.messages import Endpoint, Response, encode_json
from engine.endpoints.monitoring.health import ReadyEndpoint, ServiceState
from engine.endpoints.prediction import model_headers
from engine.endpoints.protocols.v2.metadata import describe_model, describe_service, list_repository
from engine.endpoints.protocols.v2.v2_endpoint import V2Endpoint
from engine.endpoints.protocols.v2.versions import OfVersion
from engine.endpoints.protocols.wire_endpoint import JSON
from engine.endpoints.traced_asking import open_asking
from engine.models import Facts, Predictor
from engine.spec import Route, Spec, Wire


def build_v2(
    route: Route, wire: Wire, spec: Spec, predictors: Mapping[str, Predictor], process: ServiceState
) -> Endpoint:
    """Make the endpoint of a route."""
    facts = {name: predictors[name].facts for name in wire.serves}
    if wire.action == "infer":
        name = wire.serves[0]
        asking = open_asking(spec.models[name], predictors[name], process)
        return V2Endpoint(route, asking, model_headers(asking.facts, named=spec.service.model_header))
    body = encode_json(fixed_answer(route, wire, spec, facts))
    endpoint: Endpoint
    if wire.action in ("ready", "model-ready"):
        endpoint = ReadyEndpoint(process.status, Response(HTTPStatus.OK, JSON, body))
    else:
        endpoint = FixedEndpoint(Response(HTTPStatus.OK, JSON, body))
    return OfVersion(endpoint, facts[wire.serves[0]]) if route.parameters else endpoint


def fixed_answer(route: Route, wire: Wire, spec: Spec, facts: Mapping[str, Facts]) -> Any:
    """Return what a route answers that asks no model, as JSON."""
    match wire.action:
        case "live":
            return {"live": True}
        case "ready":
            return {"ready": True}
        case "model-ready":
            return {"name": wire.serves[0], "ready": True}
        case "model":
            name = wire.serves[0]
            return describe_model(spec.models[name], facts[name])
        case "list":
            if "POST" in route.methods:
                return list_repository({name: facts[name] for name in wire.serves})
            return {"models": list(wire.serves)}
    return describe_service(spec.service)

"""The endpoint of each route of the protocol."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from engine.endpoints.fixed import FixedEndpoint
from engine.endpoints.messages import Endpoint, Response, encode_json
from engine.endpoints.monitoring.health import ServiceState
from engine.endpoints.prediction import Asking, model_headers
from engine.endpoints.protocols.v2.metadata import describe_model, describe_service, list_repository
from engine.endpoints.protocols.v2.v2_endpoint import V2Endpoint
from engine.endpoints.protocols.v2.versions import OfVersion
from engine.endpoints.protocols.wire_endpoint import JSON
from engine.endpoints.protocols.wire_health import HealthEndpoint
from engine.models import Predictor
from engine.spec import Route, Spec, Wire


def build_v2(
    route: Route, wire: Wire, spec: Spec, predictors: Mapping[str, Predictor], process: ServiceState
) -> Endpoint:
    """Make the endpoint of a route."""
    facts = {name: predictors[name].facts for name in wire.serves}
    match wire.action:
        case "infer":
            name = wire.serves[0]
            asking = Asking(spec.models[name], predictors[name], process.meter)
            return V2Endpoint(route, asking, model_headers(asking.facts, named=spec.service.model_header))
        case "ready":
            return HealthEndpoint(process.status, encode_json({"ready": True}))
        case "model-ready":
            ready = HealthEndpoint(process.status, encode_json({"name": wire.serves[0], "ready": True}))
            return OfVersion(ready, facts[wire.serves[0]]) if route.parameters else ready
        case "model":
            name = wire.serves[0]
            described = _fixed(describe_model(spec.models[name], facts[name]))
            return OfVersion(described, facts[name]) if route.parameters else described
        case "list":
            is_index = "POST" in route.methods
            return _fixed(list_repository(facts) if is_index else {"models": list(wire.serves)})
    return _fixed({"live": True} if wire.action == "live" else describe_service(spec.service))


def _fixed(value: Any) -> FixedEndpoint:
    return FixedEndpoint(Response(HTTPStatus.OK, JSON, encode_json(value)))

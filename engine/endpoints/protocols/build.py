"""The endpoint of each route of a protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from engine.endpoints.fixed import FixedEndpoint
from engine.endpoints.messages import Endpoint, Headers, Response, encode_json
from engine.endpoints.monitoring.health import ServiceState
from engine.endpoints.prediction import Asking, model_headers
from engine.endpoints.protocols.v1 import V1Endpoint
from engine.endpoints.protocols.wire_endpoint import JSON
from engine.endpoints.protocols.wire_health import HealthEndpoint
from engine.models import Predictor
from engine.spec import ProtocolName, Route, Spec, Wire

ASKING: dict[ProtocolName, Callable[[Route, Asking, Headers], Endpoint]] = {
    "v1": V1Endpoint,
    "vertex": V1Endpoint,
    "mlflow": V1Endpoint,
    "sagemaker": V1Endpoint,
}
"""What answers the predictions of each protocol but v2, which has a folder of its own."""


def build_wire(route: Route, spec: Spec, predictors: Mapping[str, Predictor], process: ServiceState) -> Endpoint:
    """Make the endpoint of a route of a protocol."""
    wire = route.wire or Wire(protocols=("v1",), action="alive")
    protocol, action = wire.protocols[0], wire.action
    if protocol == "v2":
        from engine.endpoints.protocols.v2.build_v2 import build_v2  # noqa: PLC0415 - with its tensors, only if needed

        return build_v2(route, wire, spec, predictors, process)
    if route.model is not None:
        asking = Asking(spec.models[route.model], predictors[route.model], process.meter)
        headers = model_headers(asking.facts, named=spec.service.model_header)
        return ASKING[protocol](route, asking, headers)
    if action == "ready":
        return HealthEndpoint(process.status, encode_json({"status": "ok", "models": list(wire.serves)}))
    return FixedEndpoint(Response(HTTPStatus.OK, JSON, encode_json(_said(protocol, action, wire.serves))))


def _said(protocol: ProtocolName, action: str, serves: tuple[str, ...]) -> dict[str, Any]:
    match protocol, action:
        case "v1", "list":
            return {"models": list(serves)}
        case "v1", "model":
            return {"name": serves[0], "ready": True}
    return {"status": "alive"}

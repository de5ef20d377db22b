"""The endpoint of each route of a protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from engine.endpoints.fixed import FixedEndpoint
from engine.endpoints.messages import Endpoint, Headers, Request, Response, encode_json
from engine.endpoints.monitoring.health import ServiceState, StatusSource
from engine.endpoints.prediction import Asking, model_headers
from engine.endpoints.problems import Problem
from engine.endpoints.protocols.v1 import V1Endpoint
from engine.endpoints.protocols.wire_endpoint import JSON
from engine.models import Predictor
from engine.spec import ProtocolName, Route, Spec, Wire

_STOPPING = "the service is stopping"
ASKING: dict[ProtocolName, Callable[[Route, Asking, Headers], Endpoint]] = {
    "v1": V1Endpoint,
    "vertex": V1Endpoint,
    "v2": V1Endpoint,
    "mlflow": V1Endpoint,
    "sagemaker": V1Endpoint,
}
"""What answers the predictions of each protocol."""


@dataclass(frozen=True)
class HealthEndpoint(Endpoint):
    """Answers with a body as long as the service accepts requests; 503 as soon as shutdown begins."""

    status: StatusSource
    body: bytes

    @property
    def is_quick(self) -> bool:
        return True

    def __call__(self, request: Request) -> Response:  # noqa: ARG002 - the shape of every endpoint
        """Answer one request; raise `Problem` if the service stops."""
        if not self.status().ready:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, _STOPPING, headers=(("Retry-After", "1"),))
        return Response(HTTPStatus.OK, JSON, self.body)


def build_wire(route: Route, spec: Spec, predictors: Mapping[str, Predictor], process: ServiceState) -> Endpoint:
    """Make the endpoint of a route of a protocol."""
    wire = route.wire or Wire(protocols=("v1",), action="alive")
    protocol, action = wire.protocols[0], wire.action
    if route.model is not None:
        asking = Asking(spec.models[route.model], predictors[route.model], process.meter)
        headers = model_headers(asking.facts, named=spec.service.model_header)
        return ASKING[protocol](route, asking, headers)
    if action in ("ready", "model-ready"):
        return HealthEndpoint(process.status, encode_json(_ready(protocol, wire.serves)))
    return FixedEndpoint(Response(HTTPStatus.OK, JSON, encode_json(_said(protocol, action, wire.serves))))


def _ready(protocol: ProtocolName, serves: tuple[str, ...]) -> dict[str, Any]:
    return {"ready": True} if protocol == "v2" else {"status": "ok", "models": list(serves)}


def _said(protocol: ProtocolName, action: str, serves: tuple[str, ...]) -> dict[str, Any]:
    match protocol, action:
        case "v1", "list":
            return {"models": list(serves)}
        case "v1", "model":
            return {"name": serves[0], "ready": True}
        case "v2", "live":
            return {"live": True}
    return {"status": "alive"}

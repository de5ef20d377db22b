"""The endpoint of each route of a protocol."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from engine.endpoints.fixed import FixedEndpoint
from engine.endpoints.messages import Endpoint, Response, encode_json
from engine.endpoints.monitoring.health import ReadyEndpoint, ServiceState
from engine.endpoints.prediction import model_headers
from engine.endpoints.protocols.invocations import InvocationsEndpoint
from engine.endpoints.protocols.v1 import V1Endpoint
from engine.endpoints.protocols.wire_endpoint import JSON
from engine.endpoints.traced_asking import open_asking
from engine.models import Predictor
from engine.spec import Route, Spec, Wire

MLFLOW_VERSION = "3.17.2"
"""The version of MLflow whose scoring protocol is spoken, which its clients ask for."""
_PING = b"\n"  # as MLflow answers; SageMaker and Vertex AI read only the status


def build_wire(
    route: Route, wire: Wire, spec: Spec, predictors: Mapping[str, Predictor], process: ServiceState
) -> Endpoint:
    """Make the endpoint of a route of a protocol; `wire` says what it does."""
    action = wire.action
    if wire.protocols[0] == "v2":
        from engine.endpoints.protocols.v2.build_v2 import build_v2  # noqa: PLC0415 - with its tensors, only if needed

        return build_v2(route, wire, spec, predictors, process)
    if route.model is not None:
        asking = open_asking(spec.models[route.model], predictors[route.model], process)
        headers = model_headers(asking.facts, named=spec.service.model_header)
        has_invocations = not {"mlflow", "sagemaker"}.isdisjoint(wire.protocols)
        return (InvocationsEndpoint if has_invocations else V1Endpoint)(route, asking, headers)
    if action == "ready":
        return ReadyEndpoint(process.status, Response(HTTPStatus.OK, JSON, _PING))
    if action == "model":
        said = encode_json({"name": wire.serves[0], "ready": True})
        return ReadyEndpoint(process.status, Response(HTTPStatus.OK, JSON, said))
    if action == "version":
        return FixedEndpoint(Response(HTTPStatus.OK, JSON, MLFLOW_VERSION.encode()))
    listed: dict[str, Any] = {"models": list(wire.serves)} if action == "list" else {"status": "alive"}
    return FixedEndpoint(Response(HTTPStatus.OK, JSON, encode_json(listed)))

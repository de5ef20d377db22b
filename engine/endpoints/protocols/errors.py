"""Errors in the forms that the clients of each protocol read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus

from engine.endpoints.messages import Response, encode_json
from engine.endpoints.problems import Problem
from engine.schema import show
from engine.spec import ProtocolName, Route, Spec
from engine.text import did_you_mean

_HEADERS = (("Content-Type", "application/json"),)
_MLFLOW_CODES: Mapping[int, str] = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    413: "BAD_REQUEST",
    415: "BAD_REQUEST",
    422: "BAD_REQUEST",
    429: "REQUEST_LIMIT_EXCEEDED",
    503: "TEMPORARILY_UNAVAILABLE",
}


_BELOW: Mapping[ProtocolName, str] = {
    "v2": "/v2/",
    "v1": "/v1/models/",
    "sagemaker": "/endpoints/",
    "mlflow": "/serving-endpoints/",
}
"""Below which paths a protocol's clients ask, also for models that do not exist."""


class WireErrors:
    """Writes the errors of requests to a protocol; `error_bodies` do not apply to them."""

    def __init__(self, spec: Spec) -> None:
        wires = {route.path: route.wire.protocols for route in spec.built_in if route.wire is not None}
        # The path at `/` tells browsers and people of errors as any other does.
        self._paths = {path: protocols[0] for path, protocols in wires.items() if path != "/"}
        declared = {name for protocols in wires.values() for name in protocols}
        self._below = [(path, name) for name, path in _BELOW.items() if name in declared]
        routes = [(route.wire, route.allowed) for route in spec.built_in if route.wire is not None]
        self._models = {
            name: {model for wire, _ in routes if name in wire.protocols for model in wire.serves} for name in declared
        }
        # Clients without a key must not learn the names of models.
        self._guarded = {name for wire, allowed in routes if allowed is not None for name in wire.protocols}

    def write(self, problem: Problem, path: str, route: Route | None) -> Response | None:
        """Write the error of a request to a path and its route, if it has one; None for a path of no protocol."""
        if route is not None and route.wire is None:
            return None
        protocol = self._paths.get(path)
        if protocol is not None:
            return write_error(problem, protocol)
        for prefix, name in self._below:
            if path.startswith(prefix):
                if problem.status == HTTPStatus.NOT_FOUND and (said := self._unknown_model(path, name)):
                    problem.detail = said
                return write_error(problem, name)
        return None

    def _unknown_model(self, path: str, protocol: ProtocolName) -> str:
        """Say that the model in a path does not exist; empty where no path of the protocol has one there."""
        prefix = "/v2/models/" if protocol == "v2" else _BELOW[protocol]
        model, known = re.split("[/:]", path.removeprefix(prefix))[0], self._models[protocol]
        if not path.startswith(prefix) or not model or model in known:
            return ""
        hint = "" if protocol in self._guarded else f" {did_you_mean(model, known, 'the models are')}"
        return f"there is no model {show(model)}{hint}"


def write_error(problem: Problem, protocol: ProtocolName) -> Response:
    """Write a problem in the form of a protocol, with its own status."""
    said = _in_one_line(problem)
    if protocol in ("mlflow", "sagemaker"):
        code = _MLFLOW_CODES.get(problem.status, "INTERNAL_ERROR" if problem.status >= 500 else "BAD_REQUEST")  # noqa: PLR2004
        body = {"error_code": code, "message": said}
    else:
        body = {"error": said}
    return Response(HTTPStatus(problem.status), (*_HEADERS, *problem.headers), encode_json(body))


def _in_one_line(problem: Problem) -> str:
    """Say all that is wrong in one text, which is what these clients show."""
    parts = [f"{error['pointer']}: ".removeprefix("#: ") + error["detail"] for error in problem.errors]
    said = f"{problem.detail}: {'; '.join(parts)}" if parts else problem.detail
    return f"{said} ({problem.request_id})" if problem.request_id else said

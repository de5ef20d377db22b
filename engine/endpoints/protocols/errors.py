"""Errors in the forms that the clients of each protocol read."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from engine.endpoints.messages import Response, encode_json
from engine.endpoints.problems import Problem
from engine.spec import ProtocolName, Route, Spec

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

    def write(self, problem: Problem, path: str, route: Route | None) -> Response | None:
        """Write the error of a request to a path and its route, if it has one; None for a path of no protocol."""
        if route is not None and route.wire is None:
            return None
        protocol = self._paths.get(path)
        if protocol is None:
            protocol = next((name for prefix, name in self._below if path.startswith(prefix)), None)
        return None if protocol is None else write_error(problem, protocol)


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

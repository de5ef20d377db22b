"""Errors in the forms that the clients of each protocol read."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from engine.endpoints.messages import Response, encode_json
from engine.endpoints.problems import Problem
from engine.spec import ProtocolName, Spec

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


class WireErrors:
    """Finds the protocol of a request, and writes its errors; `error_bodies` do not apply to them."""

    def __init__(self, spec: Spec) -> None:
        routes = [route for route in spec.built_in if route.wire is not None]
        # The path at `/` tells browsers and people of errors as any other does.
        self._paths = {route.path: route.wire.protocols[0] for route in routes if route.wire and route.path != "/"}
        self._has_v2 = any(route.wire.protocols[0] == "v2" for route in routes if route.wire)

    def protocol_of(self, path: str) -> ProtocolName | None:
        """Return the protocol to which a path belongs, also where it has no route there; None for any other path."""
        if self._has_v2 and (path == "/v2" or path.startswith("/v2/")):
            return "v2"
        found = self._paths.get(path)
        return "v1" if found is None and path.startswith("/v1/models/") and "/v1/models" in self._paths else found


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

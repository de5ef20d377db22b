"""Health in the words of a protocol."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from engine.endpoints.messages import Endpoint, Request, Response
from engine.endpoints.monitoring.health import StatusSource
from engine.endpoints.problems import Problem
from engine.endpoints.protocols.wire_endpoint import JSON

_STOPPING = "the service is stopping"


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

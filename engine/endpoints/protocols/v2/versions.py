"""The one version of each model: the first digits of its file's hash."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from engine.endpoints.messages import Endpoint, Request, Response
from engine.endpoints.problems import Problem
from engine.models import Facts
from engine.schema import show


def require_version(request: Request, facts: Facts) -> None:
    """Raise `Problem` 404 for a request whose path names another version."""
    version = request.path.get("version") if request.path else None
    if version is not None and version != facts.hash:
        detail = f"{facts.name} has no version {show(version)}; its version is {facts.hash}"
        raise Problem(HTTPStatus.NOT_FOUND, detail)


@dataclass(frozen=True)
class OfVersion(Endpoint):
    """Answers as another endpoint does, for the model's own version."""

    endpoint: Endpoint
    facts: Facts

    @property
    def is_quick(self) -> bool:
        """Return whether the other one is."""
        return self.endpoint.is_quick

    def __call__(self, request: Request) -> Response:
        """Answer one request; raise `Problem` 404 for another version."""
        require_version(request, self.facts)
        return self.endpoint(request)

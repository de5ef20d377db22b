"""What the endpoints of predictions have in common, whatever their protocol."""

from __future__ import annotations

from abc import abstractmethod

from engine.endpoints.messages import Endpoint, Headers, Request, Response
from engine.endpoints.prediction import Asking
from engine.endpoints.problems import FULL, overload_problem
from engine.endpoints.protocols.wire_model import WireModel
from engine.spec import Route

JSON: Headers = (("Content-Type", "application/json"),)


class WireEndpoint(Endpoint):
    """Answers with predictions of one model; so many requests at once as its route allows."""

    def __init__(self, route: Route, asking: Asking, headers: Headers) -> None:
        self.model = WireModel(route, asking)
        self.headers = (*JSON, *headers)
        self._free = [None] * route.limits.concurrent

    @property
    def is_quick(self) -> bool:
        """Return whether the model is known to be quick, and callers do not wait in a queue."""
        return self.model.asking.is_quick

    def __call__(self, request: Request) -> Response:
        """Answer one request; raise `Problem` for what cannot be read or predicted."""
        try:
            self._free.pop()
        except IndexError:
            raise overload_problem(FULL) from None
        try:
            return self.answer(request)
        finally:
            self._free.append(None)

    @abstractmethod
    def answer(self, request: Request) -> Response:
        """Answer one request, once there is room for it."""

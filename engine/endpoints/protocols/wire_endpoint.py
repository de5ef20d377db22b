"""What the endpoints of predictions have in common, whatever their protocol."""

from __future__ import annotations

from engine.endpoints.messages import Headers
from engine.endpoints.prediction import Asking, ModelEndpoint
from engine.endpoints.protocols.wire_model import WireModel
from engine.spec import Route

JSON: Headers = (("Content-Type", "application/json"),)


class WireEndpoint(ModelEndpoint):
    """Answers with predictions of one model, in JSON unless it says something else."""

    def __init__(self, route: Route, asking: Asking, headers: Headers) -> None:
        super().__init__(route, asking)
        self.model = WireModel(route, asking)
        self.headers = (*JSON, *headers)

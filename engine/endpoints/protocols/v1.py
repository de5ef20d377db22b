"""KServe's protocol v1, which TensorFlow Serving has too: `{"instances": […]}` → `{"predictions": […]}`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from engine.endpoints.messages import Request, Response, encode_json
from engine.endpoints.problems import Problem
from engine.endpoints.protocols.instances import read_instances
from engine.endpoints.protocols.wire_endpoint import WireEndpoint
from engine.endpoints.requests.json_body import read_json

KEYS = ("instances", "inputs")


class V1Endpoint(WireEndpoint):
    """Answers `:predict`, and Vertex AI's path of predictions."""

    def answer(self, request: Request) -> Response:
        """Answer one request; raise `Problem` for what cannot be read or predicted."""
        value = read_json(request, self.model.schema, strict=False)
        key = key_of(value, KEYS)
        sent = read_instances(value[key], self.model.model, (key,))
        prediction = self.model.predict(sent.instances, sent.where, request, len(request.body))
        return Response(HTTPStatus.OK, self.headers, encode_json({"predictions": prediction.result}))


def key_of(value: Any, keys: tuple[str, ...]) -> str:
    """Return which one of these keys a body has; raise `Problem` 400 for none, or for several."""
    found = [key for key in keys if isinstance(value, dict) and key in value]
    if len(found) != 1:
        known = " or ".join(f'"{key}"' for key in keys)
        what = (
            f"has {' and '.join(found)}" if found else "has none of them" if isinstance(value, dict) else "is no object"
        )
        raise Problem(HTTPStatus.BAD_REQUEST, f"the body {what}; send an object with {known}")
    return found[0]

"""KServe's protocol v1, which TensorFlow Serving has too: `{"instances": […]}` → `{"predictions": […]}`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from engine.endpoints.messages import Headers, Request, Response, encode_json
from engine.endpoints.prediction import Asking
from engine.endpoints.problems import Problem
from engine.endpoints.protocols.instances import InstancesReader
from engine.endpoints.protocols.wire_endpoint import WireEndpoint
from engine.endpoints.requests.json_body import read_json
from engine.schema import show
from engine.spec import Route
from engine.text import join_words, nearest

KEYS = ("instances", "inputs")


class V1Endpoint(WireEndpoint):
    """Answers `:predict`, and Vertex AI's path of predictions."""

    def __init__(self, route: Route, asking: Asking, headers: Headers) -> None:
        super().__init__(route, asking, headers)
        self._reader = InstancesReader(asking.model, asking.facts, self.model.require_count)

    def answer(self, request: Request) -> Response:
        """Answer one request; raise `Problem` for what cannot be read or predicted."""
        value = read_json(request, self.model.schema, strict=False)
        key = key_of(value, KEYS)
        sent = self._reader.read(value[key], (key,))
        prediction = self.model.predict(sent, request, len(request.body))
        return Response(HTTPStatus.OK, self.headers, encode_json({"predictions": prediction.result}))


def key_of(value: Any, keys: tuple[str, ...]) -> str:
    """Return which one of these keys a body has; raise `Problem` 400 for none, or for several."""
    if not isinstance(value, dict):
        raise Problem(HTTPStatus.BAD_REQUEST, f"the body must be an object with {_quoted(keys, 'or')}")
    found = [key for key in keys if key in value]
    if not found:
        raise Problem(
            HTTPStatus.BAD_REQUEST, f"the body has no instances; send them as {_quoted(keys, 'or')}{_near(value, keys)}"
        )
    if len(found) > 1:
        raise Problem(HTTPStatus.BAD_REQUEST, f"the body has {_quoted(found, 'and')}; send only one of them")
    return found[0]


def _near(value: dict[str, Any], keys: tuple[str, ...]) -> str:
    """Say which key is probably one of these, or that a frame is in the form of MLflow 1."""
    if "dataframe_split" in keys and "columns" in value and "data" in value:
        return '; a frame of "columns" and "data" belongs under "dataframe_split"'
    found = ((key, nearest(key, keys)) for key in value)
    return next((f"; {show(key)} may be {show(near)}, misspelt" for key, near in found if near is not None), "")


def _quoted(keys: Any, last: str) -> str:
    return join_words([f'"{key}"' for key in keys], last)

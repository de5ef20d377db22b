"""`/invocations` of MLflow's scoring server and of SageMaker's containers, answered by content type and `Accept`."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Any

from engine.endpoints.messages import Headers, Request, Response, encode_json
from engine.endpoints.prediction import Asking
from engine.endpoints.problems import Problem
from engine.endpoints.protocols.csv_rows import CsvRows, in_lines, write_csv
from engine.endpoints.protocols.instances import InstancesReader
from engine.endpoints.protocols.python_json import read_python_json
from engine.endpoints.protocols.sent import Sent
from engine.endpoints.protocols.v1 import key_of
from engine.endpoints.protocols.wire_endpoint import WireEndpoint
from engine.endpoints.requests.json_body import describe_type, is_json, media_type_of
from engine.endpoints.row_bodies import CSV, MEDIA_TYPES, format_of_answer
from engine.models import Prediction
from engine.spec import Route

KEYS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_PARAMS = "params"
# What clients send who declare nothing: curl, and boto3 without a ContentType.
_UNDECLARED = frozenset(("", "application/x-www-form-urlencoded", "application/octet-stream", "binary/octet-stream"))


class InvocationsEndpoint(WireEndpoint):
    """Answers predictions for JSON and CSV.

    Where SageMaker's protocol is one of the route's, a body may be a bare list of rows, a CSV may have no header, and
    the answer is a CSV if `Accept` prefers that.
    """

    def __init__(self, route: Route, asking: Asking, headers: Headers) -> None:
        super().__init__(route, asking, headers)
        protocols = () if route.wire is None else route.wire.protocols
        self._is_container = "sagemaker" in protocols
        self._reader = InstancesReader(asking.model, asking.facts, self.model.require_count)
        self._rows = CsvRows(asking.model, asking.facts, route.limits.instances, is_guessed=self._is_container)
        self._csv_headers: Headers = (("Content-Type", MEDIA_TYPES["csv"]), *headers)

    def answer(self, request: Request) -> Response:
        """Answer one request; raise `Problem` for what cannot be read or predicted."""
        media_type = media_type_of(request.content_type)
        if media_type == CSV:
            prediction: Prediction = in_lines(partial(self._predict_csv, request))
            return self._write({"predictions": prediction.result}, prediction, request)
        if media_type not in _UNDECLARED and not is_json(media_type):
            detail = f"{describe_type(request)}; send application/json or text/csv"
            raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)
        value = read_python_json(request, self.model.schema)
        is_bare = self._is_container and isinstance(value, list)
        sent = self._reader.read(value, (), is_frame=True) if is_bare else self._read_object(value)
        prediction = self.model.predict(sent, request, len(request.body))
        return self._write(prediction.result if is_bare else {"predictions": prediction.result}, prediction, request)

    def _predict_csv(self, request: Request) -> Prediction:
        sent, size = self._rows.read(request)
        return self.model.predict(sent, request, size)

    def _read_object(self, value: Any) -> Sent:
        """Read the instances of an object; other members are ignored, as MLflow ignores them."""
        key = key_of(value, KEYS)
        if not isinstance(value.get(_PARAMS), dict | None):
            raise Problem(HTTPStatus.BAD_REQUEST, '"params" must be an object')
        match key:
            case "dataframe_split":
                return self._reader.read_split(value[key], (key,))
            case "dataframe_records":
                return self._reader.read_records(value[key], (key,))
        return self._reader.read(value[key], (key,), is_frame=True)

    def _write(self, said: Any, prediction: Prediction, request: Request) -> Response:
        if self._is_container and format_of_answer(request, "json") == "csv":
            return Response(HTTPStatus.OK, self._csv_headers, write_csv(prediction.result))
        return Response(HTTPStatus.OK, self.headers, encode_json(said))

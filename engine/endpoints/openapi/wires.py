"""The routes of wire protocols in an OpenAPI document: what a request has and what is answered, by protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.endpoints.openapi.component_names import pascal_case
from engine.endpoints.openapi.components import Components
from engine.endpoints.openapi.predicting_wires import describe_predicting, example_of_predicting
from engine.endpoints.openapi.responses import MEANINGS, headed, statuses_of
from engine.endpoints.prediction import MODEL_HEADER
from engine.models import Facts
from engine.spec import Route, Spec, Wire

_JSON = "application/json"
_ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
_CODED_ERROR = {
    "type": "object",
    "required": ["error_code", "message"],
    "properties": {"error_code": {"type": "string"}, "message": {"type": "string"}},
}
_MEANINGS = MEANINGS | {
    404: "There is no such version.",
    415: "The Content-Type, the charset or the content coding of the body is not supported.",
    422: "The input does not fit the model; the error says where, and names the features.",
    500: "The service failed; its log has the reason under the id in the error.",
}
_VERSION = {
    "name": "version",
    "in": "path",
    "required": True,
    "description": "The first digits of the SHA-256 of the model's file; there is no other version.",
    "schema": {"type": "string"},
}


@dataclass(frozen=True, slots=True)
class WireRoute:
    """A route of a protocol, with all that its description may need."""

    route: Route
    wire: Wire
    spec: Spec
    models: Mapping[str, Facts]
    components: Components


Operation = dict[str, Any]
"""The members of an operation that differ by the route: `parameters`, `requestBody` and the good `responses`."""


def describe_wire(one: WireRoute) -> Operation:
    """Describe the operation of a route of a protocol, with the errors that it may answer."""
    route = one.route
    is_coded = one.wire.protocols[0] in ("mlflow", "sagemaker")
    operation = (_describe_v2 if one.wire.protocols[0] == "v2" else describe_predicting)(one)
    schema = one.components.take_in("CodedError", _CODED_ERROR) if is_coded else None
    error = {_JSON: {"schema": schema or one.components.take_in("WireError", _ERROR)}}
    is_health = one.wire.action in ("ready", "model-ready") or (
        one.wire.action == "model" and "v1" in one.wire.protocols
    )
    refused = {
        status: headed({"description": _MEANINGS[int(status)], "content": error}, route.response_headers)
        for status in dict.fromkeys((*statuses_of(route, route.methods[0]), *["503"] * is_health))
    }
    good = operation["responses"]["200"]
    if one.spec.service.model_header and route.model is not None:
        says = "The model and the first digits of the SHA-256 of the file that answers."
        named = {MODEL_HEADER: {"description": says, "schema": {"type": "string"}}}
        good = {**good, "headers": {**good.get("headers", {}), **named}}
    operation["responses"] = {"200": headed(good, route.response_headers), **dict(sorted(refused.items()))}
    return operation


def example_of_wire(route: Route, spec: Spec, models: Mapping[str, Facts]) -> Any:
    """Return a body that a route of a protocol takes, None if it takes none, or if none is known."""
    if route.wire is None or route.model is None:
        return None
    if route.wire.protocols[0] != "v2":
        return example_of_predicting(spec.models[route.model])
    from engine.endpoints.protocols.v2.described import example_request  # noqa: PLC0415 - with numpy, if it is used

    return example_request(spec.models[route.model], models[route.model])


def _describe_v2(one: WireRoute) -> Operation:
    """Describe a route of the Open Inference Protocol."""
    from engine.endpoints.protocols.v2 import described  # noqa: PLC0415 - see above
    from engine.endpoints.protocols.v2.build_v2 import fixed_answer  # noqa: PLC0415

    parameters = [_VERSION] * bool(one.route.parameters)
    if one.route.model is None:
        example = fixed_answer(one.route, one.wire, one.spec, one.models)
        schema = {"type": "array" if isinstance(example, list) else "object"}
        answer = {"description": "OK", "content": {_JSON: {"schema": schema, "example": example}}}
        return {**({"parameters": parameters} if parameters else {}), "responses": {"200": answer}}
    model, facts = one.spec.models[one.route.model], one.models[one.route.model]
    tensor = one.components.take_in("Tensor", described.TENSOR)
    name = f"{pascal_case(model.name)}InferenceRequest"
    asked = one.components.take_in(name, described.request_schema(tensor, model, facts))
    answered = one.components.take_in("InferenceResponse", described.response_schema(tensor))
    binary: dict[str, Any] = {"application/octet-stream": {}}
    body = {_JSON: {"schema": asked, "example": described.example_request(model, facts)}, **binary}
    answer = {
        "description": "The outputs; in binary behind the JSON where that was asked for.",
        "headers": {described.LENGTH["name"]: described.ANSWER_LENGTH},
        "content": {_JSON: {"schema": answered}, **binary},
    }
    return {
        "parameters": [*parameters, described.LENGTH],
        "requestBody": {"required": True, "content": body},
        "responses": {"200": answer},
    }

"""The responses of routes in an OpenAPI document, and the errors that they may answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from engine.endpoints.messages import Headers
from engine.endpoints.shape_names import result_schema
from engine.models import Facts
from engine.schema import JSON_NUMBER
from engine.spec import DeclaredResponse, Model, Reference, Route, Spec, parse_template


def headed(answer: dict[str, Any], headers: Headers) -> dict[str, Any]:
    """Return an answer with the headers that every answer has; its own win."""
    own = {name.lower() for name in answer.get("headers", ())}
    added = {name: {"schema": {"type": "string"}} for name, _ in headers if name.lower() not in own}
    return {**answer, "headers": {**answer.get("headers", {}), **added}} if added else answer


def prediction_schema(model: Model, facts: Facts) -> dict[str, Any]:
    """Describe the answer of a model."""
    decided = {"description": _decision_text(facts)} if facts.threshold else {}
    properties: dict[str, Any] = {"result": _list_of({**result_schema(facts), **decided})}
    if model.output.labels is not None:
        properties["labels"] = _list_of({"type": "string", "enum": list(model.output.labels), **decided})
    if model.output.probabilities:
        chances = {key: {"type": "number", "minimum": 0, "maximum": 1} for key in facts.keys}
        properties["probabilities"] = _list_of({"type": "object", "required": list(facts.keys), "properties": chances})
    return {"type": "object", "required": list(properties), "properties": properties}


def description_of(route: Route, spec: Spec, models: Mapping[str, Facts]) -> str:
    """Describe a route in its own words or those of its model, with the model's threshold."""
    if route.model is None:
        return route.description
    words = route.description or spec.models[route.model].description
    return "\n\n".join(filter(None, (words, _decision_text(models[route.model]))))


def _decision_text(facts: Facts) -> str:
    """Describe a model's threshold and positive class; empty without a threshold."""
    for positive, bar in facts.threshold.items():
        other = next(key for key in facts.keys if key != positive)
        yes, no = quote_class(positive), quote_class(other)
        return f"The answer is {yes} if its probability is at least {bar}, otherwise {no}."
    return ""


def quote_class(key: str) -> str:
    """Put the name of a class in quotation marks, since it may be a word such as "stays"; a number needs none."""
    return key if JSON_NUMBER.fullmatch(key) else f'"{key}"'


def _list_of(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "items": items}


def example_of(model: Model) -> dict[str, Any]:
    """Return the answer to the model's first example, where that is all there is in an answer."""
    if not model.shown_examples or model.output.labels is not None or model.output.probabilities:
        return {}
    return {"example": {"result": [model.shown_examples[0].result]}}


MEANINGS = {
    400: "The request is malformed.",
    401: "An API key is required.",
    403: "This API key may not use this route.",
    404: "A path parameter has the wrong type, or nothing exists at this path.",
    406: "None of the media types that the client accepts can be sent.",
    413: "The body is too large.",
    414: "The URL is too long.",
    415: "The charset or the content coding of the body is not supported.",
    422: "The input violates its schema; `errors` has every violation.",
    429: "Too many requests; retry after `Retry-After` seconds.",
    500: "The service failed; its log has the reason under `request_id`.",
    503: "The service is overloaded or shutting down; retry after `Retry-After` seconds.",
}
_MEMBERS = {422: "errors", 500: "request_id"}  # of a problem, which the meanings name
STRICT_TYPE = "The Content-Type, the charset or the content coding of the body is not supported."
UNKNOWN_KEY = "No row of the table has this key; or a path parameter has the wrong type."
PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "An error (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "in": {
                        "enum": ["query", "header", "path", "cookie"],
                        "description": "The part of the request that has the value, if that is not the body.",
                    },
                    "pointer": {"type": "string", "description": "A JSON pointer to the violation, as a URI fragment."},
                    "detail": {"type": "string"},
                },
            },
        },
        "request_id": {"type": "string"},
    },
}


def meaning_of(status: int, body: DeclaredResponse | None) -> str:
    """Say what an error means, and which member of its body has more: of a problem, or of the body that is declared."""
    means, member = MEANINGS[status], _MEMBERS.get(status)
    if body is None or member is None:
        return means
    found = ".".join(path_to(f"problem.{member}", body))
    return means.replace(f"`{member}`", f"`{found}`") if found else f"{means.partition(';')[0]}."


def path_to(wanted: str, body: DeclaredResponse) -> tuple[str, ...]:
    """Return the names that lead to the member of a body that is one reference alone; none if no member is."""
    return next((path for one in body.bodies if (path := _path_in(one.content, wanted))), ())


def _path_in(content: Any, wanted: str) -> tuple[str, ...]:
    for key, value in content.items() if isinstance(content, Mapping) else ():
        if isinstance(value, str):
            match parse_template(value):
                case (Reference() as reference,) if str(reference.name) == wanted:
                    return (str(key),)
        if found := _path_in(value, wanted):
            return (str(key), *found)
    return ()


def statuses_of(route: Route, method: str) -> Iterable[str]:
    """Return the statuses of the errors that a route may have."""
    yield from ("400", "414") if method == "GET" else ("400", "413", "414")
    yield from _statuses_of_values(route, method)
    if route.model is not None:
        yield "500"
    may_wait = route.is_faulty or any(case.sequence is not None for case in route.cases)
    if route.model is not None or route.built_in == "ready" or may_wait:
        yield "503"
    if route.allowed is not None:
        yield "401"
    if route.built_in == "status" or route.allowed is not None:
        yield "403"
    if route.rate is not None:
        yield from ("429", "503")


def _statuses_of_values(route: Route, method: str) -> Iterable[str]:
    """Return the statuses of errors in what a client sends to a route."""
    if route.parameters or route.names_files:
        yield "404"
    if route.is_negotiated:
        yield "406"
    if route.reads_body or route.checks_parameters:
        yield "422"
    if route.reads_body and method != "GET":
        yield "415"

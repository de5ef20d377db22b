"""The errors that a route may answer, and what they mean."""

from __future__ import annotations

from collections.abc import Iterable

from engine.spec import Route

MEANINGS = {
    400: "The request is malformed.",
    401: "An API key is required.",
    403: "This API key may not use this route.",
    404: "A path parameter has the wrong type.",
    413: "The body is too large.",
    414: "The URL is too long.",
    415: "The charset or the content coding of the body is not supported.",
    422: "The input violates its schema; `errors` has every violation.",
    429: "Too many requests; retry after `Retry-After` seconds.",
    500: "The service failed; its log has the reason under `request_id`.",
    503: "The service is overloaded or shutting down; retry after `Retry-After` seconds.",
}
STRICT_TYPE = "The Content-Type, the charset or the content coding of the body is not supported."
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
                    "pointer": {"type": "string", "description": "A JSON pointer to the violation, as a URI fragment."},
                    "detail": {"type": "string"},
                },
            },
        },
        "request_id": {"type": "string"},
    },
}


def statuses_of(route: Route, method: str) -> Iterable[str]:
    """Return the statuses of the errors that a route may have."""
    yield from ("400", "413", "414")
    if route.parameters:
        yield "404"
    if route.reads_body:
        yield "422"
        if method != "GET":
            yield "415"
    if route.model is not None:
        yield "500"
    if route.model is not None or route.built_in == "ready":
        yield "503"
    if route.allowed is not None:
        yield "401"
    if route.built_in == "status" or route.allowed is not None:
        yield "403"
    if route.rate is not None:
        yield from ("429", "503")

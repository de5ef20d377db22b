"""A request's body → a JSON value, or the problem with it."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any

import orjson

from engine.endpoints.messages import Request
from engine.endpoints.problems import Problem
from engine.schema import InstanceSchema, clip, explain_not_json, show, stray_token
from engine.schema.samples import sample

_ANY = InstanceSchema(document=True)
MAX_DEPTH = 500  # of bodies whose values an answer may contain
_LONG_INTEGER = re.compile(rb"[0-9]{19}")
_FORM = re.compile(rb"\s*[\w.%+\[\]-]+=[^\s{}]*\s*\Z")


def read_json(
    request: Request, schema: InstanceSchema = _ANY, *, strict: bool, takes: str = "JSON", is_exact: bool = False
) -> Any:
    """Read the body as JSON; raise `Problem` 400, or 415 where `strict` and it is declared as something else.

    `takes` names all formats of the route, for the message about another one, which has a sample of the `schema`. If it
    `is_exact`, integers beyond 64 bits stay integers, and do not become the nearest float64.
    """
    if strict and not is_json(request.content_type):
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"{describe_type(request)}; send {_types(takes)}")
    if not request.body.strip():
        raise Problem(HTTPStatus.BAD_REQUEST, "the body is empty; send JSON")
    try:
        value = orjson.loads(request.body)
    except orjson.JSONDecodeError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, _not_json(request, error, schema, takes)) from None
    if is_exact and request.body.count(b"[") + request.body.count(b"{") > MAX_DEPTH and _is_deep(value):
        raise Problem(HTTPStatus.BAD_REQUEST, f"the body is nested more than {MAX_DEPTH} levels deep")
    return json.loads(request.body) if is_exact and _LONG_INTEGER.search(request.body) else value


def _is_deep(value: Any) -> bool:
    """Return whether a value has more levels than can be written again."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for one in level
            if isinstance(one, list | dict)
            for item in (one.values() if isinstance(one, dict) else one)
        ]
    return any(isinstance(one, list | dict) for one in level)


def _types(takes: str) -> str:
    return "application/json" if takes.startswith("JSON") else takes


def _not_json(request: Request, error: orjson.JSONDecodeError, schema: InstanceSchema, takes: str) -> str:
    """Describe a body that is not JSON, and say how to correct it."""
    if "valid UTF-8" in error.msg:
        return "the body is not UTF-8"
    if "infinity" in error.msg:
        return f"the number at line {error.lineno}, column {error.colno} is too large for a float64"
    is_bare = not request.body.lstrip().startswith((b"{", b"["))
    media_type = media_type_of(request.content_type)
    if is_bare and media_type and not is_json(media_type):
        is_table = "text/csv" in takes and b"\n" in request.body.strip() and not media_type.startswith("multipart/")
        or_rows = ", or text/csv" * is_table
        return f"the body is {clip(media_type)}, but this route takes {takes}; send {_sample(schema)}{or_rows}"
    if (found := explain_not_json(error)) is not None:
        said, column = found
        return f"{said} (line {error.lineno}, column {column})"
    if is_bare and _FORM.match(request.body):
        return f"the body looks like a form, but this route takes JSON; send {_sample(schema)}"
    if (token := stray_token(error)) is not None:
        said, column = token
        return f"the body is not JSON: {said} (line {error.lineno}, column {column})"
    return f"the body is not JSON: {error}"


def _sample(schema: InstanceSchema) -> str:
    """Name the type of the body, with the first of its properties, or else all of it, as a sample."""
    first = next(iter(schema.properties.items()), None)
    if first is None:
        value = sample(schema)
        if value is None:  # the body of a protocol, whose form no schema declares
            return "application/json"
        shown = clip(json.dumps(value, ensure_ascii=False))
    else:
        rest = ", …" * (len(schema.properties) > 1)
        shown = f"{{{show(first[0])}: {show(sample(first[1]))}{rest}}}"
    return f"application/json, such as {shown}"


def describe_type(request: Request) -> str:
    """Say which Content-Type a request has, for the message about a wrong one."""
    return f'Content-Type is "{request.content_type}"' if request.content_type else "there is no Content-Type"


def media_type_of(content_type: str) -> str:
    """Return a Content-Type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def is_json(content_type: str) -> bool:
    """Whether a Content-Type is one of JSON."""
    media_type = media_type_of(content_type)
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))

"""A request's body → a JSON value, or the problem with it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import orjson

from engine.endpoints.messages import Request
from engine.endpoints.problems import Problem


def read_json(request: Request, *, strict: bool) -> Any:
    """Read the body as JSON; raise `Problem` 400, or 415 where `strict` and it is declared as something else."""
    if strict and not _is_json(request.content_type):
        found = f'Content-Type is "{request.content_type}"' if request.content_type else "there is no Content-Type"
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"{found}; send application/json")
    if not request.body.strip():
        raise Problem(HTTPStatus.BAD_REQUEST, "the body is empty; send JSON")
    try:
        return orjson.loads(request.body)
    except orjson.JSONDecodeError as error:
        reason = "not UTF-8" if "valid UTF-8" in error.msg else f"not JSON: {error}"
        raise Problem(HTTPStatus.BAD_REQUEST, f"the body is {reason}") from None


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))

"""JSON as Python's json module writes it: with NaN, which is how a missing value of a frame is sent."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import orjson

from engine.endpoints.messages import Request
from engine.endpoints.requests.json_body import read_json
from engine.schema import InstanceSchema

# A text is skipped whole; one without an end goes to the end of the body, so that each byte is looked at once.
_TEXT_OR_NAN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|NaN', re.DOTALL)


def read_python_json(request: Request, schema: InstanceSchema) -> Any:
    """Read the body as JSON, in which NaN is null; raise `Problem` 400."""
    if b"NaN" in request.body:
        filled = _TEXT_OR_NAN.sub(_as_null, request.body)
        try:
            return orjson.loads(filled)
        except orjson.JSONDecodeError:
            # As long as NaN, so that the column of a later mistake stays right.
            request = replace(request, body=_TEXT_OR_NAN.sub(_as_short_number, request.body))
    return read_json(request, schema, strict=False)


def _as_null(found: re.Match[bytes]) -> bytes:
    return b"null" if found[0] == b"NaN" else found[0]


def _as_short_number(found: re.Match[bytes]) -> bytes:
    return b"0  " if found[0] == b"NaN" else found[0]

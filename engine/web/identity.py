"""The id of a request, for its client and the log: made only if it is used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import flask

REQUEST_ID = "engine.request_id"  # environ key of the id that was made for the request

_SOUND = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACE_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def given(environ: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the ids that a client has sent, to be repeated in the answer; unsuitable ones are ignored."""
    names = (
        ("X-Request-ID", environ.get("HTTP_X_REQUEST_ID"), _SOUND),
        ("traceparent", environ.get("HTTP_TRACEPARENT"), _TRACE_PARENT),
    )
    return [(name, text) for name, text, form in names if text is not None and form.fullmatch(text)]


def request_id(environ: dict[str, Any]) -> str:
    """Return the request's id: the client's own, else its trace's, else a new one, which is kept."""
    known: str | None = environ.get(REQUEST_ID)
    if known is None:
        sent = dict(given(environ))
        known = sent.get("X-Request-ID") or trace_id(environ) or uuid4().hex
        environ[REQUEST_ID] = known
    return known


def trace_id(environ: Mapping[str, Any]) -> str:
    """Return the trace of a request, empty if it has none."""
    found = _TRACE_PARENT.fullmatch(environ.get("HTTP_TRACEPARENT", ""))
    return found["trace"] if found else ""


def names_of(environ: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return an answer's headers with the ids of its request."""
    names = given(environ)
    made = environ.get(REQUEST_ID)
    if made is not None and not any(name == "X-Request-ID" for name, _ in names):
        names.append(("X-Request-ID", made))
    return names


def name_requests(app: flask.Flask) -> None:
    """Add to each answer of the app the id of its request, if it has one."""

    def name(response: flask.Response) -> flask.Response:
        response.headers.extend(names_of(flask.request.environ))
        return response

    app.after_request(name)

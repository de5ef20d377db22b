"""The id of a request, for its client and the log: made only if it is used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from engine.endpoints.messages import Headers
from engine.handling.incoming import Incoming

_SOUND = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACE_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def request_id(incoming: Incoming) -> str:
    """Return the request's id: the client's own, else its trace's, else a new one, which is kept."""
    if incoming.made_id is None:
        sent = dict(_given_ids(incoming.environ))
        incoming.made_id = sent.get("X-Request-ID") or trace_id(incoming.environ) or uuid4().hex
    return incoming.made_id


def trace_id(environ: Mapping[str, Any]) -> str:
    """Return the trace of a request, empty if it has none."""
    found = _TRACE_PARENT.fullmatch(environ.get("HTTP_TRACEPARENT", ""))
    return found["trace"] if found else ""


def id_headers(incoming: Incoming) -> Headers:
    """Return an answer's headers with the ids of its request: those that the client sent, and the one made for it."""
    environ, made = incoming.environ, incoming.made_id
    if made is None and "HTTP_X_REQUEST_ID" not in environ and "HTTP_TRACEPARENT" not in environ:
        return ()
    ids = _given_ids(environ)
    if made is not None and not any(name == "X-Request-ID" for name, _ in ids):
        ids.append(("X-Request-ID", made))
    return tuple(ids)


def _given_ids(environ: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the ids that a client has sent, to be repeated in the answer; unsuitable ones are ignored."""
    names = (
        ("X-Request-ID", environ.get("HTTP_X_REQUEST_ID"), _SOUND),
        ("traceparent", environ.get("HTTP_TRACEPARENT"), _TRACE_PARENT),
    )
    return [(name, text) for name, text, form in names if text is not None and form.fullmatch(text)]
